"""Where statements of an account do not go on from each other: one is missing, or was changed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import asyncpg
from aiohttp import web

from streams.money import exponent_of, format_minor
from tables.postgres.statements import balances_told
from web.call import Call
from web.lists import json_response, parameters, reading


class Told(NamedTuple):
    """What a statement says it began and ended with: minor units, or None; its days are ISO."""

    statement_id: str
    asset: str
    from_day: str
    to_day: str
    opening: int | None
    closing: int | None


class Gap(NamedTuple):
    """A statement that begins with another balance than the one before it ended with."""

    before: Told
    after: Told

    @property
    def minor(self) -> int:
        """What moved in between, minor units."""
        assert self.after.opening is not None
        assert self.before.closing is not None
        return self.after.opening - self.before.closing


async def list_gaps(call: Call) -> web.StreamResponse:
    """The gaps of one account or of all, of each the oldest first."""
    wanted = parameters(call).get("account", "")
    async with reading(call) as connection:
        rows = await balances_told(connection, call.tenant_id, wanted)
    by_account: dict[tuple[str, str], list[Told]] = {}
    for row in rows:
        by_account.setdefault((row["account"], row["asset"]), []).append(_told(row))
    return json_response(
        {
            "data": [
                _shown(account, gap)
                for (account, _), told in sorted(by_account.items())
                for gap in gaps(told)
            ]
        }
    )


def gaps(told: Sequence[Told]) -> Iterator[Gap]:
    """The gaps between statements of one account and currency, by the day after them.

    What tells no balance is passed over, and so is what lies within a longer statement: that one's
    own lines lead through it.
    """
    whole = _whole(told)
    ended = sorted((each for each in whole if each.closing is not None), key=_to_day)
    for after in whole:
        first = bisect_left(ended, after.from_day, key=_to_day)
        if first:  # all that end on the last day before it, and on its own first day
            first = bisect_left(ended, ended[first - 1].to_day, key=_to_day)
        until = bisect_right(ended, after.from_day, key=_to_day)
        near = [each for each in ended[first:until] if each is not after]
        if near and after.opening not in {None, *(each.closing for each in near)}:
            yield Gap(near[0], after)


def _whole(told: Sequence[Told]) -> list[Told]:
    """Those that lie within no longer one, by their days."""
    kept: list[Told] = []
    outer = None
    for each in sorted(sorted(told, key=_to_day, reverse=True), key=lambda each: each.from_day):
        if outer is None or each.to_day > outer.to_day:
            outer = each
        if (each.from_day, each.to_day) == (outer.from_day, outer.to_day):
            kept.append(each)
    return kept


def _to_day(told: Told) -> str:
    return told.to_day


def _told(row: asyncpg.Record) -> Told:
    minor = [None if row[name] is None else int(row[name]) for name in ("opening", "closing")]
    return Told(row["id"], row["asset"], row["from_day"], row["to_day"], *minor)


def _shown(account: str, gap: Gap) -> dict[str, str]:
    before, after, exponent = gap.before, gap.after, exponent_of(gap.after.asset)
    assert before.closing is not None
    assert after.opening is not None
    return {
        "account": account,
        "currency": after.asset,
        "before_id": before.statement_id,
        "to_day": before.to_day,
        "closing": format_minor(before.closing, exponent),
        "after_id": after.statement_id,
        "from_day": after.from_day,
        "opening": format_minor(after.opening, exponent),
        "amount": format_minor(gap.minor, exponent),
    }
