"""The benches that fill inbound do the work they time; how fast they are is not tested."""

from dataclasses import replace

import pytest

from compose.bench.engine import measure
from compose.bench.load import packed, single, split
from compose.bench.peers import PEERS, run_peer
from tests.benchmarks.plain_faust import read
from tests.compose.bench.loads import balances, load_of_run
from tests.model.ledger import expected

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]


class TestEngine:
    async def test_packed_records_become_the_entries_and_balances_of_the_model(self, home):
        load = load_of_run(1)
        measured = await measure(home, load, packed, print)
        assert measured.decided.entries == len(split(load)[1])
        assert measured.decided.events_per_s() > 0
        assert await balances(home, load) == expected(load.messages, []).balances

    async def test_single_events_become_the_entries_and_balances_of_the_model(self, home):
        load = load_of_run(2)
        measured = await measure(home, load, lambda some, _signer: single(some), print)
        assert measured.decided.entries == len(split(load)[1])
        # Only NATS has a subject that could contradict the event.
        messages = [
            replace(each, reason="") if each.reason == "subject_mismatch" else each
            for each in load.messages
        ]
        assert await balances(home, load) == expected(messages, []).balances


@pytest.mark.parametrize("name", PEERS)
async def test_a_peer_sends_one_event_for_each_id(home, name):
    load = load_of_run(3)
    warm, rest = split(load)
    run = await run_peer(name, home, warm, rest, workers=1, tell=print)
    before = {found[:2] for each in warm if (found := read(each.raw))}
    wanted = {found[:2] for each in rest if (found := read(each.raw))} - before
    assert run.events == len(rest)
    assert run.outbound == len(wanted)
