"""Bad releases: handlers that raise, for one tenant and for all; the next release makes it good."""

import asyncio

import nats
import pytest

from agents.judge import FAILURES_BEFORE_FREEZE
from agents.roles.jetstream import CONSUMER, INBOUND
from agents.roles.process import EXIT_FATAL
from compose import inspect, seeing
from tables.postgres.pool import open_pool
from tests.e2e.cluster import PATIENCE_S, Cluster, seed_of_run
from tests.e2e.flow import archived_seqs

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

RAISED = "internal"
EVENTS, TENANTS = 3_000, 40
DEATHS = 3


async def _all_taken(cluster: Cluster) -> None:
    """Return when NATS owes nothing: everything is decided, though some of it may wait."""
    client = await nats.connect(cluster.running.endpoints.nats)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                info = await client.jetstream().consumer_info(INBOUND, CONSUMER)
                if not info.num_pending and not info.num_ack_pending:
                    return
                await asyncio.sleep(0.1)
    finally:
        await client.close()


async def _raised(cluster: Cluster) -> list[dict]:
    """The dead letters of handlers that raised, all that were decided until now."""
    seqs = await archived_seqs(cluster)
    pool = await open_pool(cluster.settings.archiver_dsn, max_size=1)
    try:
        positions = dict(enumerate(seqs))
        await seeing.read_everywhere(pool, positions, within_s=PATIENCE_S)
    finally:
        await pool.close()
    return await inspect.dead_letters(cluster.settings, None, RAISED, 1_000)


async def _redrive(cluster: Cluster) -> None:
    """Twice each, as a nervous operator does."""
    for letter in await _raised(cluster):
        for _ in range(2):
            await inspect.redrive(cluster.settings, letter["id"])


class TestABadRelease:
    async def test_for_one_tenant_holds_up_that_tenant_only(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            load = await cluster.begin(seed, EVENTS, tenants=TENANTS)
            hot = load.tenants[0].tenant_id
            await cluster.release({"TREASURY_TEST_RAISES_FOR": hot})
            await cluster.running.ready()
            rest = load.messages[len(load.messages) // 2 :]
            await cluster.publish(rest)
            await _all_taken(cluster)
            letters = await _raised(cluster)
            assert len(letters) == FAILURES_BEFORE_FREEZE
            assert {letter["tenant_id"] for letter in letters} == {hot}
            assert "BadRelease" in cluster.log()

            await cluster.restart()
            await cluster.running.ready()
            await inspect.thaw(cluster.settings, hot)
            await _redrive(cluster)
            await cluster.pay(load.stories)
            assert await cluster.differences() == []
            assert cluster.running.supervisors[0].codes == []

    async def test_for_all_ends_itself_before_it_has_refused_the_log(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            load = await cluster.begin(seed, EVENTS, tenants=TENANTS)
            supervisor = cluster.running.supervisors[0]
            await cluster.release({"TREASURY_TEST_RAISES_FOR": "*"})
            await cluster.running.ready()
            rest = load.messages[len(load.messages) // 2 :]
            await cluster.publish(rest)
            await cluster.died(0, since=DEATHS - 1)
            assert set(supervisor.codes) == {EXIT_FATAL}
            assert "handlers fail for" in cluster.log()

            await cluster.restart()
            await cluster.running.ready()
            await _all_taken(cluster)  # and archived, or a letter would be missed
            letters = await _raised(cluster)
            print(f"{len(letters)} dead letters after {len(supervisor.codes)} ends")
            assert len(letters) < len(rest) / 10
            for tenant_id in {letter["tenant_id"] for letter in letters}:
                await inspect.thaw(cluster.settings, tenant_id)
            await _redrive(cluster)
            await cluster.pay(load.stories)
            assert await cluster.differences() == []
