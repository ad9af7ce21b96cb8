"""The books that a month must end with, from its script and requirements.md alone: no product.

Everything is said at noon in Nairobi; a day's gateway money is on its way at midnight, reminders
are sent at nine, and what is billed by the month is billed when it is over.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from tests.model.month import CAFE, DAYS, SETTINGS, Script, Step

GATEWAY: Final = "gateway:instant:collection"
BANK: Final = "bank:kcb"
STEPS: Final = (-3, 0, 3, 7, 14, 30)
VAT: Final = Fraction(16, 100)


@dataclass(frozen=True)
class BankLine:
    """A line of the bank's statement, minor units; `planted` is one that nobody can explain."""

    day: int
    minor: int
    text: str
    planted: bool = False


@dataclass
class MonthBooks:
    """Balances (debits less credits, minor units) and how often what was told, by tenant."""

    balances: dict[str, Counter[str]] = field(default_factory=dict)
    told: dict[str, Counter[str]] = field(default_factory=dict)
    invoices: dict[str, Counter[str]] = field(default_factory=dict)
    """By tenant, how many are in which status."""
    statements: dict[str, list[BankLine]] = field(default_factory=dict)
    """By tenant, what its bank shows for the month, by day."""


@dataclass
class _Invoice:
    total: int
    net: int
    tax: int
    due: int
    source: str
    customer: str
    to_withhold: int = 0
    paid: int = 0
    credited: int = 0
    withheld: int = 0
    lost: int = 0

    @property
    def owed(self) -> int:
        return self.total - self.paid - self.credited - self.withheld - self.lost


def books_of(script: Script) -> MonthBooks:
    """The books after all of the script."""
    books = MonthBooks()
    for tenant in SETTINGS:
        ledger = _Ledger(tenant)
        for day in range(1, DAYS + 1):
            ledger.remind(day)
            for step in script.of_day(day):
                if step.tenant == tenant:
                    ledger.take(step)
            ledger.midnight()
        ledger.month_is_over()
        ledger.remind(DAYS + 1)
        books.balances[tenant] = Counter({a: m for a, m in ledger.balances.items() if m})
        books.told[tenant] = ledger.told
        books.invoices[tenant] = Counter(ledger.status_of(x) for x in ledger.invoices.values())
        books.statements[tenant] = ledger.statement()
    return books


def minor(text: str) -> int:
    """Minor units of decimal text with at most two decimals."""
    exact = Fraction(text) * 100
    assert exact.denominator == 1
    return int(exact)


def half_up(exact: Fraction) -> int:
    """Rounded, ties away from zero; amounts here are not below it."""
    return int(exact + Fraction(1, 2))


_PLAIN = str.maketrans(".-", "__")
_HANDLERS = {("command", "pay"): "_pay_item", ("command", "bills"): "_bill"}


class _Ledger:
    def __init__(self, tenant: str) -> None:
        self.tenant, self._settings = tenant, SETTINGS[tenant]
        self.balances: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.invoices: dict[str, _Invoice] = {}
        self._orders: dict[str, _Invoice] = {}
        self._kept: dict[str, Any] = {}
        self._today = self._day = 0
        self._lines: list[BankLine] = []
        self._is_mistake = False
        self._collected: Counter[str] = Counter()  # today's items and their net
        self._expenses: dict[str, dict[str, Any]] = {}
        self._bills: dict[str, dict[str, Any]] = {}
        self._goods: Counter[str] = Counter()
        self._drawers: Counter[str] = Counter()
        self._moved: Counter[str] = Counter()
        self._earned: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._used: Counter[str] = Counter()
        self._spent = self._budget = 0
        self._passed = False

    # -- the frame ----------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """What is said."""
        self._today = step.day
        if step.channel == "await":
            return
        name = step.name.rsplit("/", 1)[-1]
        if step.channel in {"pay", "payout"}:
            name = step.channel
        getattr(self, _HANDLERS.get((step.channel, name), "_" + name.translate(_PLAIN)))(step)

    def remind(self, day: int) -> None:
        """At nine: every invoice of which something is owed, on its days."""
        self._day = day
        for invoice in self.invoices.values():
            asked = invoice.source != "pos" and not self._is_disputed(invoice)
            if asked and invoice.owed and day - invoice.due in STEPS:
                self.told["treasury.invoice.due"] += 1

    def midnight(self) -> None:
        """The gateway's day is over."""
        if self._collected["items"]:
            self.told["treasury.settlement.generated"] += 1
            self._post("cash:in_transit", self._collected["net"])
            self._post(GATEWAY, -self._collected["net"])
            self._shows(self._day + 1, self._collected["net"], "INSTANT payout")
        self._collected.clear()

    def month_is_over(self) -> None:
        """Subscriptions are billed, as of the first of the next."""
        self._today = DAYS + 1
        if self.tenant != CAFE:
            return
        for member in ("m1", "m2", "m3"):
            lines = [290_000]
            above = self._used[member] - 5
            if above > 0:
                lines.append(above * 4_550)
            tax = sum(self._tax_in(line) for line in lines)
            self._raise("", sum(lines), tax, "subscription", member)

    def status_of(self, invoice: _Invoice) -> str:
        """What an invoice's amounts say."""
        if invoice.owed:
            return "partially_paid" if invoice.paid or invoice.withheld else "open"
        if invoice.lost:
            return "uncollectible"
        return "paid" if invoice.paid or invoice.withheld else "credited"

    def _post(self, account: str, amount: int) -> None:
        self.balances[account] += amount
        if account == BANK and amount < 0 and not self._is_mistake:
            self._shows(self._today, amount, "transfer")

    def _shows(self, day: int, amount: int, text: str, *, planted: bool = False) -> None:
        """The bank will show it."""
        if amount:
            self._lines.append(BankLine(day, amount, text, planted))

    def statement(self) -> list[BankLine]:
        """All that the bank shows, with a fee and a payment that nobody told of."""
        planted = (
            BankLine(15, -11_600, "LEDGER FEE", planted=True),
            BankLine(16, 50_000, "from a friend", planted=True),
        )
        return sorted([*self._lines, *planted], key=lambda line: line.day)

    def _tell(self, event: str) -> None:
        self.told[f"treasury.{event}"] += 1

    def _declare(self) -> None:
        """The tax authority is told of a sale or of a credit note."""
        if self._settings.get("etims"):
            self._tell("tax_document.declared")

    def _collect(self, net: int, items: int = 1) -> None:
        self._collected["items"] += items
        self._collected["net"] += net

    # -- claims -------------------------------------------------------------------------------

    def _tax_in(self, gross: int) -> int:
        if not self._settings.get("tax_registered"):
            return 0
        return half_up(gross * VAT / (1 + VAT))

    def _raise(
        self, order: str, total: int, tax: int, source: str, customer: str, withhold: int = 0
    ) -> _Invoice:
        due = self._today + self._settings.get("payment_terms_days", 0)
        invoice = _Invoice(total, total - tax, tax, due, source, customer, withhold)
        self.invoices[f"{len(self.invoices)}"] = invoice
        if order:
            self._orders[order] = invoice
        self._post("receivable", total)
        self._post(f"revenue:{source}", -invoice.net)
        self._post("tax:output", -tax)
        self._tell("invoice.created")
        self._declare()
        if self._settings.get("payment_links"):
            self._tell("payment_link.generated")
        return invoice

    def _cafe_order_created(self, step: Step) -> None:
        total = minor(step.data["total_amount"])
        order, customer = step.data["order_id"], step.data["customer_id"]
        self._raise(order, total, self._tax_in(total), "cafe", customer)

    def _projects_milestone_completed(self, step: Step) -> None:
        total = minor(step.data["amount"])
        tax = self._tax_in(total)
        kind = step.data["withholding"]
        withheld = half_up(Fraction(total - tax) * 5 / 100) if kind == "professional" else 0
        order = f"milestone/{step.data['milestone_id']}"
        self._raise(order, total, tax, "project", step.data["customer_id"], withheld)

    def _invoices(self, step: Step) -> None:
        data = step.data
        if "amount" in data:
            total = minor(data["amount"])
            tax = self._tax_in(total)
        else:
            total = tax = 0
            for line in data["lines"]:
                gross = minor(line.get("amount", "0"))
                gross += int(line.get("quantity", 0)) * minor(line.get("unit_price", "0"))
                total += gross
                tax += 0 if line.get("tax") == "zero" else self._tax_in(gross)
        invoice = self._raise("", total, tax, data["source"], data["customer_id"])
        self._kept[step.keep[0]] = invoice

    def _credit(self, step: Step) -> None:
        label = _label(step.name)
        order = label.removeprefix("invoice of ")
        invoice = self._orders[order] if order != label else self._kept[label]
        amount = minor(step.data["amount"]) if "amount" in step.data else invoice.owed
        self._post("receivable", -self._note(invoice, amount))

    def _note(self, invoice: _Invoice, amount: int) -> int:
        """revenue + tax:output, the tax in proportion of all notes so far."""
        before, after = invoice.credited, invoice.credited + amount
        tax = half_up(Fraction(invoice.tax * after, invoice.total))
        tax -= half_up(Fraction(invoice.tax * before, invoice.total))
        invoice.credited = after
        self._post("tax:output", tax)
        self._post(f"revenue:{invoice.source}", amount - tax)
        self._declare()
        return amount

    def _write_off(self, step: Step) -> None:
        invoice = self._kept[_label(step.name)]
        owed = invoice.owed
        tax = half_up(Fraction(invoice.tax * owed, invoice.total))
        invoice.lost = owed
        self._post("expense:bad_debt", owed - tax)
        self._post("tax:output", tax)
        self._post("receivable", -owed)

    # -- money in and back --------------------------------------------------------------------

    def _pay(self, step: Step) -> None:
        if "invoice_id" in step.data:
            invoice = self._kept[_label(step.data["invoice_id"])]
        else:
            invoice = self._orders[step.data["order_id"]]
        amount = minor(step.data["amount"]) if "amount" in step.data else invoice.owed
        self._tell("payment.success")
        self._collect(amount)
        self._post(GATEWAY, amount)
        used = self._apply(invoice, amount)
        if amount > used:
            self._post("customer:credit", used - amount)
        if step.keep[0]:
            self._kept[step.keep[0]] = (invoice, amount)

    def _apply(self, invoice: _Invoice, amount: int) -> int:
        used = min(amount, invoice.owed)
        invoice.paid += used
        self._post("receivable", -used)
        if invoice.owed and invoice.owed == invoice.to_withhold:
            invoice.withheld = invoice.owed
            self._post("tax:wht_receivable", invoice.withheld)
            self._post("receivable", -invoice.withheld)
        if used and not invoice.owed:
            self._tell("invoice.paid")
        return used

    def _refunds(self, step: Step) -> None:
        label = _label(step.name)
        invoice, left = self._kept[label]
        amount = minor(step.data["amount"]) if "amount" in step.data else left
        self._kept[label] = invoice, left - amount
        invoice.paid -= amount
        self._post(GATEWAY, -self._note(invoice, amount))
        self._collect(-amount)
        self._tell("payment.refunded")

    def _disputes(self, step: Step) -> None:
        invoice, amount = self._kept["disputed"]
        fee = minor(step.data["fee"])
        self._post("disputes:held", amount)
        self._post("fees:instant", fee)
        self._post(GATEWAY, -amount - fee)
        self._collect(-amount - fee)
        self._tell("dispute.opened")
        self._kept["in dispute"] = invoice

    def _is_disputed(self, invoice: _Invoice) -> bool:
        return self._kept.get("in dispute") is invoice

    def _close(self, step: Step) -> None:
        if step.name == "periods/close":
            return  # what is said later is of later days
        _, amount = self._kept["disputed"]
        self._post("disputes:held", -amount)
        self._post("expense:chargeback", amount)
        self._tell("dispute.closed")
        self._kept["in dispute"] = None

    # -- tills --------------------------------------------------------------------------------

    def _pos_order_completed(self, step: Step) -> None:
        data = step.data
        total, tip = minor(data["total_amount"]), minor(data.get("tip", "0"))
        tenders = data.get("tenders", [])
        electronic = sum(minor(t["amount"]) for t in tenders if t["method"] != "cash")
        cash, outlet, tax = total - electronic, data["outlet_id"], self._tax_in(total)
        drawer = f"cash:drawer:{outlet}"
        self._post(drawer, cash + tip)
        self._moved[outlet] += cash + tip
        self._post("tips", -tip)
        self._post("receivable", electronic)
        self._post("revenue:pos", tax - total)
        self._post("tax:output", -tax)
        self._declare()
        if cash:
            self._tell("payment.success")
        if electronic:
            invoice = _Invoice(electronic, electronic, 0, self._today, "pos", "")
            self.invoices[f"{len(self.invoices)}"] = self._orders[data["order_id"]] = invoice
            self._tell("invoice.created")

    def _pos_cash_drawer_closed(self, step: Step) -> None:
        data, outlet = step.data, step.data["outlet_id"]
        drawer, carried = f"cash:drawer:{outlet}", self._drawers[outlet]
        begun = minor(data["opening_float"]) if "opening_float" in data else carried
        counted, deposit = minor(data["counted_amount"]), minor(data["deposit"])
        over = counted - begun - self._moved[outlet]
        self._post("cash:over_short", -over)
        self._post("cash:in_transit", deposit - (begun - carried))
        self._shows(self._today, carried - begun, f"float for {outlet}", planted=True)
        self._shows(self._today + 1, deposit, f"CASH deposit {outlet}")
        self._post(drawer, over - deposit + begun - carried)
        self._drawers[outlet], self._moved[outlet] = counted - deposit, 0
        self._tell("settlement.generated")

    # -- money out ----------------------------------------------------------------------------

    def _logistics_expense_created(self, step: Step) -> None:
        data = step.data
        self._expenses[data["expense_id"]] = data
        limit = minor(self._settings["expense_limit"])
        if minor(data["amount"]) <= limit:
            self._approve_expense(data["expense_id"])

    _projects_expense_created = _logistics_expense_created

    def _approve_expense(self, expense_id: str) -> None:
        data = self._expenses[expense_id]
        amount = minor(data["amount"])
        self._post(f"expense:{data['category']}", amount)
        self._post("payable", -amount)
        self._tell("expense.approved")
        if data.get("project_id") and self._budget:
            self._spent += amount
            if self._spent > self._budget and not self._passed:
                self._tell("budget.exceeded")
                self._passed = True

    def _budgets(self, step: Step) -> None:
        self._budget = minor(step.data["amount"])

    def _approve(self, step: Step) -> None:
        what, name, _ = step.name.split("/")
        if what == "expenses":
            self._approve_expense(name)
        elif what == "bills":
            self._open_bill(_label(step.name))

    def _reject(self, _step: Step) -> None:
        return

    def _pay_item(self, step: Step) -> None:
        what, name, _ = step.name.split("/")
        item = self._bills[_label(name)] if what == "bills" else self._expenses[name]
        amount = minor(item["amount"])
        self._post("payable", amount)
        self._post(step.data["account"], -amount)

    def _logistics_earnings_calculated(self, step: Step) -> None:
        data = step.data
        legs = Counter[str]()
        gross, payee = minor(data["gross_amount"]), data["payee_id"]
        legs["expense:earnings"] += gross
        for part in data["deductions"]:
            amount = minor(part["amount"])
            gross -= amount
            legs["tax:wht_payable" if part["kind"] == "tax" else "expense:earnings"] -= amount
        legs[f"earnings:{payee}"] -= gross
        before = self._earned[payee, data["period"]]
        for account in {*legs, *before}:
            self._post(account, legs[account] - before[account])
        self._earned[payee, data["period"]] = legs

    def _payout(self, step: Step) -> None:
        self._paid_out(step.data["payee_id"], minor(step.data["amount"]))

    def _payouts(self, step: Step) -> None:
        amount, payee = minor(step.data["amount"]), step.data["subject_id"]
        self._kept[step.keep[0]] = payee, amount
        if amount % 100 == 13:
            self._tell("payout.failed")
        else:
            self._paid_out(payee, amount)

    def _paid_out(self, payee: str, amount: int) -> None:
        self._post(f"earnings:{payee}", amount)
        self._post(GATEWAY, -amount)
        self._collect(-amount)
        self._tell("payout.completed")

    def _return(self, step: Step) -> None:
        payee, amount = self._kept[_label(step.name)]
        self._post(f"earnings:{payee}", -amount)
        self._post(GATEWAY, amount)
        self._collect(amount)
        self._tell("payout.returned")

    # -- goods --------------------------------------------------------------------------------

    def _inventory_po_received(self, step: Step) -> None:
        data = step.data
        value = sum(int(x["quantity"]) * minor(x["unit_price"]) for x in data["lines"])
        self._goods[data["po_id"]] += value
        self._post("inventory", value)
        self._post("grni", -value)
        if data["po_id"] in self._bills:
            self._match(data["po_id"])

    def _bill(self, step: Step) -> None:
        self._bills[step.data["po_id"]] = step.data
        self._match(step.data["po_id"])

    def _match(self, order: str) -> None:
        """Within two per cent of what came in it is owed; else it is told of and waits."""
        bill, value = self._bills[order], self._goods[order]
        net = minor(bill["amount"]) - minor(bill["tax_amount"])
        if not value or abs(net - value) * 50 > value:
            self._tell("reconciliation.exception")
        else:
            self._open_bill(order)

    def _open_bill(self, order: str) -> None:
        bill, value = self._bills[order], self._goods[order]
        total, tax = minor(bill["amount"]), minor(bill["tax_amount"])
        self._post("grni", value)
        self._post("price_variance", total - tax - value)
        self._post("tax:input", tax)
        self._post("payable", -total)

    def _inventory_cost_allocated(self, step: Step) -> None:
        amount, category = minor(step.data["amount"]), step.data.get("category")
        self._post(f"expense:{category}" if category else "cogs", amount)
        self._post("inventory", -amount)

    # -- books --------------------------------------------------------------------------------

    def _journals(self, step: Step) -> None:
        for leg in step.data["legs"]:
            amount = minor(leg["amount"])
            self._post(leg["account"], amount if leg["side"] == "debit" else -amount)
        if step.keep[0]:
            self._kept[step.keep[0]] = step

    def _reverse(self, step: Step) -> None:
        self._is_mistake = True  # the bank has seen neither
        for leg in self._kept[_label(step.name)].data["legs"]:
            amount = minor(leg["amount"])
            self._post(leg["account"], -amount if leg["side"] == "debit" else amount)
        self._is_mistake = False

    def _plans(self, _step: Step) -> None:
        return

    _subscriptions = _plans

    def _cafe_subscription_usage_metered(self, step: Step) -> None:
        self._used[step.data["subscription_id"]] += int(step.data["quantity"])


def _label(path: str) -> str:
    """What stands in braces."""
    return path[path.index("{") + 1 : path.index("}")]
