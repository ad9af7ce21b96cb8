"""Tax documents by hand: mend one and tell it again, say what became of it, number a branch."""

from typing import Annotated

import msgspec

from agents.accounting import tax_months, tax_queue
from agents.commands.base import Command, answered, demand, found, same
from agents.effects import Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles, when_due
from agents.words import Id, OptionalId, Text
from tables.memory import Due
from tables.tax_documents import TaxBranch, TaxDocument

DECLARE = "treasury.command.tax_document.declare"
RESOLVE = "treasury.command.tax_document.resolve"
NUMBER = "treasury.command.tax_branch.number"
NUMBER_MAX = 2_000_000_000
"""A branch's number fits into 32 bits."""


class Declare(Command, frozen=True):
    """Tell the tax authority of a document now: one that was rejected, or one that is retried.

    What is said of the customer replaces what a document that was rejected said.
    """

    document_id: Id
    customer_name: Text | None = None
    customer_pin: OptionalId | None = None


class Resolve(Command, frozen=True):
    """Whether a document that may be recorded is, as the authority's portal shows it.

    One that is told in vain can be said not to be, so that its branch goes on without it.
    """

    document_id: Id
    recorded: bool
    signature: OptionalId = ""


class SetNumber(Command, frozen=True):
    """The last number that was recorded in a branch, by whatever did that before us."""

    branch: Id
    number: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]


@handles(DECLARE, Declare, ingress=COMMANDS)
def declare(event: Event[Declare], view: View) -> Effects:
    """To the end of its branch's queue, or at once if it is its turn."""
    data = event.data
    document = found(view, TaxDocument, event.tenant_id, data.document_id, name="tax_document")
    if document.status == "rejected":
        mended = document.replaced(
            customer_name=_or(data.customer_name, document.customer_name),
            customer_pin=_or(data.customer_pin, document.customer_pin),
            version=document.version + 1,
        )
        fits = document.asset == tax_months.ASSET
        demand(fits, "currency_unsupported", "its currency stays what it is", 422)
        yield from tax_queue.wait(event, view, mended)
    else:
        branch = _pausing(view, document)
        if branch is None:
            raise Unfit(f"tax_document_{document.status}", "it is not retried", 409)
        yield from tax_queue.again(event, view, branch)
    yield from answered(same(view, TaxDocument, event.tenant_id, data.document_id), 202)


def _pausing(view: View, document: TaxDocument) -> TaxBranch | None:
    """The document's branch, if it pauses between two attempts at this one."""
    branch = view.row(TaxBranch, document.tenant_id, document.branch)
    if branch is None or branch.document_id != document.document_id or not branch.retry_ms:
        return None
    return branch


def _or(given: str | None, otherwise: str) -> str:
    return otherwise if given is None else given


@handles(RESOLVE, Resolve, ingress=COMMANDS)
def resolve(event: Event[Resolve], view: View) -> Effects:
    """Recorded: its number is its own. Not recorded: its number is the next document's."""
    data = event.data
    document = found(view, TaxDocument, event.tenant_id, data.document_id, name="tax_document")
    pauses = _pausing(view, document) is not None
    fits = document.doubted or not data.recorded
    is_open = document.status == "doubted" or (fits and pauses)
    demand(is_open, f"tax_document_{document.status}", "nobody doubts it")
    yield from tax_queue.resolved(
        event, view, document, recorded=data.recorded, signature=data.signature
    )
    yield from answered(same(view, TaxDocument, event.tenant_id, data.document_id))


@handles(NUMBER, SetNumber, ingress=COMMANDS)
def set_number(event: Event[SetNumber], view: View) -> Effects:
    """The next document is the one after it; what we had recorded ourselves stays below it.

    A document that is told in vain, and cannot be recorded, gets the new number at once.
    """
    data, tenant = event.data, view.tenant(event.tenant_id)
    known = data.branch in tenant.settings.etims.values()
    demand(known, "branch_unknown", "settings name the branches", 404)
    branch = view.row(TaxBranch, event.tenant_id, data.branch)
    branch = branch or TaxBranch(event.tenant_id, data.branch, version=0)
    ours = branch.ours if branch.number == branch.began else branch.number
    demand(data.number > ours, "number_used", f"the last of ours is {ours}")
    after = branch.replaced(
        number=data.number, began=data.number, ours=ours, version=branch.version + 1
    )
    if branch.document_id:
        document = same(view, TaxDocument, event.tenant_id, branch.document_id)
        waits = branch.retry_ms and document.status == "submitted" and not document.doubted
        demand(waits, "branch_busy", f"{branch.document_id} is on its way")
        yield from tax_queue.tell(event, view, after, tax_queue.numbered(event, after, document))
    else:
        yield Put(after)
    yield from answered(same(view, TaxBranch, event.tenant_id, data.branch))


@when_due(tax_queue.MOMENT)
def retry_due(event: Event[Due], view: View) -> Effects:
    """The pause after an attempt that came to nothing is over, unless somebody was faster."""
    branch = view.row(TaxBranch, event.tenant_id, event.data.subject)
    if branch is None or not branch.document_id or branch.retry_ms != event.data.at_ms:
        return
    yield from tax_queue.again(event, view, branch)
