"""`treasury bench`: each starts what it needs, measures, prints one object and cleans up.

Figures are of this machine and this load; a bench fails when the work was not really done.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from compose.bench.engine import engine, single_events
from compose.bench.fold import fold
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
    "fold": Bench("decide and encode, no broker, one core", "", fold),
    "engine": Bench(
        "inbound to journal and checkpoint, records as the bridge packs them, no archive",
        "10 × plain Faust and 30,000 events/s",
        engine,
    ),
    "single": Bench("the same, one event a Kafka record", "2 × plain Faust", single_events),
}


def run_bench(name: str, options: Options, tell: Tell) -> list[Report]:
    """Run one bench, or all. Raises `Misconfigured` when there is none of that name."""
    if name != "all" and name not in BENCHES:
        raise Misconfigured(f"no bench {name}; `treasury bench list` shows them")
    reports: list[Report] = []
    for each in BENCHES if name == "all" else [name]:
        reports += asyncio.run(BENCHES[each].run(options, tell))
    return reports
