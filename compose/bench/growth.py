"""growth: processor time of an event beside few and many rows, of few and many tenants.

Each pair is of one kind of load; `events_per_s` is per second of processor time, so that the
machine's other work does not show, and `ratio` is the cost by that of the first of its pair.
"""

from collections.abc import Callable, Sequence

from compose.bench.journal import live_rows
from compose.bench.load import make_load, packed, split
from compose.bench.recovery import EVENTS
from compose.bench.report import Options, Report
from compose.bench.stack import Installation, writers_only
from tests.model.generator import Load, Message

SAMPLE = 40_000
FEW_ROWS_EVENTS = 6_000
TENANTS = (10, 10_000)
Tell = Callable[[str], None]


async def run(options: Options, tell: Tell) -> list[Report]:
    """By rows, within one installation; by tenants, in two."""
    load = make_load(options.events or EVENTS, options.tenants)
    async with writers_only(tell, options.workers) as home:
        reports = await by_rows(home, load, sample=SAMPLE, few=FEW_ROWS_EVENTS)
    first: Report | None = None
    for tenants in TENANTS:
        async with writers_only(tell, options.workers) as home:
            load = make_load(2 * SAMPLE + 3 * tenants, tenants)
            report = await of_tenants(home, load, first, sample=SAMPLE)
        first = first or report
        reports.append(report)
    return reports


async def by_rows(home: Installation, load: Load, *, sample: int, few: int) -> list[Report]:
    """Cost of a sample after `few` events, and of one at the load's end."""
    warm, rest = split(load)
    await home.shared()
    await home.take(packed([*warm, *rest[:few]], home.signer))
    rows = await live_rows(home.settings)
    early = await _cost_us(home, rest[few : few + sample])
    await home.take(packed(rest[few + sample : -sample], home.signer))
    many = await live_rows(home.settings)
    late = await _cost_us(home, rest[-sample:])
    return [
        _report(f"growth {rows} rows", home, sample, (early, early)),
        _report(f"growth {many} rows", home, sample, (late, early)),
    ]


async def of_tenants(
    home: Installation, load: Load, first: Report | None, *, sample: int
) -> Report:
    """Cost of the load's last `sample` events, beside that of `first`."""
    await home.shared()
    await home.take(packed(load.messages[:-sample], home.signer))
    cost = await _cost_us(home, load.messages[-sample:])
    before = 1e6 / first.events_per_s if first and first.events_per_s else cost
    return _report(f"growth {len(load.tenants)} tenants", home, sample, (cost, before))


async def _cost_us(home: Installation, messages: Sequence[Message]) -> float:
    """Microseconds of the workers' processor time an event."""
    taken = await home.take(packed(messages, home.signer))
    return 1e6 * taken.cpu_s / len(messages)


def _report(name: str, home: Installation, events: int, costs_us: tuple[float, float]) -> Report:
    cost, before = costs_us
    return Report(
        name,
        broker=home.broker,
        events=events,
        events_per_s=round(1e6 / cost),
        ratio=round(cost / before, 3),
        rss_mib=home.rss_mib(),
    )
