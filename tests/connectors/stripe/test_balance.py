"""Lines of a payout: what came, what it cost, what went back."""

import pytest
import pytest_asyncio

from connectors.base import Ambiguous, Refused
from connectors.http import open_session
from connectors.stripe.connector import build
from connectors.stripe.fake import FakeStripe
from connectors.stripe.translate import balance_lines


@pytest_asyncio.fixture
async def fake():
    async with FakeStripe() as fake:
        yield fake


@pytest_asyncio.fixture
async def stripe(fake):
    async with open_session() as session:
        yield build(session, fake.configuration)


class TestLines:
    async def test_all_of_a_payout_and_of_no_other(self, fake, stripe):
        for payout_id, count in (("po_1", 250), ("po_2", 3)):
            fake.objects[payout_id] = {"object": "payout", "id": payout_id, "currency": "kes"}
            fake.settle(payout_id, *[("charge", 150_000, 4_350)] * count)
        acted = await stripe.act("balance_transactions", "", {"payout": "po_1"})
        lines = acted.says["lines"]
        assert len(lines) == len({line["id"] for line in lines}) == 250
        first = lines[0]
        assert (first["amount"], first["fee"], first["net"]) == ("1500.00", "43.50", "1456.50")
        assert (first["currency"], first["category"]) == ("KES", "charge")

    async def test_another_action_is_refused(self, stripe):
        with pytest.raises(Refused) as refused:
            await stripe.act("register", "", {})
        assert refused.value.failure == "action_unknown"

    async def test_a_line_that_cannot_be_read_is_never_skipped(self, fake, stripe):
        fake.objects["po_1"] = {"object": "payout", "id": "po_1", "currency": "xyz"}
        fake.settle("po_1", ("charge", 1, 0))
        with pytest.raises(Ambiguous, match="unreadable"):
            await stripe.act("balance_transactions", "", {"payout": "po_1"})

    def test_a_fee_that_stripe_gives_back_is_below_zero(self):
        body = (
            b'{"data":[{"id":"txn_1","amount":-1000,"fee":-30,"net":-970,"currency":"usd",'
            b'"reporting_category":"refund","source":"re_1"}],"has_more":false}'
        )
        [line], has_more = balance_lines(body)
        assert (line["amount"], line["fee"], line["net"], has_more) == (
            "-10.00",
            "-0.30",
            "-9.70",
            False,
        )
