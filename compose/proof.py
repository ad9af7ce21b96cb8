"""`treasury verify` and `treasury replay`: the archive folded again, compared and audited."""

import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import agents.services  # noqa: F401  fills the registry
from agents.audit.invariants import INVARIANTS, Findings, Violation
from agents.roles.verify import Difference, Replay, Report
from compose.provers import prove, useful_processes
from compose.settings import Settings
from streams.errors import Misconfigured
from streams.journal import CODEC, Batch
from streams.partitioner import partition_of
from tables.balances import Balance
from tables.postgres.archived import images_of, records_after
from tables.postgres.pool import open_pool
from tables.row import decode
from tables.tenants import Tenant

PROVED = ("I1", "I2", "I3", "I4", "I5", "I7", "I8", "I9", "I10", "I12", "I13")
"""What an archive can prove of itself; the rest needs the running installation."""


class Partition(msgspec.Struct):
    """What a replay of one partition read, and where it came to."""

    partition: int
    records: int
    events: int
    seq: int
    digest: str


class Checked(msgspec.Struct):
    """How many things were checked for an invariant, and how many of them break it."""

    invariant: str
    what: str
    checked: int
    broken: int


class Proof(msgspec.Struct):
    """What `treasury verify` found; `differences` are where replay and journal part."""

    sound: bool
    partitions: list[Partition]
    invariants: list[Checked]
    violations: list[Violation]
    differences: list[Difference]
    events: int
    seconds: float
    events_per_s: int
    processes: int


async def verify_all(
    settings: Settings,
    only: int | None = None,
    console: Console | None = None,
    *,
    processes: int | None = None,
) -> Proof:
    """Replay and audit every partition (or one), largest first; shows progress on `console`.

    Takes as many `processes` as are worth while, unless told how many.
    """
    if only is not None and not 0 <= only < settings.partitions:
        raise Misconfigured(f"no partition {only}: there are {settings.partitions}")
    partitions = range(settings.partitions) if only is None else [only]
    started = time.monotonic()
    pool = await open_pool(settings.archiver_dsn, max_size=1)
    try:
        sizes = {number: await _size(pool, number) for number in partitions}
    finally:
        await pool.close()
    if processes is None:
        processes = useful_processes(len(sizes), sum(size for _records, size in sizes.values()))
    wanted = sorted(sizes, key=lambda number: -sizes[number][1])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=console is None) as progress:
        tasks = {
            number: progress.add_task(f"partition {number}", total=sizes[number][0])
            for number in partitions
        }
        reports = await prove(
            settings.archiver_dsn,
            wanted,
            settings.partitions,
            processes,
            lambda report: progress.update(tasks[report.partition], completed=report.records),
        )
    return _proof(reports, processes, time.monotonic() - started)


async def _size(pool: asyncpg.Pool, partition: int) -> tuple[int, int]:
    """(records, bytes) that the archive holds of a partition."""
    row = await pool.fetchrow(
        """SELECT count(*) AS records, coalesce(sum(octet_length(bytes)), 0)::bigint AS bytes
           FROM raw_records WHERE partition = $1""",
        partition,
    )
    return row["records"], row["bytes"]


def _proof(reports: list[Report], processes: int, seconds: float) -> Proof:
    findings = Findings()
    reports.sort(key=lambda report: report.partition)
    for report in reports:
        findings.add(report.findings)
    events = sum(report.events for report in reports)
    return Proof(
        sound=all(report.sound for report in reports),
        partitions=[
            Partition(each.partition, each.records, each.events, each.seq, each.digest)
            for each in reports
        ],
        invariants=[
            Checked(name, INVARIANTS[name], findings.checked[name], findings.broken[name])
            for name in PROVED
        ],
        violations=findings.violations,
        differences=[each.difference for each in reports if each.difference],
        events=events,
        seconds=round(seconds, 3),
        events_per_s=round(events / seconds) if seconds else 0,
        processes=processes,
    )


@dataclass
class TenantReplay:
    """A tenant's entries in a range, and its balances by replay beside the archived ones."""

    tenant_id: str
    equal: bool = True
    entries: list[dict[str, Any]] = field(default_factory=list)
    balances: list[dict[str, Any]] = field(default_factory=list)


async def replay_tenant(
    settings: Settings, tenant_id: str, from_seq: int, to_seq: int | None
) -> TenantReplay:
    """Fold the tenant's whole partition; list its entries of the range; compare its balances.

    Balances are compared as of the archive's end, so a range shows what it is asked for while
    the proof is always of the whole.
    """
    partition = partition_of(tenant_id, settings.partitions)
    result = TenantReplay(tenant_id)
    replay = Replay(partition, settings.partitions)
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    try:
        seq = -1
        while found := await records_after(pool, partition, seq):
            for number, data in found:
                seq = number
                replay.take(data)
                if from_seq <= seq and (to_seq is None or seq <= to_seq):
                    result.entries += _entries(data, tenant_id)
        live = await _archived_balances(pool, partition, tenant_id)
    finally:
        await pool.close()
    ours = {
        row.key: row
        for row in replay.fold.working.scan(Balance.prefix_of(tenant_id), 1 << 30)
        if isinstance(row, Balance)
    }
    for key in sorted(ours.keys() | live.keys()):
        result.balances.append(_compared(ours.get(key), live.get(key)))
    if replay.fold.working.get(Tenant.key_of(tenant_id)) is None and not (ours or live):
        raise Misconfigured(f"the archive knows no tenant {tenant_id}")
    result.equal = replay.report.difference is None and ours == live
    return result


def _entries(data: bytes, tenant_id: str) -> list[dict[str, Any]]:
    record = CODEC.decode(data)
    if not isinstance(record, Batch):
        return []
    return [
        {
            "seq": record.seq,
            "offset": entry.offset,
            "index": entry.index,
            "step": entry.step,
            "event_type": entry.event_type,
            "event_id": entry.event_id,
            "status": entry.status,
            "reason": entry.reason,
            "postings": [f"{p.account} {p.asset} {p.minor}" for p in entry.postings],
        }
        for entry in record.entries
        if entry.tenant_id == tenant_id
    ]


async def _archived_balances(
    pool: asyncpg.Pool, partition: int, tenant_id: str
) -> dict[bytes, Balance]:
    prefix = Balance.prefix_of(tenant_id)
    found: dict[bytes, Balance] = {}
    async for key, _seq, value in images_of(pool, partition):
        if key.startswith(prefix):
            row = decode(key, value)
            assert isinstance(row, Balance)
            found[key] = row
    return found


def _compared(ours: Balance | None, live: Balance | None) -> dict[str, Any]:
    row = ours or live
    assert row is not None
    return {
        "account": row.account,
        "asset": row.asset,
        "replay_minor": ours.posted if ours else None,
        "archive_minor": live.posted if live else None,
        "equal": ours == live,
    }
