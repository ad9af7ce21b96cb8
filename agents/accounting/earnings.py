"""Earnings of people: expense:earnings / earnings:{payee}, and what is kept back from them.

A new calculation of a period posts the difference to what stood before; an older one that comes
late posts nothing. Kept back: tax to tax:wht_payable, an advance to advances:{payee}, anything
else lowers our cost. A negative period leaves a balance that the next one makes good.
"""

from collections import Counter
from collections.abc import Iterator

from agents.accounting import chart
from agents.effects import Effect, Post, Put
from streams.journal import Posting
from tables.earnings import Earnings

EXPENSE = chart.expense("earnings")


def calculate(before: Earnings | None, after: Earnings) -> Iterator[Effect]:
    """The newest calculation of a period counts, by its own time, then by its event's id."""
    if before is not None:
        if _newness(before) >= _newness(after):
            yield Put(before.replaced(calculations=before.calculations + 1))
            return
        after = after.replaced(
            calculations=before.calculations + 1,
            version=before.version + 1,
            created_ms=before.created_ms,
        )
    legs = legs_of(after)
    if before is not None:
        legs.subtract(legs_of(before))
    where = {"party": after.payee_id, "period": after.period}
    postings = [
        Posting(account, after.asset, minor, where) for account, minor in legs.items() if minor
    ]
    if postings:
        yield Post(postings)
    yield Put(after)


def legs_of(earnings: Earnings) -> Counter[str]:
    """What a period posts in all, by account."""
    payee = earnings.payee_id
    legs = Counter({EXPENSE: earnings.gross, chart.earnings(payee): -earnings.net})
    for deduction in earnings.deductions:
        legs[account_of(payee, deduction.kind)] -= deduction.amount
    return legs


def account_of(payee_id: str, kind: str) -> str:
    """Where a deduction of this kind goes."""
    if kind == "tax":
        return chart.WITHHELD_BY_US
    return chart.advances(payee_id) if kind == "advance" else EXPENSE


def _newness(earnings: Earnings) -> tuple[int, str]:
    return earnings.calculated_ms, earnings.calculated_by
