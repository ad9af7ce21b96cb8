"""What becomes of a journal later: reversed, or, if it was held, approved or rejected."""

from agents.accounting import journals
from agents.commands.base import Command, answered, demand, found, same
from agents.commands.books import afford_all, balances_of
from agents.effects import Answer, Effects, Put
from agents.registry import COMMANDS, Event, View, handles
from agents.shown import shown
from agents.words import Day, Id
from streams.timestamps import local_day, parse_day
from tables.journals import Journal

REVERSE = "treasury.command.journal.reverse"
APPROVE = "treasury.command.journal.approve"
REJECT = "treasury.command.journal.reject"


class ReverseJournal(Command, frozen=True):
    """Undo a journal, effective on its own day, or on another."""

    journal_id: Id
    effective_date: Day | None = None


class OfJournal(Command, frozen=True):
    """A command about one journal."""

    journal_id: Id


@handles(REVERSE, ReverseJournal, ingress=COMMANDS)
def reverse(event: Event[ReverseJournal], view: View) -> Effects:
    """The same legs on the other side; once."""
    data = event.data
    journal = found(view, Journal, event.tenant_id, data.journal_id)
    _can_be_reversed(journal)
    day = data.effective_date or journal.day
    today = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    parse_day(day)
    demand(day <= today, "effective_in_future", f"today is {today}", 422)
    undone = journals.reversal(journal, event.derive("journal"), day)
    undone = undone.replaced(posted_by=data.actor, created_ms=event.now_ms)
    afford_all(event.tenant_id, view, [undone])
    if journals.needs_two(view, undone):
        yield from journals.tried(event, view, undone)
        held = undone.replaced(status="held")
        yield Put(held)
        yield from answered(held, 202)
        return
    yield from journals.post(event, view, [undone])
    yield Put(_reversed(journal, undone))
    yield from answered(undone, 201)


def _can_be_reversed(journal: Journal) -> None:
    """Raise Unfit unless it was posted, is none itself, and nobody has done it."""
    can = journal.status == "posted" and not journal.reverses
    once = "a journal is reversed once, a reversal never"
    demand(can, f"journal_{journal.status}", once)


def _reversed(journal: Journal, undone: Journal) -> Journal:
    return journal.replaced(
        status="reversed", reversed_by=undone.journal_id, version=journal.version + 1
    )


@handles(APPROVE, OfJournal, ingress=COMMANDS)
def approve(event: Event[OfJournal], view: View) -> Effects:
    """Somebody other than who asked for it has it posted, if it can be now."""
    row = _held(event, view)
    another = row.posted_by != event.data.actor
    demand(another, "same_person", "who posts a journal does not approve it", 403)
    afford_all(event.tenant_id, view, [row])
    posted = row.replaced(status="posted", approved_by=event.data.actor, version=row.version + 1)
    if row.reverses:
        journal = same(view, Journal, event.tenant_id, row.reverses)
        _can_be_reversed(journal)
        yield Put(_reversed(journal, posted))
    yield from journals.post(event, view, [posted])
    yield Answer(200, {**shown(posted), "balances": balances_of(view, [posted])})


@handles(REJECT, OfJournal, ingress=COMMANDS)
def reject(event: Event[OfJournal], view: View) -> Effects:
    """It is never posted."""
    row = _held(event, view)
    after = row.replaced(status="rejected", approved_by=event.data.actor, version=row.version + 1)
    yield Put(after)
    yield from answered(after)


def _held(event: Event[OfJournal], view: View) -> Journal:
    row = found(view, Journal, event.tenant_id, event.data.journal_id)
    demand(row.status == "held", f"journal_{row.status}", "it does not wait for approval")
    return row
