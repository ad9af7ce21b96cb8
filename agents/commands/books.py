"""The books by hand: journals one by one or as a batch, dry runs, reversals."""

from collections import Counter
from typing import Literal

import msgspec

from agents.accounting import chart, journals
from agents.accounting.accounts import afford, available, leaving
from agents.commands.base import Command, answered, demand, found, positive, same
from agents.effects import Answer, DryRun, Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.shown import shown
from agents.words import Account, Code, Day, Id, OptionalId, Text
from streams.money import Amount, exponent_of, format_minor
from streams.timestamps import local_day, parse_day
from tables.balances import Balance
from tables.journals import Journal, Leg

POST = "treasury.command.journal.post"
BATCH = "treasury.command.journal.batch"
REVERSE = "treasury.command.journal.reverse"
LEGS_MAX, JOURNALS_MAX = 200, 100


class LegGiven(msgspec.Struct, frozen=True, gc=False):
    """One leg; `item` names what it is of on a control account (an invoice, a bill …)."""

    account: Account
    side: Literal["debit", "credit"]
    amount: Amount
    currency: Code = ""
    item: OptionalId = ""
    outlet_id: OptionalId = ""
    project_id: OptionalId = ""
    party_id: OptionalId = ""


class Condition(msgspec.Struct, frozen=True, gc=False):
    """What must be true of an account: its row's version before, its least balance after.

    `min_balance` is on the account's normal side.
    """

    account: Account
    currency: Code = ""
    if_version: int | None = None
    min_balance: Amount | None = None


class JournalGiven(msgspec.Struct, frozen=True, gc=False):
    """A journal: legs that balance per currency; effective today unless it says otherwise."""

    legs: list[LegGiven]
    description: Text = ""
    reference: OptionalId = ""
    effective_date: Day | None = None


class PostJournal(Command, frozen=True):
    """One journal. A dry run answers what would be, and leaves nothing behind."""

    legs: list[LegGiven]
    description: Text = ""
    reference: OptionalId = ""
    effective_date: Day | None = None
    conditions: list[Condition] = []
    dry_run: bool = False


class PostBatch(Command, frozen=True):
    """Several journals of one effective day: all of them, or none."""

    journals: list[JournalGiven]
    conditions: list[Condition] = []
    dry_run: bool = False


class ReverseJournal(Command, frozen=True):
    """Undo a journal, effective on its own day, or on another."""

    journal_id: Id
    effective_date: Day | None = None


@handles(POST, PostJournal, ingress=COMMANDS)
def post(event: Event[PostJournal], view: View) -> Effects:
    """The postings of a journal, if its conditions hold."""
    data = event.data
    given = JournalGiven(data.legs, data.description, data.reference, data.effective_date)
    yield from _post(event, view, [given], batch=False)


@handles(BATCH, PostBatch, ingress=COMMANDS)
def batch(event: Event[PostBatch], view: View) -> Effects:
    """All journals, or none."""
    fits = 1 <= len(event.data.journals) <= JOURNALS_MAX
    demand(fits, "too_many_journals", f"1 to {JOURNALS_MAX}", 422)
    yield from _post(event, view, event.data.journals, batch=True)


def _post(
    event: Event[PostJournal] | Event[PostBatch],
    view: View,
    given: list[JournalGiven],
    *,
    batch: bool,
) -> Effects:
    data = event.data
    _check_versions(event, view)
    rows = [_journal(event, view, each, ordinal) for ordinal, each in enumerate(given)]
    if len({row.day for row in rows}) > 1:
        raise Unfit("effective_dates_differ", "journals of a batch are of one day")
    _afford(event.tenant_id, view, rows)
    for row in rows:
        yield from journals.post(event, view, row)
    _check_balances(event, view)
    touched = dict.fromkeys((leg.account, leg.asset) for row in rows for leg in row.legs)
    balances = [_balance(view, event.tenant_id, *account) for account in touched]
    told = {"journals": [shown(row) for row in rows]} if batch else shown(rows[0])
    body = {**told, "balances": balances}
    yield DryRun(body) if data.dry_run else Answer(201, body)


def _journal(
    event: Event[PostJournal] | Event[PostBatch], view: View, given: JournalGiven, ordinal: int
) -> Journal:
    """The journal's row. Raises Unfit when it cannot be one."""
    tenant = view.tenant(event.tenant_id)
    if not 2 <= len(given.legs) <= LEGS_MAX:
        raise Unfit("legs_out_of_bounds", f"2 to {LEGS_MAX} legs")
    today = local_day(event.timestamp_ms, tenant.time_zone)
    day = given.effective_date or today
    parse_day(day)
    if day > today:
        raise Unfit("effective_in_future", f"today is {today}")
    legs = tuple(_leg(leg, leg.currency or tenant.currency) for leg in given.legs)
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.asset] = sums.get(leg.asset, 0) + leg.minor
    if any(sums.values()):
        raise Unfit("unbalanced", "debits equal credits in each currency")
    return Journal(
        event.tenant_id,
        event.derive("journal", ordinal),
        legs,
        day,
        given.description,
        given.reference,
        posted_by=event.data.actor,
        created_ms=event.now_ms,
    )


def _leg(given: LegGiven, asset: str) -> Leg:
    minor = positive(given.amount, asset)
    named = {"outlet": given.outlet_id, "project": given.project_id, "party": given.party_id}
    dimensions = {name: value for name, value in named.items() if value}
    sign = 1 if given.side == "debit" else -1
    return Leg(given.account, asset, sign * minor, given.item, dimensions)


def _afford(tenant_id: str, view: View, rows: list[Journal]) -> None:
    """Raise Unfit if an account that may not be overdrawn would be."""
    sums = Counter[tuple[str, str]]()
    for leg in (leg for row in rows for leg in row.legs):
        sums[leg.account, leg.asset] += leaving(leg.account, leg.minor)
    for (account, asset), minor in sums.items():
        afford(view, tenant_id, account, asset, minor)


def _check_versions(event: Event[PostJournal] | Event[PostBatch], view: View) -> None:
    """Raise Unfit if an account has changed since the caller looked."""
    tenant = view.tenant(event.tenant_id)
    for condition in event.data.conditions:
        asset = condition.currency or tenant.currency
        row = view.row(Balance, event.tenant_id, condition.account, asset)
        version = row.version if row else 0
        words = f"{condition.account} is at {version}"
        demand(condition.if_version in {None, version}, "version_differs", words, 412)


def _check_balances(event: Event[PostJournal] | Event[PostBatch], view: View) -> None:
    """Raise Unfit if an account has less now than it must keep."""
    tenant = view.tenant(event.tenant_id)
    for condition in event.data.conditions:
        if condition.min_balance is None:
            continue
        asset = condition.currency or tenant.currency
        row = view.row(Balance, event.tenant_id, condition.account, asset)
        has = available(row, condition.account)
        keeps = has >= condition.min_balance.minor(asset)
        demand(keeps, "balance_too_low", condition.account, 422)


def _balance(view: View, tenant_id: str, account: str, asset: str) -> dict[str, object]:
    row = same(view, Balance, tenant_id, account, asset)
    side = chart.normal_side(account)
    posted = row.posted if side == chart.DEBIT else -row.posted
    return {
        "account": account,
        "currency": asset,
        "normal_side": side,
        "balance": format_minor(posted, exponent_of(asset)),
        "version": row.version,
    }


@handles(REVERSE, ReverseJournal, ingress=COMMANDS)
def reverse(event: Event[ReverseJournal], view: View) -> Effects:
    """The same legs on the other side; once."""
    data = event.data
    journal = found(view, Journal, event.tenant_id, data.journal_id)
    can = journal.status == "posted" and not journal.reverses
    once = "a journal is reversed once, a reversal never"
    demand(can, f"journal_{journal.status}", once)
    day = data.effective_date or journal.day
    today = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    parse_day(day)
    demand(day <= today, "effective_in_future", f"today is {today}", 422)
    undone = journals.reversal(journal, event.derive("journal"), day)
    undone = undone.replaced(posted_by=data.actor, created_ms=event.now_ms)
    _afford(event.tenant_id, view, [undone])
    yield from journals.post(event, view, undone)
    yield Put(
        journal.replaced(
            status="reversed", reversed_by=undone.journal_id, version=journal.version + 1
        )
    )
    yield from answered(undone, 201)
