"""What counts as a stall, by a clock of the test's own; and that the watch over it ends."""

import asyncio
from typing import Any

import pytest

from agents.roles.desk import PartitionStatus
from compose import watchdog
from compose.watchdog import Progress, Stalled, watch
from streams.kafka import open_producer

WITHIN_S = 30


def status(*, seq: int = 5, lag: int = 3, state: str = "serving", throttled: bool = False):
    return PartitionStatus(0, state, seq, lag, 0.0, throttled=throttled)


def progress() -> Progress:
    return Progress(stall_s=60, takeover_s=600)


class TestProgress:
    def test_lag_without_progress_for_the_whole_time_is_a_stall(self):
        watched = progress()
        assert watched.observe(status(), 0) is None
        assert watched.observe(status(), 59) is None
        assert watched.observe(status(), 60) == (
            "partition 0: 3 records behind and no progress for 60 s"
        )

    def test_any_progress_begins_the_time_anew(self):
        watched = progress()
        watched.observe(status(seq=5), 0)
        assert watched.observe(status(seq=6), 59) is None
        assert watched.observe(status(seq=6), 118) is None
        assert watched.observe(status(seq=6), 119) is not None

    def test_nothing_to_do_is_no_stall(self):
        watched = progress()
        watched.observe(status(lag=0), 0)
        assert watched.observe(status(lag=0), 1_000) is None
        assert watched.observe(status(lag=1), 1_001) is None

    def test_waiting_for_the_archive_is_no_stall(self):
        watched = progress()
        watched.observe(status(throttled=True), 0)
        assert watched.observe(status(throttled=True), 1_000) is None

    def test_assigned_and_never_served_is_a_stall_after_its_own_time(self):
        watched = progress()
        assert watched.observe(status(state="recovering"), 0) is None
        assert watched.observe(status(state="recovering"), 599) is None
        assert watched.observe(status(state="recovering"), 600) == (
            "partition 0: assigned but not served and no progress for 600 s"
        )


class Watched:
    """Writers of one partition that decide nothing."""

    partitions = 1

    def __init__(self, *, crashed: bool = False) -> None:
        self.crashed = crashed
        self.ends: dict[int, int] = {}

    def statuses(self) -> list[PartitionStatus]:
        return [status(lag=self.ends.get(0, 0))]


@pytest.mark.kafka
class TestWatch:
    @pytest.fixture
    def inbound(self, topic, monkeypatch) -> str:
        monkeypatch.setattr(watchdog, "PROBE_S", 0.01)
        return topic

    def watching(self, stack, inbound: str, watched: Any) -> "asyncio.Task[None]":
        patience = Progress(stall_s=0.1, takeover_s=600)
        return asyncio.create_task(watch(watched, stack.kafka.bootstrap, inbound, patience))

    async def test_ends_when_records_wait_and_none_is_decided(self, stack, inbound):
        watched = Watched()
        watching = self.watching(stack, inbound, watched)
        async with asyncio.timeout(WITHIN_S):
            while not watched.ends:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert not watching.done(), "nothing waits yet"
        producer = await open_producer(stack.kafka.bootstrap)
        await producer.send_and_wait(inbound, b"waits", partition=0)
        await producer.stop()
        with pytest.raises(Stalled, match="1 records behind"):
            await asyncio.wait_for(watching, WITHIN_S)

    async def test_ends_when_faust_has_given_up(self, stack, inbound):
        watching = self.watching(stack, inbound, Watched(crashed=True))
        with pytest.raises(Stalled, match="Faust"):
            await asyncio.wait_for(watching, WITHIN_S)
