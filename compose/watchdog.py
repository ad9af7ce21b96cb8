"""Ends the process when it makes no progress with work to do: better restarted than stuck.

Also keeps the end offsets of the inbound log, from which lag is told. Decides nothing else.
"""

import asyncio
import faulthandler
import time
from collections.abc import Callable
from typing import NoReturn

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.roles.desk import PartitionStatus
from agents.roles.writers import Writers
from streams.errors import TreasuryError

PROBE_S = 2.0
BEAT_S = 1.0
log = structlog.get_logger(__name__)


class Stalled(TreasuryError):
    """A partition has lag and no progress, or is assigned and not served, for too long."""


class Progress:
    """Tells stalls from waits, by what `observe` is shown; the clock is given."""

    def __init__(self, *, stall_s: float, takeover_s: float) -> None:
        self._stall_s, self._takeover_s = stall_s, takeover_s
        self._last: dict[int, tuple[object, float]] = {}

    def observe(self, status: PartitionStatus, now_s: float) -> str | None:
        """What is wrong with the partition, or None."""
        serving = status.state == "serving"
        seen: object = (status.state, status.seq) if serving else status.state
        before, since = self._last.get(status.partition, (None, now_s))
        if seen != before or status.throttled or (serving and status.lag == 0):
            self._last[status.partition] = (seen, now_s)
            return None
        limit_s = self._stall_s if serving else self._takeover_s
        if now_s - since < limit_s:
            return None
        what = f"{status.lag} records behind" if serving else "assigned but not served"
        return f"partition {status.partition}: {what} and no progress for {limit_s:g} s"


async def watch(
    writers: Writers,
    bootstrap: str,
    inbound: str,
    progress: Progress,
    *,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> None:
    """Probe for ever; raises `Stalled`. A broker that does not answer is not a stall of ours."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    partitions = [TopicPartition(inbound, p) for p in range(writers.partitions)]
    try:
        while True:
            await asyncio.sleep(PROBE_S)
            if writers.crashed:
                raise Stalled("Faust has given up")
            try:
                async with asyncio.timeout(10):
                    ends = await consumer.end_offsets(partitions)
            except (KafkaError, TimeoutError) as error:
                log.warning("inbound_ends_unknown", error=type(error).__name__)
                continue
            writers.ends = {tp.partition: end for tp, end in ends.items()}
            for status in writers.statuses():
                if wrong := progress.observe(status, monotonic_s()):
                    raise Stalled(wrong)
    finally:
        await consumer.stop()


async def end_if_blocked(stall_s: float) -> NoReturn:
    """End the process, with exit code 1 and a traceback, once the event loop stands still so long.

    A timer of C does it: no task, signal handler or thread of ours runs while a handler computes
    for ever, yet the group's heartbeats go on and nobody else would get the partitions.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(stall_s, exit=True)
            await asyncio.sleep(min(BEAT_S, stall_s / 4))
    finally:
        faulthandler.cancel_dump_traceback_later()
