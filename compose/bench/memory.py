"""memory: what a worker holds beside many rows; and, over a soak, whether that grows.

The soak sends new events at a low rate. Their ids are meant to be remembered, at some 180 bytes
each (0.4 MiB a minute at this rate), so the slope is never quite zero.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from compose.bench.load import make_load, pour
from compose.bench.recovery import EVENTS, grow
from compose.bench.report import BenchFailed, Options, Report
from compose.bench.stack import Installation, writers_only
from tests.model.generator import Load, Message

SOAK_PER_S = 40
SAMPLE_S = 2.0
SETTLING_SHARE = 0.25
"""Of the soak, at its beginning, that the slope leaves out."""
Tell = Callable[[str], None]


async def run(options: Options, tell: Tell) -> list[Report]:
    """The largest worker's memory; with `minutes`, how it changes in that time."""
    soak = int(options.minutes * 60 * SOAK_PER_S)
    events = options.events or EVENTS
    load = make_load(events + soak, options.tenants)
    async with writers_only(tell, options.workers) as home:
        return await measure(home, load, soak, tell)


async def measure(home: Installation, load: Load, soak: int, tell: Tell) -> list[Report]:
    """Grow by all but the last `soak` messages, look; then send those, looking now and then."""
    at = len(load.messages) - soak
    before = Load(load.seed, load.tenants, load.messages[:at], ())
    rows = await grow(home, before, tell)
    reports = [Report("memory", broker=home.broker, events=rows, rss_mib=home.rss_mib())]
    if soak:
        slope = await _slope(home, load.messages[at:])
        reports.append(
            Report("memory slope a minute", broker=home.broker, events=soak, rss_mib=slope)
        )
    return reports


async def _slope(home: Installation, messages: Sequence[Message]) -> float:
    """MiB a minute by least squares, of the largest worker at each moment."""
    kafka, topic = home.settings.kafka, home.settings.topics.inbound.name
    pouring = asyncio.create_task(
        pour(kafka, topic, messages, home.signer, events_per_s=SOAK_PER_S)
    )
    samples: list[tuple[float, float]] = []
    started = time.monotonic()
    while not pouring.done():
        rss_mib = home.rss_mib()
        if rss_mib is None:
            raise BenchFailed("this system does not show a process's memory")
        samples.append(((time.monotonic() - started) / 60, rss_mib))
        await asyncio.wait([pouring], timeout=SAMPLE_S)
    await home.decided(await pouring, len(messages))
    return round(slope(samples[int(len(samples) * SETTLING_SHARE) :]), 3)


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Of the line through these points with the least squares; 0 for fewer than two."""
    count = len(samples)
    if count < 2:
        return 0.0
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread
