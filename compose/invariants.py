"""The invariants that only a running installation can show, once it is quiet.

What it accepted against what it decided, what it emitted against what it published, what it keeps
against what it serves, and whether tenants stay apart. Changes nothing; every check notes what it
found in `Findings`. What the journal alone can prove is `treasury verify`'s.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

import asyncpg
import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from agents.audit.invariants import Findings
from agents.roles.bridge import kept
from compose.apart import Apart
from compose.settings import Settings
from streams.kafka import PartitionReader
from tables.balances import Balance
from tables.payments import GatewayCall
from tables.row import Row, decode

Account: TypeAlias = tuple[str, str, str]
R = TypeVar("R", bound=Row)


class _Named(msgspec.Struct):
    """Of an outbound event its id."""

    event_id: str


@dataclass
class Accepted:
    """What the installation said it took: messages acknowledged by NATS, commands answered."""

    messages: list[bytes] = field(default_factory=list)
    commands: dict[tuple[str, str], int] = field(default_factory=dict)
    """HTTP status by (tenant, event id)."""


@dataclass
class Evidence:
    """What an installation showed from outside once it was quiet.

    `served` are balances (debits less credits) over HTTP, `outbound` the events in NATS,
    `effects` how often the instant gateway did what, by key, `canaries` the tenant of each UUID
    that is one tenant's alone, `logs` what its workers wrote. Not `kafka_complete`: the broker
    may have lost outbound events.
    """

    accepted: Accepted
    served: Mapping[Account, int]
    outbound: Sequence[bytes]
    effects: Mapping[str, int]
    canaries: Mapping[str, str]
    logs: Sequence[Path]
    kafka_complete: bool = True


async def check(pool: asyncpg.Pool, settings: Settings, evidence: Evidence) -> Findings:
    """Everything below, of a quiet installation; `pool` is the archiver's."""
    findings, topics = Findings(), settings.topics
    inbound = topics.inbound.name
    await committed_behind(findings, pool, settings.kafka, inbound, settings.prefix)
    await all_decided(findings, pool, settings.kafka, inbound)
    await decided_once(findings, pool, evidence.accepted)
    await published(findings, pool, "NATS", evidence.outbound)
    bodies = await kafka_events(settings.kafka, topics.events.name, settings.partitions)
    await published(findings, pool, "Kafka", bodies, complete=evidence.kafka_complete)
    await balances_agree(findings, pool, evidence.served)
    await effects_once(findings, pool, "instant", evidence.effects)
    apart = Apart(findings, evidence.canaries)
    await apart.look_at_tables(pool)
    for path in evidence.logs:
        apart.look_at_log(path)
    for tenant_id, account, _ in evidence.served:
        apart.look("a balance served", account.encode(), tenant_id)
    return findings


# -- what was accepted ------------------------------------------------------------------------


async def decided_once(findings: Findings, pool: asyncpg.Pool, accepted: Accepted) -> None:
    """I3, I4 and I18: what was accepted is in the entries byte by byte, and nothing else is."""
    rows = await pool.fetch(
        """SELECT sha256(raw) AS hash, count(*) FILTER (WHERE status = 'applied') AS applied
           FROM entries WHERE ingress = 'nats' AND raw <> '' GROUP BY 1"""
    )
    applied = {row["hash"]: row["applied"] for row in rows}
    sent = {_hash(raw): raw for raw in accepted.messages}
    for known, raw in sent.items():
        if known not in applied:
            findings.breaks("I3", f"accepted, and nothing became of it: {raw[:300]!r}")
    for known, times in applied.items():
        if times > 1:
            findings.breaks("I3", f"applied {times} times: {sent.get(known, b'')[:300]!r}")
        if known not in sent:
            findings.breaks("I4", f"an entry of bytes that nobody sent, SHA-256 {known.hex()}")
    findings.checked["I3"] += len(sent)
    findings.checked["I18"] += len(sent)
    findings.checked["I4"] += len(applied)
    await _commands(findings, pool, accepted.commands)


def _hash(raw: bytes) -> bytes:
    """Of the bytes as the log has them: what is too large for it is described there."""
    return hashlib.sha256(kept(raw)).digest()


async def _commands(
    findings: Findings, pool: asyncpg.Pool, commands: Mapping[tuple[str, str], int]
) -> None:
    rows = await pool.fetch(
        """SELECT tenant_id, event_id, count(*) AS decided FROM entries
           WHERE ingress = 'http' AND status NOT IN ('duplicate', 'parked')
             AND reason NOT IN ('conflict', 'parking_full') GROUP BY 1, 2"""
    )
    decided = {(row["tenant_id"], row["event_id"]): row["decided"] for row in rows}
    for name, status in commands.items():
        if decided.get(name, 0) != 1:
            times = decided.get(name, 0)
            findings.breaks("I3", f"command {name} was answered {status} and decided {times} times")
    findings.checked["I3"] += len(commands)


# -- what was emitted -------------------------------------------------------------------------


async def published(
    findings: Findings,
    pool: asyncpg.Pool,
    where: str,
    bodies: Iterable[bytes],
    *,
    complete: bool = True,
) -> None:
    """I6: the events that `where` carries are those that were emitted, with the same bytes.

    Not `complete`: it may have lost some, with the broker that held them.
    """
    rows = await pool.fetch("SELECT event_id, body FROM emitted")
    emitted: dict[str, bytes] = {row["event_id"]: row["body"] for row in rows}
    found = {(msgspec.json.decode(body, type=_Named).event_id, body) for body in bodies}
    for event_id, body in found:
        if emitted.get(event_id) != body:
            words = "with other bytes" if event_id in emitted else "and was never emitted"
            findings.breaks("I6", f"{event_id} is in {where} {words}")
    if complete:
        for event_id in emitted.keys() - {event_id for event_id, _ in found}:
            findings.breaks("I6", f"{event_id} was emitted, and is not in {where}")
    findings.checked["I6"] += len(found)


async def kafka_events(bootstrap: str, topic: str, partitions: int) -> list[bytes]:
    """Every record that the topic of events holds now."""
    bodies: list[bytes] = []
    for partition in range(partitions):
        async with PartitionReader(bootstrap, topic, partition) as reader:
            async for records in reader.read_range(*await reader.bounds()):
                bodies += [record.value for record in records]
    return bodies


# -- what is kept and served ------------------------------------------------------------------


async def balances_agree(
    findings: Findings, pool: asyncpg.Pool, served: Mapping[Account, int]
) -> None:
    """I5: balances over HTTP, as the sums of postings, and as the archive keeps them are one."""
    posted = {
        (row["tenant_id"], row["account"], row["asset"]): int(row["minor"])
        for row in await pool.fetch(
            """SELECT tenant_id, account, asset, sum(minor)::text AS minor
               FROM postings GROUP BY tenant_id, account, asset"""
        )
    }
    archived = {
        (row.tenant_id, row.account, row.asset): row.posted for row in await _kept(pool, Balance)
    }
    tenants = {tenant_id for tenant_id, _, _ in served}
    for account in {*served, *posted, *archived}:
        seen = [posted.get(account, 0), archived.get(account, 0)]
        if account[0] in tenants:
            seen.append(served.get(account, 0))
        if len(set(seen)) != 1:
            findings.breaks("I5", f"{account}: posted, archived and served are {seen}")
    findings.checked["I5"] += len(served)


async def _kept(pool: asyncpg.Pool, kind: type[R]) -> list[R]:
    """The rows of a kind as the archive keeps them."""
    prefix = kind.KIND.encode() + b"\x00"
    rows = await pool.fetch(
        """SELECT coalesce(long_key, slot) AS key, bytes FROM images
           WHERE slot >= $1 AND slot < $2""",
        prefix,
        kind.KIND.encode() + b"\x01",
    )
    return [decode(row["key"], row["bytes"]) for row in rows]  # type: ignore[misc]


# -- gateways ---------------------------------------------------------------------------------


async def effects_once(
    findings: Findings, pool: asyncpg.Pool, gateway: str, effects: Mapping[str, int]
) -> None:
    """I15: what a gateway did (times by key) are calls of ours, once each; both say the same."""
    calls = {row.call_id: row for row in await _kept(pool, GatewayCall) if row.gateway == gateway}
    for key, times in effects.items():
        call = calls.get(key)
        if times != 1:
            findings.breaks("I15", f"call {key} was carried out {times} times")
        if call is None:
            findings.breaks("I15", f"{gateway} did {key}, which is no call of ours")
        elif call.status == "done" and call.outcome != "succeeded":
            findings.breaks("I15", f"{gateway} did {key}, which ended as {call.outcome}")
    for key, call in calls.items():
        if call.outcome == "succeeded" and key not in effects:
            findings.breaks("I15", f"call {key} succeeded, and {gateway} did nothing")
    findings.checked["I15"] += len(effects)


# -- logs -------------------------------------------------------------------------------------


async def all_decided(
    findings: Findings, pool: asyncpg.Pool, bootstrap: str, topic: str, *, within_s: float = 30
) -> None:
    """I3 and I10: the archive covers the whole inbound log, and no more than the log holds.

    Ticks enter the log all the time: it waits for a moment at which none is on its way.
    """
    rows = await pool.fetch("SELECT partition FROM progress WHERE role = 'archive'")
    for row in rows:
        partition = row["partition"]
        async with PartitionReader(bootstrap, topic, partition) as reader:
            left = await _undecided(pool, partition, reader, within_s)
        if left > 0:
            words = f"nothing was decided about the last {left} records of the log"
            findings.breaks("I3", words, partition)
        if left < 0:
            words = f"{-left} more records were decided than the log holds"
            findings.breaks("I10", words, partition)
    findings.checked["I10"] += len(rows)


async def committed_behind(
    findings: Findings, pool: asyncpg.Pool, bootstrap: str, topic: str, group: str
) -> None:
    """I10: the group's committed offsets, which nothing relies on, are not ahead of decisions."""
    rows = await pool.fetch("SELECT partition FROM progress WHERE role = 'archive'")
    places = [TopicPartition(topic, row["partition"]) for row in rows]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(group, partitions=places)
    finally:
        await admin.close()
    for place in places:
        decided = await _decided_to(pool, place.partition)
        found = committed[place].offset if place in committed else -1
        if found > decided:
            words = f"{found} is committed to the group, decided is {decided}"
            findings.breaks("I10", words, place.partition)
    findings.checked["I10"] += len(places)


async def _decided_to(pool: asyncpg.Pool, partition: int) -> int:
    """The offset after the last record of the inbound log that the archive covers."""
    offset: int = await pool.fetchval(
        "SELECT next_offset FROM progress WHERE role = 'archive' AND partition = $1", partition
    )
    return offset


async def _undecided(
    pool: asyncpg.Pool, partition: int, reader: PartitionReader, within_s: float
) -> int:
    """Records that are in the log and not in the archive; less than 0: in the archive alone."""
    until = time.monotonic() + within_s
    while True:
        next_offset = await _decided_to(pool, partition)
        _, end = await reader.bounds()
        if end == next_offset or time.monotonic() > until:
            return end - next_offset
        await asyncio.sleep(0.1)
