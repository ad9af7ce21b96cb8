"""A believable January of five tenants over all services, day by day, as a script.

A café chain, a shop with two outlets, a courier firm, a wholesaler and a consultancy. Made by
seeded dice, independent of the product. What an answer names is kept under a label, and later steps
say `{label}` for it.
"""

import random
from dataclasses import dataclass, field
from typing import Any, Final

from tests.model.generator import MAGIC

DAYS: Final = 31
AT_UTC: Final = "09:00:00Z"
"""When everything of a day is said: noon in Nairobi."""

CAFE, SHOP, COURIER, WHOLESALE, CONSULTANCY = (
    "java-corner",
    "duka-mbili",
    "boda-express",
    "jumla-traders",
    "mshauri",
)
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    CAFE: {
        "tax_registered": True,
        "payment_terms_days": 5,
        "payment_links": True,
        "etims": {"*": "00"},
    },
    SHOP: {"tax_registered": True, "etims": {"*": "10", "westlands": "11", "karen": "12"}},
    COURIER: {
        "payment_terms_days": 5,
        "expense_limit": "3000",
        "payout_limit": "9000",
        "etims": {"*": "20"},
    },
    WHOLESALE: {"tax_registered": True, "payment_terms_days": 10, "tolerance_percent": "2"},
    CONSULTANCY: {
        "tax_registered": True,
        "payment_terms_days": 5,
        "expense_limit": "100000",
        "etims": {"*": "30"},
    },
}


@dataclass(frozen=True)
class Step:
    """One thing that is said; `channel` is event, command or pay.

    A command's `name` is its path; of a payment, `name` is the status it must come to. `keep` are
    (label, member of the answer).
    """

    day: int
    tenant: str
    channel: str
    name: str
    data: dict[str, Any]
    keep: tuple[str, str] = ("", "")
    actor: str = "ann"


@dataclass
class Script:
    """All steps in the order they are said."""

    seed: int
    steps: list[Step] = field(default_factory=list)

    def of_day(self, day: int) -> list[Step]:
        """What is said on a day."""
        return [step for step in self.steps if step.day == day]


def month(seed: int) -> Script:
    """The month that a seed makes."""
    script = Script(seed)
    writers = (_Cafe, _Shop, _Courier, _Wholesale, _Consultancy)
    made = [writer(seed, script) for writer in writers]
    for day in range(1, DAYS + 1):
        for writer in made:
            writer.write(day)
    return script


def shillings(minor: int) -> str:
    """Minor units as decimal text."""
    return f"{minor // 100}.{minor % 100:02d}"


class _Writer:
    """Writes one tenant's part."""

    tenant = ""

    def __init__(self, seed: int, script: Script) -> None:
        self.dice = random.Random(f"{seed}/{self.tenant}")
        self._script = script
        self._later: dict[int, list[Step]] = {}
        self.count = self.today = 0

    def write(self, day: int) -> None:
        """Everything of a day, and then what was put off until it."""
        self.today = day
        self.day(day)
        self._script.steps += self._later.pop(day, [])

    def day(self, day: int) -> None:
        """What happens on a day."""
        raise AssertionError(f"{self.tenant} does nothing on {day}")

    def say(self, day: int, channel: str, name: str, /, **more: Any) -> None:
        """Say it on that day, today or later."""
        keep, actor = more.pop("keep", ("", "")), more.pop("actor", "ann")
        step = Step(day, self.tenant, channel, name, more, keep, actor)
        if day == self.today:
            self._script.steps.append(step)
        elif day <= DAYS:
            self._later.setdefault(day, []).append(step)

    def new(self, kind: str) -> str:
        """The next id of a kind."""
        self.count += 1
        return f"{kind}-{self.count}"

    def money(self, least: int, most: int) -> int:
        """Minor units between so many shillings, never one that means something to the gateway."""
        minor = self.dice.randint(least * 100, most * 100)
        return minor + 2 if minor % 100 in MAGIC else minor


class _Cafe(_Writer):
    tenant = CAFE

    def day(self, day: int) -> None:
        if day == 1:
            meters = [{"name": "deliveries", "unit_price": "45.5", "included": "5"}]
            plan = {"plan_id": "lunch", "name": "Lunch club", "price": "2900", "meters": meters}
            self.say(day, "command", "plans", **plan)
            for member in ("m1", "m2", "m3"):
                about = {"subscription_id": member, "plan_id": "lunch", "customer_id": member}
                self.say(day, "command", "subscriptions", **about)
        for _ in range(self.dice.randint(3, 5)):
            self._order(day)
        used = {"subscription_id": self.dice.choice(("m1", "m2", "m3")), "meter": "deliveries"}
        quantity = str(self.dice.randint(1, 4))
        self.say(day, "event", "cafe.subscription.usage.metered", quantity=quantity, **used)

    def _order(self, day: int) -> None:
        order, total = self.new("order"), self.money(300, 6_000)
        about = {"order_id": order, "customer_id": self.dice.choice(("c1", "c2", "c3", "c4"))}
        self.say(day, "event", "cafe.order.created", total_amount=shillings(total), **about)
        fate = self.dice.choices(
            ("paid", "late", "open", "credited", "over", "refund"), (55, 15, 12, 5, 7, 6)
        )[0]
        if fate in {"paid", "refund"}:
            self.say(day, "pay", "succeeded", order_id=order, keep=(f"pay {order}", "payment_id"))
        if fate == "late":
            part = self._half(total)
            self.say(day, "pay", "succeeded", order_id=order, amount=shillings(part))
            self.say(day + self.dice.randint(6, 12), "pay", "succeeded", order_id=order)
        if fate == "credited":
            self.say(day, "command", "invoices/{invoice of " + order + "}/credit")
        if fate == "over":
            more = shillings(total + 5_000)
            self.say(day, "pay", "succeeded", order_id=order, amount=more)
        if fate == "refund":
            path = "payments/intents/{pay " + order + "}/refunds"
            for given in ({"amount": shillings(self._half(total))}, {}):
                self.say(day, "command", path, keep=(f"back {order}", "refund_id"), **given)
                self.say(day, "await", "refunds/{back " + order + "}", status="completed")

    @staticmethod
    def _half(total: int) -> int:
        """About half; neither part means anything to the gateway."""
        part = total // 2
        while MAGIC & {part % 100, (total - part) % 100}:
            part += 1
        return part


class _Shop(_Writer):
    tenant = SHOP
    FLOAT = 100_000

    def day(self, day: int) -> None:
        for outlet in ("westlands", "karen"):
            moved = sum(self._sale(day, outlet) for _ in range(4))
            # Now and then somebody gave wrong change, or nobody knows.
            counted = self.FLOAT + moved + {3: -2_000, 5: 500}.get(day % 7, 0)
            closed = {
                "outlet_id": outlet,
                "session_id": f"{outlet}-{day}",
                "counted_amount": shillings(counted),
                "deposit": shillings(max(counted - self.FLOAT, 0)),
            }
            if counted <= self.FLOAT or day == 1 or self._last.get(outlet, 0) != self.FLOAT:
                closed["opening_float"] = shillings(self.FLOAT)
            self._last[outlet] = min(counted, self.FLOAT)
            self.say(day, "event", "pos.cash.drawer.closed", **closed)

    def __init__(self, seed: int, script: Script) -> None:
        super().__init__(seed, script)
        self._last: dict[str, int] = {}

    def _sale(self, day: int, outlet: str) -> int:
        """A sale; the cash that it leaves in the drawer."""
        order, total = self.new("sale"), self.money(50, 4_000)
        kind = self.dice.choice(("cash", "change", "card", "mixed"))
        sale: dict[str, Any] = {"order_id": order, "outlet_id": outlet}
        sale["total_amount"] = shillings(total)
        cash = total
        if kind == "change":
            tip, change = total // 20, self.dice.randint(0, 5_000)
            handed = shillings(total + tip + change)
            sale["tenders"] = [{"method": "cash", "amount": handed}]
            sale |= {"change": shillings(change), "tip": shillings(tip)}
            cash += tip
        elif kind == "card":
            cash = 0
            sale["tenders"] = [{"method": "card", "amount": shillings(total)}]
        elif kind == "mixed":
            cash = total // 3 + (2 if (total - total // 3) % 100 in MAGIC else 0)
            tender = [("cash", cash), ("mpesa", total - cash)]
            sale["tenders"] = [{"method": how, "amount": shillings(part)} for how, part in tender]
        self.say(day, "event", "pos.order.completed", **sale)
        if kind in {"card", "mixed"}:
            self.say(day, "pay", "succeeded", order_id=order)
        return cash


class _Courier(_Writer):
    tenant = COURIER
    RIDERS = ("rider-1", "rider-2", "rider-3")

    def day(self, day: int) -> None:
        total = shillings(self.money(24_000, 30_000))
        kept = (f"invoice {day}", "invoice_id")
        about = {"customer_id": "mall", "source": "delivery", "reference": f"run {day}"}
        self.say(day, "command", "invoices", amount=total, keep=kept, **about)
        self.say(day, "pay", "succeeded", invoice_id="{invoice " + str(day) + "}")
        self._expenses(day)
        if day % 7 == 0:
            for number, rider in enumerate(self.RIDERS):
                self._week(day, rider, recalculated=number == 0)

    def _expenses(self, day: int) -> None:
        fuel = {"expense_id": self.new("fuel"), "category": "fuel", "party_id": "station"}
        amount = shillings(self.money(500, 2_900))
        self.say(day, "event", "logistics.expense.created", amount=amount, **fuel)
        if day % 4 == 1:
            big = self.new("repair")
            repair = {"expense_id": big, "category": "maintenance", "party_id": "garage"}
            amount = shillings(self.money(4_000, 9_000))
            self.say(day, "event", "logistics.expense.created", amount=amount, **repair)
            verb = "reject" if day % 8 == 5 else "approve"
            self.say(day + 1, "command", f"expenses/{big}/{verb}")
            if verb == "approve":
                self.say(day + 3, "command", f"expenses/{big}/pay", account="bank:kcb")

    def _week(self, day: int, rider: str, *, recalculated: bool) -> None:
        period, gross = f"week {day // 7}", self.money(5_000, 9_500)
        kept_back = [{"kind": "tax", "amount": shillings(gross // 20)}]
        kept_back.append({"kind": "damage", "amount": "150.00"})
        about = {"payee_id": rider, "period": period, "deductions": kept_back}
        told = "logistics.earnings.calculated"
        self.say(day, "event", told, gross_amount=shillings(gross), **about)
        if recalculated:
            gross -= 50_000
            self.say(day + 1, "event", told, gross_amount=shillings(gross), **about)
        net = gross - self._tax(kept_back) - 15_000
        ways = {"rider-1": self._ask, "rider-2": self._by_hand, "rider-3": self._in_vain}
        ways[rider](day + 1, rider, net)

    @staticmethod
    def _tax(kept_back: list[dict[str, str]]) -> int:
        return int(kept_back[0]["amount"].replace(".", ""))

    def _ask(self, day: int, rider: str, net: int) -> None:
        amount = min(net // 100 * 100, 900_000)
        about = {"payee_id": rider, "amount": shillings(amount), "destination": "254700000001"}
        self.say(day, "payout", "logistics.payout.requested", **about)

    def _by_hand(self, day: int, rider: str, net: int) -> None:
        label = self.new("payout")
        kept = (label, "payout_id")
        about = {"target": "earnings", "subject_id": rider, "amount": shillings(net // 100 * 100)}
        self.say(day, "command", "payouts", keep=kept, **about)
        path = "payouts/{" + label + "}"
        if net // 100 * 100 > 900_000:
            self.say(day, "command", f"{path}/approve", actor="ben")
        self.say(day, "await", path, status="completed")
        if day % 2 == 0:
            self.say(day + 1, "command", f"{path}/return", reason="closed", actor="ben")

    def _in_vain(self, day: int, rider: str, net: int) -> None:
        """…13 is declined."""
        label = self.new("payout")
        amount = shillings(net // 200 * 100 + 13)
        about = {"target": "earnings", "subject_id": rider, "amount": amount}
        self.say(day, "command", "payouts", keep=(label, "payout_id"), **about)
        self.say(day, "await", "payouts/{" + label + "}", status="failed")


class _Wholesale(_Writer):
    tenant = WHOLESALE

    def day(self, day: int) -> None:
        if day == 1:
            legs = [
                {"account": "bank:kcb", "side": "debit", "amount": "5000000"},
                {"account": "opening", "side": "credit", "amount": "5000000"},
            ]
            self.say(day, "command", "journals", legs=legs)
        if day % 3 == 1 and day < 29:
            self._purchase(day)
        cost = shillings(self.money(500, 2_500))
        where = self.dice.choice(({}, {"category": "samples", "project_id": "fair"}))
        self.say(day, "event", "inventory.cost.allocated", amount=cost, **where)

    def _purchase(self, day: int) -> None:
        order = self.new("po")
        lines = [
            {"item_id": item, "quantity": str(self.dice.randint(5, 60)), "unit_price": price}
            for item, price in (("beans", "1150.00"), ("milk", "120.50"), ("cups", "7.35"))
        ]
        net = sum(int(x["quantity"]) * int(x["unit_price"].replace(".", "")) for x in lines)
        kind = ("exact", "within", "beyond", "early")[day // 3 % 4]
        goods_day = day + 1 if kind == "early" else day
        billed = {"within": net + net // 100, "beyond": net + net // 25}.get(kind, net)
        goods = {"po_id": order, "supplier_id": "factory", "lines": lines}
        if kind != "early":
            self.say(day, "event", "inventory.po.received", **goods)
        tax = billed * 16 // 100
        bill = {"supplier_id": "factory", "number": order, "po_id": order}
        amounts = {"amount": shillings(billed + tax), "tax_amount": shillings(tax)}
        self.say(day, "command", "bills", keep=(order, "bill_id"), **bill, **amounts)
        path = "bills/{" + order + "}"
        if kind == "early":
            self.say(goods_day, "event", "inventory.po.received", **goods)
        if kind == "beyond":
            self.say(day + 1, "command", f"{path}/approve", actor="ben")
        self.say(day + 5, "command", f"{path}/pay", account="bank:kcb")


class _Consultancy(_Writer):
    tenant = CONSULTANCY

    def day(self, day: int) -> None:
        if day == 1:
            budget = {"project_id": "bridge", "category": "travel", "amount": "30000"}
            self.say(day, "command", "budgets", **budget)
        if day in {4, 14, 24}:
            self._milestone(day)
        if day % 5 == 2:
            self._invoice(day)
        if day % 3 == 0:
            spent = {"expense_id": self.new("trip"), "project_id": "bridge", "category": "travel"}
            amount = shillings(self.money(2_000, 6_000))
            self.say(day, "event", "projects.expense.created", amount=amount, **spent)
        if day == 8:
            legs = [
                {"account": "bank:kcb", "side": "debit", "amount": "250000"},
                {"account": "opening", "side": "credit", "amount": "250000"},
            ]
            self.say(day, "command", "journals", keep=("journal", "journal_id"), legs=legs)
            self.say(day + 4, "command", "periods/close", through="{month}-10")
            self.say(day + 5, "command", "journals/{journal}/reverse")

    def _milestone(self, day: int) -> None:
        done = {"milestone_id": f"m{day}", "project_id": "bridge", "customer_id": "county"}
        amount = {4: 34_800_000, 14: 11_600_000, 24: 58_000_000}[day]
        kind = "professional" if day != 14 else ""
        told = "projects.milestone.completed"
        self.say(day, "event", told, amount=shillings(amount), withholding=kind, **done)
        net_of_it = amount - (amount * 100 // 116 * 5 // 100 if kind else 0)
        order = {"order_id": f"milestone/m{day}"}
        if day != 24:
            self.say(day + 6, "pay", "succeeded", amount=shillings(net_of_it), **order)

    def _invoice(self, day: int) -> None:
        label = f"invoice {day}"
        hours = str(self.dice.randint(3, 30))
        lines = [
            {"description": "advice", "quantity": hours, "unit_price": "2900.00"},
            {"description": "books", "amount": "1500.00", "tax": "zero"},
        ]
        about = {"customer_id": "bank", "lines": lines, "source": "advice"}
        self.say(day, "command", "invoices", keep=(label, "invoice_id"), **about)
        path = "invoices/{" + label + "}"
        if day == 2:
            self.say(day + 20, "command", f"{path}/write-off", tax_relief=True)
        elif day == 7:
            self.say(day, "command", f"{path}/credit", amount="1500.00")
        elif day == 12:
            paid = {"invoice_id": "{" + label + "}", "keep": ("disputed", "payment_id")}
            self.say(day, "pay", "succeeded", **paid)
            opened = {"fee": "100", "keep": ("dispute", "dispute_id")}
            self.say(day + 1, "command", "payments/intents/{disputed}/disputes", **opened)
            self.say(day + 6, "command", "disputes/{dispute}/close", outcome="lost")
        else:
            self.say(day + 2, "pay", "succeeded", invoice_id="{" + label + "}")
