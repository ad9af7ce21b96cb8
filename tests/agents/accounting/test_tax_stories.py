"""Whatever comes in whatever order, eTIMS is told each sale once: numbers without a gap, no line
below zero, no credit notes beyond their original, and in all what the invoices come to.
"""

import json
import os
import random
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import pytest

from tables.invoices import Invoice
from tables.payments import GatewayCall, Payment, Refund
from tables.tax_documents import TaxDocument
from tests.agents.accounting.books import Books

WORLDS = int(os.environ.get("TREASURY_STORIES", "16"))
FACTS = 220
SETTINGS: tuple[dict[str, Any], ...] = (
    {"tax_registered": True, "etims": {"*": "00", "w": "01"}},
    {
        "tax_registered": True,
        "etims": {"*": "00"},
        "taxes": ["tourism_levy"],
        "service_charge_percent": "10",
    },
    {"etims": {"*": "00"}},
    {"tax_registered": True, "etims": {"*": "00"}, "refund_limit": "20"},
)


class World:
    """One tenant, eTIMS's own book of each branch, and dice that say what happens next."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.books = Books(**self.dice.choice(SETTINGS))
        self.recorded: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._requests: dict[str, dict[str, Any]] = {}
        self._read = 0

    def run(self) -> None:
        """Facts, and then eTIMS is well and all that was rejected is mended."""
        facts = [getattr(self, name) for name in dir(World) if name.startswith("say_")]
        for _ in range(FACTS):
            self.dice.choice(facts)()
        for _ in range(400):
            for call in self.calls(declares=True):
                self.recorded_or_not(call)
            self.people_look()
            self.people_mend()
            self.books.core.tick(3_600_000)
            self.books.check()
            if {x.status for x in self.books.rows(TaxDocument)} <= {"declared", "cancelled"}:
                return
        raise AssertionError("it never ends")

    def some(self, kind: type) -> Any:
        rows = self.books.rows(kind)
        return self.dice.choice(rows) if rows else None

    def order(self) -> str:
        return f"o{self.dice.randint(0, 11)}"

    def amount(self) -> str:
        minor = self.dice.choice((1, 99, 116_000, self.dice.randint(1, 116_000)))
        return f"{minor // 100}.{minor % 100:02d}"

    def calls(self, *, declares: bool) -> list[GatewayCall]:
        """Those that may be answered."""
        rows = [row for row in self.books.rows(GatewayCall) if (row.gateway == "kra") == declares]
        return [row for row in rows if row.status in {"requested", "granted"} or not declares]

    # -- sales and money ----------------------------------------------------------------------

    def say_order(self) -> None:
        order = {"order_id": self.order(), "customer_id": self.dice.choice(("", "c"))}
        total = self.dice.choice((1160, 1160, 1276))
        self.books.event("cafe.order.created", total_amount=total, **order)

    def say_sale(self) -> None:
        cash, card = self.dice.choice(((0, 1160), (160, 1000), (1160, 0)))
        tenders = [
            {"method": method, "amount": amount}
            for method, amount in (("cash", cash), ("card", card))
            if amount
        ]
        place = {"order_id": self.order(), "outlet_id": self.dice.choice(("", "w"))}
        self.books.event("pos.order.completed", total_amount=1160, tenders=tenders, **place)

    def say_invoice(self) -> None:
        invoice = self.some(Invoice)
        if invoice is None or self.dice.random() < 0.4:
            draft = self.dice.random() < 0.3
            self.books.command("invoice.create", customer_id="c", amount="1160", draft=draft)
            return
        verb = self.dice.choice(("issue", "void", "credit"))
        more = {"amount": self.amount()} if verb == "credit" else {}
        self.books.command(f"invoice.{verb}", invoice_id=invoice.invoice_id, **more)

    def say_payment(self) -> None:
        invoice = self.some(Invoice)
        wish = {"order_id": self.order(), "amount": "1160"}
        if invoice is not None and self.dice.random() < 0.7:
            wish = {"invoice_id": invoice.invoice_id}
        status, body = self.books.command("payment_intent.create", **wish)
        if status == 201:
            self.books.command("payment.confirm", payment_id=body["payment_id"], method="instant")
            calls = [x for x in self.calls(declares=False) if x.subject_id == body["payment_id"]]
            for call in calls:
                self.books.gateway(call.call_id)

    say_second_payment = say_payment

    def say_refund(self) -> None:
        payment, refund = self.some(Payment), self.some(Refund)
        if refund is not None:
            verb = self.dice.choice(("approve", "reject"))
            self.books.command(f"refund.{verb}", refund_id=refund.refund_id, actor="ben")
        if payment is not None:
            amount = self.dice.choice(({}, {"amount": self.amount()}))
            self.books.command("payment.refund", payment_id=payment.payment_id, **amount)

    say_second_refund = say_refund

    def say_gateway(self) -> None:
        """Also once more: what succeeded may come back."""
        calls = self.calls(declares=False)
        if not calls:
            return
        call, outcome = self.dice.choice(calls), self.dice.choice(("succeeded", "failed"))
        if call.status == "requested":
            self.books.gateway(call.call_id, outcome)
        else:
            self.books.answer(call.call_id, outcome)

    say_second_gateway = say_gateway

    # -- the tax authority --------------------------------------------------------------------

    def say_etims(self) -> None:
        """It takes the document or not, and its answer is lost or not."""
        calls = self.calls(declares=True)
        if not calls:
            return
        call, dice = self.dice.choice(calls), self.dice.random()
        if dice < 0.1:
            self.books.gateway(call.call_id, "failed", failure="not_now")
        elif dice < 0.2:
            self.books.gateway(call.call_id, "unknown")
        else:
            self.recorded_or_not(call, lost=dice < 0.3)

    say_second_etims = say_third_etims = say_etims

    def recorded_or_not(self, call: GatewayCall, *, lost: bool = False) -> None:
        """eTIMS looks at what it is told, as by its specification."""
        takes = self._takes(self._request(call.call_id))
        if lost:
            self.books.gateway(call.call_id, "unknown")
        elif takes:
            self.books.gateway(call.call_id, provider_reference="S", says={"signature": "S"})
        else:
            self.books.gateway(call.call_id, "failed", failure="rejected")

    def _request(self, call_id: str) -> dict[str, Any]:
        for entry in self.books.core.entries[self._read :]:
            self._requests |= {call.call_id: json.loads(call.request) for call in entry.calls}
        self._read = len(self.books.core.entries)
        return self._requests[call_id]

    def _takes(self, request: dict[str, Any]) -> bool:
        book, number = self.recorded[request["branch"]], request["number"]
        if number <= len(book):
            assert book[number - 1]["document_id"] == request["document_id"]
            return True
        assert number == len(book) + 1
        assert all(Decimal(line["total"]) > 0 for line in request["lines"])
        if self.dice.random() < 0.1:
            return False
        if request["kind"] == "credit_note":
            original = request["original_number"]
            assert book[original - 1]["kind"] == "sale"
            notes = [x["total"] for x in (*book, request) if x["original_number"] == original]
            assert sum(map(Decimal, notes)) <= Decimal(book[original - 1]["total"])
        book.append(request)
        return True

    # -- people -------------------------------------------------------------------------------

    def say_look(self) -> None:
        if self.dice.random() < 0.3:
            self.people_look()
        document = self.some(TaxDocument)
        if document is not None:
            self.books.command("tax_document.declare", document_id=document.document_id)

    def people_look(self) -> None:
        """Whether what is doubted is recorded."""
        for row in self.books.rows(TaxDocument):
            if row.status == "doubted":
                numbers = {x["document_id"] for x in self.recorded[row.branch]}
                found = {"document_id": row.document_id, "recorded": row.document_id in numbers}
                self.books.done("tax_document.resolve", **found)

    def people_mend(self) -> None:
        """Sales before their credit notes."""
        rejected = [row for row in self.books.rows(TaxDocument) if row.status == "rejected"]
        for row in sorted(rejected, key=lambda row: row.kind == "credit_note"):
            self.books.done("tax_document.declare", document_id=row.document_id)

    def say_time_passes(self) -> None:
        self.books.core.tick(self.dice.choice((1_000, 60_000, 3_600_000)))
        self.books.check()


def _told(world: World) -> Counter[str]:
    """What eTIMS has recorded, by order or invoice."""
    sums: Counter[str] = Counter()
    documents = {row.document_id: row for row in world.books.rows(TaxDocument)}
    for request in (each for book in world.recorded.values() for each in book):
        row = documents[request["document_id"]]
        assert (row.status, row.number) == ("declared", request["number"])
        sign = -1 if row.kind == "credit_note" else 1
        sums[row.order_id or row.invoice_id] += sign * row.total
    return +sums


def _sold(world: World) -> Counter[str]:
    """What was sold and not credited, by order or invoice; a refund counts once it is made."""
    sums: Counter[str] = Counter()
    documents = {row.document_id: row for row in world.books.rows(TaxDocument)}
    stand = [row for row in world.books.rows(Invoice) if row.status not in {"void", "draft"}]
    for row in stand:
        document = documents[row.tax_document_id]
        whole = document.total if row.source == "pos" else row.total
        sums[row.order_id or row.invoice_id] += whole - row.credited
    of_cash = (x for x in documents.values() if not x.invoice_id and x.status != "cancelled")
    for document in of_cash:  # a credit note of it says that an invoice took its place
        if document.kind == "sale" and document.order_id not in {row.order_id for row in stand}:
            sums[document.order_id] += document.total
    by_invoice = {row.invoice_id: row for row in stand}
    for refund in world.books.rows(Refund):
        if refund.status in {"held", "submitted"}:
            for part in refund.taken:
                row = by_invoice.get(part.subject)
                if row is not None:
                    sums[row.order_id or row.invoice_id] += part.amount
    return +sums


@pytest.mark.parametrize("seed", range(WORLDS))
def test_the_tax_authority_knows_what_was_sold_and_nothing_twice(seed):
    world = World(seed)
    world.run()
    assert _told(world) == _sold(world)
