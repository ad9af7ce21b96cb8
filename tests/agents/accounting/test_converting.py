"""Money on a chain that is sold: quoted, sent to who converts it, confirmed, posted."""

import pytest

from tables.balances import Balance
from tables.journals import Conversion
from tables.payments import GatewayCall
from tests.agents.accounting.books import Books

COINS = "crypto:polygon:USDC"
DESK = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's own example
TX = "0x" + "ee" * 32


class Shop(Books):
    """A shop with 100 dollars of a token."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        legs = [
            {"account": COINS, "side": "debit", "amount": "100", "currency": "USDC"},
            {"account": "opening", "side": "credit", "amount": "100", "currency": "USDC"},
        ]
        self.done("journal.post", legs=legs)

    def quote(self, amount: str = "60", **changed) -> str:
        about = {
            "from_account": COINS,
            "from_currency": "USDC",
            "from_amount": amount,
            "to_account": "bank:kcb",
            "to_currency": "KES",
            "to_amount": "7740.00",
        }
        return self.done("conversion.create", **about | changed)["conversion_id"]

    def execute(self, quote: str, **changed) -> str:
        about = {"conversion_id": quote, "destination": DESK}
        return self.done("conversion.execute", **about | changed)["call_id"]

    def refusal(self, quote: str, **changed) -> str:
        about = {"conversion_id": quote, "destination": DESK}
        return self.refused("conversion.execute", **about | changed)

    def at(self, asset: str = "USDC") -> dict[str, int]:
        rows = (row for row in self.rows(Balance) if row.asset == asset and row.posted)
        return {row.account: row.posted for row in rows if row.account != "opening"}


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestAConversion:
    def test_is_sent_confirmed_and_posted_at_the_rate_that_it_was(self, shop):
        quote = shop.quote()
        call_id = shop.execute(quote)
        call = shop.row(GatewayCall, call_id)
        assert (call.gateway, call.operation, call.subject_id) == ("polygon", "convert", quote)
        assert shop.at() == {COINS: 40_000_000, "cash:in_transit": 60_000_000}
        assert shop.refused("conversion.complete", conversion_id=quote, to_amount="1") == (
            "conversion_executing"
        )
        shop.gateway(call_id, provider_reference=TX, amount="60", currency="USDC")
        row = shop.row(Conversion, quote)
        assert (row.status, row.tx_hash) == ("executed", TX)
        shop.done("conversion.complete", conversion_id=quote, to_amount="7700", reference="r")
        assert shop.at() == {COINS: 40_000_000, "fx:clearing": 60_000_000}
        assert shop.at("KES") == {
            "bank:kcb": 770_000,
            "fx:clearing": -774_000,
            "fx:gain_loss": 4_000,
        }

    def test_that_was_not_sent_is_where_it_was_and_may_be_sent_again(self, shop):
        quote = shop.quote()
        shop.gateway(shop.execute(quote), "failed", failure="insufficient_funds")
        row = shop.row(Conversion, quote)
        assert (row.status, row.failure) == ("quoted", "insufficient_funds")
        assert shop.at() == {COINS: 100_000_000}
        second = shop.execute(quote)
        shop.gateway(second, provider_reference=TX)
        assert shop.row(Conversion, quote).status == "executed"

    def test_of_which_nobody_knows_stays_on_its_way(self, shop):
        quote = shop.quote()
        shop.gateway(shop.execute(quote), "unknown")
        assert shop.row(Conversion, quote).status == "executing"
        assert shop.at()["cash:in_transit"] == 60_000_000
        assert shop.refused("conversion.cancel", conversion_id=quote) == "conversion_executing"

    def test_that_was_sent_after_all_is_taken_out_after_all(self, shop):
        quote = shop.quote()
        call_id = shop.execute(quote)
        shop.gateway(call_id, "failed", failure="resolved")
        shop.answer(call_id, provider_reference=TX)
        assert shop.row(Conversion, quote).status == "executed"
        assert shop.at() == {COINS: 40_000_000, "cash:in_transit": 60_000_000}

    @pytest.mark.parametrize("meanwhile", ["cancel", "complete"])
    def test_that_was_sent_after_its_quote_was_over_is_a_loss_for_people(self, shop, meanwhile):
        quote = shop.quote("20")
        call_id = shop.execute(quote)
        shop.gateway(call_id, "failed", failure="resolved")
        more = {"to_amount": "1"} if meanwhile == "complete" else {}
        shop.done(f"conversion.{meanwhile}", conversion_id=quote, **more)
        shop.answer(call_id, provider_reference=TX)
        assert shop.at()["suspense:out"] == 20_000_000
        said = shop.emitted("reconciliation.exception")[-1]
        assert (said["kind"], said["amount"]) == ("conversion_sent_after_failure", 20)

    def test_takes_no_more_than_there_is_at_once(self, shop):
        first, second = shop.quote(), shop.quote()
        shop.execute(first)
        assert shop.refusal(second) == "insufficient_balance"

    @pytest.mark.parametrize("destination", ["0x1", "0x" + "00" * 20, DESK.replace("aA", "aa", 1)])
    def test_goes_to_an_address(self, shop, destination):
        assert shop.refusal(shop.quote(), destination=destination) == "destination_unfit"

    def test_of_money_that_is_on_no_chain_is_not_sent(self, shop):
        legs = [
            {"account": "bank:usd", "side": "debit", "amount": "9", "currency": "USD"},
            {"account": "opening", "side": "credit", "amount": "9", "currency": "USD"},
        ]
        shop.done("journal.post", legs=legs)
        quote = shop.quote("9", from_account="bank:usd", from_currency="USD")
        assert shop.refusal(quote) == "conversion_not_on_chain"

    def test_is_sent_by_another_person_where_payouts_need_two(self):
        shop = Shop()
        shop.done("settings.change", settings={"payout_limit": "1000000"})
        quote = shop.quote()
        assert shop.refusal(quote) == "same_person"
        assert shop.execute(quote, actor="ben")
