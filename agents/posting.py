"""The rule of money: postings balance per asset, or nothing of their event happens.

Here too: the day they are effective, the open day they count in, and the balances they move.
"""

from typing import Any

from agents.accounting import chart
from agents.effects import Post
from agents.registry import Event, Rows, View
from streams.journal import Posting
from streams.timestamps import local_day, next_day
from tables.balances import Balance
from tables.statements import BankItem, BankItemAt
from tables.tenants import Tenant, Threshold
from tables.working_set import Overlay


def balanced(postings: list[Posting]) -> None:
    """Raise ValueError unless these are two legs at least that sum to zero per asset."""
    if len(postings) < 2:
        raise ValueError("an entry needs at least two postings")
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.asset] = sums.get(posting.asset, 0) + posting.minor
    if any(sums.values()):
        raise ValueError(f"postings do not balance: {sums}")


def days_of(event: Event[Any], effect: Post, tenant: Tenant) -> tuple[str, str]:
    """(day they are effective, day they count in if that is another).

    That is the first open one, if the books of the day are closed.
    """
    day = effect.day or local_day(event.timestamp_ms, tenant.time_zone)
    closed = tenant.closed_through
    return day, "" if day > closed else next_day(closed)


def move(tenant_id: str, posting: Posting, overlay: Overlay) -> None:
    """Add a leg to its account's balance."""
    account, asset, minor = posting.account, posting.asset, posting.minor
    key = f"ba\x00{tenant_id}\x00{account}\x00{asset}".encode()  # as Balance.key, made once
    row = overlay.get(key)
    if not isinstance(row, Balance):
        row = Balance(tenant_id, account, asset)
    overlay.changes[key] = Balance(
        tenant_id,
        account,
        asset,
        row.debits + minor if minor > 0 else row.debits,
        row.credits - minor if minor < 0 else row.credits,
        row.pending_debits,
        row.pending_credits,
        row.version + 1,
    )


def note_item(
    event: Event[Any], posting: Posting, day: str, overlay: Overlay, ordinal: int
) -> None:
    """A leg on a bank account is an item that a statement has yet to show; what a statement itself
    made is none.
    """
    if event.event_type in chart.MADE_BY_STATEMENTS:
        return
    item = BankItem(
        event.tenant_id,
        event.derive("bank_item", ordinal),
        posting.account,
        posting.asset,
        posting.minor,
        day,
        event.event_type,
        posting.dimensions.get("party", ""),
        created_ms=event.now_ms,
    )
    overlay.put(item)
    overlay.put(item_at(item))


def item_at(item: BankItem) -> BankItemAt:
    """Where an open item is found by its amount."""
    about = item.account, item.asset, str(item.minor), item.day, item.item_id
    return BankItemAt(item.tenant_id, *about)


def crossed(tenant_id: str, account: str, asset: str, overlay: Overlay) -> Threshold | None:
    """The account's threshold, put anew, if the balance has just passed it; None if not."""
    row = overlay.get(Threshold.key_of(tenant_id, account, asset))
    if not isinstance(row, Threshold) or not row.watching:
        return None
    passed = crossed_now(row, overlay)
    if passed == row.passed:
        return None
    after = row.replaced(passed=passed, version=row.version + 1)
    overlay.put(after)
    return after if passed else None


def crossed_now(row: Threshold, rows: Rows | View) -> bool:
    """Whether the balance is beyond the line."""
    balance = rows.get(Balance.key_of(row.tenant_id, row.account, row.asset))
    posted = balance.posted if isinstance(balance, Balance) else 0
    shown = posted if chart.normal_side(row.account) == chart.DEBIT else -posted
    return shown < row.minor if row.below else shown > row.minor
