"""The model against books done by hand, and against itself in another order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.generator import Message, Story, generate, shuffled
from tests.model.ledger import Invoice, decimal_text, expected
from tests.model.wire import Exact, derived_id, to_json

TENANT = "tenant-1"


def message(number: int, subject: str, data: dict[str, object], *, reason: str = "") -> Message:
    body = {"event_id": f"e{number}", "event_type": subject, "tenant_id": TENANT, "data": data}
    return Message(number, subject, to_json(body), 0, TENANT, reason)


def tenant(currency: str = "KES", country: str = "KE", *, registered: bool = True) -> Message:
    settings = {"tax_registered": registered}
    data: dict[str, object] = {"currency": currency, "country": country, "settings": settings}
    return message(0, "auth.tenant.created", data)


def cafe(number: int, total: str, customer: str = "") -> Message:
    data = {"order_id": "o", "total_amount": Exact(total), "customer_id": customer}
    return message(number, "cafe.order.created", data)


def pos(number: int, total: str, **more: object) -> Message:
    data = {"order_id": "o", "total_amount": Exact(total), **more}
    return message(number, "pos.order.completed", data)


def balances(*messages: Message) -> dict[str, int]:
    books = expected(messages, [])
    return {account: minor for (_, account, _), minor in books.balances.items()}


class TestExpected:
    def test_invoices_a_cafe_order_with_its_tax(self):
        books = balances(tenant(), cafe(1, "1500.00"))
        assert books == {"receivable": 150_000, "revenue:cafe": -129_310, "tax:output": -20_690}

    def test_takes_no_tax_where_the_tenant_is_not_registered(self):
        books = balances(tenant(registered=False), cafe(1, "1500.00"))
        assert books == {"receivable": 150_000, "revenue:cafe": -150_000}

    def test_sells_for_cash_with_tip_and_change(self):
        tender = {"method": "cash", "amount": Exact("200")}
        sale = pos(1, "116", tenders=[tender], change=Exact("74"), tip=Exact("10"))
        assert balances(tenant(), sale) == {
            "cash:drawer:main": 12_600,
            "revenue:pos": -10_000,
            "tax:output": -1_600,
            "tips": -1_000,
        }

    def test_a_sale_of_an_invoiced_order_pays_its_invoice(self):
        books = expected([tenant(), cafe(1, "116"), pos(2, "116")], [])
        assert books.invoices[TENANT, "o"] == Invoice(
            derived_id(TENANT, "e1", "invoice"), 11_600, 1_600, 11_600, "paid"
        )
        assert books.balances == {
            (TENANT, "cash:drawer:main", "KES"): 11_600,
            (TENANT, "revenue:cafe", "KES"): -10_000,
            (TENANT, "tax:output", "KES"): -1_600,
        }

    def test_keeps_what_was_paid_too_much_for_the_customer(self):
        books = expected([tenant(), cafe(1, "100", "ann"), pos(2, "130")], [])
        assert books.credits == {(TENANT, "ann", "KES"): 3_000}
        assert books.balances[TENANT, "customer:credit", "KES"] == -3_000

    def test_an_electronic_share_stays_open(self):
        tender = {"method": "mpesa", "amount": Exact("60")}
        cash = {"method": "cash", "amount": Exact("40")}
        books = expected([tenant(), pos(1, "100", tenders=[tender, cash])], [])
        assert books.invoices[TENANT, "o"].total == 6_000
        assert books.balances[TENANT, "receivable", "KES"] == 6_000

    def test_a_payment_story_pays_the_invoice_and_a_declined_one_does_not(self):
        for declined, status in ((False, "paid"), (True, "open")):
            story = Story(TENANT, "o", "KES", None, declined, retried=False, doubled=False)
            books = expected([tenant(), cafe(1, "100")], [story])
            assert books.invoices[TENANT, "o"].status == status

    def test_counts_copies_and_dead_letters(self):
        bad = message(9, "cafe.order.created", {}, reason="malformed")
        books = expected([tenant(), cafe(1, "5"), cafe(1, "5"), bad], [])
        assert (books.duplicates, books.dead_letters) == (1, {"malformed": 1})
        assert books.applied == {(TENANT, "e0"), (TENANT, "e1")}

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 1 << 32))
    def test_does_not_depend_on_the_order_of_arrival(self, seed):
        load = generate(seed, 400)
        inorder = expected(load.messages, load.stories)
        anyhow = expected(shuffled(load.messages, seed), load.stories)
        inorder.outbound.sort(key=repr)
        anyhow.outbound.sort(key=repr)
        assert inorder == anyhow

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 1 << 32))
    def test_all_accounts_of_a_tenant_sum_to_zero(self, seed):
        load = generate(seed, 400)
        books = expected(load.messages, load.stories)
        for each in load.tenants:
            assert (
                sum(m for (owner, _, _), m in books.balances.items() if owner == each.tenant_id)
                == 0
            )


class TestDecimalText:
    @pytest.mark.parametrize(
        ("minor", "asset", "text"),
        [(5, "KES", "0.05"), (150_000, "KES", "1500.00"), (7, "UGX", "7"), (1_234, "KWD", "1.234")],
    )
    def test_writes_all_decimals_of_the_currency(self, minor, asset, text):
        assert decimal_text(minor, asset) == text
