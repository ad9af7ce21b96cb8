"""Money to a till number and the sale that names its receipt: joined, whoever tells first."""

import itertools

import pytest

from tables.invoices import Invoice
from tables.payments import Case, Credit, Payment, Tendered
from tests.agents.accounting.shop import MPESA, Shop

SOLD = "pos.order.completed"
RECEIPT = "TCA1B2C3D4"


@pytest.fixture
def shop() -> Shop:
    return Shop()


def sold(shop: Shop, order_id: str = "t", receipt: str = RECEIPT, **more) -> None:
    tenders = [{"method": "mpesa", "amount": 500, "reference": receipt}]
    shop.applied(SOLD, **{"order_id": order_id, "total_amount": 500, "tenders": tenders, **more})


def share(shop: Shop, order_id: str = "t") -> Invoice:
    [found] = [row for row in shop.rows(Invoice) if row.order_id == order_id]
    return found


class TestAReceipt:
    @pytest.mark.parametrize("first", ["sale", "money"])
    @pytest.mark.parametrize("typed", [RECEIPT, " tca1b2c3d4 "])
    def test_pays_the_sale_whoever_tells_first(self, shop, first, typed):
        if first == "sale":
            sold(shop, receipt=typed)
        shop.deposit(RECEIPT, "", "500.00")
        if first == "money":
            assert shop.money()[2] == 50_000
            sold(shop, receipt=typed)
        assert (share(shop).status, share(shop).paid) == ("paid", 50_000)
        assert shop.money() == (50_000, 116_000, 0)
        assert shop.rows(Tendered) == []
        assert [case.status for case in shop.rows(Case)] in ([], ["closed"])
        [payment] = [row for row in shop.rows(Payment) if row.provider_reference == RECEIPT]
        assert [(p.kind, p.amount) for p in payment.placements] == [("invoice", 50_000)]

    @pytest.mark.parametrize("order", list(itertools.permutations(("till", "cafe", "money"))))
    def test_pays_the_orders_own_invoice_in_any_order(self, shop, order):
        facts = {
            "till": lambda: sold(shop, "u"),
            "cafe": lambda: shop.applied("cafe.order.created", order_id="u", total_amount=500),
            "money": lambda: shop.deposit(RECEIPT, "", "500.00"),
        }
        for name in order:
            facts[name]()
        [invoice] = [
            row for row in shop.rows(Invoice) if row.order_id == "u" and row.status != "void"
        ]
        assert (invoice.source, invoice.status, invoice.paid) == ("cafe", "paid", 50_000)
        assert shop.money() == (50_000, 116_000, 0)

    @pytest.mark.parametrize("first", ["sale", "money"])
    def test_of_less_leaves_the_rest_open(self, shop, first):
        if first == "sale":
            sold(shop)
        shop.deposit(RECEIPT, "", "300.00")
        if first == "money":
            sold(shop)
        assert (share(shop).status, share(shop).outstanding) == ("partially_paid", 20_000)

    def test_of_more_is_its_customers_credit(self, shop):
        sold(shop, customer_id="w")
        shop.deposit(RECEIPT, "", "600.00")
        assert share(shop).status == "paid"
        assert shop.row(Credit, "w", "KES").amount == 10_000

    @pytest.mark.parametrize("first", ["sale", "money"])
    def test_pays_one_sale_only(self, shop, first):
        if first == "sale":
            sold(shop)
            sold(shop, "t2")
        shop.deposit(RECEIPT, "", "500.00")
        if first == "money":
            sold(shop)
            sold(shop, "t2")
        assert share(shop).status == "paid"
        assert share(shop, "t2").status == "open"
        assert shop.balances[MPESA] == 50_000

    def test_that_was_placed_by_a_person_stays_there(self, shop):
        shop.deposit(RECEIPT, "", "500.00")
        [case] = shop.rows(Case)
        shop.done("case.resolve", case_id=case.case_id, customer_id="c")
        sold(shop)
        assert share(shop).status == "open"

    def test_whose_payer_wrote_what_it_is_for_is_for_that(self, shop):
        sold(shop)
        shop.deposit(RECEIPT, "o", "500.00")
        assert share(shop).status == "open"
        assert shop.row(Invoice, shop.invoice.invoice_id).paid == 50_000
        assert shop.rows(Tendered) == []

    @pytest.mark.parametrize("first", ["sale", "money"])
    def test_of_a_push_is_left_to_the_push(self, shop, first):
        payment_id = shop.confirmed(order_id="t", amount="500")
        call = shop.call(payment_id)
        if first == "sale":
            sold(shop)
        shop.deposit(RECEIPT, "", "500.00")
        if first == "money":
            sold(shop)
        assert shop.money()[2] == 50_000
        shop.gateway(call.call_id, provider_reference=RECEIPT, amount="500", currency="KES")
        assert shop.row(Payment, payment_id).status == "succeeded"
        assert share(shop).status == "paid"
        assert shop.money() == (50_000, 116_000, 0)

    def test_that_never_comes_is_forgotten(self, shop):
        sold(shop)
        assert [row.order_id for row in shop.rows(Tendered)] == ["t"]
        shop.until("2026-03-10T07:00:00Z")
        assert shop.rows(Tendered) == []
        shop.deposit(RECEIPT, "", "500.00")
        assert share(shop).status == "open"
        assert shop.money()[2] == 50_000

    def test_of_a_card_joins_nothing(self, shop):
        tenders = [{"method": "card", "amount": 500, "reference": RECEIPT}]
        sold(shop, tenders=tenders)
        shop.deposit(RECEIPT, "", "500.00")
        assert share(shop).status == "open"
