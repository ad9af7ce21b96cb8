"""What every bench prints: one object of the same members, null where one does not apply."""

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


class BenchFailed(RuntimeError):
    """The work was not done as it should be: a figure of it would mean nothing."""


def machine() -> str:
    """Where it ran."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


@dataclass(frozen=True)
class Report:
    """One bench. `ratio` is `events_per_s` by `peer_events_per_s`; latencies in milliseconds."""

    bench: str
    broker: str | None = None
    machine: str = field(default_factory=machine)
    events: int | None = None
    events_per_s: float | None = None
    peer: str | None = None
    peer_events_per_s: float | None = None
    ratio: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rss_mib: float | None = None


@dataclass(frozen=True)
class Options:
    """How large a bench is; what a bench has no use for it leaves alone.

    `events` None is the bench's own size. `seconds` bounds what has no number of events.
    `minutes` > 0 asks `memory` for its soak.
    """

    events: int | None = None
    seconds: float = 20.0
    minutes: float = 0.0
    workers: int = 2
    tenants: int = 1_000
    peer: bool = True


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted_values[math.ceil(round(len(sorted_values) * share, 6)) - 1]


def rss_mib(pid: int) -> float | None:
    """Memory that a process holds now; None where the system does not show it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return round(int(line.split()[1]) / 1024, 1)


def cpu_s(pid: int) -> float:
    """Processor time that a process and its threads have used, in seconds (Linux)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[11]) + int(after_name[12])  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")
