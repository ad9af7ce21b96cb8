"""Journals by hand: balanced legs, a reversal, and what a leg on a control account does.

Control accounts tie at all times, so a leg on one names its item, which moves by the same amount:
receivable an invoice (a credit lowers what is asked for), payable a bill, customer:credit a
customer, suspense a case. grni, payouts, refunds and disputes have commands of their own.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from agents.accounting import chart, drawers, dunning, payables
from agents.accounting.cases import close_case, give_credit
from agents.accounting.invoicing import said_paid, stated
from agents.accounting.statements import dated
from agents.effects import Effect, Post, Put, Refuse
from agents.registry import Event, View
from streams.journal import Posting
from tables.invoices import Invoice
from tables.journals import Journal, Leg
from tables.payables import Bill
from tables.payments import Case

WITH_ITEMS = frozenset({chart.RECEIVABLE, chart.PAYABLE, chart.CUSTOMER_CREDIT, chart.SUSPENSE})


def post(event: Event[Any], view: View, journals: list[Journal]) -> Iterator[Effect]:
    """The postings of journals of one day, effective on it; items of control accounts move too."""
    cash = Counter[tuple[str, str]]()
    for leg in (leg for journal in journals for leg in journal.legs):
        outlet = chart.outlet_of(leg.account)
        if outlet is not None:
            cash[outlet, leg.asset] += leg.minor
    for (outlet, asset), minor in cash.items():
        yield from dated(journals[0].day, drawers.moved(event, view, outlet, asset, minor))
    for journal in journals:
        yield from _posted(event, view, journal)


def _posted(event: Event[Any], view: View, journal: Journal) -> Iterator[Effect]:
    for leg in journal.legs:
        if leg.account in chart.CONTROL_ACCOUNTS:
            yield from _item(event, view, journal, leg)
    about = {"journal": journal.journal_id}
    postings = [
        Posting(leg.account, leg.asset, leg.minor, {**leg.dimensions, **about})
        for leg in journal.legs
    ]
    yield Post(postings, journal.day)
    yield Put(journal)


def needs_two(view: View, journal: Journal) -> bool:
    """Whether its debits in any currency are more than one person may post alone."""
    tenant, sums = view.tenant(journal.tenant_id), Counter[str]()
    for leg in journal.legs:
        sums[leg.asset] += max(leg.minor, 0)
    limit = tenant.settings.journal_limit
    return any(tenant.needs_two(limit, asset, minor) for asset, minor in sums.items())


def tried(event: Event[Any], view: View, journal: Journal) -> Iterator[Refuse]:
    """Why the journal could not be posted now; nothing if it could. Nothing happens."""
    for effect in post(event, view, [journal]):
        if isinstance(effect, Refuse):
            yield effect
            return


def reversal(journal: Journal, journal_id: str, day: str) -> Journal:
    """The journal that undoes another."""
    legs = tuple(
        Leg(leg.account, leg.asset, -leg.minor, leg.item, leg.dimensions) for leg in journal.legs
    )
    return Journal(
        journal.tenant_id,
        journal_id,
        legs,
        day,
        f"reversal of {journal.journal_id}",
        journal.reference,
        reverses=journal.journal_id,
    )


def _item(event: Event[Any], view: View, journal: Journal, leg: Leg) -> Iterator[Effect]:
    if leg.account not in WITH_ITEMS:
        yield Refuse("control_account", f"{leg.account} has commands of its own", 422)
    elif not leg.item:
        yield Refuse("item_missing", f"a leg on {leg.account} names its item", 422)
    elif leg.account == chart.CUSTOMER_CREDIT:
        yield from _credit(event, view, leg)
    elif leg.account == chart.RECEIVABLE:
        yield from _invoice(event, view, leg)
    elif leg.account == chart.PAYABLE:
        yield from _bill(event, view, leg)
    else:
        yield from _case(event, view, journal, leg)


def _credit(event: Event[Any], view: View, leg: Leg) -> Iterator[Effect]:
    for effect in give_credit(event, view, leg.item, leg.asset, -leg.minor):
        if isinstance(effect, Put) and effect.row.amount < 0:  # type: ignore[attr-defined]
            yield Refuse("item_too_small", "the customer has less credit", 422)
            return
        yield effect


def _invoice(event: Event[Any], view: View, leg: Leg) -> Iterator[Effect]:
    """A credit lowers the claim as a credit note does; a debit takes such a credit back."""
    invoice = view.row(Invoice, event.tenant_id, leg.item)
    if invoice is None or invoice.asset != leg.asset:
        yield Refuse("item_unknown", "no such invoice in this currency", 404)
        return
    credited = invoice.credited - leg.minor
    if invoice.status in {"draft", "void"} or credited < 0 or -leg.minor > invoice.outstanding:
        yield Refuse("item_too_small", "the invoice has less outstanding, or credited", 422)
        return
    after = stated(invoice.replaced(credited=credited, version=invoice.version + 1))
    yield Put(after)
    if not after.outstanding:
        yield from said_paid(after)
    elif not invoice.outstanding:
        yield from dunning.reopened(after, event.now_ms)


def _bill(event: Event[Any], view: View, leg: Leg) -> Iterator[Effect]:
    bill = view.row(Bill, event.tenant_id, leg.item)
    if bill is None or bill.asset != leg.asset:
        yield Refuse("item_unknown", "no such bill in this currency", 404)
        return
    if bill.status in {"waiting", "void"} or leg.minor > bill.outstanding:
        yield Refuse("item_too_small", "the bill has less outstanding", 422)
        return
    yield Put(payables.bill_after(bill.replaced(adjusted=bill.adjusted - leg.minor)))


def _case(event: Event[Any], view: View, journal: Journal, leg: Leg) -> Iterator[Effect]:
    """A debit takes from a case. One that is closed comes back by the reversal of a journal that
    closed it, and else never: its payment has its money elsewhere.
    """
    case = view.row(Case, event.tenant_id, leg.item)
    if case is None or case.call_id or case.asset != leg.asset:
        yield Refuse("item_unknown", "no such case in this currency", 404)
    elif case.status == "closed" and not (journal.reverses and case.resolution == "journal"):
        yield Refuse("case_closed", "only the journal that closed a case is undone")
    elif leg.minor <= 0 and case.status == "closed":
        yield Put(case.replaced(status="open", amount=-leg.minor, resolution=""))
    elif case.status != "open" or leg.minor > case.amount:
        yield Refuse("item_too_small", "the case is of less", 422)
    elif leg.minor < 0:
        yield Put(case.replaced(amount=case.amount - leg.minor))
    else:
        yield close_case(case, "journal", leg.minor)
