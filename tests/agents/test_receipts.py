"""Money counts once per provider's reference, by whichever route it is told of."""

import json

from agents.commands import CONFIRM, CREATE_INTENT
from tables.balances import Balance
from tables.payments import GatewayCall, Payment
from tests.agents.core import Core


def intent(core: Core, event_id: str) -> str:
    data = {"amount": "5.00"}
    [entry] = core.event(CREATE_INTENT, "t", data, event_id=event_id, ingress="http")
    return json.loads(entry.reply.body)["payment_id"]


def cash(core: Core, event_id: str, payment_id: str, reference: str):
    data = {"payment_id": payment_id, "method": "cash", "provider_reference": reference}
    return core.event(CONFIRM, "t", data, event_id=event_id, ingress="http")[0]


def by_gateway(core: Core, event_id: str, payment_id: str, reference: str) -> None:
    data = {"payment_id": payment_id, "method": "instant"}
    core.event(CONFIRM, "t", data, event_id=event_id, ingress="http")
    [call] = [row for row in core.rows(GatewayCall) if row.subject_id == payment_id]
    grant = {"call_id": call.call_id, "nonce": event_id, "valid_for_ms": 5_000}
    core.event("treasury.call.granted", "t", grant, ingress="internal")
    done = {
        "call_id": call.call_id,
        "nonce": event_id,
        "outcome": "succeeded",
        "provider_reference": reference,
    }
    core.event("treasury.call.completed", "t", done, ingress="internal")


def posted(core: Core) -> dict[str, int]:
    return {row.account: row.posted for row in core.rows(Balance)}


class TestReceipts:
    def test_a_receipt_number_pays_one_payment_only(self, core):
        first, second = intent(core, "a"), intent(core, "b")
        assert cash(core, "c", first, "slip-1").status == "applied"
        again = cash(core, "d", second, "slip-1")
        assert (again.status, again.reason) == ("refused", "reference_already_used")
        assert posted(core)["cash:drawer:main"] == 500

    def test_a_providers_reference_is_counted_once(self, core):
        for name in ("a", "b"):
            by_gateway(core, f"confirm-{name}", intent(core, name), "IN-1")
        assert posted(core)["gateway:instant:collection"] == 500

    def test_a_reference_reported_for_a_second_payment_is_told_and_frees_that_payment(self, core):
        first, second = intent(core, "a"), intent(core, "b")
        by_gateway(core, "c", first, "IN-1")
        by_gateway(core, "d", second, "IN-1")
        told = [json.loads(item.body) for item in core.entries[-1].emitted]
        assert [event["event_type"] for event in told] == [
            "treasury.reconciliation.exception",
            "treasury.payment.failed",
        ]
        said = told[0]["data"]
        assert (said["kind"], said["payment_id"]) == ("duplicate_reference", second)
        assert (said["counted_for"], said["provider_reference"]) == (first, "IN-1")
        assert told[1]["data"]["reason"] == "duplicate_reference"
        payments = {row.payment_id: row.status for row in core.rows(Payment)}
        assert payments == {first: "succeeded", second: "requires_action"}
        assert posted(core)["gateway:instant:collection"] == 500
        assert cash(core, "e", second, "slip-1").status == "applied"

    def test_the_same_reference_at_another_provider_is_other_money(self, core):
        by_gateway(core, "c", intent(core, "a"), "X-1")
        assert cash(core, "d", intent(core, "b"), "X-1").status == "applied"
        assert posted(core)["gateway:instant:collection"] == 500
        assert posted(core)["cash:drawer:main"] == 500

    def test_money_without_an_invoice_waits_in_suspense_under_a_case(self, core):
        by_gateway(core, "c", intent(core, "a"), "X-1")
        assert posted(core)["suspense"] == -500
        assert {row.status for row in core.rows(Payment)} == {"succeeded"}
