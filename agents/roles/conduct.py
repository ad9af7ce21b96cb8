"""One gateway call, from the wish for a grant to the provider's word in the log.

Sends only after reading its own nonce back from the archive and before the deadline by its own
monotonic clock; whatever may have been sent before is only ever asked about. What the provider
tells by itself is looked at, and where nothing is signed the provider is asked besides.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import asyncpg
import msgspec
import structlog

from agents.effects import CALL_FINAL_AFTER_MS, GRANT_MAX_MS
from agents.roles.counters import CALLED
from agents.roles.gateways import Credentialed, Gateway
from agents.roles.outages import through_outages
from agents.roles.reports import Ear, agreed, changes, handle_in, proof_in
from agents.roles.saying import Saying
from connectors.base import Result
from connectors.routing import Candidate, choose
from streams.errors import Misconfigured, Unreadable
from streams.ids import derive
from streams.journal import Entry
from streams.money import UnknownAsset, exponent_of, format_minor, plain
from streams.signals import crash_here
from tables.postgres.calls import (
    CallRow,
    Kept,
    ask_again,
    choose_gateway,
    finish_call,
    forget_told,
    keep_handle,
    store_answer,
)

CONCURRENT_CALLS = 64
"""At one gateway, by one process."""
FINAL_AFTER_S = CALL_FINAL_AFTER_MS / 1_000
FIRST_QUERY_S, LONGEST_QUERY_S = 1.0, 30.0
PAYER_QUERY_S = 300.0
"""The longest pause while a payer is waited for: who pays is told by a callback as a rule."""
NOT_SENT = Result("failed", failure="not_sent", detail="the deadline passed before it was sent")
NOT_CONFIGURED = Result("failed", failure="not_configured", detail="the gateway cannot be used")
_ENDS = frozenset({"succeeded", "failed"})

log = structlog.get_logger(__name__)


class Gateways(Protocol):
    """Gateways as tenants have them (agents/roles/gateways.py)."""

    def knows(self, gateway: str) -> bool:
        """Whether calls to this gateway can be made here."""

    async def of(self, tenant_id: str, gateway: str) -> Credentialed:
        """The gateway with this tenant's credentials."""


Address = Callable[[str, str, str], str]
"""Where a provider tells of a call: of (gateway, tenant, call)."""


class Conductor:
    """The calls of this process, whatever partition they come from."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        saying: Saying,
        gateways: Gateways,
        *,
        told_at: Address = lambda _gateway, _tenant_id, _call_id: "",
        concurrent: int = CONCURRENT_CALLS,
        longest_grant_ms: int = GRANT_MAX_MS,
        final_after_s: float = FINAL_AFTER_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._saying = pool, saying
        self._gateways, self._told_at = gateways, told_at
        # Each gateway has its own: money does not wait behind a tax authority that is silent.
        self._slots = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(concurrent))
        self._longest_grant_ms = longest_grant_ms
        self._final_after_s = final_after_s
        self._monotonic_s = monotonic_s
        self._unsent: set[str] = set()  # nonces of ours that certainly nothing was sent under
        self._ears: dict[str, Ear] = {}  # of calls that wait for their outcome

    def knows(self, gateways: tuple[str, ...]) -> bool:
        """Whether calls to one of these gateways can be made here."""
        return any(self._gateways.knows(gateway) for gateway in gateways)

    def hear(self, call_id: str, told: bytes | None) -> None:
        """The provider told of a call: whoever waits for its outcome looks at once."""
        ear = self._ears.get(call_id)
        if ear is not None:
            ear.hear(told)

    async def conduct(self, row: CallRow, valid_for_ms: int) -> None:
        """A call whose nonce nobody has heard of yet, to be sent within `valid_for_ms` or never."""
        valid_for_ms = max(1, min(valid_for_ms, self._longest_grant_ms))
        until_s = self._monotonic_s() + valid_for_ms / 1_000
        self._unsent.add(row.nonce)
        try:
            async with asyncio.timeout(valid_for_ms / 1_000):
                row, reason = await self._choose(row)
                entry = await self._ask(row, valid_for_ms, reason)
        except TimeoutError:
            await self._answer(row, NOT_SENT)
            return
        if entry.status != "applied" or row.nonce.encode() not in entry.raw:
            log.info("grant refused", call_id=row.call_id, reason=entry.reason)
            await self._finish(row)
            return
        with self._listening(row.call_id) as ear:
            result, told = await self._perform(row, until_s), None
            if result.outcome in {"pending", "unknown"}:
                final_s = until_s + self._final_after_s
                result, told = await self._outcome(row, ear, final_s, result)
        await self._answer(row, result, told)

    async def resume(self, kept: Kept) -> None:
        """A call from before: said again if answered, else asked about, never sent."""
        row = kept.row
        if kept.answer is not None:
            await self._complete(row, kept.answer)
        elif row.nonce in self._unsent:
            await self._answer(row, NOT_SENT)
        else:
            last_sent_s = self._monotonic_s() - kept.asked_ago_s + self._longest_grant_ms / 1_000
            with self._listening(row.call_id, kept.told) as ear:
                result, told = await self._outcome(row, ear, last_sent_s + self._final_after_s)
            await self._answer(row, result, told)

    @contextmanager
    def _listening(self, call_id: str, told: bytes | None = None) -> Iterator[Ear]:
        ear = self._ears[call_id] = Ear(told)
        try:
            yield ear
        finally:
            if self._ears.get(call_id) is ear:
                del self._ears[call_id]

    # -- being the one who sends -----------------------------------------------------------------

    async def _choose(self, row: CallRow) -> tuple[CallRow, str]:
        """The call at the gateway that fares best of those that may take it, and why that one."""
        if len(row.gateways) < 2:
            return row, ""
        asset = plain(row.request)["currency"]
        candidates = []
        for name in row.gateways:
            found = await self._usable(row._replace(gateway=name))
            if found is not None and found.can(row.operation, asset):
                candidates.append(Candidate(name, found.is_open, found.trouble))
        if not candidates:
            return row, ""
        choice = choose(candidates)
        await through_outages(lambda: choose_gateway(self._pool, row.call_id, choice.gateway))
        log.info("routed", call_id=row.call_id, gateway=choice.gateway, reason=choice.reason)
        return row._replace(gateway=choice.gateway), choice.reason

    async def _ask(self, row: CallRow, valid_for_ms: int, reason: str) -> Entry:
        chosen = {"gateway": row.gateway, "reason": reason} if reason else {}
        return await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type="treasury.call.granted",
            event_id=derive(row.tenant_id, row.call_id, f"granted.{row.nonce}", 0),
            data={
                "call_id": row.call_id,
                "nonce": row.nonce,
                "valid_for_ms": valid_for_ms,
                **chosen,
            },
            appended=partial(crash_here, "S17"),
        )

    async def _perform(self, row: CallRow, until_s: float) -> Result:
        async with self._slots[row.gateway]:
            try:
                async with asyncio.timeout(until_s - self._monotonic_s()):
                    found = await through_outages(
                        lambda: self._gateways.of(row.tenant_id, row.gateway)
                    )
            except TimeoutError:
                return NOT_SENT
            except (KeyError, Misconfigured, Unreadable) as error:
                log.warning("gateway not usable", call_id=row.call_id, error=str(error))
                return NOT_CONFIGURED
            if self._monotonic_s() >= until_s:
                return NOT_SENT
            crash_here("S18")
            self._unsent.discard(row.nonce)
            log.info("calls", call_id=row.call_id, credentials=found.credentials)
            result = await found.gateway.perform(
                row.operation, row.call_id, row.request, told_at=self._address(row), until_s=until_s
            )
            crash_here("S19")
        if result.handle:
            await through_outages(lambda: keep_handle(self._pool, row.call_id, result.handle))
        return result

    def _address(self, row: CallRow) -> str:
        return self._told_at(row.gateway, row.tenant_id, row.call_id)

    # -- how it ended ----------------------------------------------------------------------------

    async def _outcome(
        self, row: CallRow, ear: Ear, final_s: float, performed: Result | None = None
    ) -> tuple[Result, bytes | None]:
        """The provider's last word, or unknown when it has none by `final_s`; and what was told.

        A payer who has to act has the time that the payment has. Who did not send learns of that by
        asking, and so the first look of all only asks.
        """
        result = performed or Result("unknown")
        delay_s, longest_s = FIRST_QUERY_S, LONGEST_QUERY_S
        is_payers, wait = False, performed is not None and performed.outcome == "pending"
        while True:
            if result.payer_action and not is_payers:
                is_payers, longest_s = True, PAYER_QUERY_S
                final_s += await self._begun(row, result)
            left_s = final_s - self._monotonic_s()
            if wait and await ear.wait(min(delay_s, left_s)):
                delay_s = FIRST_QUERY_S
            elif wait:
                delay_s = min(2 * delay_s, longest_s)
            waited, wait, told = wait, True, ear.told
            row = row._replace(handle=row.handle or result.handle or handle_in(told))
            proof = proof_in(told, row.handle)
            ends = waited and left_s <= 0
            result = await self._look(row, proof, ends=ends)
            if result.outcome in _ENDS:
                return result, told
            if ends:
                return Result("unknown", detail=result.detail or result.outcome), told

    async def _look(self, row: CallRow, proof: Result | None, *, ends: bool) -> Result:
        """How it stands: as was told, if that is proof here, else as the provider answers now."""
        async with self._slots[row.gateway]:
            gateway = await self._usable(row)
            if gateway is None:
                return Result("unknown", detail="not_configured")
            if proof is not None and not gateway.doubts(row.operation):
                return proof
            ask = gateway.end if ends else gateway.query
            result = await ask(
                row.operation,
                row.call_id,
                row.request,
                told_at=self._address(row),
                handle=row.handle,
            )
        return agreed(result, proof, plain(row.request).get("amount", ""))

    async def _usable(self, row: CallRow) -> Gateway | None:
        if not self._gateways.knows(row.gateway):
            return None
        try:
            found = await through_outages(lambda: self._gateways.of(row.tenant_id, row.gateway))
        except (Misconfigured, Unreadable) as error:
            log.warning("gateway not usable", call_id=row.call_id, error=str(error))
            return None
        return found.gateway

    async def _begun(self, row: CallRow, result: Result) -> float:
        """Say that the payer has to act; how long that may take, in seconds."""
        has_s = int(plain(row.request).get("payer_has_s", 0))
        await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type="treasury.call.begun",
            event_id=derive(row.tenant_id, row.call_id, f"begun.{row.nonce}", 0),
            data={
                "call_id": row.call_id,
                "nonce": row.nonce,
                "handle": row.handle or result.handle,
                "payer_action": result.payer_action,
                "payer_has_s": has_s,
            },
        )
        return has_s

    # -- its answer ------------------------------------------------------------------------------

    async def _answer(self, row: CallRow, result: Result, told: bytes | None = None) -> None:
        answer = msgspec.json.encode(completed(row, result, told))
        CALLED.labels(row.gateway, row.operation, result.outcome).inc()
        kept = await through_outages(
            lambda: store_answer(self._pool, row.call_id, answer, told=told)
        )
        self._unsent.discard(row.nonce)
        crash_here("S20")
        await self._complete(row, kept)

    async def _complete(self, row: CallRow, answer: bytes) -> None:
        words = hashlib.sha256(answer).hexdigest()
        entry = await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type="treasury.call.completed",
            event_id=derive(row.tenant_id, row.call_id, f"completed.{words}", 0),
            data=plain(answer),
        )
        if entry.status not in {"applied", "duplicate"}:
            log.warning("answer not taken", call_id=row.call_id, reason=entry.reason)
        await self._finish(row)

    async def _finish(self, row: CallRow) -> None:
        """Be done with it, unless something was told meanwhile that its answer does not know."""
        self._unsent.discard(row.nonce)
        again = await through_outages(partial(self._done, row))
        if again is not None:
            await self.resume(again)

    async def _done(self, row: CallRow) -> Kept | None:
        async with self._pool.acquire() as connection, connection.transaction():
            kept = await finish_call(connection, row.call_id, row.seq)
            return None if kept is None else await reopened(connection, kept)


async def reopened(connection: asyncpg.Connection, kept: Kept) -> Kept | None:
    """A call that is done and of which more was told: to be asked about again if that may change
    its answer, else None and forgotten.
    """
    if kept.told is None:
        return None
    if kept.answer is None or not changes(kept.answer, kept.told, kept.row.operation):
        await forget_told(connection, kept.row.call_id, kept.told)
        return None
    log.info("asked about again", call_id=kept.row.call_id)
    return await ask_again(connection, kept.row.call_id)


def completed(row: CallRow, result: Result, told: bytes | None = None) -> dict[str, Any]:
    """The data of `treasury.call.completed`; the amount as decimal text of its currency.

    With a digest of what was told, so that the same answer after another telling is a new one.
    """
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
        "heard": hashlib.sha256(told).hexdigest()[:16] if told else "",
        **({"says": dict(result.says)} if result.says else {}),
    }
