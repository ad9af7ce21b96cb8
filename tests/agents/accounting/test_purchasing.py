"""Goods and their bills, in any order, within the tolerance and beyond it."""

import itertools

import pytest

from tables.payables import Bill
from tables.purchases import Purchase
from tests.agents.accounting.books import Books

RECEIVED = "inventory.po.received"


@pytest.fixture
def shop() -> Books:
    return Books(tax_registered=True, tolerance_percent="2")


def goods(books: Books, amount: str = "1000", **more) -> None:
    books.applied(RECEIVED, po_id="p", supplier_id="s", total_amount=amount, **more)


def bill(books: Books, amount: str, tax: str = "0", number: str = "7", **more) -> dict:
    said = {"supplier_id": "s", "number": number, "po_id": "p", "amount": amount}
    return books.done("bill.create", **said, tax_amount=tax, **more)


class TestMatching:
    def test_goods_then_their_bill(self, shop):
        goods(shop)
        assert shop.balances == {"inventory": 100_000, "grni": -100_000}
        assert bill(shop, "1160", "160")["status"] == "open"
        assert shop.balances == {"inventory": 100_000, "tax:input": 16_000, "payable": -116_000}

    def test_a_bill_waits_for_its_goods(self, shop):
        waits = bill(shop, "1160", "160")
        assert (waits["status"], waits["why"]) == ("waiting", "goods_not_received")
        assert shop.balances == {}
        goods(shop)
        assert shop.row(Bill, waits["bill_id"]).status == "open"

    @pytest.mark.parametrize(("amount", "variance"), [("1020", 2_000), ("980", -2_000)])
    def test_within_the_tolerance_is_price_variance(self, shop, amount, variance):
        goods(shop)
        assert bill(shop, amount)["status"] == "open"
        assert shop.balances["price_variance"] == variance
        assert "grni" not in shop.balances

    def test_three_per_cent_above_waits_until_accepted(self, shop):
        goods(shop)
        waits = bill(shop, "1030")
        assert (waits["status"], waits["why"]) == ("waiting", "price_differs")
        assert shop.emitted("reconciliation.exception")[-1]["kind"] == "bill_price_differs"
        shop.done("bill.approve", bill_id=waits["bill_id"])
        assert shop.balances["price_variance"] == 3_000
        assert shop.row(Bill, waits["bill_id"]).accepted_by == "ann"

    def test_three_per_cent_is_within_a_tolerance_of_five(self):
        books = Books(tolerance_percent="5")
        goods(books)
        assert bill(books, "1030")["status"] == "open"

    def test_a_part_is_billed(self, shop):
        goods(shop)
        bill(shop, "400")
        assert shop.balances["grni"] == -60_000
        bill(shop, "600", number="8")
        assert "grni" not in shop.balances

    def test_partial_receipts_and_a_bill_for_all(self, shop):
        goods(shop, "300")
        waits = bill(shop, "1000")
        assert waits["why"] == "price_differs"
        goods(shop, "700")
        assert shop.row(Bill, waits["bill_id"]).status == "open"

    def test_by_item_and_quantity(self, shop):
        lines = [
            {"item_id": "a", "quantity": 3, "unit_price": "33.33"},
            {"item_id": "b", "quantity": "0.5", "unit_price": "10"},
        ]
        shop.applied(RECEIVED, po_id="p", supplier_id="s", lines=lines)
        one = [{"item_id": "a", "quantity": 1, "unit_price": "33.33"}]
        assert bill(shop, "33.33", lines=one)["status"] == "open"
        two = [{"item_id": "a", "quantity": 2, "unit_price": "33.50"}, lines[1]]
        assert bill(shop, "72", number="8", lines=two)["status"] == "open"
        assert shop.row(Purchase, "p").unbilled == 0
        assert shop.balances["price_variance"] == 34
        more = bill(shop, "33.33", number="9", lines=one)
        assert more["why"] == "goods_not_received"

    def test_what_was_billed_by_amount_is_not_billed_by_its_items(self, shop):
        lines = [{"item_id": "a", "quantity": 10, "unit_price": "100"}]
        shop.applied(RECEIVED, po_id="p", supplier_id="s", lines=lines)
        assert bill(shop, "1000")["status"] == "open"
        waits = bill(shop, "1000", number="8", lines=lines)
        assert (waits["status"], waits["why"]) == ("waiting", "goods_not_received")
        assert shop.balances == {"inventory": 100_000, "payable": -100_000}
        shop.applied(RECEIVED, po_id="p", supplier_id="s", lines=lines)
        assert shop.row(Bill, waits["bill_id"]).status == "open"
        assert shop.row(Purchase, "p").unbilled == 0

    def test_a_part_by_amount_bounds_the_items(self, shop):
        lines = [{"item_id": "a", "quantity": 10, "unit_price": "100"}]
        shop.applied(RECEIVED, po_id="p", supplier_id="s", lines=lines)
        bill(shop, "400")
        six = [{"item_id": "a", "quantity": 6, "unit_price": "100"}]
        assert bill(shop, "1000", number="8", lines=lines)["why"] == "goods_not_received"
        assert bill(shop, "600", number="9", lines=six)["status"] == "open"
        assert "grni" not in shop.balances

    def test_a_number_comes_once_and_is_free_again_when_void(self, shop):
        waits = bill(shop, "1000")
        said = {"supplier_id": "s", "number": "7", "po_id": "p", "amount": "1"}
        assert shop.refused("bill.create", **said) == "bill_number_exists"
        shop.done("bill.void", bill_id=waits["bill_id"])
        bill(shop, "1000")

    def test_goods_and_bills_in_any_order_end_the_same(self):
        facts = [("goods", "300"), ("goods", "700"), ("bill", "1010")]
        ends = set()
        for order in itertools.permutations(facts):
            books = Books(tolerance_percent="2")
            for kind, amount in order:
                (goods if kind == "goods" else bill)(books, amount)
            status = [(row.status, row.cleared) for row in books.rows(Bill)]
            ends.add((tuple(sorted(books.balances.items())), tuple(status)))
        assert len(ends) == 1

    def test_of_another_supplier_or_currency_is_refused(self, shop):
        goods(shop)
        said = {"number": "7", "po_id": "p", "amount": "1"}
        assert shop.refused("bill.create", supplier_id="x", **said) == "supplier_differs_from_order"
        said |= {"supplier_id": "s", "currency": "USD"}
        assert shop.refused("bill.create", **said) == "currency_differs_from_order"


class TestBills:
    def test_without_an_order_are_a_cost_and_withhold(self, shop):
        said = {"supplier_id": "s", "number": "1", "category": "rent", "withholding": "contractual"}
        bill_ = shop.done("bill.create", amount="116000", tax_amount="16000", **said)
        assert shop.balances == {
            "expense:rent": 10_000_000,
            "tax:input": 1_600_000,
            "tax:wht_payable": -300_000,
            "payable": -11_300_000,
        }
        shop.done("bill.pay", bill_id=bill_["bill_id"], account="bank:kcb", amount="100000")
        shop.done("bill.pay", bill_id=bill_["bill_id"], account="bank:kcb")
        assert shop.row(Bill, bill_["bill_id"]).status == "paid"
        assert "payable" not in shop.balances

    def test_are_of_an_order_or_of_a_category(self, shop):
        said = {"supplier_id": "s", "number": "1", "amount": "5"}
        assert shop.refused("bill.create", **said) == "order_or_category"
        both = {**said, "po_id": "p", "category": "rent"}
        assert shop.refused("bill.create", **both) == "order_or_category"


class TestCosts:
    def test_leave_the_stock(self, shop):
        goods(shop)
        shop.applied("inventory.cost.allocated", amount="300")
        shop.applied("inventory.cost.allocated", amount="50", category="supplies", project_id="x")
        assert shop.balances["cogs"] == 30_000
        assert shop.balances["expense:supplies"] == 5_000
        assert shop.balances["inventory"] == 65_000
