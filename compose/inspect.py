"""What operators look at and send: dead letters, one event's life, outbound events, envelopes."""

import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TextIO

import asyncpg
from nats.js.api import ConsumerConfig, DeliverPolicy

from agents.auth import THAW
from agents.clock import REDRIVE
from agents.roles.inlet import Inlet
from agents.roles.jetstream import INBOUND_SUBJECTS, OUTBOUND
from agents.roles.redriving import redriving
from compose.messaging import nats_client
from compose.settings import Settings
from streams.envelope import Envelope, read
from streams.errors import Misconfigured
from streams.inbound import Signer
from streams.money import exponent_of, format_minor
from streams.partitioner import partition_of
from tables.postgres import letters, lists
from tables.postgres.letters import DeadLetter
from tables.postgres.pool import open_pool, tenant_transaction
from tables.postgres.webhooks import deliveries_of

LIFE_ROWS = 1_000


@asynccontextmanager
async def _archiver(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(settings.archiver_dsn, max_size=2)
    try:
        yield pool
    finally:
        await pool.close()


async def dead_letters(
    settings: Settings, tenant_id: str | None, reason: str | None, limit: int
) -> list[dict[str, Any]]:
    """The newest dead letters, without their bytes."""
    async with _archiver(settings) as pool:
        found = await letters.newest(pool, tenant_id=tenant_id, reason=reason, limit=limit)
    return [{k: v for k, v in letter._asdict().items() if k != "raw"} for letter in found]


async def dead_letter(settings: Settings, letter_id: str) -> dict[str, Any] | None:
    """One dead letter, its bytes as text (escaped where they are none)."""
    found = await _letter(settings, letter_id)
    if found is None:
        return None
    return {**found._asdict(), "raw": found.raw.decode("utf-8", "backslashreplace")}


async def _letter(settings: Settings, letter_id: str) -> DeadLetter | None:
    async with _archiver(settings) as pool:
        return await letters.one(pool, letter_id)


async def redrive(settings: Settings, letter_id: str) -> dict[str, Any]:
    """Ask the owner to decide a rejected event again, from the bytes the archive kept."""
    letter = await _letter(settings, letter_id)
    if letter is None:
        raise Misconfigured(f"no dead letter {letter_id}")
    if not isinstance(read(letter.raw), Envelope) or letter.tenant_id is None:
        raise Misconfigured(
            f"dead letter {letter_id} ({letter.reason}) is no readable envelope: have its sender"
            " publish a correct one"
        )
    asked = redriving(
        letter.id,
        tenant_id=letter.tenant_id,
        event_id=letter.event_id,
        ingress=letter.ingress,
        raw=letter.raw,
        attempts=letter.redrive_attempt,
    )
    partition = partition_of(letter.tenant_id, settings.partitions)
    inlet = Inlet(settings.kafka, Signer(*settings.derived_keys("inbound")), settings.topics)
    try:
        offset = await inlet.say(
            partition,
            tenant_id=letter.tenant_id,
            event_type=REDRIVE,
            event_id=asked.event_id,
            data=asked.data,
        )
    finally:
        await inlet.close()
    return {
        "redrive": asked.event_id,
        "attempt": asked.attempt,
        "partition": partition,
        "offset": offset,
    }


async def thaw(settings: Settings, tenant_id: str) -> dict[str, Any]:
    """Ask the owner to let a frozen tenant go on; decides nothing for one that is not frozen."""
    partition = partition_of(tenant_id, settings.partitions)
    inlet = Inlet(settings.kafka, Signer(*settings.derived_keys("inbound")), settings.topics)
    event_id = str(uuid.uuid4())  # each request is one of its own
    try:
        offset = await inlet.say(
            partition, tenant_id=tenant_id, event_type=THAW, event_id=event_id, data={}
        )
    finally:
        await inlet.close()
    return {"thaw": event_id, "partition": partition, "offset": offset}


async def life_of(settings: Settings, tenant_id: str, event_id: str) -> list[dict[str, Any]]:
    """What became of an event, moment by moment, from the read models."""
    pool = await open_pool(settings.app_dsn, max_size=1)
    try:
        async with tenant_transaction(pool, tenant_id, readonly=True) as connection:
            wanted = lists.EntryFilter(event_id=event_id)
            entries = await lists.entries(
                connection, tenant_id, wanted, after=None, limit=LIFE_ROWS
            )
            keys = [(row["partition"], row["seq"], row["ordinal"]) for row in entries]
            posted = await lists.postings(connection, tenant_id, keys)
            emitted = await lists.emitted_by(connection, tenant_id, event_id, LIFE_ROWS)
            event_ids = [row["event_id"] for row in emitted]
            delivered = await deliveries_of(connection, tenant_id, event_ids, LIFE_ROWS)
    finally:
        await pool.close()
    life = [
        {
            "what": f"decided: {row['status']}",
            "detail": " ".join(
                [
                    row["reason"],
                    *(_leg(leg) for leg in posted.get(key, ())),
                ]
            ).strip(),
            "where": f"partition {row['partition']} seq {row['seq']}",
        }
        for row, key in sorted(zip(entries, keys, strict=True), key=lambda pair: pair[1])
    ]
    life += [
        {
            "what": f"emitted: {row['event_type']}",
            "detail": row["event_id"],
            "where": "published" if row["published"] else "not published yet",
        }
        for row in emitted
    ]
    return life + [
        {
            "what": f"delivery: {row['state']}",
            "detail": f"{row['event_id']}, {row['attempts']} attempts",
            "where": f"endpoint {row['endpoint_id']}",
        }
        for row in delivered
    ]


async def tail_events(settings: Settings, count: int, seconds: float, stream: TextIO) -> None:
    """Print outbound events from now on, one JSON object a line."""
    async with nats_client(settings.nats) as client:
        until = time.monotonic() + seconds
        config = ConsumerConfig(deliver_policy=DeliverPolicy.NEW)
        jetstream = client.jetstream()
        subscription = await jetstream.pull_subscribe("treasury.>", stream=OUTBOUND, config=config)
        while count > 0 and time.monotonic() < until:
            try:
                messages = await subscription.fetch(min(count, 100), timeout=1)
            except TimeoutError:  # nats-py raises its own kind of it, or the plain one
                continue
            for message in messages:
                stream.write(message.data.decode() + "\n")
                await message.ack()
            stream.flush()
            count -= len(messages)


async def send_lines(settings: Settings, lines: Iterable[bytes]) -> dict[str, Any]:
    """Publish envelopes, one a line, under their event types; every PubAck is awaited.

    A line that no sister service could publish is refused with its number and a reason.
    """
    async with nats_client(settings.nats) as client:
        sent, refused = 0, list[dict[str, Any]]()
        jetstream = client.jetstream()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            subject, reason = _subject(line)
            if reason:
                refused.append({"line": number, "reason": reason})
                continue
            await jetstream.publish(subject, line.strip(), timeout=10)
            sent += 1
    return {"sent": sent, "refused": refused}


def _subject(line: bytes) -> tuple[str, str]:
    """(the subject an envelope belongs under, "") or ("", why no service could publish it)."""
    envelope = read(line.strip())
    if not isinstance(envelope, Envelope):
        return "", str(envelope)
    prefix = envelope.event_type.partition(".")[0]
    if f"{prefix}.>" not in INBOUND_SUBJECTS:
        return "", f"no service publishes {envelope.event_type}"
    return envelope.event_type, ""


def _leg(leg: asyncpg.Record) -> str:
    """One posting in words, its amount in major units."""
    amount = format_minor(int(leg["minor"]), exponent_of(leg["asset"]))
    return f"{leg['account']} {amount} {leg['asset']};"
