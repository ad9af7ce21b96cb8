"""Jenga: an account at Equity Bank, its balance and statement, and money that comes to it.

It moves no money. How a transfer is asked for, and which of its words are final, is not known well
enough: even "Failed" is told of transfers whose end Jenga does not know itself.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import aiohttp

from connectors.base import Acted, Ambiguous, Asked, Connector, Refused, Result
from connectors.callbacks import Callback, Heard, Told
from connectors.http import Answer
from connectors.jenga import statement, translate
from connectors.jenga.client import Client
from connectors.jenga.config import Config
from connectors.jenga.hearing import heard
from connectors.jenga.statement import Line
from connectors.reading import Unreadable
from connectors.tokens import Shelf
from streams.money import exponent_of, format_minor

T = TypeVar("T")


class Jenga:
    """One merchant and one account."""

    name = "jenga"
    operations: frozenset[str] = frozenset()
    capabilities = operations
    actions = frozenset({"balance", "statement"})
    doubted = operations

    def __init__(
        self,
        client: Client,
        config: Config,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._config, self._now = client, config, now

    @property
    def public(self) -> Mapping[str, str]:
        """The account, where payers pay by hand."""
        return {"account": self._config.account}

    @staticmethod
    def takes(asset: str) -> bool:  # noqa: ARG004
        """None: it moves no money."""
        return False

    def key_lifetime_s(self, asked: Asked) -> float:  # noqa: ARG002
        """Nothing is ever sent."""
        return 0.0

    async def perform(self, asked: Asked) -> Result:  # noqa: ARG002
        """Nothing."""
        return Result("failed", failure="capability_unsupported")

    async def query(self, asked: Asked) -> Result:  # noqa: ARG002
        """Nothing."""
        return Result("unknown", detail="capability_unsupported")

    async def end(self, asked: Asked) -> Result:
        """Nothing."""
        return await self.query(asked)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """Tell what the account has, or what was booked on it `from` one day `to` another."""
        match action:
            case "balance":
                return await self._balance()
            case "statement":
                return await self._statement(*_days(values))
        raise Refused(action, failure="action_unknown")

    async def hear(self, callback: Callback) -> Heard | None:
        """An alert of the account, or of a payment, by our own user and password."""
        return heard(self._config, callback)

    async def _balance(self) -> Acted:
        account = self._config.account
        answer = _answered(await self._client.ask(translate.balance_question(self._config)))
        funds = _read(lambda: translate.funds_of(answer.body, account))
        told = Told(f"balance.{account}.{self._now().isoformat()}", (funds,))
        says = {
            "account": account,
            "currency": funds.asset,
            "current": _text(funds.current_minor, funds.asset),
            "available": _text(funds.available_minor, funds.asset),
        }
        return Acted(says, [told])

    async def _statement(self, from_day: str, to_day: str) -> Acted:
        asset, lines = await self._lines(from_day, to_day)
        rows = statement.whole(self._config, asset, from_day, to_day, lines)
        says: dict[str, Any] = {
            "account": rows.account,
            "currency": asset,
            "found": len(rows.rows),
            "opening": _text(rows.opening_minor, asset),
            "closing": _text(rows.closing_minor, asset),
        }
        return Acted(says, [rows])

    async def _lines(self, from_day: str, to_day: str) -> tuple[str, list[Line]]:
        """(currency, all rows as they come). Raises `Refused` for too many: a part is no whole."""
        lines: list[Line] = []
        while True:
            after = lines[-1] if lines else None
            question = statement.page_question(self._config, from_day, to_day, after)
            page, more = self._page(_answered(await self._client.ask(question)), lines)
            if not more:
                return page.asset, lines
            lines += more
            if len(lines) > statement.ROWS_MAX:
                raise Refused("ask for fewer days at once", failure="too_many_rows")

    def _page(self, answer: Answer, known: list[Line]) -> tuple[statement.Page, list[Line]]:
        """A page, and what of it is new."""
        page = _read(lambda: statement.page_of(answer.body))
        if page.account not in {"", self._config.account}:
            raise Ambiguous("the statement of another account")
        return page, list(_read(lambda: statement.fresh(known, page.lines)))


def _days(values: Mapping[str, str]) -> tuple[str, str]:
    """(from, to) as ISO dates. Raises `Refused`."""
    try:
        first, last = (date.fromisoformat(values.get(name, "")) for name in ("from", "to"))
    except ValueError:
        raise Refused("from and to are days like 2026-03-01", failure="day_unfit") from None
    if first > last:
        raise Refused("from is after to", failure="day_unfit")
    return first.isoformat(), last.isoformat()


def _text(minor: int | None, asset: str) -> str | None:
    return None if minor is None else format_minor(minor, exponent_of(asset))


def _answered(answer: Answer) -> Answer:
    """The answer. Raises `Refused` for one that says no, whatever its status."""
    said = translate.refusal_of(answer.body)
    if answer.status != 200 or said:
        raise Refused(said or f"status {answer.status}")
    return answer


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except Unreadable as error:
        raise Ambiguous(f"unreadable answer: {error}") from error


def build(
    session: aiohttp.ClientSession, configuration: Mapping[str, str], shelf: Shelf | None = None
) -> Connector:
    """The connector for this configuration; ValueError when that is incomplete."""
    config = Config.read(configuration)
    return Jenga(Client(session, config, shelf=shelf), config)
