"""The benches of whole workers do the work they time; how fast they are is not tested."""

import pytest

from compose.bench import e2e, growth, memory, query, reconcile, recovery, replay
from compose.bench.load import split
from tests.compose.bench.loads import balances, load_of_run
from tests.model.ledger import expected

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]


async def test_e2e_sees_what_every_event_caused(home):
    load = load_of_run(11)
    flood = len(split(load)[1]) // 2
    report = await e2e.measure(home, load, flood, 600.0, sync="default", tell=print)
    assert (report.bench, report.events) == ("e2e sync default", flood)
    assert 0 < report.p50_ms <= report.p99_ms
    sent = [each for each in load.messages if each.after is None]
    assert await balances(home, load) == expected(sent, []).balances


async def test_query_is_answered_while_events_come_in(home):
    load = load_of_run(12)
    before, during = load.messages[:500], load.messages[500:]
    asked, ingest = await query.measure(home, before, during, ingest_per_s=400, ask_per_s=100)
    assert asked.events > 0.375 * 100  # those of the paced half, and the flood
    assert asked.events_per_s > 0
    assert 0 < asked.p50_ms <= asked.p99_ms
    assert ingest.events == len(during)
    assert await balances(home, load) == expected(load.messages, []).balances


async def test_reconcile_matches_every_line(home):
    report = await reconcile.measure(home, 500)
    assert (report.bench, report.events) == ("reconcile", 500)
    assert report.events_per_s > 0


async def test_growth_compares_the_cost_of_two_samples(home):
    load = load_of_run(13)
    few, many = await growth.by_rows(home, load, sample=100, few=100)
    assert (few.events, few.ratio) == (100, 1.0)
    assert _rows(many) > _rows(few)
    assert many.ratio > 0
    assert await balances(home, load) == expected(load.messages, []).balances


def _rows(report) -> int:
    return int(report.bench.split()[1])


async def test_memory_of_a_soak_is_that_of_a_running_worker(home):
    load = load_of_run(14)
    held, slope = await memory.measure(home, load, 40, print)
    assert held.events > 0
    assert held.rss_mib > 50
    assert (slope.bench, slope.events) == ("memory slope a minute", 40)
    assert await balances(home, load) == expected(load.messages, []).balances


async def test_recovery_serves_all_rows_again(home):
    load = load_of_run(15)
    killed, emptied = await recovery.measure(home, load, print)
    assert killed.events == emptied.events > len(load.tenants)
    assert killed.p50_ms > 0
    assert emptied.p50_ms > 0
    assert await balances(home, load) == expected(load.messages, []).balances


async def test_replay_verifies_every_event(home):
    load = load_of_run(16)
    try:
        report = await replay.measure(home, load, print)
        assert report.events >= len(load.messages)
        assert report.events_per_s > 0
    finally:
        for supervisor in home.running.supervisors:
            await supervisor.start()
