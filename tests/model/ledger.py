"""The books as they must be, computed from the set of accepted messages and paid stories.

About the rules of requirements.md 3 and nothing of how the product works. Arrival order does not
enter: where it decides which event causes an outbound one, every possible cause is allowed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tests.model.generator import EXPONENTS, Message, Story
from tests.model.wire import derived_id, from_json

VAT: Final = {"KE": (16, 100)}
"""Standard rate in 2026 by country, as a ratio; a registered tenant's totals contain it."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """One claim, minor units."""

    invoice_id: str
    total: int
    tax: int
    paid: int
    status: str


@dataclass(frozen=True, slots=True)
class Outbound:
    """An event that must be published once; `ids` are its possible ids, empty when not derivable.

    `amount` is the decimal text on the wire.
    """

    event_type: str
    tenant_id: str
    order_id: str
    amount: str
    ids: frozenset[str]


@dataclass
class Books:
    """What the product must show once everything is settled; zero balances are left out."""

    balances: dict[tuple[str, str, str], int] = field(default_factory=dict)
    invoices: dict[tuple[str, str], Invoice] = field(default_factory=dict)
    credits: dict[tuple[str, str, str], int] = field(default_factory=dict)
    suspense: dict[tuple[str, str], int] = field(default_factory=dict)
    outbound: list[Outbound] = field(default_factory=list)
    optional: frozenset[str] = frozenset()
    applied: frozenset[tuple[str, str]] = frozenset()
    duplicates: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Order:
    """The facts of one order, whenever they came."""

    cafe: dict[str, Any] | None = None
    pos: dict[str, Any] | None = None
    stories: list[Story] = field(default_factory=list)


def expected(messages: Iterable[Message], stories: Iterable[Story]) -> Books:
    """The books after these accepted messages and these payments."""
    return _Ledger().read(messages, stories)


class _Ledger:
    def __init__(self) -> None:
        self.books = Books()
        self.tenants: dict[str, dict[str, Any]] = {}
        self.orders: defaultdict[tuple[str, str], _Order] = defaultdict(_Order)
        self.balances: Counter[tuple[str, str, str]] = Counter()
        self.suspense: Counter[tuple[str, str]] = Counter()
        self.credits: Counter[tuple[str, str, str]] = Counter()

    def read(self, messages: Iterable[Message], stories: Iterable[Story]) -> Books:
        """Sort the facts by order, then book order by order."""
        applied: set[tuple[str, str]] = set()
        for message in messages:
            if message.reason:
                self.books.dead_letters[message.reason] += 1
                continue
            event = from_json(message.raw)
            identity = (event["tenant_id"], event["event_id"])
            if identity in applied:
                self.books.duplicates += 1
                continue
            applied.add(identity)
            self._note(event)
        for story in stories:
            self.orders[story.tenant_id, story.order_id].stories.append(story)
        optional: set[str] = set()
        for (tenant_id, order_id), order in self.orders.items():
            optional |= self._book(tenant_id, order_id, order)
        books = self.books
        books.applied, books.optional = frozenset(applied), frozenset(optional)
        books.balances = {key: minor for key, minor in self.balances.items() if minor}
        books.suspense, books.credits = dict(self.suspense), dict(self.credits)
        return books

    def _note(self, event: dict[str, Any]) -> None:
        tenant_id, data = event["tenant_id"], event["data"]
        if event["event_type"] == "auth.tenant.created":
            self.tenants[tenant_id] = data
        elif event["event_type"] == "cafe.order.created":
            self.orders[tenant_id, data["order_id"]].cafe = event
        elif event["event_type"] == "pos.order.completed":
            self.orders[tenant_id, data["order_id"]].pos = event

    def _book(self, tenant_id: str, order_id: str, order: _Order) -> set[str]:
        """One order: its revenue, what a till took, what was paid later; ids that may come too."""
        asset = self.tenants[tenant_id]["currency"]
        book = _OrderBook(self, tenant_id, order_id, asset)
        optional: set[str] = set()
        if order.cafe is not None:
            book.invoice(order.cafe, "cafe", _minor(order.cafe["data"]["total_amount"], asset))
        if order.pos is not None:
            cash, electronic = book.till(order.pos, invoiced=order.cafe is not None)
            if order.cafe is None and electronic:
                book.open_share(order.pos, electronic)
            elif order.cafe is not None:
                # Had the till been first, its unpaid share was an invoice until the café's came.
                source = order.pos["event_id"]
                optional.add(derived_id(tenant_id, source, "treasury.invoice.created"))
                void = derived_id(tenant_id, order.cafe["event_id"], "treasury.invoice.void")
                optional.add(void)
                book.pay(book.drawer(order.pos), cash, order.cafe, order.pos)
        for story in order.stories:
            book.story(story)
        book.close()
        return optional


class _OrderBook:
    """Books one order into the ledger."""

    def __init__(self, ledger: _Ledger, tenant_id: str, order_id: str, asset: str) -> None:
        self._ledger, self._tenant_id, self._order_id = ledger, tenant_id, order_id
        self._asset = asset
        self._total = self._tax = self._paid = 0
        self._invoice_id = self._customer = ""

    def invoice(self, event: Mapping[str, Any], source: str, total: int) -> None:
        """receivable / revenue + tax:output."""
        net, tax = self._split(total)
        self._post("receivable", total)
        self._post(f"revenue:{source}", -net)
        self._post("tax:output", -tax)
        self._open(event, total, tax)

    def open_share(self, event: Mapping[str, Any], electronic: int) -> None:
        """The claim for what a till left unpaid; its tax stands with the sale."""
        self._open(event, electronic, 0)

    def till(self, event: Mapping[str, Any], *, invoiced: bool) -> tuple[int, int]:
        """A sale's tip, and its revenue unless it is invoiced: (cash, electronic) of it."""
        data, asset = event["data"], self._asset
        total, tip = _minor(data["total_amount"], asset), _minor(data.get("tip", 0), asset)
        change = _minor(data.get("change", 0), asset)
        tenders = data.get("tenders", [])
        electronic = sum(
            _minor(tender["amount"], asset) for tender in tenders if tender["method"] != "cash"
        )
        handed = sum(_minor(tender["amount"], asset) for tender in tenders)
        assert not tenders or handed == total + change + tip
        cash = total - electronic
        self._post(self.drawer(event), tip)
        self._post("tips", -tip)
        if not invoiced:
            net, tax = self._split(total)
            self._post(self.drawer(event), cash)
            self._post("receivable", electronic)
            self._post("revenue:pos", -net)
            self._post("tax:output", -tax)
        if cash:
            self._emit("treasury.payment.success", cash, event)
        return cash, electronic

    def drawer(self, event: Mapping[str, Any]) -> str:
        """The account of the till's cash."""
        return f"cash:drawer:{event['data'].get('outlet_id') or 'main'}"

    def pay(self, account: str, amount: int, *causes: Mapping[str, Any]) -> None:
        """Money for the invoice; beyond it the customer's credit or, without one, suspense."""
        used = min(amount, self._total - self._paid)
        rest = amount - used
        self._paid += used
        self._post(account, amount)
        self._post("receivable", -used)
        if used and self._paid == self._total:
            self._emit("treasury.invoice.paid", self._total, *causes)
        if rest and self._customer:
            self._post("customer:credit", -rest)
            self._ledger.credits[self._tenant_id, self._customer, self._asset] += rest
        elif rest:
            self._post("suspense", -rest)
            self._ledger.suspense[self._tenant_id, self._asset] += rest
            self._emit("treasury.reconciliation.exception", rest, *causes)

    def story(self, story: Story) -> None:
        """A payment over HTTP at the instant gateway."""
        outstanding = self._total - self._paid
        amount = _minor(Decimal(story.amount), self._asset) if story.amount else outstanding
        kind = "treasury.payment.failed" if story.declined else "treasury.payment.success"
        self._emit(kind, amount)
        if not story.declined:
            self.pay("gateway:instant:collection", amount)

    def close(self) -> None:
        """Note the invoice as it stands now."""
        if not self._invoice_id:
            return
        status = "open" if not self._paid else "partially_paid"
        if self._paid == self._total:
            status = "paid"
        invoice = Invoice(self._invoice_id, self._total, self._tax, self._paid, status)
        self._ledger.books.invoices[self._tenant_id, self._order_id] = invoice

    def _open(self, event: Mapping[str, Any], total: int, tax: int) -> None:
        self._total, self._tax = total, tax
        self._invoice_id = derived_id(self._tenant_id, event["event_id"], "invoice")
        self._customer = event["data"].get("customer_id", "")
        self._emit("treasury.invoice.created", total, event)

    def _split(self, total: int) -> tuple[int, int]:
        """(net, tax) of a gross total, the tax rounded half up."""
        tenant = self._ledger.tenants[self._tenant_id]
        rate = VAT.get(tenant["country"])
        if rate is None or not tenant["settings"]["tax_registered"]:
            return total, 0
        above, below = total * rate[0], rate[1] + rate[0]
        tax = (2 * above + below) // (2 * below)
        return total - tax, tax

    def _post(self, account: str, minor: int) -> None:
        self._ledger.balances[self._tenant_id, account, self._asset] += minor

    def _emit(self, kind: str, minor: int, *causes: Mapping[str, Any]) -> None:
        ids = (derived_id(self._tenant_id, cause["event_id"], kind) for cause in causes)
        amount = decimal_text(minor, self._asset)
        self._ledger.books.outbound.append(
            Outbound(kind, self._tenant_id, self._order_id, amount, frozenset(ids))
        )


def _minor(amount: Decimal | int, asset: str) -> int:
    scaled = Decimal(amount).scaleb(EXPONENTS[asset])
    assert scaled == int(scaled)
    return int(scaled)


def decimal_text(minor: int, asset: str) -> str:
    """Minor units as the product writes amounts in JSON: with all decimals of the currency."""
    digits = str(minor).zfill(EXPONENTS[asset] + 1)
    cut = len(digits) - EXPONENTS[asset]
    return f"{digits[:cut]}.{digits[cut:]}" if EXPONENTS[asset] else digits
