"""Benches that need nothing but this process; tests/benchmarks has those with broker and peers.

One object per bench: bench, broker, machine, events, events_per_s and the rest null.
"""

import os
import platform
import resource
import time
from typing import Any

import agents.services  # noqa: F401  fills the registry
from agents.decide import Arrival, Fold
from agents.roles.verify import MemoryStore
from streams import strict_json
from streams.errors import Misconfigured
from streams.inbound import pack
from tables.seen import Seen
from tables.working_set import WorkingSet

RECORD = 200
EVENTS = 100_000


def run_bench(name: str) -> list[dict[str, Any]]:
    """Run one bench, or list them."""
    if name == "list":
        return [{"bench": "fold", "what": "decide and encode, no broker, one core"}]
    if name != "fold":
        raise Misconfigured(f"no bench {name}; `treasury bench list` shows them")
    return [_fold()]


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


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _fold() -> dict[str, Any]:
    working = WorkingSet(MemoryStore())
    fold = Fold(working, Seen(working.get), partition=0, partitions=1)
    tenants = [
        _envelope(10_000_000 + number, b"auth.tenant.created", b"{}") for number in range(100)
    ]
    records = [tenants] + [
        [_sale(number) for number in range(start, start + RECORD)]
        for start in range(0, EVENTS, RECORD)
    ]
    now_ms = 1_795_600_000_000
    started = time.perf_counter()
    for offset, record in enumerate(records):
        fold.begin(offset)
        checked = strict_json.check(pack(record)) is None
        for index, raw in enumerate(record):
            fold.decide(Arrival(1, offset, index, "nats", now_ms, raw), checked=checked)
        fold.close()
    seconds = time.perf_counter() - started
    return {
        "bench": "fold",
        "broker": None,
        "machine": _machine(),
        "events": EVENTS,
        "events_per_s": round(EVENTS / seconds),
        "peer": None,
        "peer_events_per_s": None,
        "ratio": None,
        "p50_ms": None,
        "p99_ms": None,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
