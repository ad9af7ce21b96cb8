"""What M-Pesa tells at addresses of ours: bodies of the documentation's shapes, and of none."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.callbacks import Callback, Deposit, NotBelieved, Report
from connectors.mpesa.config import Config
from connectors.mpesa.hearing import heard

CONFIG = Config("https://x.example.test", "600999", "key", "secret", till="700111")
AT = datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)
REPORTS = ("stk", "b2c-result", "reversal-result", "status-result")


def stk(code=0, **more) -> dict:
    items = [
        {"Name": "Amount", "Value": 150},
        {"Name": "MpesaReceiptNumber", "Value": "TCA1B2C3D4"},
        {"Name": "Balance"},
    ]
    told = {
        "MerchantRequestID": "11-22-1",
        "CheckoutRequestID": "ws_CO_1",
        "ResultCode": code,
        "ResultDesc": "said",
        **({"CallbackMetadata": {"Item": items}} if not code else {}),
        **more,
    }
    return {"Body": {"stkCallback": told}}


def ended(code=0, **pairs) -> dict:
    parameters = [{"Key": key, "Value": value} for key, value in pairs.items()]
    result = {
        "ResultCode": code,
        "ResultDesc": "said",
        "OriginatorConversationID": "call-1",
        "ConversationID": "AG_1",
        "TransactionID": "TCA1B2C3D6",
    }
    if pairs:
        result["ResultParameters"] = {"ResultParameter": parameters}
    return {"Result": result}


def confirmation(**more) -> dict:
    return {
        "TransID": "TCA1B2C3D5",
        "TransTime": "20260301093055",
        "TransAmount": "10.00",
        "BusinessShortCode": "600999",
        "BillRefNumber": "INV1",
        "MSISDN": "2547 ***** 149",
        **more,
    }


def callback(kind: str, body: object, call_id: str = "call-1") -> Callback:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Callback(kind, {}, raw, AT, call_id)


class TestReports:
    def test_of_a_push_that_was_paid_are_proof(self):
        report = heard(CONFIG, callback("stk", stk()))
        assert isinstance(report, Report)
        assert (report.call_id, report.handle, report.ask) == ("call-1", "ws_CO_1", "")
        result = report.result
        assert (result.outcome, result.provider_reference) == ("succeeded", "TCA1B2C3D4")
        assert (result.amount_minor, result.asset) == (15_000, "KES")

    @pytest.mark.parametrize(
        ("code", "outcome", "asks"),
        [
            (1032, "failed", False),
            (1, "failed", False),
            (1037, "pending", True),
            (26, "pending", True),
        ],
    )
    def test_of_a_push_that_failed_are_a_reason_to_ask_if_it_may_be_paid(self, code, outcome, asks):
        report = heard(CONFIG, callback("stk", stk(code)))
        assert (report.result.outcome, bool(report.ask)) == (outcome, asks)

    def test_of_success_without_a_receipt_are_no_proof(self):
        report = heard(CONFIG, callback("stk", stk(CallbackMetadata={"Item": []})))
        assert (report.result.outcome, bool(report.ask)) == ("pending", True)

    @pytest.mark.parametrize(
        ("kind", "body", "outcome"),
        [
            ("b2c-result", ended(TransactionReceipt="TCA1", TransactionAmount=10), "succeeded"),
            ("b2c-result", ended(2001), "failed"),
            ("reversal-result", ended(Amount="10.00"), "succeeded"),
            ("reversal-result", ended("R000001"), "failed"),
            (
                "status-result",
                ended(TransactionStatus="Completed", Amount=10, ReceiptNo="T1"),
                "succeeded",
            ),
            ("status-result", ended(TransactionStatus="Failed"), "failed"),
            ("status-result", ended(TransactionStatus="Frozen"), "pending"),
            ("status-result", ended(1, TransactionStatus="Completed"), "pending"),
            ("status-result", ended(TransactionStatus="Completed", Amount=10), "pending"),
        ],
    )
    def test_of_what_is_told_later_are_judged_by_their_kind(self, kind, body, outcome):
        report = heard(CONFIG, callback(kind, body))
        assert (report.call_id, report.result.outcome) == ("call-1", outcome)
        assert bool(report.ask) == (outcome == "pending")

    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"Result":{}}'])
    def test_of_a_timeout_say_nothing_whatever_their_body(self, body):
        report = heard(CONFIG, callback("b2c-timeout", body))
        assert (report.result.outcome, bool(report.ask)) == ("pending", True)

    def test_of_the_same_bytes_have_the_same_name(self):
        first, again = (heard(CONFIG, callback("stk", stk())) for _ in range(2))
        other = heard(CONFIG, callback("stk", stk(1032)))
        assert first.event_id == again.event_id
        assert first.event_id != other.event_id


class TestDeposits:
    def test_name_receipt_amount_and_what_the_payer_wrote(self):
        deposit = heard(CONFIG, callback("c2b-confirmation", confirmation(), call_id=""))
        paid_at = datetime(2026, 3, 1, 6, 30, 55, tzinfo=UTC)
        assert deposit == Deposit(
            "c2b.TCA1B2C3D5",
            "TCA1B2C3D5",
            "600999",
            1_000,
            "KES",
            "INV1",
            "2547 ***** 149",
            paid_at,
        )

    def test_are_the_same_message_for_the_same_receipt(self):
        one = heard(CONFIG, callback("c2b-confirmation", confirmation()))
        other = heard(CONFIG, callback("c2b-confirmation", confirmation(MSISDN="a" * 64)))
        assert one.event_id == other.event_id

    def test_are_none_before_they_are_confirmed(self):
        assert heard(CONFIG, callback("c2b-validation", confirmation(), call_id="")) is None
        with pytest.raises(NotBelieved):
            heard(CONFIG, callback("c2b-validation", confirmation(BusinessShortCode="1")))

    def test_to_our_till_are_ours_and_to_others_are_not(self):
        ours = heard(CONFIG, callback("c2b-confirmation", confirmation(BusinessShortCode="700111")))
        assert ours.account == "700111"
        with pytest.raises(NotBelieved, match="short code"):
            heard(CONFIG, callback("c2b-confirmation", confirmation(BusinessShortCode="600998")))

    def test_to_no_short_code_are_not_those_of_a_shop_without_a_till(self):
        config = replace(CONFIG, till="")
        with pytest.raises(NotBelieved):
            heard(config, callback("c2b-confirmation", confirmation(BusinessShortCode="")))


class TestWhatIsNotBelieved:
    @pytest.mark.parametrize("kind", ["", "stkpush", "b2c-result/../stk", "timeout"])
    def test_another_kind(self, kind):
        with pytest.raises(NotBelieved):
            heard(CONFIG, callback(kind, stk()))

    @pytest.mark.parametrize("kind", [*REPORTS, "b2c-timeout"])
    def test_a_report_at_an_address_that_names_no_call(self, kind):
        with pytest.raises(NotBelieved, match="names no call"):
            heard(CONFIG, callback(kind, stk(), call_id=""))

    @given(
        st.sampled_from([*REPORTS, "c2b-confirmation"]),
        st.binary(max_size=200),
    )
    def test_any_bytes(self, kind, body):
        with pytest.raises(NotBelieved):
            heard(CONFIG, callback(kind, body))
