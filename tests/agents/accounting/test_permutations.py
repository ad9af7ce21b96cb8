"""Facts of one story in every order end in the same business state; pairs that cannot are named.

What may differ: versions, sequence numbers, derived ids, and when things were told.
"""

import itertools
from typing import Any

import pytest

from tables.balances import Balance
from tables.drawers import DrawerSession
from tables.earnings import Earnings
from tables.invoices import Invoice
from tables.payables import Bill, Expense
from tables.payments import Case, Credit
from tables.payouts import Payout
from tables.purchases import Purchase
from tables.subscriptions import Usage
from tables.tenants import Outlet, Tenant
from tests.agents.accounting.books import Books

Fact = tuple[str, dict[str, Any]]

PLAN = {"plan_id": "p", "name": "Drops", "price": "100", "meters": [{"name": "m", "unit_price": 3}]}
TENDERS = [{"method": "cash", "amount": 40}, {"method": "mpesa", "amount": 76}]

STORIES: dict[str, list[Fact]] = {
    "an order of café and till, and its payment": [
        ("cafe.order.created", {"order_id": "o", "customer_id": "c", "total_amount": 116}),
        ("pos.order.completed", {"order_id": "o", "total_amount": 116, "tenders": TENDERS}),
        ("pay", {"order_id": "o", "amount": "76"}),
    ],
    "an order that is overpaid": [
        ("cafe.order.created", {"order_id": "o", "customer_id": "c", "total_amount": 116}),
        ("pay", {"order_id": "o", "amount": "100"}),
        ("pay", {"order_id": "o", "amount": "50"}),
    ],
    "a milestone and money for it": [
        (
            "projects.milestone.completed",
            {"milestone_id": "m", "project_id": "p", "customer_id": "c", "amount": 116},
        ),
        ("pay", {"order_id": "milestone/m", "amount": "60"}),
        ("pay", {"order_id": "milestone/m", "amount": "56"}),
    ],
    "sales around a closing": [
        ("pos.order.completed", {"at": "2026-03-02T05:00:00Z", "order_id": "a", "total_amount": 5}),
        ("pos.order.completed", {"at": "2026-03-02T05:30:00Z", "order_id": "b", "total_amount": 7}),
        ("pos.cash.drawer.closed", {"at": "2026-03-02T05:10:00Z", "counted_amount": 4}),
        ("pos.cash.drawer.closed", {"at": "2026-03-02T05:40:00Z", "counted_amount": 11}),
    ],
    "goods and bills": [
        ("inventory.po.received", {"po_id": "p", "supplier_id": "s", "total_amount": 300}),
        ("inventory.po.received", {"po_id": "p", "supplier_id": "s", "total_amount": 700}),
        ("bill.create", {"supplier_id": "s", "number": "1", "po_id": "p", "amount": "1000"}),
        ("inventory.cost.allocated", {"amount": 50}),
    ],
    "an expense of two services": [
        ("logistics.expense.created", {"expense_id": "e", "amount": 90, "category": "fuel"}),
        ("projects.expense.created", {"expense_id": "e", "amount": 90, "project_id": "p"}),
        ("budget.set", {"project_id": "p", "amount": "50"}),
    ],
    "earnings and their payout": [
        ("logistics.earnings.calculated", {"payee_id": "r", "period": "1", "gross_amount": 100}),
        ("logistics.earnings.calculated", {"payee_id": "r", "period": "2", "gross_amount": 50}),
        ("logistics.payout.requested", {"payee_id": "r", "amount": 120}),
        ("pay", {"amount": "500"}),
    ],
    "uses and their subscription": [
        ("cafe.subscription.usage.metered", {"subscription_id": "s", "meter": "m", "quantity": 2}),
        ("cafe.subscription.usage.metered", {"subscription_id": "s", "meter": "m", "quantity": 3}),
        ("subscription.create", {"subscription_id": "s", "plan_id": "p", "customer_id": "c"}),
    ],
    "a tenant and its outlet told anew": [
        ("auth.outlet.created", {"outlet_id": "w", "name": "West"}),
        ("auth.outlet.updated", {"at": "2026-03-02T06:00:01Z", "outlet_id": "w", "name": "East"}),
        ("auth.tenant.updated", {"at": "2026-03-02T06:00:01Z", "name": "New"}),
        ("auth.tenant.updated", {"at": "2026-03-02T06:00:02Z", "name": "Newer"}),
    ],
}

RULES_OF_PAIRS = {
    ("cafe.order.created", "cafe.order.created"): "of one order the first counts",
    ("period.close", "cafe.order.created"): "what comes after counts in the open period",
    ("auth.tenant.updated", "cafe.order.created"): "terms are those at the order's arrival",
    ("treasury.due.period", "cafe.subscription.usage.metered"): "a late use is of a prior period",
    ("treasury.due.settlement", "pay"): "money is of the day it is counted in",
}
"""Pairs that do not commute, each with the rule that decides."""

_MEMBERS = {
    Balance: "account asset posted",
    Invoice: "order_id total tax paid credited status source",
    Case: "kind amount status",
    Credit: "customer_id amount",
    DrawerSession: "closed_ms expected counted carried moved",
    Bill: "number status cleared paid",
    Purchase: "order_id received cleared waiting",
    Expense: "expense_id category project_id status paid",
    Earnings: "period gross",
    Payout: "amount status subject",
    Usage: "meter now next late",
    Outlet: "outlet_id name",
    Tenant: "name",
}


def state_of(books: Books) -> frozenset[Any]:
    """What a story leaves, without what may differ."""
    found = [
        (kind.KIND, *(getattr(row, name) for name in members.split()))
        for kind, members in _MEMBERS.items()
        for row in books.rows(kind)
    ]
    quiet = {("ba", 0), ("cs", "closed"), ("iv", "void"), ("cr", 0)}
    return frozenset(row for row in found if not any((row[0], value) in quiet for value in row))


def play(facts: list[Fact]) -> Books:
    books = Books(tax_registered=True, expense_limit="1000")
    books.done("plan.create", **PLAN)
    for name, data in facts:
        if name == "pay":
            books.pay(**data)
        elif name.partition(".")[0] in {
            "auth",
            "cafe",
            "pos",
            "logistics",
            "inventory",
            "projects",
        }:
            [entry, *_] = books.event(name, **data)
            assert entry.status in {"applied", "parked"}, entry
        else:
            books.done(name, **data)
    return books


class TestStories:
    @pytest.mark.parametrize("story", STORIES)
    def test_end_the_same_in_every_order(self, story):
        orders = list(itertools.permutations(STORIES[story]))
        ends = {state_of(play(list(order))) for order in orders}
        assert len(ends) == 1, sorted(map(sorted, ends), key=repr)[:2]

    def test_pairs_that_do_not_commute_have_a_rule(self):
        first = ("cafe.order.created", {"order_id": "o", "total_amount": 100})
        second = ("cafe.order.created", {"order_id": "o", "total_amount": 200})
        ends = []
        for one, other in ((first, second), (second, first)):
            books = Books()
            books.applied(one[0], **one[1])
            [entry] = books.event(other[0], **other[1])
            assert entry.reason == "order_already_invoiced"
            ends.append(books.balances["receivable"])
        assert ends == [10_000, 20_000]
        assert all(RULES_OF_PAIRS.values())


class TestTaxes:
    @pytest.mark.parametrize("total", [1, 3, 7, 99, 100, 101, 12_345, 999_999_999_999])
    @pytest.mark.parametrize("settings", [{}, {"taxes": ["tourism_levy"]}])
    def test_parts_sum_to_the_cent(self, total, settings):
        books = Books(tax_registered=True, service_charge_percent="7.25", **settings)
        amount = f"{total // 100}.{total % 100:02d}"
        books.applied("cafe.order.created", order_id="o", total_amount=amount)
        assert books.balances["receivable"] == total
        assert sum(books.balances.values()) == 0
