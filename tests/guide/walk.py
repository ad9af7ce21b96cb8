"""What each event of the guide must do: postings, state, and what is told; and what comes before.

Amounts are minor units, debits above zero. A state is (path of the resource, members it shows).
"""

from dataclasses import dataclass, field
from typing import Any

TENANT = "tenant-uuid"
PLAN = {
    "plan_id": "plan-uuid",
    "name": "Deliveries",
    "price": "1000",
    "meters": [{"name": "deliveries", "unit_price": "15"}],
}
SUBSCRIPTION = {
    "subscription_id": "subscription-uuid",
    "plan_id": "plan-uuid",
    "customer_id": "customer-uuid",
}
FLOAT = {
    "legs": [
        {"account": "gateway:instant:collection", "side": "debit", "amount": "100000"},
        {"account": "opening", "side": "credit", "amount": "100000"},
    ]
}


@dataclass(frozen=True)
class Step:
    """One event; `commands` (name, path, body) are said before it."""

    event_type: str
    postings: dict[str, int] = field(default_factory=dict)
    emitted: tuple[str, ...] = ()
    state: tuple[str, dict[str, Any]] | None = None
    commands: tuple[tuple[str, str, dict[str, Any]], ...] = ()


STEPS = (
    Step("auth.tenant.created"),
    Step("auth.outlet.created"),
    Step("auth.outlet.updated"),
    Step(
        "cafe.order.created",
        {"receivable": 150_000, "revenue:cafe": -129_310, "tax:output": -20_690},
        ("treasury.invoice.created",),
        ("invoices", {"order_id": "order-uuid", "status": "open", "amount": "1500.00"}),
    ),
    Step(
        "pos.order.completed",
        {
            "cash:drawer:outlet-westlands": 105_000,
            "receivable": 135_000,
            "revenue:pos": -202_586,
            "tax:output": -32_414,
            "tips": -5_000,
        },
        ("treasury.invoice.created", "treasury.payment.success"),
        ("invoices", {"order_id": "sale-uuid", "status": "open", "amount": "1350.00"}),
    ),
    Step(
        "pos.cash.drawer.closed",
        {
            "cash:drawer:outlet-westlands": 395_000,
            "cash:in_transit": -348_000,
            "cash:over_short": -47_000,
        },
        ("treasury.settlement.generated",),
        ("drawer-sessions", {"session_id": "session-uuid", "counted": "6520.00"}),
    ),
    Step(
        "cafe.subscription.usage.metered",
        commands=(
            ("plan.create", "plans", PLAN),
            ("subscription.create", "subscriptions", SUBSCRIPTION),
        ),
    ),
    Step(
        "auth.tenant.updated",
    ),
    Step(
        "logistics.expense.created",
        {"expense:fuel": 200_000, "tax:input": 32_000, "payable": -232_000},
        ("treasury.expense.approved",),
        ("expenses", {"expense_id": "expense-uuid", "status": "approved"}),
    ),
    Step(
        "logistics.earnings.calculated",
        {"expense:earnings": 805_000, "tax:wht_payable": -41_000, "earnings:rider-uuid": -764_000},
        (),
        ("earnings", {"payee_id": "rider-uuid", "net": "7640.00"}),
    ),
    Step(
        "logistics.payout.requested",
        {"earnings:rider-uuid": 500_000, "payout:pending": -500_000},
        (),
        ("payouts", {"subject": "rider-uuid", "amount": "5000.00"}),
        commands=(("journal.post", "journals", FLOAT),),
    ),
    Step(
        "inventory.po.received",
        {"inventory": 4_906_000, "grni": -4_906_000},
        (),
        ("purchase-orders", {"order_id": "po-uuid", "unbilled": "49060.00"}),
    ),
    Step(
        "inventory.cost.allocated",
        {"expense:supplies": 345_000, "inventory": -345_000},
        (),
        ("budgets", {"project_id": "project-uuid", "category": "supplies", "actual": "3450.00"}),
    ),
    Step(
        "projects.expense.created",
        {"expense:fuel": 0},
        (),
        ("expenses", {"expense_id": "expense-uuid", "project_id": "project-uuid"}),
    ),
    Step(
        "projects.milestone.completed",
        # 5 % service charge and 2 % tourism levy were chosen by auth.tenant.updated before.
        {
            "receivable": 34_800_000,
            "revenue:project": -28_109_854,
            "service_charge": -1_405_493,
            "tax:tourism_levy": -562_197,
            "tax:output": -4_722_456,
        },
        ("treasury.invoice.created", "treasury.payment_link.generated"),
        ("invoices", {"reference": "milestone-uuid", "to_withhold": "14054.93"}),
    ),
)
