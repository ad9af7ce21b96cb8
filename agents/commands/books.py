"""The books by hand: journals one by one or as a batch, and dry runs.

A journal above the tenant's limit is held until somebody else approves; nothing is posted of it,
and its rules are judged again when it is.
"""

from collections import Counter
from collections.abc import Generator
from typing import Literal

import msgspec

from agents.accounting import chart, journals
from agents.accounting.accounts import afford, available, leaving
from agents.commands.base import Command, demand, positive, same
from agents.effects import Answer, DryRun, Effect, Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.shown import shown
from agents.words import Account, Code, Day, Metadata, OptionalId, Text
from streams.money import Amount, exponent_of, format_minor
from streams.timestamps import local_day, parse_day
from tables.balances import Balance
from tables.journals import Journal, Leg

POST = "treasury.command.journal.post"
BATCH = "treasury.command.journal.batch"
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
    metadata: Metadata = {}


class PostJournal(Command, frozen=True):
    """One journal. A dry run answers what would be, and leaves nothing behind."""

    legs: list[LegGiven]
    description: Text = ""
    reference: OptionalId = ""
    effective_date: Day | None = None
    conditions: list[Condition] = []
    dry_run: bool = False
    metadata: Metadata = {}


class PostBatch(Command, frozen=True):
    """Several journals of one effective day: all of them, or none."""

    journals: list[JournalGiven]
    conditions: list[Condition] = []
    dry_run: bool = False


@handles(POST, PostJournal, ingress=COMMANDS)
def post(event: Event[PostJournal], view: View) -> Effects:
    """The postings of a journal, if its conditions hold."""
    data = event.data
    about = data.description, data.reference, data.effective_date, data.metadata
    given = JournalGiven(data.legs, *about)
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
    afford_all(event.tenant_id, view, rows)
    if any(journals.needs_two(view, row) for row in rows):
        held = yield from _hold(event, view, rows, batch=batch)
        body = {**shown(held), "balances": []}
        yield DryRun(body) if data.dry_run else Answer(202, body)
        return
    yield from journals.post(event, view, rows)
    _check_balances(event, view)
    balances = balances_of(view, rows)
    told = {"journals": [shown(row) for row in rows]} if batch else shown(rows[0])
    body = {**told, "balances": balances}
    yield DryRun(body) if data.dry_run else Answer(201, body)


def _hold(
    event: Event[PostJournal] | Event[PostBatch], view: View, rows: list[Journal], *, batch: bool
) -> Generator[Effect, None, Journal]:
    """Keep a journal for somebody else to approve, if it could be posted as things are."""
    demand(not batch, "journal_above_limit", "one that needs approval is posted by itself", 422)
    plain = not event.data.conditions
    demand(plain, "conditions_not_possible", "a journal that waits for approval takes none", 422)
    [row] = rows
    yield from journals.tried(event, view, row)
    held = row.replaced(status="held")
    yield Put(held)
    return held


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
        metadata=given.metadata,
    )


def _leg(given: LegGiven, asset: str) -> Leg:
    minor = positive(given.amount, asset)
    named = {"outlet": given.outlet_id, "project": given.project_id, "party": given.party_id}
    dimensions = {name: value for name, value in named.items() if value}
    sign = 1 if given.side == "debit" else -1
    return Leg(given.account, asset, sign * minor, given.item, dimensions)


def afford_all(tenant_id: str, view: View, rows: list[Journal]) -> None:
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


def balances_of(view: View, rows: list[Journal]) -> list[dict[str, object]]:
    """The balances after them of all accounts that journals are on."""
    touched = dict.fromkeys((leg.account, leg.asset) for row in rows for leg in row.legs)
    return [_balance(view, rows[0].tenant_id, *account) for account in touched]


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
