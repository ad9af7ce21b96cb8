"""What an installation shows once everything is settled, in the terms of the model of its books.

Settled is a matter of counts, not of time: NATS owes nothing, nothing waits, and every reader of
the archive has come to what the writers answered.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

import asyncpg
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from agents.roles.jetstream import CONSUMER, INBOUND, OUTBOUND
from compose.sending import Payers
from streams.money import plain
from tests.model.compare import Published, Shown
from tests.model.generator import EXPONENTS
from tests.model.ledger import Invoice

POLL_S = 0.1
READERS = ("projector", "relay", "dispatch")
Key = tuple[str, str, str]


async def decided(client: Client, pool: asyncpg.Pool, *, within_s: float) -> None:
    """Return once all that NATS carries is in the archive and no event waits any more."""
    jetstream = client.jetstream()
    async with asyncio.timeout(within_s):
        while True:
            consumer = await jetstream.consumer_info(INBOUND, CONSUMER)
            owed = consumer.num_pending or consumer.num_ack_pending
            if not owed and not await _waiting(pool):
                return
            await asyncio.sleep(POLL_S)


async def _waiting(pool: asyncpg.Pool) -> bool:
    """Whether the archive's last images hold a parked event or a release."""
    return bool(
        await pool.fetchval(
            """SELECT EXISTS (SELECT FROM images WHERE slot >= 'pk' AND slot < 'pl'
                              OR slot >= 'rl' AND slot < 'rm')"""
        )
    )


async def balances(payers: Payers, tenants: Iterable[str]) -> tuple[dict[Key, int], dict[int, int]]:
    """(balances over HTTP, debits less credits; by partition the seq they are as new as)."""
    found: dict[Key, int] = {}
    positions: dict[int, int] = {}
    for tenant_id in tenants:
        answer = await payers.get(tenant_id, "balances")
        for row in answer["data"]:
            key = (tenant_id, row["account"], row["currency"])
            found[key] = _minor(row["debits"]) - _minor(row["credits"])
        at = answer["position"]
        positions[at["partition"]] = max(at["seq"], positions.get(at["partition"], 0))
    return found, positions


def _minor(money: dict[str, str]) -> int:
    return int(Decimal(money["amount"]).scaleb(EXPONENTS[money["currency"]]))


async def read_everywhere(
    pool: asyncpg.Pool, positions: dict[int, int], *, within_s: float
) -> None:
    """Return once every reader of the archive has come to these seqs."""
    async with asyncio.timeout(within_s):
        while True:
            rows = await pool.fetch(
                "SELECT role, partition, seq FROM progress WHERE role = ANY ($1)", list(READERS)
            )
            reached = {(row["role"], row["partition"]): row["seq"] for row in rows}
            if all(
                reached.get((role, partition), -1) >= seq
                for role in READERS
                for partition, seq in positions.items()
            ):
                return
            await asyncio.sleep(POLL_S)


async def shown(
    pool: asyncpg.Pool,
    published: list[Published],
    found: dict[Key, int],
    tenants: Collection[str],
) -> Shown:
    """Everything there is to compare of these tenants; `found` are the balances."""
    invoices: dict[tuple[str, str], Invoice] = {}
    for row in await _resources(pool, "iv", tenants):
        if row["status"] != "void":
            invoices[row["tenant_id"], row["order_id"]] = Invoice(
                row["invoice_id"], row["total"], row["tax"], row["paid"], row["status"]
            )
    suspense: Counter[tuple[str, str]] = Counter()
    for row in await _resources(pool, "cs", tenants):
        if row["status"] == "open":
            suspense[row["tenant_id"], row["asset"]] += row["amount"]
    owed = {
        (row["tenant_id"], row["customer_id"], row["asset"]): row["amount"]
        for row in await _resources(pool, "cr", tenants)
    }
    applied = await pool.fetch(
        """SELECT tenant_id, event_id FROM entries
           WHERE ingress = 'nats' AND status = 'applied'"""
    )
    if len(set(applied)) != len(applied):
        raise AssertionError("an event was applied twice")
    duplicates = await pool.fetchval(
        "SELECT count(*) FROM entries WHERE ingress = 'nats' AND status = 'duplicate'"
    )
    return Shown(
        found,
        invoices,
        owed,
        suspense,
        published,
        frozenset(
            (row["tenant_id"], row["event_id"]) for row in applied if row["tenant_id"] in tenants
        ),
        duplicates,
        await _dead_letters(pool),
        at_least_once=True,
    )


async def _resources(
    pool: asyncpg.Pool, kind: str, tenants: Collection[str]
) -> list[dict[str, Any]]:
    rows = await pool.fetch(
        "SELECT body FROM resources WHERE kind = $1 AND tenant_id = ANY ($2)", kind, list(tenants)
    )
    return [plain(row["body"]) for row in rows]


async def _dead_letters(pool: asyncpg.Pool) -> Counter[str]:
    """Those that are left, by the first word of the reason; bytes that came twice count once."""
    rows = await pool.fetch(
        """SELECT split_part(reason, ':', 1) AS reason, count(DISTINCT raw) AS letters
           FROM dead_letters WHERE redrive_status IS DISTINCT FROM 'applied'
             AND redrive_status IS DISTINCT FROM 'duplicate' GROUP BY 1"""
    )
    return Counter({row["reason"]: row["letters"] for row in rows})


async def statuses(pool: asyncpg.Pool) -> dict[str, int]:
    """Entries by status."""
    rows = await pool.fetch("SELECT status, count(*) FROM entries GROUP BY status ORDER BY status")
    return {row["status"]: row["count"] for row in rows}


async def outbound(client: Client) -> list[bytes]:
    """All outbound events that the outbound stream holds now, as their bytes are."""
    jetstream = client.jetstream()
    last = (await jetstream.stream_info(OUTBOUND)).state.last_seq
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
    subscription = await jetstream.pull_subscribe("treasury.>", stream=OUTBOUND, config=config)
    events, reached = list[bytes](), 0
    while reached < last:
        try:
            messages = await subscription.fetch(1_000, timeout=10)
        except TimeoutError:
            raise TimeoutError(f"the outbound stream was read to {reached} of {last}") from None
        for message in messages:
            reached = message.metadata.sequence.stream
            events.append(message.data)
            await message.ack()
    await subscription.unsubscribe()
    return events


def published(bodies: Iterable[bytes], tenants: Sequence[str]) -> list[Published]:
    """Those of the events that are these tenants'."""
    wanted = set(tenants)
    return [event for body in bodies if (event := _published(body)).tenant_id in wanted]


def _published(body: bytes) -> Published:
    """An outbound event from its bytes, amounts as they are written."""
    event = json.loads(body, parse_float=str, parse_int=str)
    data = event["data"]
    return Published(
        event["event_id"],
        event["event_type"],
        event["tenant_id"],
        data.get("order_id", ""),
        data.get("amount", ""),
    )
