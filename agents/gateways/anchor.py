"""A settlement's root on its way to a chain: there, or not."""

from collections.abc import Iterator
from typing import Any

from agents.effects import Effect, Put
from agents.registry import Event, View
from tables.payments import GatewayCall
from tables.settlements import SettlementProof


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """The transaction that bears it lies as deep as a payment must."""
    proof = _proof(view, call)
    if proof.call_id == call.call_id:
        tx_hash = event.data.provider_reference
        yield Put(
            proof.replaced(
                status="anchored", tx_hash=tx_hash, failure="", version=proof.version + 1
            )
        )


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:  # noqa: ARG001
    """It is not there, and may be asked for again."""
    proof = _proof(view, call)
    if proof.call_id == call.call_id and proof.status == "requested":
        yield Put(proof.replaced(status="failed", failure=failure, version=proof.version + 1))


def _proof(view: View, call: GatewayCall) -> SettlementProof:
    proof = view.row(SettlementProof, call.tenant_id, call.subject_id)
    assert proof is not None
    return proof
