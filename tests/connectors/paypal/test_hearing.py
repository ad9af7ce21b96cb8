"""PayPal's webhooks as its fake signs them, heard by the connector."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from connectors.base import Ambiguous, NotSent
from connectors.callbacks import Callback, Disputed, NotBelieved
from connectors.http import open_session
from connectors.paypal.connector import build
from connectors.paypal.fake import FakePayPal

CAPTURE = {
    "id": "3C1",
    "status": "COMPLETED",
    "amount": {"currency_code": "USD", "value": "10.00"},
    "custom_id": "call-1",
}
ORDER = {"id": "5O1", "status": "APPROVED", "purchase_units": [{"custom_id": "call-1"}]}


@pytest_asyncio.fixture
async def fake():
    async with FakePayPal() as fake:
        yield fake


@pytest_asyncio.fixture
async def connector(fake):
    async with open_session(total_s=2) as session:
        yield build(session, fake.configuration)


def callback(fake, about=None, *, kind="capture", later=timedelta(), **headers) -> Callback:
    body, signed = fake.event("PAYMENT.CAPTURE.COMPLETED", kind, about or CAPTURE)
    said = {name.lower(): value for name, value in {**signed, **headers}.items()}
    return Callback("webhook", said, body, datetime.now(UTC) + later)


class TestHeard:
    async def test_a_capture_is_proof(self, connector, fake):
        report = await connector.hear(callback(fake))
        assert (report.call_id, report.ask) == ("call-1", "")
        assert (report.result.outcome, report.result.provider_reference) == ("succeeded", "3C1")
        assert (report.result.amount_minor, report.result.asset) == (1_000, "USD")

    async def test_an_approved_order_is_a_reason_to_ask(self, connector, fake):
        report = await connector.hear(callback(fake, ORDER, kind="checkout-order"))
        assert (report.call_id, report.handle, report.ask) == ("call-1", "5O1", "not_final")

    @pytest.mark.parametrize(
        ("kind", "status", "outcome"),
        [("capture", "DECLINED", "failed"), ("refund", "COMPLETED", "succeeded")],
    )
    async def test_one_that_may_change_is_a_reason_to_ask(
        self, connector, fake, kind, status, outcome
    ):
        """A refund that was made by hand bears the payment's call, and is no payment."""
        report = await connector.hear(callback(fake, {**CAPTURE, "status": status}, kind=kind))
        assert (report.call_id, report.result.outcome) == ("call-1", outcome)
        assert report.ask == "not_final"

    async def test_an_old_one_is_a_reason_to_ask(self, connector, fake):
        report = await connector.hear(callback(fake, later=timedelta(hours=2)))
        assert report.ask == "old"

    async def test_one_about_nothing_of_ours_is_of_no_concern(self, connector, fake):
        assert await connector.hear(callback(fake, {**CAPTURE, "custom_id": ""})) is None
        assert await connector.hear(callback(fake, {"id": "SALE-1"}, kind="sale")) is None

    async def test_a_certificate_is_fetched_once(self, connector, fake):
        for _ in range(3):
            await connector.hear(callback(fake))
        assert fake.certificates_given == 1


class TestDisputes:
    DISPUTE = {
        "dispute_id": "PP-D-1",
        "disputed_transactions": [{"seller_transaction_id": "3C1"}],
        "reason": "UNAUTHORISED",
        "status": "OPEN",
        "dispute_amount": {"currency_code": "USD", "value": "3.00"},
        "dispute_life_cycle_stage": "CHARGEBACK",
    }

    def dispute(self, fake, event_type="CUSTOMER.DISPUTE.CREATED", **more) -> Callback:
        body, signed = fake.event(event_type, "dispute", self.DISPUTE | more)
        said = {name.lower(): value for name, value in signed.items()}
        return Callback("webhook", said, body, datetime.now(UTC))

    async def test_that_are_opened_name_payment_and_amount(self, connector, fake):
        heard = await connector.hear(self.dispute(fake))
        assert isinstance(heard, Disputed)
        assert (heard.dispute_id, heard.reference, heard.state) == ("PP-D-1", "3C1", "opened")
        assert (heard.amount_minor, heard.asset, heard.reason) == (300, "USD", "UNAUTHORISED")

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("RESOLVED_BUYER_FAVOUR", "lost"),
            ("RESOLVED_SELLER_FAVOUR", "won"),
            ("CANCELED_BY_BUYER", "won"),
            ("NONE", "unclear"),
        ],
    )
    async def test_that_are_resolved_say_how(self, connector, fake, code, state):
        outcome = {"dispute_outcome": {"outcome_code": code}}
        heard = await connector.hear(self.dispute(fake, "CUSTOMER.DISPUTE.RESOLVED", **outcome))
        assert heard.state == state

    async def test_that_are_inquiries_hold_no_money(self, connector, fake):
        inquiry = self.dispute(fake, dispute_life_cycle_stage="INQUIRY")
        assert await connector.hear(inquiry) is None

    @pytest.mark.parametrize("member", ["dispute_amount", "disputed_transactions", "dispute_id"])
    async def test_of_nothing_that_can_be_read_are_not_believed(self, connector, fake, member):
        with pytest.raises(NotBelieved, match="dispute"):
            await connector.hear(self.dispute(fake, **{member: None}))


class TestNotBelieved:
    @pytest.mark.parametrize(
        "url",
        [
            "https://paypal.com.evil.test/c",
            "https://evilpaypal.com/c",
            "http://api.paypal.com/c",
            "https://api.paypal.com:444/c",
            "https://user@api.paypal.com/c",
        ],
    )
    async def test_under_a_certificate_from_elsewhere(self, connector, fake, url):
        with pytest.raises(NotBelieved, match="elsewhere"):
            await connector.hear(callback(fake, **{"PAYPAL-CERT-URL": url}))
        assert fake.certificates_given == 0

    async def test_from_a_port_beside_the_fakes(self, connector, fake):
        url = f"{fake.base_url}1/c"
        with pytest.raises(NotBelieved, match="elsewhere"):
            await connector.hear(callback(fake, **{"PAYPAL-CERT-URL": url}))

    async def test_without_a_signature(self, connector, fake):
        for name in ("PAYPAL-TRANSMISSION-SIG", "PAYPAL-TRANSMISSION-ID", "PAYPAL-AUTH-ALGO"):
            with pytest.raises(NotBelieved):
                await connector.hear(callback(fake, **{name: ""}))

    async def test_for_the_listener_of_another(self, fake):
        async with open_session(total_s=2) as session:
            other = build(session, {**fake.configuration, "webhook_id": "WH-OTHER"})
            with pytest.raises(NotBelieved, match="does not fit"):
                await other.hear(callback(fake))

    async def test_under_a_root_that_nobody_trusts(self, fake):
        async with open_session(total_s=2) as session:
            machine = build(session, {**fake.configuration, "webhook_roots": ""})
            with pytest.raises(NotBelieved, match="not to be trusted"):
                await machine.hear(callback(fake))

    async def test_before_its_certificate_can_be_had_it_is_not_judged(self, connector, fake):
        heard = callback(fake)
        await fake.stop()
        with pytest.raises((NotSent, Ambiguous)):
            await connector.hear(heard)
