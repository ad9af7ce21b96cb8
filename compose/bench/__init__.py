"""`treasury bench`: each starts what it needs, measures, prints one object and cleans up.

Figures are of this machine and this load; a bench fails when the work was not really done.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from compose.bench import (
    e2e,
    engine,
    fold,
    growth,
    memory,
    query,
    reconcile,
    recovery,
    replay,
)
from compose.bench.report import BenchFailed, Options, Report
from streams.errors import Misconfigured

__all__ = ["BENCHES", "BenchFailed", "Options", "Report", "run_bench"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """What a bench shows, what it must reach, and how it runs."""

    what: str
    gate: str
    run: Callable[[Options, Tell], Coroutine[Any, Any, list[Report]]]


BENCHES = {
    "fold": Bench("decide and encode, no broker, one core", "", fold.run),
    "engine": Bench(
        "inbound to journal and checkpoint, records as the bridge packs them, no archive",
        "10 × plain Faust and 30,000 events/s",
        engine.run,
    ),
    "single": Bench("the same, one event a Kafka record", "2 × plain Faust", engine.run_single),
    "e2e": Bench(
        "NATS to treasury.* on NATS with all roles; latency open-loop at half of that rate;"
        " at JetStream's default sync interval, and with every message synced",
        "5,000 events/s, synced 1,500; p99 500 ms",
        e2e.run,
    ),
    "query": Bench(
        "GET of a balance, flooded and at 1,000/s (latency, open loop), beside ingest of 10,000/s",
        "1,000 requests/s, p99 50 ms",
        query.run,
    ),
    "recovery": Bench(
        "milliseconds (p50_ms) and rows/s (events_per_s) until all is served again: after kill -9,"
        " and with an empty local folder",
        "1 M rows in 20,000 ms; 20,000 rows/s from an empty folder",
        recovery.run,
    ),
    "replay": Bench("`treasury verify` of an archive", "30,000 events/s", replay.run),
    "memory": Bench(
        "the largest worker beside 1 M rows; with --minutes, its slope in MiB a minute",
        "1,024 MiB; slope below 1",
        memory.run,
    ),
    "reconcile": Bench(
        "a gateway's statement over HTTP against as many payments; p50_ms is the whole of it",
        "100,000 lines in 60,000 ms",
        reconcile.run,
    ),
    "growth": Bench(
        "events a second of processor time, and the cost (ratio), at few and many rows and tenants",
        "ratio 0.85 to 1.15",
        growth.run,
    ),
}


def run_bench(name: str, options: Options, tell: Tell) -> list[Report]:
    """Run one bench, or all. Raises `Misconfigured` when there is none of that name."""
    if name != "all" and name not in BENCHES:
        raise Misconfigured(f"no bench {name}; `treasury bench list` shows them")
    reports: list[Report] = []
    for each in BENCHES if name == "all" else [name]:
        reports += asyncio.run(BENCHES[each].run(options, tell))
    return reports
