"""Timeout, breaker and retries around one connector; the same for all of them.

A call is repeated only where that cannot do it twice: nothing was sent, it was a query, or the
provider still knows the key. Otherwise what is not known stays unknown.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from connectors.base import (
    Acted,
    Ambiguous,
    Asked,
    CallError,
    Connector,
    NotSent,
    Refused,
    Result,
    TurnedAway,
)
from connectors.breaker import Breaker, State
from connectors.callbacks import Callback, Heard
from connectors.routing import Health

T = TypeVar("T")

TIMEOUT_S = 5.0
ACTION_TIMEOUT_S = 30.0
"""Of what a person waits for, which may be several requests."""
RETRIES = 3
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 30.0

log = structlog.get_logger(__name__)


Observe = Callable[[str, str, str, float], None]
"""Told of every request: (gateway, verb, how it ended, seconds)."""


class CircuitOpen(NotSent):
    """The breaker let nothing out."""


_ENDED: Mapping[type[CallError], str] = {
    CircuitOpen: "circuit_open",
    Ambiguous: "unclear",
    TurnedAway: "busy",
    Refused: "refused",
}
UNSUPPORTED = Result("failed", failure="capability_unsupported")
_FAILURES = {
    CircuitOpen: "circuit_open",
    NotSent: "not_reached",
    TurnedAway: "provider_busy",
}


def _without_result(error: CallError, sent: bool) -> Result:
    if sent:
        return Result("unknown", detail=error.reason)
    failure = error.failure if isinstance(error, Refused) else _FAILURES[type(error)]
    return Result("failed", failure=failure, detail=error.reason)


class Guard:
    """A connector whose calls always have a result: what cannot be known is `unknown`, not raised.

    `failed` without the provider's word is said only when no attempt can have done it. A provider
    that asks for more patience than a retry has is not asked again.
    """

    def __init__(
        self,
        connector: Connector,
        breaker: Breaker,
        health: Health | None = None,
        *,
        observe: Observe = lambda *_: None,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connector = connector
        self._breaker = breaker
        self._observe = observe
        self._health = health or Health(monotonic_s=monotonic_s)
        self._monotonic_s, self._sleep = monotonic_s, sleep

    @property
    def name(self) -> str:
        """The gateway's name."""
        return self._connector.name

    @property
    def public(self) -> Mapping[str, str]:
        """What payers may be shown."""
        return self._connector.public

    def can(self, operation: str, asset: str) -> bool:
        """Whether it does this with money of this currency."""
        return operation in self._connector.operations and self._connector.takes(asset)

    def doubts(self, operation: str) -> bool:
        """Whether a callback about it counts only once a query says the same."""
        return operation in self._connector.doubted

    @property
    def operations(self) -> frozenset[str]:
        """What it can do."""
        return self._connector.operations

    @property
    def actions(self) -> frozenset[str]:
        """What people may have it do besides calls."""
        return self._connector.actions

    @property
    def breaker(self) -> State:
        """Where the breaker stands: closed, half_open or open."""
        return self._breaker.state

    @property
    def is_open(self) -> bool:
        """Whether the breaker lets nothing out now."""
        return self._breaker.state == "open"

    @property
    def trouble(self) -> int:
        """How it fares of late (connectors/routing.py)."""
        return self._health.trouble

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:
        """An action of people's, once. Raises `CallError`."""
        return await self._timed(
            "act", lambda: self._connector.act(action, told_at, values), ACTION_TIMEOUT_S
        )

    async def hear(self, callback: Callback) -> Heard | None:
        """What the provider tells by itself, as the connector does."""
        return await self._connector.hear(callback)

    async def perform(
        self,
        operation: str,
        key: str,
        request: bytes,
        *,
        told_at: str = "",
        until_s: float = math.inf,
    ) -> Result:
        """Do it; nothing is sent after `until_s` of the monotonic clock."""
        if operation not in self._connector.operations:
            return UNSUPPORTED
        asked = Asked(operation, key, request, told_at)
        repeatable_until_s = self._monotonic_s() + self._connector.key_lifetime_s(asked)
        error, sent = await self._attempts(
            "perform",
            lambda: self._connector.perform(asked),
            until_s=until_s,
            repeatable_until_s=repeatable_until_s,
        )
        result = error if isinstance(error, Result) else _without_result(error, sent)
        self._health.saw(result)
        return result

    async def query(
        self, operation: str, key: str, request: bytes, *, told_at: str = "", handle: str = ""
    ) -> Result:
        """What became of it; unknown as long as the provider cannot be asked."""
        return await self._ask(
            self._connector.query, Asked(operation, key, request, told_at, handle)
        )

    async def end(
        self, operation: str, key: str, request: bytes, *, told_at: str = "", handle: str = ""
    ) -> Result:
        """The last look at a call whose payer has had its time; unknown if that cannot be had."""
        return await self._ask(self._connector.end, Asked(operation, key, request, told_at, handle))

    async def _ask(self, verb: Callable[[Asked], Awaitable[Result]], asked: Asked) -> Result:
        if asked.operation not in self._connector.operations:
            return Result("unknown", detail=UNSUPPORTED.failure)
        result, _sent = await self._attempts(
            "query",
            lambda: verb(asked),
            until_s=math.inf,
            repeatable_until_s=math.inf,
        )
        return result if isinstance(result, Result) else Result("unknown", detail=result.reason)

    async def _attempts(
        self,
        verb: str,
        call: Callable[[], Awaitable[Result]],
        *,
        until_s: float,
        repeatable_until_s: float,
    ) -> tuple[Result | CallError, bool]:
        """(result or last error, whether any attempt may have done it)."""
        sent = False
        delay_s = FIRST_DELAY_S
        for attempt in range(RETRIES + 1):
            try:
                return await self._timed(verb, call, TIMEOUT_S), True
            except CallError as error:
                sent = sent or isinstance(error, Ambiguous)
                last: CallError = error
            wait_s = max(delay_s, last.retry_after_s)
            allowed = until_s if not sent else min(until_s, repeatable_until_s)
            late = wait_s > LONGEST_DELAY_S or self._monotonic_s() + wait_s >= allowed
            if attempt == RETRIES or late or isinstance(last, CircuitOpen | Refused):
                break
            log.info("provider call repeated", gateway=self.name, reason=last.reason)
            await self._sleep(wait_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)
        return last, sent

    async def _timed(self, verb: str, call: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        """One attempt, of which the observer is told."""
        began_s, ended = time.perf_counter(), "answered"
        try:
            return await self._once(call, timeout_s)
        except CallError as error:
            ended = _ENDED.get(type(error), "not_sent")
            raise
        except BaseException:
            ended = "cancelled"
            raise
        finally:
            self._observe(self.name, verb, ended, time.perf_counter() - began_s)

    async def _once(self, call: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        if not self._breaker.admit():
            raise CircuitOpen("the circuit is open")
        try:
            async with asyncio.timeout(timeout_s):
                result = await call()
        except Refused:
            self._breaker.succeeded()
            raise
        except CallError:
            self._breaker.failed()
            raise
        except TimeoutError as error:
            self._breaker.failed()
            raise Ambiguous("timeout") from error
        except Exception as error:
            self._breaker.abandoned()
            log.exception("connector raised", gateway=self.name)
            raise Ambiguous(f"fault of the connector: {type(error).__name__}") from error
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        return result
