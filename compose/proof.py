"""`treasury verify` and `treasury replay`: the archive folded again and compared."""

from dataclasses import dataclass, field
from typing import Any

import asyncpg
from rich.console import Console
from rich.progress import Progress

import agents.services  # noqa: F401  fills the registry
from agents.roles.verify import Replay, Report, verify
from compose.settings import Settings
from streams.errors import Misconfigured
from streams.journal import CODEC, Batch
from streams.partitioner import partition_of
from tables.balances import Balance
from tables.postgres.archived import images_of, records_after
from tables.postgres.pool import open_pool
from tables.row import decode
from tables.tenants import Tenant


async def verify_all(settings: Settings, only: int | None, console: Console | None) -> list[Report]:
    """Replay every partition (or one); shows progress on `console`."""
    if only is not None and not 0 <= only < settings.partitions:
        raise Misconfigured(f"no partition {only}: there are {settings.partitions}")
    partitions = range(settings.partitions) if only is None else [only]
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    try:
        with Progress(console=console, disable=console is None) as progress:
            return [await _verify(pool, p, settings.partitions, progress) for p in partitions]
    finally:
        await pool.close()


async def _verify(
    pool: asyncpg.Pool, partition: int, partitions: int, progress: Progress
) -> Report:
    total = await pool.fetchval("SELECT count(*) FROM raw_records WHERE partition = $1", partition)
    task = progress.add_task(f"partition {partition}", total=total)
    report = Report(partition)
    async for found in verify(pool, partition, partitions):
        report = found
        progress.update(task, completed=report.records)
    return report


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
