"""Cases: a person says where money without a home belongs."""

from agents.accounting import chart
from agents.accounting.cases import close_case, dimensions, give_credit
from agents.accounting.invoicing import replaced_case, settle
from agents.commands.base import Command, answered, demand, found, same
from agents.effects import Effects, Post
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
    case = found(view, Case, event.tenant_id, data.case_id)
    demand(case.status == "open", "case_closed")
    demand(not case.call_id, "case_of_a_call", "say how its call ended: POST /calls/{id}/resolve")
    one_of_both = bool(data.invoice_id) != bool(data.customer_id)
    demand(one_of_both, "invoice_or_customer", "say one of them", 422)
    if data.customer_id:
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
    invoice = found(view, Invoice, event.tenant_id, invoice_id)
    fits = invoice.asset == case.asset and invoice.outstanding
    demand(fits, "invoice_not_open", "nothing is outstanding in this currency", 422)
    where = dimensions(order=invoice.order_id, case=case.case_id)
    after, effects, rest = settle(invoice, chart.SUSPENSE, case.amount, where)
    yield from effects
    yield close_case(case, "applied", case.amount - rest)
    placements = [Placement("invoice", after.invoice_id, case.amount - rest)]
    if rest:
        placements.append(Placement("case", case.case_id, rest))
    yield from replaced_case(view, case, placements)
    yield from answered(same(view, Case, event.tenant_id, case.case_id))
