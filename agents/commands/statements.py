"""Statements: lines are read in, some at a time, and people say what the rest was."""

from collections.abc import Iterator

import msgspec

from agents.accounting import chart, matching, payables, settlements, statements
from agents.accounting.accounts import afford, leaving
from agents.accounting.cases import close_case
from agents.accounting.invoicing import replaced_case
from agents.commands.base import Command, answered, demand, found
from agents.effects import Effect, Effects, Post, Put
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Account, Code, Day, Id, OptionalId, Text
from streams.ids import derive
from streams.journal import Posting
from streams.money import exponent_of, parse_minor
from streams.timestamps import parse_day
from tables.payables import Bill, Expense
from tables.payments import Case, Placement
from tables.settlements import Settlement
from tables.statements import BankItem, Matched, Statement, StatementLine

IMPORT = "treasury.command.statement.import"
RESOLVE = "treasury.command.line.resolve"
LINES_MAX = 100


class LineGiven(msgspec.Struct, frozen=True, gc=False):
    """One line: `key` is the same wherever it comes again; `amount` decimal text, below zero for
    what left.
    """

    key: Id
    amount: Text
    value_day: Day
    receipt: OptionalId = ""
    reference: Text = ""
    party: Text = ""
    text: Text = ""


class ImportStatement(Command, frozen=True):
    """Lines of one day of a statement of one account; `key` names the statement, which has `count`.

    Balances are decimal text, or empty where the statement tells none.
    """

    key: Id
    account: Account
    currency: Code
    count: int
    from_day: Day
    to_day: Day
    day: Day
    lines: list[LineGiven]
    number: Text = ""
    file: OptionalId = ""
    opening: Text = ""
    closing: Text = ""


class ResolveLine(Command, frozen=True):
    """What a line was: one of these. A settlement that came short leaves its provider's fee; the
    other line is where money went, or came from.
    """

    line_id: Id
    settlement_id: OptionalId = ""
    item_id: OptionalId = ""
    bill_id: OptionalId = ""
    expense_id: OptionalId = ""
    other_line_id: OptionalId = ""
    account: Account | None = None


@handles(IMPORT, ImportStatement, ingress=COMMANDS)
def import_lines(event: Event[ImportStatement], view: View) -> Effects:
    """Each line once: matched, or what our books lack of it is posted."""
    data = event.data
    some = len(data.lines) <= LINES_MAX and bool(data.lines) == bool(data.count)
    demand(some, "too_many_lines", f"1 to {LINES_MAX} at once", 422)
    statement = _statement(event, view)
    new = again = 0
    here: set[str] = set()
    for given in sorted(data.lines, key=_went):
        line = _line(event, statement, given)
        known = view.row(StatementLine, event.tenant_id, line.line_id)
        if known is not None:
            of_another = known.statement_id != statement.statement_id
            again += of_another or line.line_id in here
            continue
        here.add(line.line_id)
        new += 1
        effects = statements.take(statements.derived(event, line.line_id), view, line)
        yield from statements.dated(line.day, effects)
    counted, again = statement.counted + new, statement.again + again
    if statement.status == "read":
        again = statement.again  # the same file again
    after = statement.replaced(
        counted=counted,
        again=again,
        status="read" if counted + again >= statement.lines else "reading",
        version=statement.version + 1,
    )
    yield Put(after)
    yield from answered(after)


def _went(given: LineGiven) -> bool:
    """What came is read before what left: a cost may stand above the payment that it is of."""
    return given.amount.startswith("-")


def _statement(event: Event[ImportStatement], view: View) -> Statement:
    """The statement so far. Raises Unfit for an account that has none."""
    data = event.data
    is_held = data.account.startswith((chart.BANK, "gateway:"))
    demand(is_held, "account_has_no_statements", "a bank's or a gateway's has", 422)
    exponent = exponent_of(data.currency)
    for day in (data.from_day, data.to_day, data.day):
        parse_day(day)
    statement_id = derive(event.tenant_id, f"{data.account}/{data.key}", "statement", 0)
    known = view.row(Statement, event.tenant_id, statement_id)
    return known or Statement(
        event.tenant_id,
        statement_id,
        data.account,
        data.currency,
        data.number,
        data.from_day,
        data.to_day,
        data.count,
        parse_minor(data.opening, exponent) if data.opening else None,
        parse_minor(data.closing, exponent) if data.closing else None,
        file=data.file,
        created_ms=event.now_ms,
        version=0,
    )


def _line(event: Event[ImportStatement], statement: Statement, given: LineGiven) -> StatementLine:
    minor = parse_minor(given.amount, exponent_of(statement.asset))
    demand(minor, "amount_not_positive", "a line of nothing", 422)
    about = f"{statement.account}/{statement.asset}/{given.key}"
    return StatementLine(
        event.tenant_id,
        derive(event.tenant_id, about, "line", 0),
        statement.statement_id,
        statement.account,
        statement.asset,
        event.data.day,
        given.value_day,
        minor,
        given.receipt,
        given.reference,
        given.party,
        given.text,
        created_ms=event.now_ms,
    )


# -- what people say ------------------------------------------------------------------------------


@handles(RESOLVE, ResolveLine, ingress=COMMANDS)
def resolve(event: Event[ResolveLine], view: View) -> Effects:
    """Out of suspense, to where it belongs."""
    data = event.data
    line = found(view, StatementLine, event.tenant_id, data.line_id, name="line")
    named = {
        name: getattr(data, f"{name}_id")
        for name in ("settlement", "item", "bill", "expense", "other_line")
        if getattr(data, f"{name}_id")
    }
    if data.account:
        named["account"] = data.account
    demand(len(named) == 1, "one_resolution", "say one thing that the line was", 422)
    [(kind, subject)] = named.items()
    case = view.row(Case, event.tenant_id, line.case_id) if line.case_id else None
    if case is not None:
        demand(case.status == "open" and case.amount == line.minor, "case_closed")
        effects = _of_a_case(event, view, line, case, kind=kind, subject=subject)
    else:
        demand(line.status == "open", f"line_{line.status}", "nothing about it is open")
        effects = _of_a_line(event, view, line, kind, subject)
    if kind == "account":
        _may_go_to(event, view, line, subject)
    yield from effects
    moved = case.amount if case is not None else line.unexplained
    after = line.replaced(
        status="resolved",
        resolution=kind,
        matches=(*(line.matches if case is None else ()), Matched(kind, subject, moved)),
        unexplained=0,
        case_id="",
        version=line.version + 1,
    )
    yield Put(after)
    yield from answered(after)


def _of_a_case(
    event: Event[ResolveLine],
    view: View,
    line: StatementLine,
    case: Case,
    *,
    kind: str,
    subject: str,
) -> Iterator[Effect]:
    """Money that came and named nothing: suspense / where it belongs, its case closed."""
    kinds = {"settlement", "item", "account", "other_line"}
    demand(kind in kinds, "resolution_unfit", "money came", 422)
    if kind == "settlement":
        row = found(view, Settlement, line.tenant_id, subject)
        if row.account == line.account:
            yield from _withdrawn(event, view, line, row, case.amount)
        else:
            yield from _arrived(view, line, row, case.amount)
    elif kind == "other_line":
        yield from _went_and_came(view, line, case, subject)
    elif kind == "item":
        item = _item(view, line, subject, case.amount)
        yield from _moved(line, chart.SUSPENSE, line.account, case.amount)
        yield from statements.tie(item, line)
    else:
        yield from _moved(line, chart.SUSPENSE, subject, case.amount)
    placed = "entry" if kind == "item" else kind
    yield close_case(case, placed)
    yield from replaced_case(view, case, [Placement(placed, subject, case.amount)])


def _arrived(view: View, line: StatementLine, row: Settlement, minor: int) -> Iterator[Effect]:
    """A settlement came, all of it or (the rest is a fee) less: suspense / cash:in_transit."""
    fits = row.status == "expected" and row.asset == line.asset and row.net >= minor
    demand(fits, "settlement_differs", "not expected, or of less or other money", 422)
    _alone(view, line, row.net - minor)
    yield from settlements.settle(row, line, chart.SUSPENSE, less=row.net - minor)


def _of_a_line(
    event: Event[ResolveLine], view: View, line: StatementLine, kind: str, subject: str
) -> Iterator[Effect]:
    """What nobody could explain: where it belongs / suspense:out."""
    minor = line.unexplained
    demand(kind != "other_line", "resolution_unfit", "say it of the line that came", 422)
    if kind == "settlement":
        row = found(view, Settlement, line.tenant_id, subject)
        yield from _withdrawn(event, view, line, row, minor)
    elif kind in {"bill", "expense"}:
        owed = _owed(view, line, kind, subject)
        fits = owed.asset == line.asset and 0 < -minor <= owed.outstanding
        demand(fits, "more_than_is_owed", "so much is not owed of it", 422)
        yield from payables.pay(event, view, owed, chart.SUSPENSE_OUT, -minor)
    elif kind == "item":
        item = _item(view, line, subject, minor)
        yield from _moved(line, chart.SUSPENSE_OUT, line.account, minor)
        yield from statements.tie(item, line)
    else:
        yield from _moved(line, chart.SUSPENSE_OUT, subject, minor)


def _owed(view: View, line: StatementLine, kind: str, subject: str) -> Bill | Expense:
    if kind == "bill":
        return found(view, Bill, line.tenant_id, subject)
    return found(view, Expense, line.tenant_id, subject)


def _moved(line: StatementLine, source: str, to: str, minor: int) -> Iterator[Effect]:
    """What lies on the credit side of `source` goes to that of another account."""
    where = {"line": line.line_id}
    yield Post([Posting(source, line.asset, minor, where), Posting(to, line.asset, -minor, where)])


def _item(view: View, line: StatementLine, item_id: str, minor: int) -> BankItem:
    item = found(view, BankItem, line.tenant_id, item_id, name="item")
    about = item.account, item.asset, item.minor
    is_ours = item.status == "open" and not item.receipt
    fits = is_ours and about == (line.account, line.asset, minor)
    demand(fits, "item_differs", "not open, or of another account or amount", 422)
    return item


def _went_and_came(view: View, line: StatementLine, case: Case, other_id: str) -> Iterator[Effect]:
    """One account's line is where another's went: suspense / suspense:out."""
    other = found(view, StatementLine, line.tenant_id, other_id, name="line")
    about = other.status, other.asset, other.unexplained
    fits = about == ("open", case.asset, -case.amount)
    demand(fits, "line_differs", "not open, or of another amount", 422)
    yield from _moved(line, chart.SUSPENSE, chart.SUSPENSE_OUT, case.amount)
    yield Put(
        other.replaced(
            status="resolved",
            resolution="other_line",
            matches=(*other.matches, Matched("other_line", line.line_id, other.unexplained)),
            unexplained=0,
            version=other.version + 1,
        )
    )


def _alone(view: View, line: StatementLine, minor: int) -> None:
    """Raise Unfit for more than one person may move alone."""
    tenant = view.tenant(line.tenant_id)
    above = tenant.needs_two(tenant.settings.journal_limit, line.asset, minor)
    demand(not minor or not above, "line_above_limit", "post a journal, which needs two", 422)


def _withdrawn(
    event: Event[ResolveLine],
    view: View,
    line: StatementLine,
    row: Settlement,
    minor: int,
) -> Iterator[Effect]:
    """A gateway's line was a settlement that left, or came: cash:in_transit has that already."""
    about = row.account, row.asset, row.net, row.line_out
    fits = row.status != "collecting" and about == (line.account, line.asset, -minor, "")
    demand(fits, "settlement_differs", "of another account or amount, or shown before", 422)
    source = chart.SUSPENSE if line.case_id else chart.SUSPENSE_OUT
    yield from _moved(line, source, line.account, minor)
    yield from settlements.left(row)
    yield from settlements.collect(
        event,
        view,
        provider=row.provider,
        account=row.account,
        asset=row.asset,
        **({"fees": minor} if minor < 0 else {"gross": -minor}),
    )


_OF_OTHERS = (*chart.CONTROL_ACCOUNTS, chart.SUSPENSE_OUT)


def _may_go_to(event: Event[ResolveLine], view: View, line: StatementLine, account: str) -> None:
    """Raise Unfit for an account that a sub-ledger, a statement or a drawer stands behind, that
    would be overdrawn, or for more than one person may move alone.

    What left may be in transit: cash that was fetched for a till, whose float has taken it. What
    came may be, as far as no settlement waits for it: a till's drops.
    """
    minor = line.unexplained or line.minor
    moved = account in _OF_OTHERS or account.startswith((chart.BANK, "gateway:", "cash:drawer:"))
    if account == chart.IN_TRANSIT and minor > 0:
        moved = minor > matching.in_transit_alone(view, line.tenant_id, line.asset)
    demand(not moved, "control_account", f"{account} has commands of its own", 422)
    _alone(view, line, abs(minor))
    afford(view, event.tenant_id, account, line.asset, leaving(account, -minor))
