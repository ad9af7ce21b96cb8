"""Money on a chain: found by its exact amount, and taken back when its block was replaced."""

import random
from collections import Counter

import pytest

from agents.accounting.invoicing import days_later
from agents.accounting.onchain import AWAITED_MAX
from tables.balances import Balance
from tables.chains import ChainTransaction, ExactAmount
from tables.invoices import Invoice
from tables.payments import Case, GatewayCall, Payment
from tests.agents.accounting.books import Books

WALLET, OTHER = "0x" + "5a" * 20, "0x" + "6b" * 20
COINS = "crypto:polygon:USDC"
BLOCK = {number: f"0x{number:064x}" for number in range(10)}
TX = "0x" + "aa" * 32


class Shop(Books):
    """A café whose orders of 1,160 shillings are paid with 9 dollars of a token."""

    def __init__(self) -> None:
        super().__init__(tax_registered=True)
        for order in ("o", "p"):
            self.applied("cafe.order.created", order_id=order, customer_id="c", total_amount=1160)

    def invoice(self, order: str = "o") -> Invoice:
        [found] = [row for row in self.rows(Invoice) if row.order_id == order]
        return found

    def asked(
        self, order: str = "o", amount: str = "9.00", wallet: str = WALLET, currency: str = "USDC"
    ) -> str:
        """A payment whose payer has been shown the wallet; its id."""
        wish = {"currency": currency, "amount": amount, "quoted_amount": "1160.00"}
        payment_id = self.intent(order_id=order, **wish)
        self.done("payment.confirm", payment_id=payment_id, method="polygon")
        self.shown(payment_id, wallet)
        return payment_id

    def resolved(self, payment_id: str, reference: str) -> None:
        """Nobody knows what became of its call, until a person has looked at the chain."""
        call_id = self.payment(payment_id).call_id
        self.answer(call_id, "unknown", detail="not_configured")
        said = {"call_id": call_id, "outcome": "succeeded", "provider_reference": reference}
        self.done("call.resolve", **said)

    def shown(self, payment_id: str, wallet: str = WALLET) -> None:
        call_id = self.row(Payment, payment_id).call_id
        nonce = {"call_id": call_id, "nonce": f"n-{call_id}"}
        self.told("treasury.call.granted", {**nonce, "valid_for_ms": 5_000})
        begun = {**nonce, "handle": wallet, "payer_action": "ethereum:…", "payer_has_s": 86_400}
        self.told("treasury.call.begun", begun)

    def chain(self, kind: str, amount: str = "9.00", block: int = 1, tx: str = TX, **more):
        """What the watch of a chain says; its entry."""
        data = {
            "gateway": "polygon",
            "tx_hash": tx,
            "log_index": 0,
            "block_hash": BLOCK[block],
            "block_number": 100,
            "block_ms": self.core.now_ms,
            "sender": OTHER,
            "wallet": WALLET,
            "amount": amount,
            "currency": "USDC",
            "turn": 0,
        }
        entry = self.told(f"treasury.chain.{kind}", data | more)
        assert entry.status == "applied", entry.reason
        return entry

    def money(self, asset: str = "USDC") -> dict[str, int]:
        """Debits less credits of every account that is not zero, in minor units of the asset."""
        rows = (row for row in self.rows(Balance) if row.asset == asset and row.posted)
        return {row.account: row.posted for row in rows}

    def payment(self, payment_id: str) -> Payment:
        return self.row(Payment, payment_id)


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestReceiving:
    def test_the_exact_amount_pays_the_one_who_was_asked_for_it(self, shop):
        payment_id = shop.asked()
        shop.chain("credited")
        payment = shop.payment(payment_id)
        assert (payment.status, payment.provider_reference) == ("succeeded", f"{TX}:0")
        assert shop.invoice().status == "paid"
        assert shop.money() == {COINS: 9_000_000, "fx:clearing": -9_000_000}
        assert shop.rows(ExactAmount) == []
        [said] = shop.emitted("payment.success")
        assert (said["order_id"], said["provider"], said["late"]) == ("o", "polygon", False)

    def test_told_again_it_is_the_same_money(self, shop):
        shop.asked()
        shop.chain("credited")
        shop.chain("credited", turn=1)
        shop.chain("credited", block=2, turn=2)  # a reversal between was never told
        assert shop.money()[COINS] == 9_000_000
        assert len(shop.emitted("payment.success")) == 1

    def test_the_gateways_own_word_of_it_adds_nothing(self, shop):
        payment_id = shop.asked()
        shop.chain("credited")
        said = {"provider_reference": f"{TX}:0", "amount": "9", "currency": "USDC"}
        shop.answer(shop.payment(payment_id).call_id, **said)
        assert shop.money()[COINS] == 9_000_000
        assert shop.row(GatewayCall, shop.payment(payment_id).call_id).outcome == "succeeded"

    @pytest.mark.parametrize("amount", ["8.999999", "9.000001"])
    def test_another_amount_is_nobodys(self, shop, amount):
        payment_id = shop.asked()
        shop.chain("credited", amount)
        assert shop.payment(payment_id).status == "processing"
        assert shop.invoice().status == "open"
        [case] = shop.rows(Case)
        assert (case.kind, case.asset) == ("unmatched_payment", "USDC")
        assert shop.money()["suspense"] == -shop.money()[COINS]

    def test_at_another_wallet_or_in_another_token_it_is_nobodys(self, shop):
        payment_id = shop.asked()
        shop.chain("credited", wallet=OTHER)
        shop.chain("credited", currency="USDT", tx="0x" + "bb" * 32)
        assert shop.payment(payment_id).status == "processing"
        assert len(shop.rows(Case)) == 2

    def test_of_two_who_are_asked_for_the_same_at_one_wallet_it_is_neithers(self, shop):
        first, second = shop.asked("o"), shop.asked("p")
        shop.chain("credited")
        assert {shop.payment(each).status for each in (first, second)} == {"processing"}
        assert len(shop.rows(Case)) == 1

    def test_of_two_at_two_wallets_each_has_its_own(self, shop):
        first = shop.asked("o")
        second = shop.asked("p", wallet=OTHER)
        shop.chain("credited", wallet=OTHER)
        assert shop.payment(first).status == "processing"
        assert shop.payment(second).status == "succeeded"

    def test_once_one_of_them_is_paid_at_its_own_wallet_the_other_still_is_awaited(self, shop):
        shop.asked("o")
        second = shop.asked("p", wallet=OTHER)
        shop.chain("credited")
        [row] = shop.rows(ExactAmount)
        assert row.calls == (shop.payment(second).call_id,)
        shop.chain("credited", wallet=OTHER, tx="0x" + "bb" * 32)
        assert shop.payment(second).status == "succeeded"
        assert shop.rows(ExactAmount) == []

    def test_who_is_asked_second_takes_the_next_wallet(self, shop):
        shop.asked("o")
        assert b'"turn"' not in self.requests(shop)[-1]
        shop.asked("p")
        assert b'"turn":"1"' in self.requests(shop)[-1]
        shop.chain("credited", wallet=WALLET)  # nobody's
        [row] = shop.rows(ExactAmount)
        assert len(row.calls) == 2

    def test_who_is_asked_next_takes_the_wallet_that_is_free_again(self, shop):
        shop.asked("o")
        second = shop.asked("p", wallet=OTHER)
        shop.chain("credited")
        shop.applied("cafe.order.created", order_id="q", customer_id="c", total_amount=1160)
        third = shop.asked("q")
        assert b'"turn"' not in self.requests(shop)[-1]
        shop.chain("credited", tx="0x" + "bb" * 32)
        shop.chain("credited", wallet=OTHER, tx="0x" + "cc" * 32)
        assert {shop.payment(each).status for each in (second, third)} == {"succeeded"}

    def test_who_has_had_his_time_holds_no_wallet(self, shop):
        payment_id = shop.asked("o")
        shop.until("2026-03-03T06:00:10Z")
        shop.answer(shop.payment(payment_id).call_id, "failed", failure="not_paid")
        shop.asked("p")
        assert b'"turn"' not in self.requests(shop)[-1]

    def test_of_more_than_are_kept_in_mind_nobody_has_anothers_money(self, shop):
        first, wallets = shop.asked("o"), [f"0x{n:040x}" for n in range(AWAITED_MAX)]
        for number in range(AWAITED_MAX):
            order = f"more-{number}"
            shop.applied("cafe.order.created", order_id=order, customer_id="c", total_amount=1160)
            last = shop.asked(order, wallet=[*wallets[1:], WALLET][number])
        shop.chain("credited")
        assert {shop.payment(each).status for each in (first, last)} == {"processing"}
        assert len(shop.rows(Case)) == 1
        shop.until("2026-03-03T06:00:10Z")
        for payment in shop.rows(Payment):
            if payment.status == "processing":
                shop.answer(payment.call_id, "failed", failure="not_paid")
        later = shop.asked("p")
        shop.chain("credited", tx="0x" + "bb" * 32)
        assert shop.payment(later).status == "succeeded"

    @staticmethod
    def requests(shop) -> list[bytes]:
        return [call.request for entry in shop.core.entries for call in entry.calls]

    def test_what_was_paid_before_it_was_asked_for_is_not_its(self, shop):
        made_ms = shop.core.now_ms - 120_000
        payment_id = shop.asked()
        shop.chain("credited", block_ms=made_ms)
        assert shop.payment(payment_id).status == "processing"

    def test_paid_in_time_and_deep_too_late_it_is_its_all_the_same(self, shop):
        payment_id = shop.asked()
        made_ms = shop.core.now_ms
        shop.until("2026-03-03T06:00:10Z")
        shop.answer(shop.payment(payment_id).call_id, "failed", failure="not_paid")
        assert shop.payment(payment_id).status == "expired"
        shop.chain("credited", block_ms=made_ms)
        assert shop.payment(payment_id).status == "succeeded"
        assert shop.invoice().status == "paid"

    def test_paid_too_late_it_waits_for_people(self, shop):
        payment_id = shop.asked()
        shop.until("2026-03-03T06:00:10Z")
        shop.answer(shop.payment(payment_id).call_id, "failed", failure="not_paid")
        shop.chain("credited")
        assert shop.payment(payment_id).status == "expired"
        assert [case.kind for case in shop.rows(Case)] == ["unmatched_payment"]

    def test_a_second_payment_of_the_same_is_more_money(self, shop):
        shop.asked()
        shop.chain("credited")
        shop.chain("credited", tx="0x" + "bb" * 32)
        assert shop.money()[COINS] == 18_000_000
        assert shop.money()["suspense"] == -9_000_000

    def test_two_transfers_of_one_transaction_are_two(self, shop):
        shop.chain("credited", "1.00", log_index=0)
        shop.chain("credited", "1.00", log_index=1)
        assert shop.money()[COINS] == 2_000_000
        [row] = shop.rows(ChainTransaction)
        assert len(row.transfers) == 2

    def test_the_chains_own_currency_has_eighteen_decimals(self, shop):
        shop.chain("credited", "0.000000000000000001", currency="POL", log_index=-1)
        assert shop.money("POL")["crypto:polygon:POL"] == 1

    @pytest.mark.parametrize(("currency", "log_index"), [("USDC", 5), ("POL", -1)])
    def test_what_a_person_has_said_by_its_hash_is_counted_once(self, shop, currency, log_index):
        payment_id = shop.asked(currency=currency)
        shop.resolved(payment_id, f" {TX.upper().replace('X', 'x')} ")
        assert shop.invoice().status == "paid"
        before = shop.money(currency)
        shop.chain("credited", currency=currency, log_index=log_index)
        assert shop.money(currency) == before
        assert [case.status for case in shop.rows(Case)] == ["closed"]
        shop.chain("reversed", currency=currency, log_index=log_index)
        assert shop.money(currency) == {}
        assert shop.invoice().status == "open"
        shop.chain("credited", currency=currency, log_index=log_index, block=2, turn=1)
        assert shop.money(currency) == before

    def test_another_transfer_of_the_same_transaction_is_more_money(self, shop):
        shop.resolved(shop.asked(), TX)
        shop.chain("credited", log_index=5)
        shop.chain("credited", log_index=6)
        shop.chain("credited", "1.00", log_index=7)
        assert shop.money()[COINS] == 19_000_000

    @pytest.mark.parametrize("named", [TX, f"{TX}:0"])
    def test_nobody_says_of_a_call_what_was_seen_for_another(self, shop, named):
        payment_id = shop.asked()
        shop.chain("credited", wallet=OTHER)
        shop.answer(shop.payment(payment_id).call_id, "unknown")
        said = {"call_id": shop.payment(payment_id).call_id, "outcome": "succeeded"}
        refused = shop.refused("call.resolve", **said, provider_reference=named)
        assert refused == "receipt_already_counted"
        assert shop.money()[COINS] == 9_000_000

    def test_money_of_nothing_is_refused(self, shop):
        data = {"gateway": "polygon", "tx_hash": TX, "log_index": 0, "block_hash": BLOCK[1]}
        data |= {"block_number": 1, "block_ms": 1, "sender": OTHER, "wallet": WALLET}
        entry = shop.told("treasury.chain.credited", data | {"amount": "0", "currency": "USDC"})
        assert entry.reason == "amount_not_positive"


class TestReorganisations:
    def test_open_the_invoice_again_and_compensate(self, shop):
        payment_id = shop.asked()
        shop.chain("credited")
        shop.chain("reversed")
        assert shop.invoice().status == "open"
        assert shop.invoice().outstanding == 116_000
        assert shop.money() == {}
        assert shop.money("KES")["receivable"] == 2 * 116_000
        payment = shop.payment(payment_id)
        assert (payment.taken_back, payment.refundable) == (9_000_000, 0)
        [failed] = shop.emitted("payment.failed")
        assert (failed["reason"], failed["final"]) == ("reorganised", False)
        [people] = shop.emitted("reconciliation.exception")
        assert (people["kind"], people["lost"]) == ("payment_taken_back", 0)

    def test_have_the_invoice_asked_for_again(self, shop):
        shop.asked()
        shop.chain("credited")
        due = shop.invoice().due_date
        shop.until(f"{days_later(due, 2)}T12:00:00Z")
        asked_for = [said["invoice_id"] for said in shop.emitted("invoice.due")]
        assert shop.invoice().invoice_id not in asked_for
        shop.chain("reversed")
        shop.until(f"{days_later(due, 8)}T12:00:00Z")
        asked_for = [said["invoice_id"] for said in shop.emitted("invoice.due")]
        assert shop.invoice().invoice_id in asked_for
        assert shop.invoice().overdue

    def test_the_invoice_can_be_paid_in_another_way_at_once(self, shop):
        shop.asked()
        shop.chain("credited")
        shop.chain("reversed")
        shop.pay(order_id="o")
        assert shop.invoice().status == "paid"

    def test_the_same_transaction_in_another_block_pays_it_again(self, shop):
        payment_id = shop.asked()
        shop.chain("credited")
        shop.chain("reversed")
        shop.chain("credited", block=2, log_index=3, turn=1)
        assert shop.invoice().status == "paid"
        payment = shop.payment(payment_id)
        assert payment.received - payment.taken_back == 9_000_000
        assert payment.provider_reference == f"{TX}:3/2"
        assert shop.money() == {COINS: 9_000_000, "fx:clearing": -9_000_000}
        assert len(shop.emitted("payment.success")) == 2

    def test_a_block_that_comes_back_counts_again(self, shop):
        shop.asked()
        for turn in range(3):
            shop.chain("credited", turn=turn)
            shop.chain("reversed", turn=turn)
        shop.chain("credited", turn=3)
        assert shop.money()[COINS] == 9_000_000
        assert shop.invoice().status == "paid"

    def test_the_same_transaction_after_another_payment_waits_for_people(self, shop):
        shop.asked()
        shop.chain("credited")
        shop.chain("reversed")
        shop.pay(order_id="o")
        shop.chain("credited", block=2, turn=1)
        assert shop.invoice().status == "paid"
        [case] = shop.rows(Case)
        assert shop.money() == {COINS: 9_000_000, "suspense": -9_000_000}
        assert case.amount == 9_000_000

    def test_of_a_block_that_did_not_count_change_nothing(self, shop):
        shop.asked()
        shop.chain("reversed")
        shop.chain("credited")
        shop.chain("reversed", block=2)
        assert shop.money()[COINS] == 9_000_000
        shop.chain("reversed")
        shop.chain("reversed", turn=1)
        assert shop.money() == {}

    def test_take_a_case_back(self, shop):
        shop.chain("credited")
        shop.chain("reversed")
        [case] = shop.rows(Case)
        assert (case.status, case.resolution) == ("closed", "taken_back")
        assert shop.money() == {}

    def test_of_an_invoice_in_the_tokens_own_currency(self, shop):
        body = {"customer_id": "c", "amount": "9.00", "currency": "USDC"}
        invoice_id = shop.done("invoice.create", **body)["invoice_id"]
        payment_id = shop.intent(invoice_id=invoice_id)
        shop.done("payment.confirm", payment_id=payment_id, method="crypto")
        shop.shown(payment_id)
        shop.chain("credited")
        assert shop.row(Invoice, invoice_id).status == "paid"
        shop.chain("reversed")
        assert shop.row(Invoice, invoice_id).status == "open"
        assert shop.money()["receivable"] == 9_000_000
        assert COINS not in shop.money()

    def test_of_a_case_that_somebody_closed_find_where_it_went(self, shop):
        shop.chain("credited")
        [case] = shop.rows(Case)
        shop.done("case.resolve", case_id=case.case_id, customer_id="c")
        assert shop.money()["customer:credit"] == -9_000_000
        shop.chain("reversed")
        assert shop.money() == {}

    def test_of_credit_that_was_spent_are_a_loss_in_suspense_out(self, shop):
        body = {"customer_id": "c", "amount": "4.00", "currency": "USDC"}
        invoice_id = shop.done("invoice.create", **body)["invoice_id"]
        payment_id = shop.intent(invoice_id=invoice_id, amount="9.00")
        shop.done("payment.confirm", payment_id=payment_id, method="crypto")
        shop.shown(payment_id)
        shop.chain("credited")
        assert shop.money()["customer:credit"] == -5_000_000
        refund = shop.done("payment.refund", payment_id=payment_id, amount="3.00")
        shop.gateway(shop.call_of(refund["refund_id"]), provider_reference="0xout")
        shop.chain("reversed")
        assert shop.money()["suspense:out"] == 3_000_000
        assert shop.money()[COINS] == -3_000_000
        assert shop.row(Invoice, invoice_id).status == "open"
        [said] = [each for each in shop.emitted("reconciliation.exception") if "lost" in each]
        assert said["lost"] == 3


class TestAnyStory:
    @pytest.mark.parametrize("seed", range(20))
    def test_comes_to_what_the_chain_has_at_last(self, seed):
        rng, shop = random.Random(seed), Shop()
        shop.asked("o")
        stands: dict[str, int] = {}
        turn = Counter[str]()
        for _ in range(30):
            tx = f"0x{rng.randrange(3):064x}"
            if tx in stands:
                shop.chain("reversed", tx=tx, block=stands.pop(tx), turn=turn[tx])
                turn[tx] += 1
            else:
                stands[tx] = rng.randrange(1, 5)
                shop.chain("credited", tx=tx, block=stands[tx], turn=turn[tx])
        assert shop.money().get(COINS, 0) == 9_000_000 * len(stands)
        paid = shop.invoice().status == "paid"
        assert paid == bool(shop.money().get("fx:clearing"))
        in_suspense = -shop.money().get("suspense", 0)
        assert in_suspense == 9_000_000 * (len(stands) - paid)
