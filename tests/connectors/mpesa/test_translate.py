"""Daraja's JSON in every shape that it was seen in."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mpesa import translate
from connectors.mpesa.codes import PAYOUT_RESULTS, STK_RESULTS, meaning_of, refusal_of
from connectors.mpesa.config import Config
from connectors.mpesa.translate import ToldAt, Wish
from connectors.reading import Unfit, Unreadable
from streams.money import BadAmount
from tests.connectors.mpesa import wire

MEMBERS = st.sampled_from(["Body", "stkCallback", "Result", "ResultCode", "TransID", "Item", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=10,
)
AT = datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)
CONFIG = Config("https://api.example", "600999", "key", "secret", passkey="testpasskey0001")
WISH = Wish(
    "1500.00", "KES", phone="0708374149", destination="0708374149", reference="INV/2026-017"
)


def callback(**changes) -> bytes:
    """The paid callback with other members."""
    told = json.loads(wire.PAID)
    told["Body"]["stkCallback"].update(changes)
    return json.dumps(told).encode()


def items(*pairs) -> bytes:
    """The paid callback with these items."""
    return callback(CallbackMetadata={"Item": list(pairs)})


class TestAPush:
    def test_asks_for_whole_shillings_of_a_number_that_is_one(self):
        body = translate.stk_push(CONFIG, WISH, AT, "https://x.example/cb")
        assert body == {
            "BusinessShortCode": 600999,
            "Password": "NjAwOTk5dGVzdHBhc3NrZXkwMDAxMjAyNjAzMDEwOTMwMDU=",
            "Timestamp": "20260301093005",
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 1500,
            "PartyA": 254708374149,
            "PartyB": 600999,
            "PhoneNumber": 254708374149,
            "CallBackURL": "https://x.example/cb",
            "AccountReference": "INV 2026 017",
            "TransactionDesc": "payment",
        }

    def test_of_a_till_goes_to_its_number(self):
        till = Config("https://api.example", "600999", "key", "secret", till="123456")
        body = translate.stk_push(till, WISH, AT, "https://x.example/cb")
        assert (body["TransactionType"], body["PartyB"]) == ("CustomerBuyGoodsOnline", 123456)
        assert body["BusinessShortCode"] == 600999

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"amount": "10.50"}, "whole_shillings_only"),
            ({"amount": "250001"}, "amount_out_of_bounds"),
            ({"amount": "ten"}, "not_a_number"),
            ({"currency": "USD"}, "currency_unsupported"),
            ({"phone": ""}, "phone_unfit"),
            ({"phone": "0208374149"}, "phone_unfit"),
        ],
    )
    def test_that_cannot_be_is_refused_before_it_is_sent(self, changes, reason):
        wish = Wish(**{"amount": "10", "phone": "0708374149", **changes})
        with pytest.raises((Unfit, BadAmount)) as refused:
            translate.stk_push(CONFIG, wish, AT, "https://x.example/cb")
        assert refused.value.reason == reason

    @pytest.mark.parametrize("reference", ["", "é", "a" * 40, "INV-1; DROP", "\n"])
    def test_shows_a_reference_that_every_telephone_can(self, reference):
        wish = Wish("10", phone="0708374149", reference=reference)
        shown = translate.stk_push(CONFIG, wish, AT, "https://x.example")["AccountReference"]
        assert 1 <= len(shown) <= 12
        assert shown.isascii()
        assert all(char.isalnum() or char == " " for char in shown)

    def test_that_was_taken_is_no_payment(self):
        ack = translate.ack_of(wire.PUSHED.encode())
        assert (ack.handle, ack.accepted) == ("ws_CO_01032026093005000708374149", True)

    @pytest.mark.parametrize(
        ("answer", "handle"), [(wire.PAYOUT_TAKEN, "AG_20260301_1"), (wire.REGISTERED, "7-1")]
    )
    def test_answers_are_read_in_either_spelling(self, answer, handle):
        assert translate.ack_of(answer.encode()).handle == handle


class TestACallback:
    def test_of_a_payment_names_receipt_amount_and_time(self):
        told = translate.stk_callback(wire.PAID.encode())
        assert (told.handle, told.receipt, told.minor) == ("ws_CO_1", "TCA1B2C3D4", 15_000)
        assert told.paid_at == datetime(2026, 3, 1, 6, 30, 55, tzinfo=UTC)
        result = translate.result_of(told)
        assert (result.outcome, result.provider_reference) == ("succeeded", "TCA1B2C3D4")
        assert (result.amount_minor, result.asset) == (15_000, "KES")

    @pytest.mark.parametrize("value", [150, "150", "150.00", "150.0"])
    def test_has_its_amount_as_number_or_text(self, value):
        receipt = {"Name": "MpesaReceiptNumber", "Value": "R"}
        told = translate.stk_callback(items(receipt, {"Name": "Amount", "Value": value}))
        assert told.minor == 15_000

    @pytest.mark.parametrize("code", ["0", 0])
    def test_has_its_code_as_number_or_text(self, code):
        told = translate.stk_callback(callback(ResultCode=code))
        assert translate.result_of(told).outcome == "succeeded"

    def test_is_read_in_any_order_and_of_one_item_alone(self):
        told = json.loads(wire.PAID)
        listed = told["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
        assert translate.stk_callback(items(*reversed(listed))).receipt == "TCA1B2C3D4"
        alone = callback(CallbackMetadata={"Item": listed[1]})
        assert translate.stk_callback(alone).receipt == "TCA1B2C3D4"

    @pytest.mark.parametrize(
        "pairs",
        [
            (),
            ({"Name": "MpesaReceiptNumber", "Value": "R"},),
            ({"Name": "Amount", "Value": 150},),
            ({"Name": "MpesaReceiptNumber"}, {"Name": "Amount", "Value": 150}),
            ({"Name": "MpesaReceiptNumber", "Value": "R"}, {"Name": "Amount", "Value": "150.001"}),
            ({"Name": "MpesaReceiptNumber", "Value": "R"}, {"Name": "Amount", "Value": True}),
        ],
    )
    def test_that_proves_nothing_pays_nothing(self, pairs):
        assert translate.result_of(translate.stk_callback(items(*pairs))).outcome == "pending"

    def test_of_a_failure_keeps_code_and_words(self):
        result = translate.result_of(translate.stk_callback(wire.CANCELLED.encode()))
        assert (result.outcome, result.failure) == ("failed", "cancelled_by_payer")
        assert result.detail == "1032: Request cancelled by user"

    @pytest.mark.parametrize("code", [1037, 1025, 9999, 1019, 1001, 26])
    def test_after_which_the_payer_may_have_paid_is_asked_about_first(self, code):
        told = translate.stk_callback(callback(ResultCode=code))
        assert translate.result_of(told).outcome == "pending"

    @pytest.mark.parametrize("code", ["SFC_IC0003", "4242", 77])
    def test_of_any_other_code_is_a_failure_under_its_own_number(self, code):
        result = translate.result_of(translate.stk_callback(callback(ResultCode=code)))
        assert result.outcome == "failed"
        assert result.detail.startswith(str(code))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"[]",
            b"{}",
            b'{"Body": {}}',
            b'{"Body": {"stkCallback": []}}',
            callback(CheckoutRequestID=None),
            callback(ResultCode=None),
            callback(ResultCode={"a": 1}),
        ],
    )
    def test_that_is_none_is_unreadable(self, body):
        with pytest.raises(Unreadable):
            translate.stk_callback(body)

    @given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_of_any_bytes_is_read_or_unreadable(self, body):
        for read in (translate.stk_callback, translate.c2b_confirmation, translate.async_result):
            with suppress(Unreadable):
                read(body)


class TestAQuery:
    @pytest.mark.parametrize(
        ("code", "outcome", "failure"),
        [
            ("0", "succeeded", ""),
            ("1032", "failed", "cancelled_by_payer"),
            ("1037", "failed", "payer_not_reached"),
            ("4999", "pending", ""),
            ("", "pending", ""),
        ],
    )
    def test_says_how_it_ended(self, code, outcome, failure):
        result = translate.query_result((wire.QUERIED % code).encode())
        assert (result.outcome, result.failure) == (outcome, failure)

    def test_of_one_that_is_being_processed_is_no_error(self):
        assert refusal_of(500, *translate.error_of(wire.PROCESSING.encode())) == "pending"


class TestMoneyToThePaybill:
    def test_is_received_whatever_it_is_for(self):
        told = translate.c2b_confirmation(wire.CONFIRMATION.encode())
        assert (told.receipt, told.short_code, told.minor) == ("TCA1B2C3D5", "600999", 1_000)
        assert told.bill_reference == "INV1"
        assert told.paid_at == datetime(2026, 3, 1, 6, 30, 55, tzinfo=UTC)

    @pytest.mark.parametrize("payer", ["2547 ***** 149", "a" * 64, "254708374149", "", None, 7])
    def test_comes_with_a_payer_in_any_shape(self, payer):
        body = json.loads(wire.CONFIRMATION) | {"MSISDN": payer}
        assert translate.c2b_confirmation(json.dumps(body).encode()).receipt == "TCA1B2C3D5"

    @pytest.mark.parametrize(
        "changes",
        [{"TransID": ""}, {"TransAmount": "0"}, {"TransAmount": "-1"}, {"TransAmount": "x"}],
    )
    def test_without_a_receipt_or_an_amount_is_unreadable(self, changes):
        with pytest.raises(Unreadable):
            translate.c2b_confirmation(json.dumps(json.loads(wire.CONFIRMATION) | changes).encode())


class TestAPayout:
    def test_bears_our_own_id(self):
        told_at = ToldAt("https://x.example/r", "https://x.example/t")
        body = translate.b2c_payment(CONFIG, WISH, "call-1", "sealed", told_at)
        assert body["OriginatorConversationID"] == "call-1"
        assert (body["Amount"], body["PartyA"], body["PartyB"]) == (1500, 600999, 254708374149)
        assert 2 <= len(body["Remarks"]) <= 100

    def test_that_was_made_names_its_receipt(self):
        result = translate.payout_result(translate.async_result(wire.PAID_OUT.encode()))
        assert (result.outcome, result.provider_reference) == ("succeeded", "TCA1B2C3D6")
        assert (result.amount_minor, result.asset) == (1_000, "KES")

    def test_that_was_not_is_read_from_one_pair_and_a_code_in_text(self):
        told = translate.async_result(wire.NOT_PAID_OUT.encode())
        assert told.originator_id == "p-1"
        result = translate.payout_result(told)
        assert (result.outcome, result.failure) == ("failed", "not_configured")

    @pytest.mark.parametrize("read", [translate.payout_result, translate.reversal_result])
    def test_that_may_have_been_made_is_asked_about_first(self, read):
        told = translate.async_result(wire.NOT_PAID_OUT.encode())
        assert read(msgspec.structs.replace(told, code="26")).outcome == "pending"


class TestCodes:
    @pytest.mark.parametrize(
        ("status", "code", "words", "meaning"),
        [
            (400, "400.002.02", "Bad Request - Invalid Amount", "permanent"),
            (404, "404.001.03", "Invalid Access Token", "token"),
            (401, "401.002.01", "Error Occurred - Invalid Access Token", "token"),
            (404, "404.001.01", "Resource not found", "permanent"),
            (500, "500.001.1001", "Merchant does not exist", "not_configured"),
            (500, "500.001.1001", "[STK_DAR] - Wrong credentials", "not_configured"),
            (500, "500.001.1001", "Unable to lock subscriber, a transaction is …", "locked"),
            (500, "500.001.1001", "The transaction is being processed", "pending"),
            (500, "500.002.1001", "Duplicate OriginatorConversationID", "accepted"),
            (500, "500.003.1001", "Urls are already registered", "accepted"),
            (500, "500.003.1001", "Internal Server Error", "unclear"),
            (500, "500.003.02", "System is busy", "busy"),
            (429, "", "", "busy"),
            (403, "", "", "not_configured"),
            (503, "00.002.1001", "System is under maintenance", "busy"),
        ],
    )
    def test_of_refusals_mean_what_is_to_be_done(self, status, code, words, meaning):
        assert refusal_of(status, code, words) == meaning

    @pytest.mark.parametrize("results", [STK_RESULTS, PAYOUT_RESULTS])
    def test_of_results_are_words_for_programs(self, results):
        for meaning in results.values():
            assert meaning.failure.replace("_", "").isalpha()

    def test_that_nobody_knows_keep_their_number(self):
        assert meaning_of(STK_RESULTS, "SFC_XX").failure == "code_sfc_xx"
