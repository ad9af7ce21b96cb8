"""Random facts of all services and people about a few things: whatever comes, the books hold.

After every fact entries balance per asset, control accounts tie, no row takes an illegal step and
nothing raises. At the end the log is replayed to the same bytes.
"""

import json
import os
import random

import pytest

from agents.outbound import OUTBOUND
from agents.roles.verify import Replay
from streams.timestamps import format_ms
from tables.balances import Hold
from tables.invoices import Invoice
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import Case, Dispute, GatewayCall, Payment, Refund
from tables.payouts import Payout
from tables.subscriptions import Subscription
from tables.tenants import Tenant
from tests.agents.accounting.books import Books

WORLDS = int(os.environ.get("TREASURY_STORIES", "40"))
FACTS = 120
KEYS = {
    "treasury.payment.refunded": ("refund_id",),
    "treasury.balance.threshold": ("account", "currency"),
    "treasury.budget.exceeded": ("project_id", "category", "currency"),
}
"""What tells the resource of an event, where it is not its first member."""
SETTINGS = (
    {"tax_registered": True, "expense_limit": "500", "payout_limit": "300", "payment_links": True},
    {"tax_registered": True, "taxes": ["tourism_levy"], "service_charge_percent": "10"},
    {"tolerance_percent": "10", "cut_off": "03:00", "payment_terms_days": 3},
    {"tax_registered": True, "refund_limit": "20", "journal_limit": "25"},
)


class World:
    """One tenant, and dice that say what happens next."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        mode = self.dice.choice(("live", "sandbox"))
        self.books = Books(mode=mode, **self.dice.choice(SETTINGS))
        self.books.core.now_ms += self.dice.randint(0, 86_400_000)
        self.sandbox = mode == "sandbox"

    def run(self) -> None:
        facts = [getattr(self, name) for name in dir(World) if name.startswith("say_")]
        for _ in range(FACTS):
            self.dice.choice(facts)()

    # -- dice ---------------------------------------------------------------------------------

    def amount(self, most: int = 2_000) -> str:
        minor = self.dice.choice((1, 99, 100, self.dice.randint(1, most * 100)))
        return f"{minor // 100}.{minor % 100:02d}"

    def some(self, kind: type, **members: object):
        """A row of a kind, or None."""
        rows = [
            row
            for row in self.books.rows(kind)
            if all(getattr(row, name) == value for name, value in members.items())
        ]
        return self.dice.choice(rows) if rows else None

    def of(self, *names: str) -> str:
        return self.dice.choice(names)

    def at(self) -> str:

        back_ms = self.dice.choice((0, 1_000, 60_000, 3_600_000, 86_400_000))
        return format_ms(self.books.core.now_ms - back_ms)

    # -- services -----------------------------------------------------------------------------

    def say_order(self) -> None:
        order = {"order_id": self.of("o1", "o2", "o3", "o4"), "total_amount": self.amount()}
        customer = self.of("", "c1", "c2")
        self.books.event("cafe.order.created", at=self.at(), customer_id=customer, **order)

    def say_sale(self) -> None:
        cash, card, tip = self.dice.randint(0, 9_000), self.dice.randint(0, 9_000), 100
        tenders = [
            {"method": method, "amount": f"{minor // 100}.{minor % 100:02d}"}
            for method, minor in (("cash", cash + tip), ("card", card))
            if minor
        ]
        total = cash + card
        self.books.event(
            "pos.order.completed",
            at=self.at(),
            order_id=self.of("o1", "o2", "o3", "o5", "o6"),
            outlet_id=self.of("", "w"),
            total_amount=f"{total // 100}.{total % 100:02d}",
            tenders=tenders,
            tip="1.00",
        )

    def say_deposit(self) -> None:
        said = {
            "gateway": "mpesa",
            "receipt": self.of("TCA1", "TCA2", "TCA3", "TCA4"),
            "account": "600999",
            "amount": self.amount(),
            "currency": "KES",
            "reference": self.of("", "", "o1", "nothing"),
        }
        self.books.core.event("treasury.gateway.received", "t", said, ingress="webhook")

    def say_closed(self) -> None:
        self.books.event(
            "pos.cash.drawer.closed",
            at=self.at(),
            outlet_id=self.of("", "w"),
            counted_amount=self.amount(),
            deposit=self.of("0", "0.50"),
            **self.of_float(),
        )

    def of_float(self) -> dict[str, str]:
        return self.dice.choice(({}, {"opening_float": self.amount(100)}, {"drops": "5.00"}))

    def say_use(self) -> None:
        use = {"subscription_id": self.of("s1", "s2"), "meter": "m"}
        quantity = str(self.dice.randint(1, 50))
        self.books.event("cafe.subscription.usage.metered", at=self.at(), quantity=quantity, **use)

    def say_expense(self) -> None:
        self.books.event(
            self.of("logistics.expense.created", "projects.expense.created"),
            expense_id=self.of("e1", "e2", "e3"),
            amount=self.of("90.00", "900.00"),
            category=self.of("fuel", "toll"),
            project_id=self.of("p1", "p2"),
            paid_by=self.of("", "", "cash", "card"),
        )

    def say_earnings(self) -> None:
        self.books.event(
            "logistics.earnings.calculated",
            at=self.at(),
            payee_id=self.of("r1", "r2"),
            period=self.of("w1", "w2"),
            gross_amount=self.of("-50.00", "800.00", self.amount()),
            deductions=[{"kind": self.of("tax", "advance", "damage"), "amount": self.amount(50)}],
        )

    def say_payout_requested(self) -> None:
        amount = self.dice.choice(({}, {"amount": self.amount(400)}))
        self.books.event("logistics.payout.requested", payee_id=self.of("r1", "r2"), **amount)

    def say_goods(self) -> None:
        lines = [{"item_id": self.of("a", "b"), "quantity": "2.5", "unit_price": self.amount(90)}]
        goods = self.dice.choice(({"lines": lines}, {"total_amount": self.amount()}))
        order = self.of("q1", "q2")
        self.books.event("inventory.po.received", po_id=order, supplier_id="s", **goods)

    def say_cost(self) -> None:
        cost = {"amount": self.amount(50), "project_id": self.of("", "p1")}
        self.books.event("inventory.cost.allocated", category=self.of("", "supplies"), **cost)

    def say_milestone(self) -> None:
        self.books.event(
            "projects.milestone.completed",
            milestone_id=self.of("m1", "m2", "m3"),
            project_id="p1",
            customer_id="c1",
            amount=self.of("50000.00", self.amount()),
            withholding=self.of("", "vat", "professional"),
        )

    # -- people -------------------------------------------------------------------------------

    def say_payment(self) -> None:
        invoice = self.some(Invoice, status=self.of("open", "partially_paid"))
        wish = self.dice.choice(({}, {"amount": self.amount()}, {"capture_method": "manual"}))
        if invoice is not None and self.dice.random() < 0.8:
            status, body = self.books.command(
                "payment_intent.create", invoice_id=invoice.invoice_id, **wish
            )
        else:
            wish = {"amount": self.amount(), "order_id": self.of("o1", "o4", "o9")}
            status, body = self.books.command("payment_intent.create", **wish)
        if status == 201:
            method = self.of("instant", "instant", "cash")
            self.books.command("payment.confirm", payment_id=body["payment_id"], method=method)

    def say_capture(self) -> None:
        payment = self.some(Payment, status=self.of("requires_capture", "requires_action"))
        if payment is not None:
            verb = self.of("capture", "capture", "cancel")
            amount = {"amount": self.amount(100)} if verb == "capture" else {}
            amount = self.dice.choice(({}, amount))
            self.books.command(f"payment.{verb}", payment_id=payment.payment_id, **amount)

    def say_gateway(self) -> None:
        call = self.some(GatewayCall)
        if call is None:
            return
        outcome = self.of("succeeded", "succeeded", "failed", "unknown")
        if call.status == "requested":
            self.books.gateway(call.call_id, outcome)
        else:
            self.books.answer(call.call_id, outcome, fee=self.of("0", "1.00"))

    def say_refund(self) -> None:
        payment, held = self.some(Payment, status="succeeded"), self.some(Refund, status="held")
        if held is not None:
            verb, actor = self.of("approve", "reject"), self.of("ann", "ben")
            self.books.command(f"refund.{verb}", refund_id=held.refund_id, actor=actor)
        if payment is not None:
            amount = self.dice.choice(({}, {"amount": self.amount(100)}))
            self.books.command("payment.refund", payment_id=payment.payment_id, **amount)

    def say_dispute(self) -> None:
        payment, dispute = self.some(Payment, status="succeeded"), self.some(Dispute)
        if dispute is not None and self.dice.random() < 0.5:
            outcome = self.of("won", "lost")
            self.books.command("dispute.close", dispute_id=dispute.dispute_id, outcome=outcome)
        elif payment is not None:
            amount = self.dice.choice(({}, {"amount": self.amount(100)}))
            self.books.command("dispute.open", payment_id=payment.payment_id, fee="2", **amount)

    def say_case(self) -> None:
        case, invoice = self.some(Case, status="open"), self.some(Invoice)
        if case is None:
            return
        home = {"customer_id": "c1"}
        if invoice is not None and self.dice.random() < 0.5:
            home = {"invoice_id": invoice.invoice_id}
        self.books.command("case.resolve", case_id=case.case_id, **home)

    def say_invoice(self) -> None:
        invoice = self.some(Invoice)
        if invoice is None or self.dice.random() < 0.3:
            draft = self.dice.random() < 0.3
            said = {"customer_id": "c2", "amount": self.amount(), "draft": draft}
            self.books.command("invoice.create", **said)
            return
        verb = self.of("issue", "void", "credit", "write_off", "withhold", "apply_credit")
        amount = {"amount": self.amount(100)} if verb in {"credit", "withhold"} else {}
        self.books.command(f"invoice.{verb}", invoice_id=invoice.invoice_id, **amount)

    def say_bill(self) -> None:
        bill = self.some(Bill)
        if bill is None or self.dice.random() < 0.4:
            what = self.dice.choice(({"po_id": self.of("q1", "q2")}, {"category": "rent"}))
            number = self.of("1", "2", "3", "4")
            said = {"supplier_id": "s", "number": number, "amount": self.amount(), **what}
            self.books.command("bill.create", **said)
            return
        verb = self.of("approve", "void", "pay")
        more = {"account": self.of("bank:kcb", "cash:drawer:w")} if verb == "pay" else {}
        self.books.command(f"bill.{verb}", bill_id=bill.bill_id, **more)

    def say_expense_command(self) -> None:
        expense = self.some(Expense)
        if expense is not None:
            verb = self.of("approve", "reject", "pay")
            more = {"account": "bank:kcb", "amount": self.amount(90)} if verb == "pay" else {}
            self.books.command(f"expense.{verb}", expense_id=expense.expense_id, **more)

    def say_payout(self) -> None:
        payout, bill = self.some(Payout), self.some(Bill, status="open")
        expense = self.some(Expense, status="approved")
        if payout is not None and self.dice.random() < 0.6:
            verb, actor = self.of("approve", "reject", "return"), self.of("ann", "ben")
            self.books.command(f"payout.{verb}", payout_id=payout.payout_id, actor=actor)
            return
        target, subject = self.of("earnings", "advance"), self.of("r1", "r2")
        if bill is not None and self.dice.random() < 0.4:
            target, subject = "bill", bill.bill_id
        elif expense is not None and self.dice.random() < 0.4:
            target, subject = "expense", expense.expense_id
        amount = {"amount": self.amount(200)} if target == "advance" else {}
        self.books.command("payout.create", target=target, subject_id=subject, **amount)

    def say_subscription(self) -> None:
        member, name = self.some(Subscription), self.of("s1", "s2")
        meters = [{"name": "m", "unit_price": "1.25", "included": "3"}]
        plan = {"plan_id": self.of("month", "quarter"), "name": "Plan", "price": "99.99"}
        if plan["plan_id"] == "quarter":
            plan |= {"months": 3, "prepaid": True}
        self.books.command("plan.create", meters=meters, **plan)
        said = {"subscription_id": name, "plan_id": plan["plan_id"], "customer_id": "c1"}
        self.books.command("subscription.create", **said)
        if member is not None and self.dice.random() < 0.2:
            at_once = self.dice.random() < 0.5
            self.books.command(
                "subscription.cancel", subscription_id=member.subscription_id, at_once=at_once
            )

    def say_journal(self) -> None:
        invoice, bill, journal = self.some(Invoice), self.some(Bill), self.some(Journal)
        amount = self.amount(50)
        account, item = "opening", ""
        if invoice is not None and self.dice.random() < 0.3:
            account, item = "receivable", invoice.invoice_id
        elif bill is not None and self.dice.random() < 0.3:
            account, item = "payable", bill.bill_id
        elif self.dice.random() < 0.3:
            account, item = "customer:credit", "c1"
        sides = ["debit", "credit"]
        self.dice.shuffle(sides)
        cash = self.of("gateway:instant:collection", "bank:kcb", "cash:drawer:w")
        legs = [
            {"account": cash, "side": sides[0], "amount": amount},
            {"account": account, "side": sides[1], "amount": amount, "item": item},
        ]
        self.books.command("journal.post", legs=legs, dry_run=self.dice.random() < 0.2)
        if journal is not None and self.dice.random() < 0.3:
            verb, actor = self.of("approve", "reject"), self.of("ann", "ben")
            self.books.command(f"journal.{verb}", journal_id=journal.journal_id, actor=actor)
        if journal is not None and self.dice.random() < 0.3:
            self.books.command("journal.reverse", journal_id=journal.journal_id)

    def say_conversion(self) -> None:
        quote = self.some(Conversion)
        if quote is not None and self.dice.random() < 0.5:
            said = {"conversion_id": quote.conversion_id, "to_amount": "0.95"}
            self.books.command("conversion.complete", **said)
            return
        said = {"from_account": "bank:kcb", "from_currency": "KES", "from_amount": "130"}
        to = {"to_account": "bank:usd", "to_currency": "USD", "to_amount": "1.00"}
        self.books.command("conversion.create", **said, **to)

    def say_hold(self) -> None:
        hold = self.some(Hold, status="held")
        if hold is not None and self.dice.random() < 0.6:
            verb = self.of("capture", "release")
            to = {"to_account": "expense:rent"} if verb == "capture" else {}
            self.books.command(f"hold.{verb}", hold_id=hold.hold_id, **to)
            return
        account = self.of("bank:kcb", "earnings:r1", "gateway:instant:collection")
        self.books.command("hold.create", account=account, amount=self.amount(20))
        overdraft = self.dice.random() < 0.5
        self.books.command("account.set", account="bank:kcb", overdraft=overdraft)

    def say_settings(self) -> None:
        self.books.command("budget.set", project_id="p1", amount=self.amount(500))
        self.books.command("threshold.set", account="bank:kcb", amount=self.amount(90))

    # -- time ---------------------------------------------------------------------------------

    def say_time_passes(self) -> None:
        pass_ms = self.dice.choice((1_000, 60_000, 3_600_000, 86_400_000))
        self.books.core.tick(pass_ms)
        while self.books.core.fold.parking.more_to_do:
            self.books.core.tick()
        self.books.check()

    def say_clock(self) -> None:
        if not self.sandbox or self.dice.random() < 0.7:
            return

        now_ms = self.books.core.now_ms + self.books.row(Tenant).ahead_ms
        ahead_ms = self.dice.randint(1, 40) * 86_400_000
        self.books.command("clock.advance", to=format_ms(now_ms + ahead_ms))

    def say_closed_books(self) -> None:

        now_ms = self.books.core.now_ms + self.books.row(Tenant).ahead_ms
        self.books.command("period.close", through=format_ms(now_ms - 2 * 86_400_000)[:10])


@pytest.mark.parametrize("seed", range(WORLDS))
def test_whatever_comes_the_books_hold(seed):
    world = World(seed)
    world.run()
    assert sum(world.books.balances.values()) == 0 or world.books.rows(Conversion)
    replay = Replay(0, 1)
    for record in world.books.core.journal():
        assert replay.take(record) is None
    assert replay.finish().findings.violations == []


def test_sequences_of_a_resource_never_fall_and_no_type_says_one_twice():
    told = 0
    for seed in range(WORLDS):
        world = World(seed)
        world.run()
        last: dict[tuple, int] = {}
        said: set[tuple] = set()
        for event in (item for entry in world.books.core.entries for item in entry.emitted):
            members = OUTBOUND[event.event_type].members.split()
            data = json.loads(event.body)["data"]
            if "sequence" not in members:
                assert event.event_type == "treasury.reconciliation.exception"
                continue
            names = KEYS.get(event.event_type, members[:1])
            resource = (*names, *(data[name] for name in names))
            assert data["sequence"] >= last.get(resource, 1), event.event_type
            assert (event.event_type, resource, data["sequence"]) not in said, event.event_type
            last[resource] = data["sequence"]
            said.add((event.event_type, resource, data["sequence"]))
            told += 1
    assert told > 10 * WORLDS
