"""The chains role: follows chains for tenants' wallets, and tells what it sees to their partition.

What a round has seen is kept together with how far it came, in one statement, and told before
anything else is read: an event is in the inbound log before the place moves on, and its id is made
of what it says, so that a repeat is a duplicate. A node that is away, lags or lies costs time and
never a place. Decides nothing.
"""

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NoReturn, Protocol

import aiohttp
import asyncpg
import msgspec
import structlog

from agents.gateways.onchain import CREDITED, REVERSED
from agents.roles.counters import FOLLOWED
from agents.roles.inlet import Inlet
from agents.roles.lease import Lease, Owner, Progress, run_leased
from agents.roles.outages import is_outage, together, uninterrupted
from agents.roles.process import place_of
from connectors.base import CallError
from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.following import STATES, Credited, Seen, Transfer
from connectors.chain.watching import begin_at, follow, genesis
from streams.errors import Misconfigured, Unreadable
from streams.ids import derive
from streams.money import exponent_of, format_minor
from streams.partitioner import partition_of
from tables.postgres.chains import (
    Batch,
    FollowRow,
    read_batches,
    read_follow,
    read_wallets,
    write_follow,
)

ROLE = "chains"
EVERY_S = 2.0
AT_ONCE, AT_ONCE_A_TENANT = 64, 4
ROUND_TIMEOUT_S = 60.0
CLOCKS_S = 60
"""A block's time may lie before ours by so much."""

log = structlog.get_logger(__name__)


class _Untold(msgspec.Struct, frozen=True, array_like=True):
    """One event that may not be in the log yet."""

    event_type: str
    event_id: str
    data: dict[str, Any]


_untold = msgspec.msgpack.Decoder(list[_Untold]).decode


class Nodes(Protocol):
    """How chains are reached, as tenants have them (agents/roles/gateways.py)."""

    def knows(self, gateway: str) -> bool:
        """Whether this chain is followed here."""

    async def node(
        self, tenant_id: str, gateway: str
    ) -> tuple[Mapping[str, str], aiohttp.ClientSession]:
        """What it is configured by, and the session in which its node is spoken to."""


class Chains:
    """Follows chains for the tenants of partitions; `run` one of it per partition."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        inlet: Inlet,
        nodes: Nodes,
        *,
        owner: Owner,
        partitions: int,
        every_s: float = EVERY_S,
    ) -> None:
        self._pool, self._inlet, self._nodes = pool, inlet, nodes
        self._owner, self._partitions = owner, partitions
        self._every_s = every_s
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self._clients: dict[Batch, tuple[Config, Client]] = {}

    async def run(self, partition: int) -> NoReturn:
        """Follow for this partition whenever its lease is ours."""
        lease = Lease(self._pool, ROLE, partition, self._owner)
        await run_leased(lease, partial(self._work, partition))

    async def _work(self, partition: int, _progress: Progress) -> None:
        async with together() as tasks:
            await self._rounds(partition, tasks)

    async def _rounds(self, partition: int, tasks: asyncio.TaskGroup) -> NoReturn:
        """One round of each batch after another, beside those of all others: a node that does not
        answer keeps nobody waiting but its own tenant.
        """
        running: dict[Batch, asyncio.Task[None]] = {}
        while True:
            for batch in await read_batches(self._pool):
                is_ours = partition_of(batch.tenant_id, self._partitions) == partition
                is_over = batch not in running or running[batch].done()
                if is_ours and is_over and self._nodes.knows(batch.chain):
                    running[batch] = tasks.create_task(uninterrupted(self.round(batch)))
            await asyncio.sleep(self._every_s)

    async def round(self, batch: Batch) -> None:
        """One look at the chain. What a node does not say is asked again the next time.

        A tenant's own node may answer anything: no fault in reading it is more than this batch's.
        """
        about = {"chain": batch.chain, "tenant_id": batch.tenant_id}
        try:
            async with self._lane(batch), self._slots, asyncio.timeout(ROUND_TIMEOUT_S):
                outcome = await self._round(batch)
        except (CallError, Misconfigured, Unreadable, ValueError, TimeoutError) as error:
            outcome = "failed"
            log.warning("chain not followed", error=f"{type(error).__name__}: {error}", **about)
        except Exception as error:
            if is_outage(error):
                raise
            outcome = "failed"
            kind, place = type(error).__name__, place_of(error)
            log.critical("fault while a chain was followed", kind=kind, place=place, **about)
        FOLLOWED.labels(batch.chain, outcome).inc()

    def _lane(self, batch: Batch) -> asyncio.Semaphore:
        """A tenant's own few places: however many wallets it watches at a node that hangs, the
        places of all are not full of them.
        """
        return self._lanes.setdefault(batch.tenant_id, asyncio.Semaphore(AT_ONCE_A_TENANT))

    async def _round(self, batch: Batch) -> str:
        kept = await read_follow(self._pool, batch)
        if kept is not None and kept.untold:
            kept = await self._told(batch, kept)
            if kept is None:
                return "moved_by_another"
        client, config = await self._client(batch)
        name = await genesis(client)
        if kept is None or kept.genesis != name:
            version = kept.version if kept is not None else 0
            state = await begin_at(client, config, batch.added_s - CLOCKS_S)
            kept = FollowRow(version, name, 0, b"", b"")
        else:
            state = STATES.decode(kept.state)
        after, seen = await follow(client, config, state)
        if after == state and kept.state:
            return "followed"
        took_back = any(not isinstance(each, Credited) for each in seen)
        ours = await read_wallets(self._pool, batch.tenant_id, batch.chain) if seen else ()
        events = [_event(batch, each, kept.turn) for each in seen if not _is_between(each, ours)]
        row = FollowRow(
            kept.version + 1,
            name,
            kept.turn + took_back,
            STATES.encode(after),
            msgspec.msgpack.encode(events) if events else b"",
        )
        if not await write_follow(self._pool, batch, row):
            return "moved_by_another"
        if events and await self._told(batch, row) is None:
            return "moved_by_another"
        return "followed"

    async def _told(self, batch: Batch, row: FollowRow) -> FollowRow | None:
        """The row once its events are in the log; None if somebody else has moved on meanwhile."""
        partition = partition_of(batch.tenant_id, self._partitions)
        for each in _untold(row.untold):
            await self._inlet.say(
                partition,
                tenant_id=batch.tenant_id,
                event_type=each.event_type,
                event_id=each.event_id,
                data=each.data,
            )
            log.info("seen on a chain", event_type=each.event_type, event_id=each.event_id)
        after = row._replace(version=row.version + 1, untold=b"")
        return after if await write_follow(self._pool, batch, after) else None

    async def _client(self, batch: Batch) -> tuple[Client, Config]:
        """The node as the tenant has it now; one that has said what it is need not say it again."""
        members, session = await self._nodes.node(batch.tenant_id, batch.chain)
        wallets = ",".join(batch.addresses)
        config = Config.read({**members, "wallets": wallets, "private_key": ""})
        known = self._clients.get(batch)
        if known is None or known[0] != config:
            client = Client(session, config)
            await client.require_decimals()
            known = self._clients[batch] = config, client
        return known[1], known[0]


def _is_between(seen: Seen, ours: Collection[str]) -> bool:
    """Whether money only went from one wallet of the tenant's to another of its own, which was said
    at another time: nothing came. What was told all the same is always taken back.
    """
    return isinstance(seen, Credited) and seen.transfer.sender in ours


def _event(batch: Batch, seen: Seen, turn: int) -> _Untold:
    """What is told of it. The same again after blocks were replaced twice is another event."""
    transfer = seen.transfer
    kind = CREDITED if isinstance(seen, Credited) else REVERSED
    about = f"{batch.chain}/{transfer.tx_hash}/{transfer.log_index}/{transfer.block_hash}/{turn}"
    return _Untold(kind, derive(batch.tenant_id, about, kind, 0), _data(batch, transfer, turn))


def _data(batch: Batch, transfer: Transfer, turn: int) -> dict[str, Any]:
    return {
        "gateway": batch.chain,
        "tx_hash": transfer.tx_hash,
        "log_index": transfer.log_index,
        "block_hash": transfer.block_hash,
        "block_number": transfer.block_number,
        "block_ms": transfer.block_time_s * 1000,
        "sender": transfer.sender,
        "wallet": transfer.wallet,
        "amount": format_minor(transfer.amount_minor, exponent_of(transfer.asset)),
        "currency": transfer.asset,
        "turn": turn,
    }
