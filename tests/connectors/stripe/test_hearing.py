"""Stripe's webhooks as its fake signs them, heard by the connector."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.callbacks import Callback, Deposit, Disputed, NotBelieved
from connectors.stripe.config import Config
from connectors.stripe.fake import FakeStripe
from connectors.stripe.hearing import heard

AT = datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 150_000,
    "amount_received": 150_000,
    "currency": "kes",
    "status": "succeeded",
    "metadata": {"call_id": "call-1"},
}


@pytest.fixture
def fake() -> FakeStripe:
    return FakeStripe(now_s=AT.timestamp)


@pytest.fixture
def config(fake) -> Config:
    return Config.read({**fake.configuration, "base_url": "https://api.stripe.com"})


def callback(fake, about=None, *, at=AT, kind="payment_intent.succeeded", **headers) -> Callback:
    body, signed = fake.event(kind, INTENT if about is None else about)
    said = {name.lower(): value for name, value in {**signed, **headers}.items()}
    return Callback("webhook", said, body, at)


class TestHeard:
    def test_an_event_about_our_call_is_proof(self, fake, config):
        report = heard(config, callback(fake))
        assert (report.event_id, report.call_id, report.handle, report.ask) == (
            "evt_000001",
            "call-1",
            "pi_1",
            "",
        )
        assert (report.result.outcome, report.result.amount_minor) == ("succeeded", 150_000)

    def test_an_old_one_is_a_reason_to_ask(self, fake, config):
        report = heard(config, callback(fake, at=AT + timedelta(hours=3)))
        assert (report.call_id, report.ask) == ("call-1", "old")

    @pytest.mark.parametrize(
        ("about", "outcome"),
        [
            ({"status": "requires_capture"}, "pending"),
            ({"status": "requires_payment_method", "last_payment_error": {}}, "failed"),
            ({"status": "canceled"}, "failed"),
            ({"object": "refund", "status": "succeeded"}, "succeeded"),
            ({"object": "refund", "status": "failed"}, "failed"),
            ({"object": "payout", "status": "paid"}, "succeeded"),
            ({"object": "payout", "status": "failed"}, "failed"),
        ],
    )
    def test_one_that_may_change_is_a_reason_to_ask(self, fake, config, about, outcome):
        report = heard(config, callback(fake, INTENT | about))
        assert (report.result.outcome, report.ask) == (outcome, "not_final")

    @pytest.mark.parametrize("status", ["requires_capture", "succeeded", "canceled"])
    def test_one_about_what_is_held_first_is_a_reason_to_ask(self, fake, config, status):
        held = {**INTENT, "status": status, "capture_method": "manual"}
        report = heard(config, callback(fake, held))
        assert (report.result.outcome, report.ask) == ("pending", "not_final")

    @pytest.mark.parametrize(
        "about",
        [{**INTENT, "metadata": {}}, {"id": "cus_1", "object": "customer"}],
    )
    def test_one_about_nothing_of_ours_is_of_no_concern(self, fake, config, about):
        assert heard(config, callback(fake, about)) is None


class TestDisputes:
    DISPUTE = {
        "id": "du_1",
        "object": "dispute",
        "amount": 150_000,
        "currency": "kes",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": "needs_response",
        "balance_transactions": [
            {"amount": -150_000, "currency": "kes", "fee": 150_00},
            {"amount": 0, "currency": "usd", "fee": 7},
        ],
    }

    def dispute(self, fake, config, kind="charge.dispute.created", **more):
        return heard(config, callback(fake, self.DISPUTE | more, kind=kind))

    def test_that_are_opened_name_payment_amount_and_fee(self, fake, config):
        assert self.dispute(fake, config) == Disputed(
            "evt_000001", "du_1", "pi_1", "opened", 150_000, "KES", 15_000, "fraudulent"
        )

    @pytest.mark.parametrize(
        ("status", "state"), [("won", "won"), ("lost", "lost"), ("new", "unclear")]
    )
    def test_that_are_closed_say_how(self, fake, config, status, state):
        kind = "charge.dispute.closed"
        assert self.dispute(fake, config, kind, status=status).state == state

    @pytest.mark.parametrize("status", ["warning_needs_response", "warning_closed"])
    def test_that_are_inquiries_hold_no_money(self, fake, config, status):
        assert self.dispute(fake, config, status=status) is None

    @pytest.mark.parametrize("member", ["amount", "payment_intent", "id"])
    def test_of_nothing_that_can_be_read_are_not_believed(self, fake, config, member):
        with pytest.raises(NotBelieved, match="dispute"):
            self.dispute(fake, config, **{member: None})


class TestNotBelieved:
    def test_without_a_signature(self, fake, config):
        for header in ("", "t=1", "v0=00"):
            with pytest.raises(NotBelieved):
                heard(config, callback(fake, **{"Stripe-Signature": header}))

    def test_by_the_secret_of_another(self, config):
        other = FakeStripe(webhook_secrets=("whsec_other",), now_s=AT.timestamp)
        with pytest.raises(NotBelieved):
            heard(config, callback(other))

    def test_without_a_secret_of_ours(self, fake, config):
        bare = Config.read({"secret_key": config.secret_key})
        with pytest.raises(NotBelieved):
            heard(bare, callback(fake))

    def test_of_the_other_mode(self, config):
        live = FakeStripe(livemode=True, now_s=AT.timestamp)
        with pytest.raises(NotBelieved, match="mode"):
            heard(config, callback(live))

    def test_that_is_signed_and_no_event(self, fake, config):
        body = b'{"object":"v2.core.event"}'
        signed = Callback("webhook", {"stripe-signature": fake.signature(body)}, body, AT)
        with pytest.raises(NotBelieved):
            heard(config, signed)


class TestSubscriptions:
    """An invoice that Stripe has collected by itself is money that came without a call."""

    INVOICE = {
        "id": "in_1",
        "object": "invoice",
        "amount_paid": 290_000,
        "currency": "kes",
        "payment_intent": "pi_9",
        "customer_email": "a@example.test",
        "metadata": {},
        "subscription_details": {"metadata": {"invoice_id": "our-invoice"}},
    }

    def told(self, fake, config, kind="invoice.paid", **changed):
        return heard(config, callback(fake, {**self.INVOICE, **changed}, kind=kind))

    def test_it_pays_the_invoice_that_its_subscription_bears(self, fake, config):
        deposit = self.told(fake, config)
        assert isinstance(deposit, Deposit)
        assert (deposit.receipt, deposit.reference) == ("pi_9", "our-invoice")
        assert (deposit.amount_minor, deposit.asset) == (290_000, "KES")

    def test_its_own_words_come_before_those_of_the_subscription(self, fake, config):
        assert self.told(fake, config, metadata={"order_id": "o-1"}).reference == "o-1"

    def test_without_any_it_still_came(self, fake, config):
        assert self.told(fake, config, subscription_details=None).reference == ""

    @pytest.mark.parametrize(
        ("kind", "changed"),
        [("invoice.payment_failed", {}), ("invoice.paid", {"amount_paid": 0})],
    )
    def test_what_is_no_money_is_of_no_concern(self, fake, config, kind, changed):
        assert self.told(fake, config, kind, **changed) is None

    def test_one_without_an_amount_is_not_believed(self, fake, config):
        with pytest.raises(NotBelieved, match="amount"):
            self.told(fake, config, amount_paid=None)
