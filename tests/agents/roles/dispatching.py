"""A dispatch on real services with a played writer; as a module, a process that can be killed.

python -m tests.agents.roles.dispatching DSN KAFKA TOPICS GATEWAY
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.conduct import Conductor
from agents.roles.dispatch import Dispatch
from agents.roles.gateways import Credentialed, Gateway, Gateways
from agents.roles.inlet import Inlet
from agents.roles.lease import Owner
from agents.roles.lookups import Lookups, Tenants
from agents.roles.saying import Saying
from connectors.breaker import Breaker
from connectors.http import open_session
from connectors.registry import connect
from streams.inbound import Signer
from streams.journal import CODEC, Call, Entry
from streams.kafka import PartitionReader
from streams.timestamps import format_ms
from streams.topics import Topics
from tables.postgres.archived import RawRecord, insert_records
from tables.postgres.pool import open_pool
from tests.journals import Journal, entry

SIGNER = Signer(b"dispatch test key, thirty-two byt")
FINAL_AFTER_S = 2.0
LONGEST_GRANT_MS = 3_000


@dataclass
class PlayedWriter:
    """Journals what a test hands it and what dispatch says, by the rules of grants, at once."""

    pool: asyncpg.Pool
    kafka: str
    topics: Topics
    journal: Journal = field(default_factory=Journal)
    entries: list[Entry] = field(default_factory=list)
    granted: dict[str, str] = field(default_factory=dict)
    going: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: set[str] = field(default_factory=set)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(
        self,
        *entries: Entry,
        now_ms: int | None = None,
        images: dict[bytes, bytes | None] | None = None,
    ) -> int:
        """Archive one record with these entries; returns its seq."""
        async with self._writing:
            some = list(entries)
            data = self.journal.batch(some, images) if entries else self.journal.genesis()
            if now_ms is not None:
                record = msgspec.structs.replace(CODEC.decode(data), now_ms=now_ms)
                data = CODEC.encode(record)
            seq = self.journal.seq
            row = RawRecord(0, seq, 1, seq, seq, 0, seq + 1, 0, self.journal.previous_hash, data)
            async with self.pool.acquire() as connection, connection.transaction():
                await insert_records(connection, [row])
                await connection.execute(
                    """INSERT INTO progress (role, partition, seq, next_log)
                       VALUES ('archive', 0, $1, 1)
                       ON CONFLICT (role, partition) DO UPDATE SET seq = excluded.seq""",
                    seq,
                )
        self.entries.extend(entries)
        return seq

    async def call(self, call_id: str, minor: int = 150_000, **changes: Any) -> None:
        """Journal a call to the instant gateway, in time unless `changes` say otherwise."""
        amount = f"{minor // 100}.{minor % 100:02d}"
        now_ms = changes.pop("now_ms", 0) or now()
        tenant_id = changes.pop("tenant_id", "alpha")
        members = {
            "call_id": call_id,
            "gateway": "instant",
            "operation": "collect",
            "request": msgspec.json.encode({"amount": amount, "currency": "KES"}),
            "deadline_ms": now_ms + 5_000,
        }
        call = Call(**{**members, **changes})
        event = entry(
            len(self.entries), tenant_id=tenant_id, event_id=f"wanted-{call_id}", calls=[call]
        )
        await self.write(event, now_ms=now_ms)

    async def told(self, call_id: str, **said: Any) -> None:
        """Journal what a provider tells of a call."""
        data = {"gateway": "instant", "call_id": call_id, "amount": "1500.00", "currency": "KES"}
        number = len(self.entries)
        event_id, event_type = f"told-{number}", "treasury.gateway.reported"
        envelope = {
            "event_id": event_id,
            "event_type": event_type,
            "tenant_id": "alpha",
            "timestamp": format_ms(now()),
            "data": data | said,
        }
        told = Entry(
            number,
            *(0, 0, "applied", "", "webhook", now(), "alpha", event_id, event_type),
            msgspec.json.encode(envelope),
        )
        await self.write(told)

    async def listen(self) -> None:
        """Journal what enters the log, for ever."""
        async with PartitionReader(self.kafka, self.topics.inbound.name, 0) as reader:
            async for records in reader.follow(0, poll_ms=50):
                for record in records:
                    stamp = SIGNER.read(record.headers, 0, record.value)
                    for raw in msgspec.json.decode(record.value, type=list[msgspec.Raw]):
                        await self.going.wait()
                        await self.write(self._decided(bytes(raw), stamp.ingress))

    def _decided(self, raw: bytes, ingress: str) -> Entry:
        event = msgspec.json.decode(raw)
        status, reason = self._status(event)
        return Entry(
            len(self.entries),
            *(0, 0, status, reason, ingress, now()),
            *(event["tenant_id"], event["event_id"], event["event_type"], raw),
        )

    def _status(self, event: Mapping[str, Any]) -> tuple[str, str]:
        if event["event_id"] in self._seen:
            return "duplicate", ""
        self._seen.add(event["event_id"])
        data = event["data"]
        if event["event_type"] == "treasury.call.granted":
            if data["call_id"] in self.granted:
                return "rejected", "call_granted"
            self.granted[data["call_id"]] = data["nonce"]
        other = self.granted.get(data.get("call_id")) != data.get("nonce")
        if event["event_type"] == "treasury.call.completed" and other:
            return "rejected", "call_unknown"
        return "applied", ""

    def said(self, event_type: str) -> list[tuple[str, dict[str, Any]]]:
        """(status, data) of the internal events of this type, in order."""
        return [
            (each.status, msgspec.json.decode(each.raw)["data"])
            for each in self.entries
            if each.event_type == event_type and each.ingress == "internal"
        ]


def now() -> int:
    """The wall clock, which the log's time follows; milliseconds."""
    return time.time_ns() // 1_000_000


class Fixed:
    """The same gateways for all tenants."""

    def __init__(self, gateways: Mapping[str, Gateway]) -> None:
        self._gateways = gateways

    def knows(self, gateway: str) -> bool:
        return gateway in self._gateways

    async def of(self, _tenant_id: str, gateway: str) -> Credentialed:
        return Credentialed(self._gateways[gateway], "")


@asynccontextmanager
async def dispatching(
    pool: asyncpg.Pool,
    kafka: str,
    topics: Topics,
    gateways: Mapping[str, Gateway] | Gateways,
    tenants: Tenants | None = None,
    **limits: Any,
) -> AsyncIterator[asyncio.Task]:
    """Dispatch of partition 0, with short times to wait."""
    archived = ArchiveProgress(pool)
    inlet = Inlet(kafka, SIGNER, topics)
    saying = Saying(inlet)
    times = {"longest_grant_ms": LONGEST_GRANT_MS, "final_after_s": FINAL_AFTER_S, **limits}
    if not isinstance(gateways, Gateways):
        gateways = Fixed(gateways)
    conductor = Conductor(pool, saying, gateways, **times)
    dispatch = Dispatch(
        pool,
        archived,
        saying,
        conductor=conductor,
        lookups=Lookups(pool, saying, tenants),
        owner=Owner(f"worker-{uuid4().hex[:6]}"),
    )
    task = asyncio.create_task(dispatch.run(0))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await inlet.close()
        await archived.close()


def start(
    writer: PlayedWriter, gateways: Mapping[str, Gateway] | Gateways, **limits: Any
) -> AbstractAsyncContextManager[asyncio.Task]:
    """Dispatch of what this writer journals."""
    return dispatching(writer.pool, writer.kafka, writer.topics, gateways, **limits)


async def reached(writer: PlayedWriter, seq: int) -> bool:
    """Whether dispatch has read that far."""
    return seq <= await writer.pool.fetchval(
        "SELECT coalesce(max(seq), -1) FROM progress WHERE role = 'dispatch'"
    )


async def _run(dsn: str, kafka: str, prefix: str, gateway: str) -> None:
    pool = await open_pool(dsn)
    async with open_session() as session:
        configuration = {"base_url": gateway, "api_key": "local"}
        gateways = {"instant": connect(session, "instant", configuration, Breaker())}
        async with dispatching(pool, kafka, Topics(prefix), gateways) as task:
            await task


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
