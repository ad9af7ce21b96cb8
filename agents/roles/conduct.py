"""One gateway call, from the wish for a grant to the provider's word in the log.

Sends only after reading its own nonce back from the archive and before the deadline by its own
monotonic clock; whatever may have been sent before is only ever asked about.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import asyncpg
import msgspec
import structlog

from agents.roles.counters import CALLED
from agents.roles.gateways import Credentialed
from agents.roles.outages import through_outages
from agents.roles.saying import Saying
from connectors.base import Result
from streams.errors import Misconfigured, Unreadable
from streams.ids import derive
from streams.journal import Entry
from streams.money import UnknownAsset, exponent_of, format_minor, plain
from streams.signals import crash_here
from tables.postgres.calls import CallRow, finish_call, store_answer

CONCURRENT_CALLS = 64
LONGEST_GRANT_MS = 60_000
FINAL_AFTER_S = 6 * 60.0
"""How long after the deadline "not found" may still turn into something."""
FIRST_QUERY_S, LONGEST_QUERY_S = 1.0, 30.0
NOT_SENT = Result("failed", failure="not_sent", detail="the deadline passed before it was sent")
NOT_CONFIGURED = Result("failed", failure="not_configured", detail="the gateway cannot be used")

log = structlog.get_logger(__name__)


class Gateways(Protocol):
    """Gateways as tenants have them (agents/roles/gateways.py)."""

    def knows(self, gateway: str) -> bool:
        """Whether calls to this gateway can be made here."""

    async def of(self, tenant_id: str, gateway: str) -> Credentialed:
        """The gateway with this tenant's credentials."""


class Conductor:
    """The calls of this process, whatever partition they come from."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        saying: Saying,
        gateways: Gateways,
        *,
        concurrent: int = CONCURRENT_CALLS,
        longest_grant_ms: int = LONGEST_GRANT_MS,
        final_after_s: float = FINAL_AFTER_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._saying = pool, saying
        self._gateways = gateways
        self._slots = asyncio.Semaphore(concurrent)
        self._longest_grant_ms = longest_grant_ms
        self._final_after_s = final_after_s
        self._monotonic_s = monotonic_s
        self._unsent: set[str] = set()  # nonces of ours that certainly nothing was sent under

    def knows(self, gateway: str) -> bool:
        """Whether calls to this gateway can be made here."""
        return self._gateways.knows(gateway)

    async def conduct(self, row: CallRow, valid_for_ms: int) -> None:
        """A call whose nonce nobody has heard of yet, to be sent within `valid_for_ms` or never."""
        valid_for_ms = max(1, min(valid_for_ms, self._longest_grant_ms))
        until_s = self._monotonic_s() + valid_for_ms / 1_000
        self._unsent.add(row.nonce)
        try:
            async with asyncio.timeout(valid_for_ms / 1_000):
                entry = await self._ask(row, valid_for_ms)
        except TimeoutError:
            await self._answer(row, NOT_SENT)
            return
        if entry.status != "applied" or row.nonce.encode() not in entry.raw:
            log.info("grant refused", call_id=row.call_id, reason=entry.reason)
            await self._finish(row)
            return
        result = await self._perform(row, until_s)
        if result.outcome in {"pending", "unknown"}:
            result = await self._query(row, until_s + self._final_after_s)
        await self._answer(row, result)

    async def resume(self, row: CallRow, answer: bytes | None, asked_ago_s: float) -> None:
        """A call from before: said again if answered, else asked about, never sent."""
        if answer is not None:
            await self._complete(row, answer)
        elif row.nonce in self._unsent:
            await self._answer(row, NOT_SENT)
        else:
            last_sent_s = self._monotonic_s() - asked_ago_s + self._longest_grant_ms / 1_000
            await self._answer(row, await self._query(row, last_sent_s + self._final_after_s))

    async def _ask(self, row: CallRow, valid_for_ms: int) -> Entry:
        return await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type="treasury.call.granted",
            event_id=derive(row.tenant_id, row.call_id, f"granted.{row.nonce}", 0),
            data={"call_id": row.call_id, "nonce": row.nonce, "valid_for_ms": valid_for_ms},
            appended=partial(crash_here, "S17"),
        )

    async def _perform(self, row: CallRow, until_s: float) -> Result:
        async with self._slots:
            try:
                async with asyncio.timeout(until_s - self._monotonic_s()):
                    found = await through_outages(
                        lambda: self._gateways.of(row.tenant_id, row.gateway)
                    )
            except TimeoutError:
                return NOT_SENT
            except (Misconfigured, Unreadable) as error:
                log.warning("gateway not usable", call_id=row.call_id, error=str(error))
                return NOT_CONFIGURED
            if self._monotonic_s() >= until_s:
                return NOT_SENT
            crash_here("S18")
            self._unsent.discard(row.nonce)
            log.info("calls", call_id=row.call_id, credentials=found.credentials)
            result = await found.gateway.perform(
                row.operation, row.call_id, row.request, until_s=until_s
            )
            crash_here("S19")
            return result

    async def _query(self, row: CallRow, final_s: float) -> Result:
        """The provider's last word, or unknown when it has none by `final_s`."""
        delay_s = FIRST_QUERY_S
        while True:
            async with self._slots:
                result = await self._asked(row)
            if result.outcome in {"succeeded", "failed"}:
                return result
            left_s = final_s - self._monotonic_s()
            if left_s <= 0:
                return Result("unknown", detail=result.detail or result.outcome)
            await asyncio.sleep(min(delay_s, left_s))
            delay_s = min(2 * delay_s, LONGEST_QUERY_S)

    async def _asked(self, row: CallRow) -> Result:
        try:
            found = await through_outages(lambda: self._gateways.of(row.tenant_id, row.gateway))
        except (Misconfigured, Unreadable) as error:
            log.warning("gateway not usable", call_id=row.call_id, error=str(error))
            return Result("unknown", detail="not_configured")
        return await found.gateway.query(row.operation, row.call_id, row.request)

    async def _answer(self, row: CallRow, result: Result) -> None:
        answer = msgspec.json.encode(completed(row, result))
        CALLED.labels(row.gateway, result.outcome).inc()
        kept = await through_outages(lambda: store_answer(self._pool, row.call_id, answer))
        self._unsent.discard(row.nonce)
        crash_here("S20")
        await self._complete(row, kept)

    async def _complete(self, row: CallRow, answer: bytes) -> None:
        data: dict[str, Any] = plain(answer)
        entry = await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type="treasury.call.completed",
            event_id=derive(
                row.tenant_id, row.call_id, f"completed.{row.nonce}.{data['outcome']}", 0
            ),
            data=data,
        )
        if entry.status not in {"applied", "duplicate"}:
            log.warning("answer not taken", call_id=row.call_id, reason=entry.reason)
        await self._finish(row)

    async def _finish(self, row: CallRow) -> None:
        self._unsent.discard(row.nonce)
        await through_outages(lambda: finish_call(self._pool, row.call_id, row.seq))


def completed(row: CallRow, result: Result) -> dict[str, Any]:
    """The data of `treasury.call.completed`; the amount as decimal text of its currency."""
    amount, detail = None, result.detail
    if result.amount_minor is not None:
        try:
            amount = format_minor(result.amount_minor, exponent_of(result.asset))
        except UnknownAsset:
            detail = f"{detail} (amount in an unknown asset)".strip()
    return {
        "call_id": row.call_id,
        "nonce": row.nonce,
        "outcome": result.outcome,
        "provider_reference": result.provider_reference,
        "amount": amount,
        "currency": result.asset if amount is not None else "",
        "failure": result.failure,
        "detail": detail[:200],
    }
