"""fold: the pure core alone in this process, without broker, disk or journal."""

import resource
import time
from collections.abc import Callable

import agents.services  # noqa: F401  fills the registry
from agents.decide import Arrival, Fold
from agents.roles.verify import MemoryStore
from compose.bench.report import BenchFailed, Options, Report
from streams import strict_json
from streams.inbound import pack
from tables.seen import Seen
from tables.working_set import WorkingSet

RECORD = 200
EVENTS = 100_000
NOW_MS = 1_795_600_000_000


def _envelope(number: int, event_type: bytes, data: bytes) -> bytes:
    return (
        b'{"event_id":"e-%d","event_type":"%s","tenant_id":"tenant-%d",'
        b'"timestamp":"2026-11-25T10:00:00Z","data":%s}' % (number, event_type, number % 100, data)
    )


def _sale(number: int) -> bytes:
    data = b'{"order_id":"o-%d","total_amount":%d.50,"outlet_id":"main"}' % (
        number,
        100 + number % 900,
    )
    return _envelope(number, b"pos.order.completed", data)


async def run(options: Options, _tell: Callable[[str], None]) -> list[Report]:
    """Decide sales of a hundred tenants and encode what they change."""
    events = options.events or EVENTS
    working = WorkingSet(MemoryStore())
    decides = Fold(working, Seen(working.get), partition=0, partitions=1)
    tenants = [
        _envelope(10_000_000 + number, b"auth.tenant.created", b"{}") for number in range(100)
    ]
    records = [tenants] + [
        [_sale(number) for number in range(start, min(start + RECORD, events))]
        for start in range(0, events, RECORD)
    ]
    started = time.perf_counter()
    for offset, record in enumerate(records):
        _decide(decides, offset, record)
    seconds = time.perf_counter() - started
    return [
        Report(
            "fold",
            events=events,
            events_per_s=round(events / seconds),
            rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        )
    ]


def _decide(decides: Fold, offset: int, record: list[bytes]) -> None:
    decides.begin(offset)
    checked = strict_json.check(pack(record)) is None
    for index, raw in enumerate(record):
        decides.decide(Arrival(1, offset, index, "nats", NOW_MS, raw), checked=checked)
    entries, _images = decides.close()
    if any(entry.status != "applied" for entry in entries):
        raise BenchFailed("an event was not applied")
