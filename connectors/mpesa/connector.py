"""M-Pesa: STK pushes collect, B2C and B2B pay out, reversals give back. All are told later.

An answer only says that a request was taken. How it ended comes to an address of the call's own
(`told_at` and a kind, see hearing.py), or by a query where M-Pesa has one.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import aiohttp
import msgspec

from connectors.base import Acted, Ambiguous, Asked, Connector, Refused, Result, TurnedAway
from connectors.callbacks import Callback, Deposit, Heard
from connectors.http import Answer
from connectors.mpesa import desk, translate
from connectors.mpesa.client import (
    B2B,
    B2C,
    BALANCE,
    C2B_REGISTER,
    C2B_SIMULATE,
    PULL_QUERY,
    PULL_REGISTER,
    REVERSAL,
    STATUS,
    STK_PUSH,
    STK_QUERY,
    Client,
)
from connectors.mpesa.codes import refusal_of
from connectors.mpesa.config import Config
from connectors.mpesa.credential import security_credential
from connectors.mpesa.hearing import heard
from connectors.mpesa.translate import ToldAt, Wish
from connectors.mpesa.words import (
    CURRENCY,
    business_of,
)
from connectors.reading import Unfit, Unreadable, object_of
from connectors.tokens import Shelf

T = TypeVar("T")
B2C_KEY_LIFETIME_S = 24 * 3600.0
_FAILURES: Mapping[str, str] = {
    "permanent": "refused",
    "not_configured": "not_configured",
    "locked": "payer_busy",
}
_read_wish = msgspec.json.Decoder(Wish).decode


class Mpesa:
    """One short code. A shop without an initiator only collects."""

    name = "mpesa"
    capabilities = frozenset({"collect", "payout", "refund"})
    doubted = frozenset({"collect"})  # nothing is signed, and a push can be asked about

    def __init__(
        self,
        client: Client,
        config: Config,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._config, self._now = client, config, now
        collecting = {"collect"} if config.passkey else set()
        paying = {"payout", "refund"} if config.initiator else set()
        self.operations = frozenset(collecting | paying)
        told = {"balance"} if config.initiator else set()
        self.actions = frozenset({"register", "simulate", "pull_register", "pull"} | told)

    @property
    def public(self) -> Mapping[str, str]:
        """The paybill or till."""
        return {"short_code": self._config.short_code, "till": self._config.till}

    @staticmethod
    def takes(asset: str) -> bool:
        """Kenyan shillings."""
        return asset == CURRENCY

    def key_lifetime_s(self, asked: Asked) -> float:
        """Only a payout to a telephone bears an id of ours; a second push would ring once more."""
        return B2C_KEY_LIFETIME_S if self._bears_our_id(asked) else 0.0

    def _bears_our_id(self, asked: Asked) -> bool:
        if asked.operation != "payout" or self._config.b2c_version != "v3":
            return False
        try:
            return business_of(_read_wish(asked.request).destination) is None
        except ValueError:
            return False  # nothing of it is sent

    async def perform(self, asked: Asked) -> Result:
        """Ask for it; what cannot be asked fails here, unsent."""
        try:
            path, body = self._request(asked)
        except Unfit as error:
            return Result("failed", failure=error.reason)
        except (ValueError, LookupError) as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        return _taken(await self._client.post(path, body))

    def _request(self, asked: Asked) -> tuple[str, dict[str, Any]]:
        wish = _read_wish(asked.request)
        if not asked.told_at:
            raise Unfit("not_configured")
        match asked.operation:
            case "collect":
                callback_url = f"{asked.told_at}/stk"
                return STK_PUSH, translate.stk_push(self._config, wish, self._now(), callback_url)
            case "payout":
                return self._payout(asked, wish)
            case "refund":
                told_at = _told_at(asked, "reversal")
                return REVERSAL, translate.reversal(self._config, wish, self._credential(), told_at)
        raise Unfit("capability_unsupported")

    def _payout(self, asked: Asked, wish: Wish) -> tuple[str, dict[str, Any]]:
        config, sealed = self._config, self._credential()
        if business_of(wish.destination) is not None:
            told_at = _told_at(asked, "b2b")
            return B2B, translate.b2b_payment(config, wish, sealed, told_at)
        told_at = _told_at(asked, "b2c")
        body = translate.b2c_payment(config, wish, asked.key, sealed, told_at)
        return B2C[config.b2c_version], body

    async def query(self, asked: Asked) -> Result:
        """How a push ended; a payout or reversal is asked about here and told of later."""
        if asked.operation == "collect":
            return await self._query_push(asked)
        handle = asked.handle or (asked.key if self._bears_our_id(asked) else "")
        if not handle:
            return Result("unknown", detail="no answer named it")
        told_at = _told_at(asked, "status")
        body = translate.status_query(self._config, handle, self._credential(), told_at)
        _taken(await self._client.post(STATUS, body))
        return Result("pending", handle=handle)

    async def _query_push(self, asked: Asked) -> Result:
        if not asked.handle:
            return Result("unknown", detail="no answer named it")
        body = translate.stk_query(self._config, asked.handle, self._now())
        answer = await self._client.post(STK_QUERY, body)
        if answer.status == 200:
            return _read(lambda: translate.query_result(answer.body))
        kind, said = _refusal(answer)
        if kind == "pending":
            return Result("pending", detail=said, handle=asked.handle)
        _raise_if_not_heard(kind, answer)
        return Result("unknown", detail=said)

    async def end(self, asked: Asked) -> Result:
        """A push ends by itself, within minutes."""
        return await self.query(asked)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:
        """Register addresses, tell balances, list what came (desk.py)."""
        if action not in self.actions:
            raise Refused(action, failure="action_unknown")
        try:
            if action == "pull":
                return await self._pull(values)
            path, body = self._action(action, told_at, values)
        except Unfit as error:
            raise Refused(action, failure=error.reason) from None
        answer = await self._client.post(path, body)
        if action == "pull_register" and answer.status == 200:  # an answer of its own form
            said = _read(lambda: object_of(answer.body))
            return Acted({"state": said.get("ResponseDescription", "")})
        result = _taken(answer)
        return Acted({"state": "taken", "detail": result.detail})

    def _action(
        self, action: str, told_at: str, values: Mapping[str, str]
    ) -> tuple[str, dict[str, Any]]:
        match action:
            case "register":
                return C2B_REGISTER, desk.registration(self._config, told_at)
            case "simulate":
                return C2B_SIMULATE, desk.simulation(self._config, values)
            case "pull_register":
                return PULL_REGISTER, desk.pull_registration(self._config, values, told_at)
        result_at = ToldAt(f"{told_at}/balance-result", f"{told_at}/balance-timeout")
        return BALANCE, desk.balance_query(self._config, self._credential(), result_at)

    async def _pull(self, values: Mapping[str, str]) -> Acted:
        """Payments by hand of a span, which may have been told before or never."""
        since, until = _instant(values, "since"), _instant(values, "until")
        found: list[Deposit] = []
        while len(found) < desk.PULL_ROWS_MAX:
            body = desk.pull_query(self._config, since, until, len(found))
            answer = await self._client.post(PULL_QUERY, body)
            if answer.status != 200:
                _taken(answer)
            rows = _read(partial(desk.pulled, answer.body, self._config.short_code))
            found += rows
            if not rows:
                break
        return Acted({"found": len(found)}, found)

    async def hear(self, callback: Callback) -> Heard | None:
        """What M-Pesa tells at an address of ours."""
        return heard(self._config, callback)

    def _credential(self) -> str:
        return security_credential(self._config.initiator_password, self._config.certificate)


def _instant(values: Mapping[str, str], name: str) -> datetime:
    """An instant of RFC 3339. Raises `Unfit`."""
    try:
        at = datetime.fromisoformat(values.get(name, ""))
    except ValueError:
        raise Unfit("instant_unfit") from None
    if at.tzinfo is None:
        raise Unfit("instant_unfit")
    return at


def _told_at(asked: Asked, kind: str) -> ToldAt:
    return ToldAt(f"{asked.told_at}/{kind}-result", f"{asked.told_at}/{kind}-timeout")


def _taken(answer: Answer) -> Result:
    """A request that was taken is pending. Raises `Refused` for one that was not, this time."""
    if answer.status == 200:
        return _read(lambda: _acknowledged(answer.body))
    kind, said = _refusal(answer)
    if kind in {"accepted", "pending"}:
        return Result("pending", detail=said)
    _raise_if_not_heard(kind, answer)
    raise Refused(said, failure=_FAILURES[kind])


def _acknowledged(body: bytes) -> Result:
    ack = translate.ack_of(body)
    if not ack.accepted:
        raise Refused(ack.detail)
    return Result("pending", handle=ack.handle)


def _refusal(answer: Answer) -> tuple[str, str]:
    code, words = translate.error_of(answer.body)
    return refusal_of(answer.status, code, words), f"{code or answer.status}: {words}"[:200]


def _raise_if_not_heard(kind: str, answer: Answer) -> None:
    if kind == "busy":
        raise TurnedAway(f"status {answer.status}", retry_after_s=answer.retry_after_s)
    if kind == "unclear":
        raise Ambiguous(f"status {answer.status}", retry_after_s=answer.retry_after_s)
    if kind == "token":
        raise Refused("the app's token is refused here")


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except Unreadable as error:
        raise Ambiguous("unreadable answer") from error


def build(
    session: aiohttp.ClientSession, configuration: Mapping[str, str], shelf: Shelf | None = None
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    config = Config.read(configuration)
    if config.initiator:
        security_credential(config.initiator_password, config.certificate)
    return Mpesa(Client(session, config, shelf=shelf), config)
