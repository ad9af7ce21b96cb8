"""Accounts by hand: whether one may be overdrawn; money set aside, captured, released.

A hold counts against what is available until it ends: by capture (in part or whole, the rest is
free again), by release, or by the clock.
"""

from agents.accounting import chart
from agents.accounting.accounts import afford, available, leaving
from agents.commands.base import Command, answered, demand, found, positive, same, wanted
from agents.effects import Effects, EndHold, Hold, Post, Put
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Account, Code, Id, Metadata, Text
from streams.journal import Posting
from streams.money import Amount
from streams.timestamps import parse_ms
from tables import balances
from tables.accounts import AccountRule
from tables.balances import Balance

SET = "treasury.command.account.set"
CREATE = "treasury.command.hold.create"
CAPTURE = "treasury.command.hold.capture"
RELEASE = "treasury.command.hold.release"
LIFETIME_MS = 7 * 24 * 3600 * 1000
LONGEST_MS = 90 * 24 * 3600 * 1000


class SetAccount(Command, frozen=True):
    """Say whether an account may be overdrawn by commands."""

    account: Account
    currency: Code = ""
    overdraft: bool = True
    metadata: Metadata = {}


class CreateHold(Command, frozen=True):
    """Set money of an account aside until `expires_at` (RFC 3339), by default for seven days."""

    account: Account
    amount: Amount
    currency: Code = ""
    expires_at: Text = ""


class CaptureHold(Command, frozen=True):
    """Move what was set aside to another account; without an amount, all of it."""

    hold_id: Id
    to_account: Account
    amount: Amount | None = None


class OfHold(Command, frozen=True):
    """A command about one hold."""

    hold_id: Id


@handles(SET, SetAccount, ingress=COMMANDS)
def set_account(event: Event[SetAccount], view: View) -> Effects:
    """What is there now stays; it counts from the next command on."""
    data = event.data
    asset = data.currency or view.tenant(event.tenant_id).currency
    before = view.row(AccountRule, event.tenant_id, data.account, asset)
    row = AccountRule(
        event.tenant_id,
        data.account,
        asset,
        data.overdraft,
        data.metadata,
        before.version + 1 if before else 1,
    )
    yield Put(row)
    yield from answered(row)


@handles(CREATE, CreateHold, ingress=COMMANDS)
def create(event: Event[CreateHold], view: View) -> Effects:
    """Never more than is available."""
    data = event.data
    asset = data.currency or view.tenant(event.tenant_id).currency
    amount = positive(data.amount, asset)
    _not_controlled(data.account)
    has = available(view.row(Balance, event.tenant_id, data.account, asset), data.account)
    demand(amount <= has, "more_than_available", f"{has} minor units are", 422)
    expires_ms = parse_ms(data.expires_at) if data.expires_at else event.now_ms + LIFETIME_MS
    in_time = event.now_ms < expires_ms <= event.now_ms + LONGEST_MS
    demand(in_time, "expiry_out_of_bounds", "within 90 days", 422)
    hold_id = event.derive("hold")
    is_debit = chart.normal_side(data.account) == chart.DEBIT
    yield Hold(hold_id, data.account, asset, -amount if is_debit else amount, expires_ms)
    yield from answered(same(view, balances.Hold, event.tenant_id, hold_id), 201)


@handles(CAPTURE, CaptureHold, ingress=COMMANDS)
def capture(event: Event[CaptureHold], view: View) -> Effects:
    """The account / the other one, for as much as is captured; the rest is free again."""
    data, hold = event.data, _standing(event, view)
    amount = wanted(data.amount, hold.asset, abs(hold.minor))
    demand(amount <= abs(hold.minor), "more_than_held", http_status=422)
    demand(data.to_account != hold.account, "same_account", http_status=422)
    _not_controlled(data.to_account)
    tenant = view.tenant(event.tenant_id)
    alone = not tenant.needs_two(tenant.settings.journal_limit, hold.asset, amount)
    demand(alone, "capture_above_limit", "post it as a journal, for another to approve", 422)
    minor = amount if hold.minor > 0 else -amount
    out = leaving(data.to_account, -minor)
    afford(view, event.tenant_id, data.to_account, hold.asset, out)
    where = {"hold": hold.hold_id}
    yield EndHold(hold.hold_id, amount)
    yield Post(
        [
            Posting(hold.account, hold.asset, minor, where),
            Posting(data.to_account, hold.asset, -minor, where),
        ]
    )
    yield from answered(same(view, balances.Hold, event.tenant_id, hold.hold_id))


@handles(RELEASE, OfHold, ingress=COMMANDS)
def release(event: Event[OfHold], view: View) -> Effects:
    """All of it is available again."""
    hold = _standing(event, view)
    yield EndHold(hold.hold_id)
    yield from answered(same(view, balances.Hold, event.tenant_id, hold.hold_id))


def _standing(event: Event[CaptureHold] | Event[OfHold], view: View) -> balances.Hold:
    hold = found(view, balances.Hold, event.tenant_id, event.data.hold_id)
    demand(hold.status == "held", f"hold_{hold.status}")
    return hold


def _not_controlled(account: str) -> None:
    controlled = account in chart.CONTROL_ACCOUNTS or chart.outlet_of(account) is not None
    words = f"{account} moves with its items only"
    demand(not controlled, "control_account", words, 422)
