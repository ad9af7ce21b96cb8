"""Cases: a person says where money without a home belongs."""

from agents.accounting import chart
from agents.accounting.cases import close_case, dimensions, give_credit
from agents.accounting.invoicing import replaced_case, settle
from agents.commands.base import Command, answered, same, unknown
from agents.effects import Effects, Post, Refuse
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Id, OptionalId
from streams.journal import Posting
from tables.invoices import Invoice
from tables.payments import Case, Placement

RESOLVE = "treasury.command.case.resolve"


class ResolveCase(Command, frozen=True):
    """To an invoice, or to a customer's credit. A refund is asked of the payment itself."""

    case_id: Id
    invoice_id: OptionalId = ""
    customer_id: OptionalId = ""


@handles(RESOLVE, ResolveCase, ingress=COMMANDS)
def resolve(event: Event[ResolveCase], view: View) -> Effects:
    """Suspense / receivable, or suspense / customer:credit."""
    data = event.data
    case = view.row(Case, event.tenant_id, data.case_id)
    if case is None:
        yield unknown("case")
    elif case.status != "open":
        yield Refuse("case_closed")
    elif bool(data.invoice_id) == bool(data.customer_id):
        yield Refuse("invoice_or_customer", "say one of them", 422)
    elif data.customer_id:
        yield from _to_credit(event, view, case, data.customer_id)
    else:
        yield from _to_invoice(event, view, case, data.invoice_id)


def _to_credit(event: Event[ResolveCase], view: View, case: Case, customer_id: str) -> Effects:
    where = dimensions(party=customer_id, case=case.case_id)
    yield Post(
        [
            Posting(chart.SUSPENSE, case.asset, case.amount, where),
            Posting(chart.CUSTOMER_CREDIT, case.asset, -case.amount, where),
        ]
    )
    yield from give_credit(event, view, customer_id, case.asset, case.amount)
    yield close_case(case, "credited")
    yield from replaced_case(view, case, [Placement("credit", customer_id, case.amount)])
    yield from answered(same(view, Case, event.tenant_id, case.case_id))


def _to_invoice(event: Event[ResolveCase], view: View, case: Case, invoice_id: str) -> Effects:
    invoice = view.row(Invoice, event.tenant_id, invoice_id)
    if invoice is None:
        yield unknown("invoice")
        return
    if invoice.asset != case.asset or not invoice.outstanding:
        yield Refuse("invoice_not_open", "nothing is outstanding in this currency", 422)
        return
    where = dimensions(order=invoice.order_id, case=case.case_id)
    after, effects, rest = settle(invoice, chart.SUSPENSE, case.amount, where)
    yield from effects
    yield close_case(case, "applied", case.amount - rest)
    placements = [Placement("invoice", after.invoice_id, case.amount - rest)]
    if rest:
        placements.append(Placement("case", case.case_id, rest))
    yield from replaced_case(view, case, placements)
    yield from answered(same(view, Case, event.tenant_id, case.case_id))
