"""A settlement's root on its way to a chain."""

import pytest

from tables.payments import Case, GatewayCall
from tables.settlements import Settlement, SettlementProof
from tests.agents.accounting.books import Books

ROOT, OTHER = "ab" * 32, "cd" * 32
TX = "0x" + "ee" * 32


class Shop(Books):
    """A shop whose day with one payment is over."""

    def __init__(self) -> None:
        super().__init__()
        self.pay(amount="100", order_id="o")
        [self.day] = self.rows(Settlement)

    def is_over(self) -> "Shop":
        self.until("2026-03-03T06:00:00Z")
        return self

    def prove(self, root: str = ROOT) -> SettlementProof:
        about = {"settlement_id": self.day.settlement_id, "root": root, "size": 2}
        self.done("settlement.prove", **about)
        return self.proof

    def refusal(self, **changed) -> str:
        about = {"settlement_id": self.day.settlement_id, "root": ROOT, "size": 2}
        return self.refused("settlement.prove", **about | changed)

    @property
    def proof(self) -> SettlementProof:
        return self.row(SettlementProof, self.day.settlement_id)


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestARoot:
    def test_is_written_by_a_call_and_is_there_when_it_counts(self, shop):
        proof = shop.is_over().prove()
        [call] = [row for row in shop.rows(GatewayCall) if row.operation == "anchor"]
        assert (call.gateway, call.subject_id) == ("polygon", proof.settlement_id)
        assert proof.status == "requested"
        shop.gateway(proof.call_id, provider_reference=TX, amount="0", currency="POL")
        assert (shop.proof.status, shop.proof.tx_hash) == ("anchored", TX)

    def test_of_a_day_that_is_not_over_is_not_written(self, shop):
        assert shop.refusal() == "settlement_collecting"
        assert shop.refusal(settlement_id="nobody's") == "settlement_unknown"

    @pytest.mark.parametrize("root", ["", "AB" * 32, "ab" * 31, "0x" + "ab" * 31])
    def test_is_64_hex_digits(self, shop, root):
        assert shop.is_over().refusal(root=root) == "malformed"

    def test_is_one_for_a_settlement(self, shop):
        proof = shop.is_over().prove()
        assert shop.refusal(root=OTHER) == "proof_exists"
        shop.gateway(proof.call_id, provider_reference=TX)
        assert shop.refusal(root=OTHER) == "proof_exists"

    def test_that_failed_may_be_written_again(self, shop):
        first = shop.is_over().prove()
        shop.gateway(first.call_id, "failed", failure="insufficient_funds")
        assert (shop.proof.status, shop.proof.failure) == ("failed", "insufficient_funds")
        second = shop.prove(OTHER)
        shop.gateway(second.call_id, provider_reference=TX)
        assert (shop.proof.status, shop.proof.root) == ("anchored", OTHER)

    def test_whose_first_call_succeeds_after_another_was_made_stays_the_others(self, shop):
        first = shop.is_over().prove()
        shop.gateway(first.call_id, "failed", failure="not_sent")
        second = shop.prove(OTHER)
        shop.answer(first.call_id, provider_reference=TX)
        assert (shop.proof.status, shop.proof.call_id) == ("requested", second.call_id)

    def test_of_which_nobody_knows_is_a_case_and_may_count_after_all(self, shop):
        proof = shop.is_over().prove()
        shop.gateway(proof.call_id, "unknown")
        [case] = [row for row in shop.rows(Case) if row.call_id == proof.call_id]
        assert (case.kind, case.asset, case.status) == ("call_unknown", "KES", "open")
        shop.answer(proof.call_id, provider_reference=TX)
        assert shop.proof.status == "anchored"
        assert shop.row(Case, case.case_id).status == "closed"

    def test_moves_no_money(self, shop):
        before = shop.is_over().balances
        proof = shop.prove()
        shop.gateway(proof.call_id, provider_reference=TX, amount="0", currency="POL")
        assert shop.balances == before

    def test_goes_to_the_chain_that_the_tenant_wants(self, shop):
        shop.is_over()
        shop.done("settings.change", settings={"gateways": {"anchor": ["ethereum"]}})
        assert shop.prove().provider == "ethereum"
