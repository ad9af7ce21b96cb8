"""What is sold on a chain on its way to who converts it: there, or not sent."""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart, conversions
from agents.effects import Effect, Emit, Put
from agents.registry import Event, View
from streams.money import json_number
from tables.journals import Conversion
from tables.payments import GatewayCall


def succeeded(event: Event[Any], view: View, call: GatewayCall) -> Iterator[Effect]:
    """It is there. After it was given up it is taken out after all; where its quote was used or
    dropped meanwhile, as a loss for people: suspense:out / the account.
    """
    row = _conversion(view, call)
    tx_hash = event.data.provider_reference or call.call_id
    is_its = row.call_id == call.call_id
    if not (is_its and row.status in {"executing", "quoted"}):
        yield conversions.move(row, chart.SUSPENSE_OUT)
        yield _for_people(row, tx_hash)
        return
    if row.status == "quoted":
        yield conversions.move(row, chart.IN_TRANSIT)
    yield Put(row.replaced(status="executed", tx_hash=tx_hash, failure="", version=row.version + 1))


def failed(event: Event[Any], view: View, call: GatewayCall, failure: str) -> Iterator[Effect]:  # noqa: ARG001
    """It was not sent, for certain: it is where it was, and may be sent again."""
    row = _conversion(view, call)
    if row.status == "executing" and row.call_id == call.call_id:
        yield conversions.move(row, chart.IN_TRANSIT, -1)
        yield Put(row.replaced(status="quoted", failure=failure, version=row.version + 1))


def _for_people(row: Conversion, tx_hash: str) -> Emit:
    said = {
        "kind": "conversion_sent_after_failure",
        "conversion_id": row.conversion_id,
        "provider_reference": tx_hash,
        "amount": json_number(row.sold, row.from_asset),
        "currency": row.from_asset,
    }
    return Emit("treasury.reconciliation.exception", said)


def _conversion(view: View, call: GatewayCall) -> Conversion:
    row = view.row(Conversion, call.tenant_id, call.subject_id)
    assert row is not None
    return row
