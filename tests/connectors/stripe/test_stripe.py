"""Stripe's amounts, forms, signatures and objects, as its documentation has them."""

import hashlib
import hmac
import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reading import Unfit, Unreadable
from connectors.stripe import translate
from connectors.stripe.amounts import (
    from_stripe,
    to_stripe,
)
from connectors.stripe.config import Config
from connectors.stripe.form import encoded
from connectors.stripe.signature import TOLERANCE_S, BadSignature, age_of
from connectors.stripe.translate import Wish

SECRET, AT = "whsec_test_0001", 1_772_346_605
BODY = b'{"id":"evt_t1","object":"event","type":"payment_intent.succeeded"}'
VECTOR = "d6ff2e301667a21ca4d6848c9ffa75f57d09e1dd0bee72d2ed0cd6b263247975"


def signed(body: bytes = BODY, secret: str = SECRET, at: int = AT) -> str:
    """A signature made from the documentation's words, by nothing of ours."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


class TestAmounts:
    @pytest.mark.parametrize(
        ("minor", "asset", "sent"),
        [
            (150_000, "KES", 150_000),
            (1_000, "USD", 1_000),
            (500, "JPY", 500),
            (5, "UGX", 500),
            (5, "ISK", 500),
            (500, "MGA", 5),
            (1_230, "KWD", 1_230),
            (12_345, "HUF", 12_345),
        ],
    )
    def test_are_what_stripe_counts_and_come_back(self, minor, asset, sent):
        assert to_stripe(minor, asset) == sent
        assert from_stripe(sent, asset) == minor

    @pytest.mark.parametrize(
        ("minor", "asset", "payout", "reason"),
        [
            (0, "USD", False, "amount_not_positive"),
            (-5, "USD", False, "amount_not_positive"),
            (1_234, "KWD", False, "too_many_decimals"),
            (550, "MGA", False, "too_many_decimals"),
            (12_345, "HUF", True, "too_many_decimals"),
            (12_345, "TWD", True, "too_many_decimals"),
            (5, "USDC", False, "currency_unsupported"),
            (5, "ZZZ", False, "currency_unsupported"),
        ],
    )
    def test_that_cannot_be_sent_are_refused_and_never_rounded(self, minor, asset, payout, reason):
        with pytest.raises(Unfit) as refused:
            to_stripe(minor, asset, payout=payout)
        assert refused.value.reason == reason

    @given(
        st.integers(1, 10**12),
        st.sampled_from(["KES", "USD", "JPY", "UGX", "MGA", "KWD", "XAF"]),
    )
    def test_survive_the_way_there_and_back(self, minor, asset):
        try:
            sent = to_stripe(minor, asset)
        except Unfit:
            return
        assert from_stripe(sent, asset) == minor


class TestForms:
    def test_have_bracketed_names(self):
        said = {"amount": 5, "metadata": {"a": "b c"}, "types": ["card", "link"], "on": True}
        body = encoded(said | {"no": None})
        assert parse_qsl(body.decode()) == [
            ("amount", "5"),
            ("metadata[a]", "b c"),
            ("types[]", "card"),
            ("types[]", "link"),
            ("on", "true"),
        ]

    def test_of_an_intent_bear_our_call(self):
        wish = Wish("1500.00", "KES", payment_id="p-1")
        body = encoded(translate.payment_intent(wish, "call-1", held=True))
        assert dict(parse_qsl(body.decode())) == {
            "amount": "150000",
            "currency": "kes",
            "automatic_payment_methods[enabled]": "true",
            "capture_method": "manual",
            "metadata[call_id]": "call-1",
            "metadata[payment_id]": "p-1",
        }

    def test_of_the_others_name_what_they_are_about(self):
        wish = Wish("15.00", "USD", refund_id="r-1", payout_id="o-1", provider_reference="pi_1")
        assert translate.capture(wish) == {"amount_to_capture": 1_500}
        assert translate.refund(wish, "c")["payment_intent"] == "pi_1"
        assert translate.payout(wish, "c")["metadata"] == {"call_id": "c", "payout_id": "o-1"}


class TestASignature:
    def age(self, header, body=BODY, secrets=(SECRET,), now_s=AT):
        return age_of(header, body, secrets, now_s)

    def test_of_the_known_vector_fits(self):
        assert signed() == VECTOR
        assert self.age(f"t={AT},v1={VECTOR}") == "fresh"

    @pytest.mark.parametrize(
        "header",
        [
            "t={at},v0=bad,v1={good}",
            "t={at},v1=bad,v1={good}",
            "v1={good},t={at}",
            " t={at} , v1={good} ",
            "t={at},v1={good},v9=x,nonsense",
        ],
    )
    def test_among_others_fits(self, header):
        assert self.age(header.format(at=AT, good=VECTOR)) == "fresh"

    def test_of_either_secret_fits_while_they_rotate(self):
        header = f"t={AT},v1={signed(secret='whsec_old')}"
        assert self.age(header, secrets=(SECRET, "whsec_old")) == "fresh"
        with pytest.raises(BadSignature):
            self.age(header)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "t={at}",
            "v1={good}",
            "t={at},v0={good}",
            "t={at},t={at},v1={good}",
            "t=,v1={good}",
            "t=-5,v1={good}",
            "t=²,v1={good}",
            "t={at},v1=",
            "t={at},v1=é",
            "t={at},v1={upper}",
            "t=1772346606,v1={good}",
        ],
    )
    def test_that_is_none_of_ours_is_refused(self, header):
        with pytest.raises(BadSignature) as refused:
            self.age(header.format(at=AT, good=VECTOR, upper=VECTOR.upper()))
        assert VECTOR not in str(refused.value)

    def test_is_over_the_bytes_as_they_came(self):
        odd = b'{ "id" : "evt_t1" }'
        header = f"t={AT},v1={signed(odd)}"
        assert self.age(header, odd) == "fresh"
        with pytest.raises(BadSignature):
            self.age(header, b'{"id":"evt_t1"}')

    @pytest.mark.parametrize(
        ("apart_s", "age"),
        [(0, "fresh"), (299, "fresh"), (300, "fresh"), (301, "old"), (90_000, "old")],
    )
    def test_grows_old(self, apart_s, age):
        assert self.age(f"t={AT},v1={VECTOR}", now_s=AT + apart_s) == age

    def test_from_the_future_is_refused(self):
        assert self.age(f"t={AT},v1={VECTOR}", now_s=AT - TOLERANCE_S) == "fresh"
        with pytest.raises(BadSignature):
            self.age(f"t={AT},v1={VECTOR}", now_s=AT - TOLERANCE_S - 1)

    @pytest.mark.parametrize("secrets", [(), ("",), (SECRET, "")])
    def test_without_a_secret_is_never_believed(self, secrets):
        with pytest.raises(BadSignature):
            self.age(f"t={AT},v1={signed(secret='')}", secrets=secrets)

    @given(st.text(max_size=200))
    def test_of_any_text_is_refused(self, header):
        with pytest.raises(BadSignature):
            self.age(header)


def intent(status="succeeded", **more) -> bytes:
    """A payment intent as the API shows it."""
    said = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 150_000,
        "amount_received": 150_000,
        "amount_capturable": 150_000,
        "currency": "kes",
        "status": status,
        "livemode": False,
        "metadata": {"call_id": "call-1"},
        "last_payment_error": None,
    }
    return json.dumps(said | more).encode()


class TestObjects:
    def test_an_intent_that_succeeded_is_paid_with_what_was_received(self):
        result = translate.result_of(intent(amount_received=100_000), "collect")
        assert (result.outcome, result.provider_reference) == ("succeeded", "pi_1")
        assert (result.amount_minor, result.asset) == (100_000, "KES")

    @pytest.mark.parametrize(
        "status",
        ["requires_action", "processing", "requires_capture", "requires_confirmation", "new"],
    )
    def test_any_other_status_is_pending(self, status):
        assert translate.result_of(intent(status), "collect").outcome == "pending"

    def test_one_that_nobody_tried_is_pending_and_one_that_failed_has_a_word(self):
        assert (
            translate.result_of(intent("requires_payment_method"), "collect").outcome == "pending"
        )
        error = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "No."}
        result = translate.result_of(
            intent("requires_payment_method", last_payment_error=error), "collect"
        )
        assert result.outcome == "failed"
        assert (result.failure, result.detail) == ("insufficient_funds", "No.")

    @pytest.mark.parametrize("amount", [None, "150000", 1.5, True])
    def test_success_without_an_amount_proves_nothing(self, amount):
        assert translate.result_of(intent(amount_received=amount), "collect").outcome == "pending"

    @pytest.mark.parametrize(
        ("said", "outcome", "failure"),
        [
            ({"object": "refund", "status": "succeeded", "amount": 5}, "succeeded", ""),
            ({"object": "refund", "status": "pending", "amount": 5}, "pending", ""),
            ({"object": "refund", "status": "failed", "failure_reason": "lost"}, "failed", "lost"),
            ({"object": "payout", "status": "in_transit", "amount": 5}, "pending", ""),
            ({"object": "payout", "status": "paid", "amount": 5}, "succeeded", ""),
            ({"object": "payout", "status": "failed", "failure_code": "no"}, "failed", "no"),
            ({"object": "charge", "status": "succeeded", "amount": 5}, "pending", ""),
        ],
    )
    def test_of_other_kinds_are_judged_by_their_own_statuses(self, said, outcome, failure):
        body = json.dumps({"id": "x_1", "currency": "kes", **said}).encode()
        operation = {"refund": "refund", "payout": "payout"}.get(said["object"], "collect")
        result = translate.result_of(body, operation)
        assert (result.outcome, result.failure) == (outcome, failure)

    @pytest.mark.parametrize(
        ("operation", "status", "outcome"),
        [
            ("authorize", "requires_capture", "succeeded"),
            ("authorize", "requires_action", "pending"),
            ("authorize", "succeeded", "pending"),
            ("capture", "succeeded", "succeeded"),
            ("capture", "requires_capture", "pending"),
            ("capture", "canceled", "failed"),
            ("void", "canceled", "succeeded"),
            ("void", "requires_capture", "pending"),
            ("void", "succeeded", "failed"),
            ("refund", "succeeded", "pending"),
        ],
    )
    def test_a_status_says_another_thing_of_each_operation(self, operation, status, outcome):
        assert translate.result_of(intent(status), operation).outcome == outcome

    def test_that_wait_have_a_handle_and_what_the_payer_needs(self):
        result = translate.result_of(intent("requires_action", client_secret="pi_s"), "collect")
        assert (result.handle, result.payer_action, result.provider_reference) == (
            "pi_1",
            "pi_s",
            "",
        )

    def test_errors_have_type_and_code(self):
        body = b'{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card"}}'
        assert translate.error_of(body)[:2] == ("card_error", "lost_card")
        assert translate.error_of(b"<html>") == ("", "", "")


class TestEvents:
    def event(self, about=None, **more) -> bytes:
        said = {
            "id": "evt_1",
            "object": "event",
            "created": AT,
            "type": "payment_intent.succeeded",
            "data": {"object": json.loads(intent()) if about is None else about},
            "livemode": False,
        }
        return json.dumps(said | more).encode()

    def test_name_the_call_and_how_it_stands(self):
        told = translate.event_of(self.event())
        assert (told.event_id, told.kind, told.subject) == ("evt_1", "payment_intent", "pi_1")
        assert (told.call_id, told.result.outcome, told.live) == ("call-1", "succeeded", False)

    def test_of_objects_that_are_none_of_ours_prove_nothing(self):
        told = translate.event_of(self.event({"id": "cus_1", "object": "customer"}))
        assert (told.kind, told.call_id, told.result.outcome) == ("other", "", "pending")

    @pytest.mark.parametrize(
        "changes",
        [{"object": "v2.core.event"}, {"id": ""}, {"livemode": "no"}, {"data": {}}, {"data": 1}],
    )
    def test_of_another_shape_are_unreadable(self, changes):
        with pytest.raises(Unreadable):
            translate.event_of(self.event(**changes))

    @given(st.binary(max_size=200))
    def test_of_any_bytes_are_unreadable(self, body):
        with pytest.raises(Unreadable):
            translate.event_of(body)


class TestConfig:
    @pytest.mark.parametrize(("key", "live"), [("sk_live_1", True), ("rk_test_1", False)])
    def test_knows_its_mode(self, key, live):
        assert Config.read({"secret_key": key}).live is live

    @pytest.mark.parametrize("values", [{}, {"secret_key": "pk_live_1"}, {"secret_key": "sk_1"}])
    def test_without_a_secret_key_is_refused(self, values):
        with pytest.raises(ValueError, match="secret_key"):
            Config.read(values)

    def test_has_no_empty_secret(self):
        config = Config.read({"secret_key": "sk_test_1", "webhook_secret_before": "whsec_b"})
        assert config.webhook_secrets == ["whsec_b"]
        assert "whsec_b" not in repr(config)
