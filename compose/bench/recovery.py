"""recovery: many rows, then SIGKILL; and with nothing left on the workers' own disk.

The rows are those that a load leaves behind, really decided and checkpointed. Seconds count from
the signal, or from the start of the processes, until every partition is served again, the start
of Python included.
"""

import time
from collections.abc import Callable

from compose.bench.journal import checkpointed, live_rows
from compose.bench.load import make_load, packed
from compose.bench.report import Options, Report
from compose.bench.stack import Installation, writers_only
from tests.model.generator import Load

EVENTS = 600_000
Tell = Callable[[str], None]


async def run(options: Options, tell: Tell) -> list[Report]:
    """Seconds with the local folder, rows a second without it."""
    load = make_load(options.events or EVENTS, options.tenants)
    async with writers_only(tell, options.workers) as home:
        return await measure(home, load, tell)


async def grow(home: Installation, load: Load, tell: Tell) -> int:
    """Have the load decided and checkpointed; how many rows there are then."""
    await home.shared()
    taken = await home.take(packed(load.messages, home.signer))
    await checkpointed(home.settings, taken.ends)
    rows = await live_rows(home.settings)
    tell(f"{rows} rows of {len(load.messages)} events")
    return rows


async def measure(home: Installation, load: Load, tell: Tell) -> list[Report]:
    """Grow, kill, recover; lose the folders, recover."""
    rows = await grow(home, load, tell)
    started = time.monotonic()
    home.kill()
    await home.gone()
    await home.serving()
    killed_s = time.monotonic() - started
    started = await home.lose_local_folders()
    await home.serving()
    emptied_s = time.monotonic() - started
    return [
        _report("recovery after kill -9", home, rows, killed_s),
        _report("recovery with an empty folder", home, rows, emptied_s),
    ]


def _report(name: str, home: Installation, rows: int, seconds: float) -> Report:
    return Report(
        name,
        broker=home.broker,
        events=rows,
        events_per_s=round(rows / seconds),
        p50_ms=round(1_000 * seconds),
        rss_mib=home.rss_mib(),
    )
