"""Stripe: payment intents collect and hold, refunds give back, payouts go to the account's bank.

The payer ends an intent on a page, with the client's secret (`payer_action`). A repeat under one
key is the same request for a day; what no answer named is found by our call's id in its metadata.
"""

from collections.abc import Callable, Mapping

import aiohttp
import msgspec

from connectors.base import NOT_FOUND, Acted, Ambiguous, Asked, Connector, Refused, Result
from connectors.callbacks import Callback, Heard
from connectors.http import Answer
from connectors.reading import Unfit, Unreadable
from connectors.stripe import translate
from connectors.stripe.client import (
    BALANCE_TRANSACTIONS,
    INTENTS,
    KEY_LIFETIME_S,
    PAYOUTS,
    REFUNDS,
    Client,
    action,
)
from connectors.stripe.config import Config
from connectors.stripe.hearing import heard
from connectors.stripe.translate import Wish
from connectors.tokens import Shelf

LINES_MAX = 10_000
"""More lines of a payout than a person asks for at once."""
_NOT_CONFIGURED = frozenset({401, 403})
_PATHS: Mapping[str, str] = {"refund": REFUNDS, "payout": PAYOUTS}
_read_wish = msgspec.json.Decoder(Wish).decode


class Stripe:
    """One account."""

    name = "stripe"
    operations = frozenset({"collect", "authorize", "capture", "void", "refund", "payout"})
    capabilities = operations
    actions = frozenset({"balance_transactions"})
    doubted = operations - {"collect"}  # events tell of intents as collected; the rest comes back

    def __init__(self, client: Client, config: Config) -> None:
        self._client, self._config = client, config

    public: Mapping[str, str] = {}

    @staticmethod
    def takes(asset: str) -> bool:
        """Every currency that money comes in; tokens are none."""
        return len(asset) == 3

    def key_lifetime_s(self, asked: Asked) -> float:  # noqa: ARG002
        """A day, whatever it is."""
        return KEY_LIFETIME_S

    async def perform(self, asked: Asked) -> Result:
        """Ask for it; what cannot be asked fails here, unsent."""
        try:
            path, members = _request(asked)
        except Unfit as error:
            return Result("failed", failure=error.reason)
        except (ValueError, LookupError) as error:
            return Result("failed", failure="bad_request", detail=type(error).__name__)
        return _outcome(await self._client.post(path, members, asked.key), asked.operation)

    async def query(self, asked: Asked) -> Result:
        """How the object stands that the call made, or is about.

        An intent that was declined is cancelled: we try anew, and its page must not pay it as well.
        """
        wish = _read_wish(asked.request)
        path = _PATHS.get(asked.operation, INTENTS)
        handle = asked.handle or wish.authorization
        if not handle:
            return await self._found(asked, path, wish)
        answer = await self._client.get(path, handle)
        if answer.status == 404:
            return Result("unknown", detail=NOT_FOUND)
        result = _outcome(answer, asked.operation)
        if result.outcome == "failed" and translate.can_be_paid(answer.body):
            return await self._cancel(asked, handle)
        return result

    async def end(self, asked: Asked) -> Result:
        """An intent that nobody has paid is cancelled, so that nobody pays it later."""
        result = await self.query(asked)
        if result.outcome != "pending" or asked.operation not in {"collect", "authorize"}:
            return result
        return await self._cancel(asked, result.handle)

    async def _cancel(self, asked: Asked, handle: str) -> Result:
        """Cancelled, or as it became meanwhile: that is asked again.

        Under no key: a refusal while the payer is at it would be repeated for a day.
        """
        answer = await self._client.post(action(INTENTS, handle, "cancel"), {})
        return _outcome(answer, asked.operation)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """The lines of a payout: what came, what it cost, what was given back."""
        if action not in self.actions:
            raise Refused(action, failure="action_unknown")
        lines: list[Mapping[str, str]] = []
        after: dict[str, str] = {}
        while len(lines) < LINES_MAX:
            about = {"payout": values["payout"]} if "payout" in values else {}
            answer = await self._client.list(BALANCE_TRANSACTIONS, **about, **after)
            if answer.status != 200:
                raise Refused(f"status {answer.status}", failure="payout_unknown")
            try:
                some, has_more = translate.balance_lines(answer.body)
            except Unreadable as error:
                raise Ambiguous("unreadable answer") from error
            lines += some
            if not has_more or not some:
                break
            after = {"starting_after": some[-1]["id"]}
        return Acted({"lines": lines})

    async def hear(self, callback: Callback) -> Heard | None:
        """An event of a webhook that a secret of ours has signed."""
        return heard(self._config, callback)

    async def _found(self, asked: Asked, path: str, wish: Wish) -> Result:
        about = {"payment_intent": wish.provider_reference} if asked.operation == "refund" else {}
        answer = await self._client.list(path, **about)
        if answer.status != 200:
            raise Refused(f"status {answer.status}")
        return _read(lambda: translate.found_in(answer.body, asked.key, asked.operation))


def _request(asked: Asked) -> tuple[str, Mapping[str, object]]:
    """(path, members) of a call. Raises `Unfit`, ValueError or LookupError."""
    wish = _read_wish(asked.request)
    match asked.operation:
        case "collect" | "authorize":
            held = asked.operation == "authorize"
            return INTENTS, translate.payment_intent(wish, asked.key, held=held)
        case "capture":
            return action(INTENTS, wish.authorization, "capture"), translate.capture(wish)
        case "void":
            translate.sent(wish)
            return action(INTENTS, wish.authorization, "cancel"), {}
        case "refund":
            return REFUNDS, translate.refund(wish, asked.key)
        case "payout":
            return PAYOUTS, translate.payout(wish, asked.key)
    raise Unfit("capability_unsupported")


def _outcome(answer: Answer, operation: str) -> Result:
    """What an answer says. Raises `Refused` for a request that was not heard, this time.

    A declined card is an outcome: Stripe keeps it under the key.
    """
    if answer.status == 200:
        return _read(lambda: translate.result_of(answer.body, operation))
    kind, code, message = translate.error_of(answer.body)
    if kind == "card_error":
        return Result("failed", failure=code or "declined", detail=message)
    if kind == "idempotency_error":
        raise Ambiguous("the key was used for another request")
    failure = "not_configured" if answer.status in _NOT_CONFIGURED else code or "refused"
    raise Refused(f"status {answer.status}: {message}"[:200], failure=failure)


def _read(read: Callable[[], Result]) -> Result:
    try:
        return read()
    except Unreadable as error:
        raise Ambiguous("unreadable answer") from error


def build(
    session: aiohttp.ClientSession,
    configuration: Mapping[str, str],
    _shelf: Shelf | None = None,
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    config = Config.read(configuration)
    return Stripe(Client(session, config), config)
