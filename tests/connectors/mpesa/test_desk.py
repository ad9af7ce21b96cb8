"""What people have M-Pesa do: addresses, balances, and what came and was never told."""

import pytest
import pytest_asyncio

from connectors.base import Ambiguous, Refused
from connectors.callbacks import Deposit, Funds, Told
from connectors.http import open_session
from connectors.mpesa import desk
from connectors.mpesa.client import PULL_REGISTER
from connectors.mpesa.config import PRODUCTION
from connectors.mpesa.connector import build
from connectors.mpesa.desk import balances_of, pulled
from connectors.mpesa.fake import FakeDaraja
from connectors.mpesa.fake_book import Fault, Paid
from connectors.reading import Unfit, Unreadable
from tests.connectors.mpesa.test_hearing import callback

TOLD_AT = "https://treasury.example/webhooks/mobile/alpha/abc"
SPAN = {"since": "2026-03-01T00:00:00+03:00", "until": "2026-03-02T00:00:00+03:00"}


@pytest_asyncio.fixture
async def fake():
    async with FakeDaraja() as fake:
        yield fake


@pytest_asyncio.fixture
async def mpesa(fake):
    async with open_session() as session:
        yield build(session, fake.configuration)


class TestRegistering:
    async def test_names_addresses_of_the_tenant_that_m_pesa_takes(self, fake, mpesa):
        await mpesa.act("register", TOLD_AT, {})
        assert fake.c2b_urls == {
            "ConfirmationURL": f"{TOLD_AT}/c2b-confirmation",
            "ValidationURL": f"{TOLD_AT}/c2b-validation",
        }

    async def test_done_before_it_is_done(self, mpesa):
        await mpesa.act("register", TOLD_AT, {})
        assert "already registered" in (await mpesa.act("register", TOLD_AT, {})).says["detail"]

    async def test_an_address_that_bears_its_name_is_refused(self, mpesa):
        with pytest.raises(Refused):
            await mpesa.act("register", "https://mpesa.example/webhooks", {})


class TestSimulating:
    async def test_pays_by_hand_in_the_sandbox(self, fake, mpesa):
        fake.callbacks = "never"
        await mpesa.act("register", "http://127.0.0.1:1", {})
        await mpesa.act(
            "simulate", TOLD_AT, {"amount": "10", "phone": "0712345678", "reference": "INV1"}
        )
        [paid] = fake.book.deposits
        assert (paid.amount, paid.bill_reference, paid.phone) == (10, "INV1", "254712345678")

    def test_never_elsewhere(self, fake, mpesa):
        live = type(mpesa._config)(PRODUCTION, "600999", "key", "secret")
        with pytest.raises(Unfit, match="sandbox_only"):
            desk.simulation(live, {"amount": "10", "phone": "0712345678"})

    @pytest.mark.parametrize(
        ("amount", "phone", "reason"),
        [
            ("10.50", "0712345678", "whole_shillings_only"),
            ("ten", "0712345678", "amount_unfit"),
            ("10", "12", "phone_unfit"),
        ],
    )
    async def test_what_cannot_be_paid_is_refused_by_name(self, mpesa, amount, phone, reason):
        with pytest.raises(Refused) as refused:
            await mpesa.act("simulate", TOLD_AT, {"amount": amount, "phone": phone})
        assert refused.value.failure == reason


class TestBalances:
    async def test_are_told_later_at_the_tenants_address(self, fake, mpesa):
        told = []
        fake._tell = lambda url, said, _how="once": told.append((url, said))
        await mpesa.act("balance", TOLD_AT, {})
        [(url, said)] = told
        assert url == f"{TOLD_AT}/balance-result"
        heard = await mpesa.hear(callback("balance-result", said))
        assert isinstance(heard, Told)
        accounts = {each.account: each.available_minor for each in heard.funds}
        assert accounts["Utility Account"] == 90_000_000
        assert accounts["Charges Paid Account"] == -550

    async def test_without_an_initiator_there_are_none(self, fake):
        async with open_session() as session:
            poor = build(session, {**fake.configuration, "initiator": ""})
            with pytest.raises(Refused):
                await poor.act("balance", TOLD_AT, {})

    def test_the_documented_line_is_read(self):
        """External notes, 1.9."""
        text = "Working Account|KES|100.00|100.00|0.00|0.00&Utility Account|KES|-5.00|-5.00|0|0"
        assert balances_of(text) == [
            Funds("Working Account", "KES", 10_000, 10_000),
            Funds("Utility Account", "KES", -500, -500),
        ]

    @pytest.mark.parametrize("text", ["", "&", "Working|KES", "Working|KES|ten|1.00"])
    def test_a_line_that_is_none_is_not(self, text):
        with pytest.raises(Unreadable):
            balances_of(text)


class TestWhatWasNeverTold:
    async def test_is_listed_to_its_end_as_deposits(self, fake, mpesa):
        for number in range(7):
            receipt = fake._receipt()
            fake.book.deposits.append(Paid(receipt, 100 + number, f"INV{number}", "254712345678"))
        await mpesa.act("pull_register", TOLD_AT, {"phone": "0712345678"})
        acted = await mpesa.act("pull", TOLD_AT, SPAN)
        assert acted.says == {"found": 7}
        assert all(isinstance(each, Deposit) for each in acted.heard)
        assert [each.receipt for each in acted.heard] == [p.receipt for p in fake.book.deposits]
        assert [each.amount_minor for each in acted.heard] == [
            100 * paid.amount for paid in fake.book.deposits
        ]
        spans = [body for _, body in fake.requests if "StartDate" in body]
        assert spans[0]["StartDate"] == "2026-03-01 00:00:00"
        assert [body["OffSetValue"] for body in spans] == ["0", "3", "6", "7"]

    @pytest.mark.parametrize(
        ("fault", "raised"), [(Fault(status=400), Refused), (Fault(status=500), Ambiguous)]
    )
    async def test_is_not_registered_where_that_was_refused(self, fake, mpesa, fault, raised):
        fake.faults[PULL_REGISTER].append(fault)
        with pytest.raises(raised):
            await mpesa.act("pull_register", TOLD_AT, {"phone": "0712345678"})

    @pytest.mark.parametrize("changed", [{"since": ""}, {"until": "2026-03-02T00:00:00"}])
    async def test_of_no_span_nothing_is_asked(self, fake, mpesa, changed):
        with pytest.raises(Refused) as refused:
            await mpesa.act("pull", TOLD_AT, {**SPAN, **changed})
        assert refused.value.failure == "instant_unfit"
        assert fake.requests == []

    @pytest.mark.parametrize(
        "body",
        [
            b'{"ResponseCode":"1000","Response":[[{"transactionId":"T1","amount":"168.00"}]]}',
            b'{"ResponseCode":"1000","Response":[{"transactionId":"T1","amount":168.00}]}',
        ],
        ids=["a list in a list", "as documented"],
    )
    def test_both_shapes_are_read(self, body):
        [deposit] = pulled(body, "600999")
        assert (deposit.receipt, deposit.amount_minor) == ("T1", 16_800)

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b'{"ResponseCode":"1000","Response":[[{"amount":"1.00"}]]}',
            b'{"ResponseCode":"1000","Response":[[{"transactionId":"T1","amount":"1.001"}]]}',
        ],
    )
    def test_a_row_that_cannot_be_read_is_never_skipped(self, body):
        with pytest.raises(Unreadable):
            pulled(body, "600999")
