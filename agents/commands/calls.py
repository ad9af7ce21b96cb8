"""Calls whose outcome nobody knows: a person who has looked at the provider says how one ended."""

from typing import Any, Literal

import msgspec

from agents.accounting import attempts
from agents.accounting.methods import CHAINS
from agents.commands.base import Command, answered, demand, found, same
from agents.effects import Effects
from agents.gateways import calls
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Id, OptionalId, Text
from tables.chains import ChainTransaction
from tables.payments import GatewayCall, Reference, Refund
from tables.payouts import Payout

RESOLVE = "treasury.command.call.resolve"


class ResolveCall(Command, frozen=True):
    """How a call ended that is unknown: as its provider's statement shows it.

    A success needs the provider's own reference.
    """

    call_id: Id
    outcome: Literal["succeeded", "failed"]
    provider_reference: OptionalId = ""
    reason: Text = ""


@handles(RESOLVE, ResolveCall, ingress=COMMANDS)
def resolve(event: Event[ResolveCall], view: View) -> Effects:
    """As if the provider had said so; what it says later still counts.

    Of a payout or refund, somebody other than who asked for it.
    """
    data = event.data
    call = found(view, GatewayCall, event.tenant_id, data.call_id, name="call")
    demand(call.status == "unknown", f"call_{call.status}", "its outcome is not unknown")
    named = data.outcome == "failed" or data.provider_reference
    demand(named, "provider_reference_missing", "a success has a reference", 422)
    known = view.row(Reference, event.tenant_id, call.gateway, "in", _reference(data, call))
    is_out = call.operation in {"payout", "refund"}
    is_free = is_out or (known is None and not _seen_on_chain(data, call, view))
    demand(is_free, "receipt_already_counted", "it was counted for a payment before")
    another = _asked_by(view, call) != data.actor
    demand(another, "same_person", "who asked for it does not say how it ended", 403)
    yield from calls.completed(_said(event, call), view)
    yield from answered(same(view, GatewayCall, event.tenant_id, call.call_id))


def _asked_by(view: View, call: GatewayCall) -> str | None:
    """Who wished for what the call is about; None for a payer's own wish."""
    payout = view.row(Payout, call.tenant_id, call.subject_id)
    asked = payout or view.row(Refund, call.tenant_id, call.subject_id)
    return asked.requested_by if asked is not None else None


def _seen_on_chain(data: ResolveCall, call: GatewayCall, view: View) -> bool:
    """Whether money of the transaction that is named counts already, for whomever."""
    if call.operation != "collect" or call.gateway not in CHAINS:
        return False
    tx_hash = _reference(data, call).partition(":")[0]
    row = view.row(ChainTransaction, call.tenant_id, call.gateway, tx_hash)
    return row is not None and any(each.counts for each in row.transfers)


def _reference(data: ResolveCall, call: GatewayCall) -> str:
    """As its provider writes it: M-Pesa's receipts are capitals, hashes of chains are not."""
    reference = data.provider_reference.strip()
    if call.gateway in CHAINS:
        return reference.lower()
    return reference.upper() if call.gateway == "mpesa" else reference


def _failure(data: ResolveCall) -> str:
    """The person's words; never one of ours that has another gateway try."""
    return "resolved" if data.reason in attempts.NOT_BEGUN else data.reason or "resolved"


def _said(event: Event[ResolveCall], call: GatewayCall) -> Event[Any]:
    data = event.data
    said = calls.Completed(
        call.call_id,
        call.nonce,
        data.outcome,
        provider_reference=_reference(data, call),
        failure=_failure(data) if data.outcome == "failed" else "",
    )
    return msgspec.structs.replace(event, data=said)
