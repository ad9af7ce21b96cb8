"""The benches that fill inbound do the work they time; how fast they are is not tested."""

from dataclasses import replace

import nats
import pytest

from compose import seeing
from compose.bench.engine import measure
from compose.bench.journal import read_journal
from compose.bench.load import make_load, packed, single, split
from compose.bench.peers import PEERS, run_peer
from compose.bench.stack import Installation
from tables.postgres.pool import open_pool
from tests.benchmarks.plain_faust import read
from tests.e2e.cluster import seed_of_run
from tests.model.generator import Load
from tests.model.ledger import expected

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]
EVENTS, TENANTS = 800, 20


def _load(number: int) -> Load:
    """The `number`-th load of this run: each has tenants of its own."""
    return make_load(EVENTS, TENANTS, seed_of_run() + number)


async def _balances(home: Installation, load: Load) -> dict[tuple[str, str, str], int]:
    """Of the load's tenants by all postings in the journal, once nothing waits any more."""
    client = await nats.connect(home.settings.nats)
    pool = await open_pool(home.settings.archiver_dsn, max_size=1)
    try:
        await seeing.decided(client, pool, within_s=60)
    finally:
        await pool.close()
        await client.close()
    found = (await read_journal(home.settings, {}, {})).balances
    mine = {tenant.tenant_id for tenant in load.tenants}
    return {key: minor for key, minor in found.items() if minor and key[0] in mine}


class TestEngine:
    async def test_packed_records_become_the_entries_and_balances_of_the_model(self, home):
        load = _load(1)
        measured = await measure(home, load, packed, print)
        assert measured.decided.entries == len(split(load)[1])
        assert measured.decided.events_per_s() > 0
        assert await _balances(home, load) == expected(load.messages, []).balances

    async def test_single_events_become_the_entries_and_balances_of_the_model(self, home):
        load = _load(2)
        measured = await measure(home, load, lambda some, _signer: single(some), print)
        assert measured.decided.entries == len(split(load)[1])
        # Only NATS has a subject that could contradict the event.
        messages = [
            replace(each, reason="") if each.reason == "subject_mismatch" else each
            for each in load.messages
        ]
        assert await _balances(home, load) == expected(messages, []).balances


@pytest.mark.parametrize("name", PEERS)
async def test_a_peer_sends_one_event_for_each_id(home, name):
    load = _load(3)
    warm, rest = split(load)
    run = await run_peer(name, home, warm, rest, workers=1, tell=print)
    before = {found[:2] for each in warm if (found := read(each.raw))}
    wanted = {found[:2] for each in rest if (found := read(each.raw))} - before
    assert run.events == len(rest)
    assert run.outbound == len(wanted)
