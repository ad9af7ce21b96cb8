"""Payouts by hand, with two people above the tenant's limit: create, approve, reject, return."""

from typing import Literal

from agents.accounting import chart, methods, payouts
from agents.commands.base import Command, answered, demand, found, same
from agents.effects import DryRun, Effects
from agents.registry import COMMANDS, Event, View, handles
from agents.shown import shown
from agents.words import Code, Id, Metadata, OptionalId, Provider, Text
from streams.money import Amount
from tables.payables import Bill, Expense
from tables.payouts import Payout, PayoutReference

CREATE = "treasury.command.payout.create"
APPROVE = "treasury.command.payout.approve"
REJECT = "treasury.command.payout.reject"
RETURN = "treasury.command.payout.return"


class CreatePayout(Command, frozen=True):
    """Pay a payee's earnings, an advance, a bill or an expense; without an amount, all of it.

    `subject_id` is the payee, bill or expense. `reference` is the caller's own, unique for ever.
    `provider` pays it, by default the tenant's first; `destination` is in that one's words: with
    M-Pesa a telephone, `till:NUMBER` or `paybill:NUMBER/ACCOUNT`. A dry run answers what would be,
    and leaves nothing behind.
    """

    target: Literal["earnings", "advance", "bill", "expense"]
    subject_id: Id
    amount: Amount | None = None
    currency: Code = ""
    destination: Text = ""
    provider: Provider = ""
    reference: OptionalId = ""
    dry_run: bool = False
    metadata: Metadata = {}


class OfPayout(Command, frozen=True):
    """A command about one payout."""

    payout_id: Id


class EndPayout(Command, frozen=True):
    """A command that ends one payout, and why."""

    payout_id: Id
    reason: Text = ""


@handles(CREATE, CreatePayout, ingress=COMMANDS)
def create(event: Event[CreatePayout], view: View) -> Effects:
    """Set the money aside and send it, or hold it until somebody else approves."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    known = data.reference and view.row(PayoutReference, event.tenant_id, data.reference)
    demand(not known, "reference_already_used")
    payout = _payout(event, view)
    refusal = payouts.refusal(view, payout)
    if refusal is not None:
        yield refusal
        return
    methods.require_payable_to(payout.provider, payout.asset, payout.amount, payout.destination)
    after = yield from payouts.request(event, view, tenant, payout)
    if data.dry_run:
        yield DryRun(shown(after))
        return
    yield from answered(after, 201)


def _payout(event: Event[CreatePayout], view: View) -> Payout:
    """The payout asked for. Raises Unfit if what it pays is not known."""
    data, tenant_id = event.data, event.tenant_id
    asset, party = data.currency or view.tenant(tenant_id).currency, data.subject_id
    owed, amount = chart.PAYABLE, 0
    if data.target in {"bill", "expense"}:
        kind: type[Bill | Expense] = Bill if data.target == "bill" else Expense
        item = found(view, kind, tenant_id, data.subject_id)
        asset, amount = data.currency or item.asset, item.outstanding
        party = item.supplier_id if isinstance(item, Bill) else item.party_id
    elif data.target == "earnings":
        owed = chart.earnings(data.subject_id)
        amount = payouts.available(view, tenant_id, owed, asset)
    else:
        owed = chart.advances(data.subject_id)
    provider = methods.paying(view.tenant(tenant_id), data.provider)
    return Payout(
        tenant_id,
        event.derive("payout"),
        data.target,
        data.subject_id,
        asset,
        data.amount.minor(asset) if data.amount else amount,
        owed,
        party,
        provider=provider,
        account=methods.account_of(provider, methods.PAYOUT),
        destination=data.destination,
        reference=data.reference,
        requested_by=data.actor,
        created_ms=event.now_ms,
        metadata=data.metadata,
    )


@handles(APPROVE, OfPayout, ingress=COMMANDS)
def approve(event: Event[OfPayout], view: View) -> Effects:
    """Somebody other than who asked for it lets it go."""
    payout = _held(event, view)
    another = payout.requested_by != event.data.actor
    demand(another, "same_person", "who asked for a payout does not approve it", 403)
    approved = payout.replaced(approved_by=event.data.actor, version=payout.version + 1)
    after = yield from payouts.submit(event, approved)
    yield from answered(after, 202)


@handles(REJECT, EndPayout, ingress=COMMANDS)
def reject(event: Event[EndPayout], view: View) -> Effects:
    """It is not sent, and the money is owed as before."""
    data, payout = event.data, _held(event, view)
    yield from payouts.fail(event, view, payout, data.reason or "rejected", by=data.actor)
    yield from answered(same(view, Payout, event.tenant_id, payout.payout_id))


def _held(event: Event[OfPayout] | Event[EndPayout], view: View) -> Payout:
    payout = found(view, Payout, event.tenant_id, event.data.payout_id)
    waits = payout.status == "held"
    demand(waits, f"payout_{payout.status}", "it does not wait for approval")
    return payout


@handles(RETURN, EndPayout, ingress=COMMANDS)
def give_back(event: Event[EndPayout], view: View) -> Effects:
    """What was paid came back, as the provider or the bank shows."""
    payout = found(view, Payout, event.tenant_id, event.data.payout_id)
    was_paid = payout.status == "completed"
    demand(was_paid, f"payout_{payout.status}", "only what was paid can come back")
    yield from payouts.give_back(event, view, payout, event.data.reason or "returned")
    yield from answered(same(view, Payout, event.tenant_id, payout.payout_id))
