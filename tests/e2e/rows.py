"""A row of every kind for one tenant of an installation, and one in the state that a command needs.

Both tables are by words of the route table, so that a new route without its row is noticed.
"""

from itertools import count
from typing import Any

from compose.calling import Caller
from tests.e2e.test_ledger import day

Ids = dict[str, str]
NEVER_DECIDES, UNKNOWN_WITHIN_S = "+254712345699", 120.0
NOT_REGISTERED, NEVER_ANSWERED = "P000000000Z", "P000000001Z"
"""Customers of whom KRA's fake does not want to know, or says nothing."""
_numbers = count()
OWN_BRANCHES = {"silent": "91", "quiet": "92"}
"""By outlet: where a document blocks the others of its branch, and where there are none."""
BANK, GATEWAY = "bank:kcb", "gateway:instant:collection"


async def row_of_every_kind(caller: Caller, mark: str) -> Ids:
    """Ids by the member of a path that names such a row; all have the mark in what they hold."""
    has: Ids = {}
    opening = [
        {"account": BANK, "side": "debit", "amount": "900000"},
        {"account": GATEWAY, "side": "debit", "amount": "50000"},
        {"account": "opening", "side": "credit", "amount": "950000"},
    ]
    journal = await caller.done("journals", legs=opening, description=mark)
    has["journal_id"] = journal["journal_id"]
    await _sales(caller, mark, has)
    await _spending(caller, mark, has)
    await _earnings(caller, mark, has)
    await _books(caller, mark, has)
    made = await caller.done("api-keys", name=mark, scopes=["balances:read"])
    has["key_id"] = made["key_id"]
    has["endpoint_id"] = await _endpoint(caller, mark)
    await _statement(caller, mark, has)
    await _taxes(caller, mark, has)
    return has


async def _taxes(caller: Caller, mark: str, has: Ids) -> None:
    """In a branch and a month of the tenant's own: the sandbox is one taxpayer."""
    number = next(_numbers)
    has["branch"] = f"{number % 90:02d}"
    await caller.done("settings", settings={"etims": {"*": has["branch"], **OWN_BRANCHES}})
    invoice = await caller.done("/invoices", customer_id=f"c-{mark}", amount="116")
    has["document_id"] = invoice["tax_document_id"]
    await caller.become("tax-documents", has["document_id"], "declared")
    month = f"20{10 + number // 12 % 15:02d}-{number % 12 + 1:02d}"
    has["return_id"] = (await caller.done("tax-returns", tax="nil", period=month))["return_id"]
    about = {"number": mark, "issued_day": "2026-03-02", "amount": "7"}
    noted = await caller.done("tax-certificates", kind="withheld_vat", **about)
    has["certificate_id"] = noted["certificate_id"]


async def _statement(caller: Caller, mark: str, has: Ids) -> None:
    """Of one line, which nobody can explain."""
    file = f"Day,Text,Amount\n2026-03-02,{mark},-7.77\n".encode()
    columns = "day=Day&text=Text&amount=Amount"
    said = await caller.send(f"statements?account={BANK}&currency=KES&{columns}", file)
    has["statement_id"] = said["data"][0]["statement_id"]
    has["line_id"] = (await caller.only("statement-lines", amount="-7.77"))["line_id"]


async def _sales(caller: Caller, mark: str, has: Ids) -> None:
    has["customer_id"] = f"c-{mark}"
    contact = {"customer_id": has["customer_id"], "email": "payer@example.com"}
    await caller.done("contacts", name=mark, **contact)
    entry = await caller.event(
        "cafe.order.created", order_id=f"o-{mark}", customer_id=f"c-{mark}", total_amount=1000
    )
    has["event_id"], has["party_id"] = entry["event_id"], f"c-{mark}"
    has["invoice_id"] = (await caller.only("invoices", order_id=f"o-{mark}"))["invoice_id"]
    path = f"messages?customer_id=c-{mark}"
    has["message_id"] = (await caller.until(lambda: listed(caller, path)))[0]["message_id"]
    has["payment_id"] = await caller.pay(order_id=f"o-{mark}", metadata={"note": mark})
    intent = f"payments/intents/{has['payment_id']}"
    has["call_id"] = (await caller.get(intent))["call_id"]
    refund = await caller.done(f"{intent}/refunds", amount="10", reason=mark)
    has["refund_id"] = refund["refund_id"]
    await caller.become("refunds", has["refund_id"], "completed")
    dispute = await caller.done(f"{intent}/disputes", amount="20", reason=mark)
    has["dispute_id"] = dispute["dispute_id"]
    await caller.pay(order_id=f"nobody-{mark}", amount="70")
    has["case_id"] = (await caller.only("cases", order_id=f"nobody-{mark}"))["case_id"]
    refused = {"order_id": f"bad-{mark}", "total_amount": -1}
    event_id = await caller.say("cafe.order.created", refused)
    has["letter_id"] = (await caller.only("dead-letters", event_id=event_id))["letter_id"]


async def _spending(caller: Caller, mark: str, has: Ids) -> None:
    has["bill_id"] = await _bill(caller, f"s-{mark}", mark, category="rent")
    expense = await caller.done(
        "expenses", expense_id=f"x-{mark}", category="fuel", amount="50", party_id=mark
    )
    has["expense_id"] = expense["expense_id"]
    line = {"item_id": mark, "quantity": 2, "unit_price": 30}
    await caller.event("inventory.po.received", po_id=f"po-{mark}", supplier_id="s", lines=[line])
    has["po_id"] = f"po-{mark}"


async def _earnings(caller: Caller, mark: str, has: Ids) -> None:
    has["payee_id"] = f"r-{mark}"
    await _earn(caller, has["payee_id"])
    payout = await caller.done(
        "payouts", target="earnings", subject_id=has["payee_id"], amount="40", reference=mark
    )
    has["payout_id"] = payout["payout_id"]


async def _books(caller: Caller, mark: str, has: Ids) -> None:
    plan = await caller.done("plans", name=mark, price="10", meters=[])
    has["plan_id"] = plan["plan_id"]
    has["subscription_id"] = await _subscription(caller, plan["plan_id"], f"c-{mark}")
    has["conversion_id"] = await _conversion(caller)
    has["hold_id"] = await _hold(caller)
    has["settlement_id"] = has["entry_id"] = await _settlement(caller)
    proof = f"settlements/{has['settlement_id']}/proof"
    await caller.done(proof)

    async def anchored() -> bool:
        return bool((await caller.get(proof))["status"] == "anchored")

    await caller.until(anchored)


async def _settlement(caller: Caller) -> str:
    """One whose day ends now, as two more days pass."""

    async def ended() -> list[dict[str, Any]]:
        return [row for row in await listed(caller, "settlements") if row["status"] == "expected"]

    before = {row["settlement_id"] for row in await ended()}
    await caller.advance(day(await caller.now(), 2))

    async def over() -> list[dict[str, Any]]:
        return [row for row in await ended() if row["settlement_id"] not in before]

    return str((await caller.until(over))[0]["settlement_id"])


async def listed(caller: Caller, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await caller.get(path))["data"]
    return found


async def _earn(caller: Caller, payee_id: str) -> None:
    await caller.event(
        "logistics.earnings.calculated",
        payee_id=payee_id,
        period="2026-W01",
        gross_amount=500,
        deductions=[],
    )


async def _bill(caller: Caller, supplier_id: str, number: str, **more: str) -> str:
    about = {"supplier_id": supplier_id, "number": number, "amount": "116", **more}
    return str((await caller.done("bills", **about))["bill_id"])


async def _subscription(caller: Caller, plan_id: str, customer_id: str) -> str:
    made = await caller.done("subscriptions", plan_id=plan_id, customer_id=customer_id)
    return str(made["subscription_id"])


async def _conversion(caller: Caller) -> str:
    sold = {"from_account": BANK, "from_amount": "1300", "from_currency": "KES"}
    bought = {"to_account": "bank:usd", "to_amount": "10", "to_currency": "USD"}
    return str((await caller.done("conversions", **sold, **bought))["conversion_id"])


async def _hold(caller: Caller) -> str:
    return str((await caller.done("holds", account=BANK, amount="5", currency="KES"))["hold_id"])


async def _endpoint(caller: Caller, mark: str) -> str:
    made = await caller.done(
        "webhook-endpoints", url=f"https://example.com/{mark}", description=mark
    )
    return str(made["endpoint_id"])


# -- in the state that a command needs ------------------------------------------------------------

LIMITS = {
    "refund_limit": "100",
    "journal_limit": "1000000",
    "payout_limit": "100",
    "expense_limit": "10",
}
"""Settings of the tenant under which the rows below wait for somebody."""


class Rows:
    """Makes rows for the commands on them, each under a name of its own."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"seed-{self._count}"

    async def intent(self, **more: Any) -> str:
        """That nobody confirmed."""
        made = await self._caller.done("/payments/intents", amount="1500", **more)
        return str(made["payment_id"])

    async def held(self) -> str:
        """Whose money the payer's bank holds."""
        payment_id = await self.intent(capture_method="manual")
        await self._caller.done("/payments/confirm", payment_id=payment_id, method="instant")
        await self._caller.become("payments/intents", payment_id, "requires_capture")
        return payment_id

    async def paid(self) -> str:
        """A payment without an order."""
        return await self._caller.pay(amount="1500")

    async def refund(self) -> str:
        """That waits for another person."""
        intent = f"payments/intents/{await self.paid()}"
        return str((await self._caller.done(f"{intent}/refunds", amount="900"))["refund_id"])

    async def dispute(self) -> str:
        """That is open."""
        intent = f"payments/intents/{await self.paid()}"
        return str((await self._caller.done(f"{intent}/disputes", amount="900"))["dispute_id"])

    async def unknown_call(self) -> str:
        """Of a payer who never decides: a minute later nobody knows."""
        payment_id = await self.intent()
        about = {"payment_id": payment_id, "method": "mpesa", "phone": NEVER_DECIDES}
        call_id = (await self._caller.done("/payments/confirm", **about))["call_id"]
        await self._caller.become("calls", call_id, "unknown", within_s=UNKNOWN_WITHIN_S)
        return str(call_id)

    async def case(self) -> str:
        """That is open."""
        order_id = self._name()
        await self._caller.pay(order_id=order_id, amount="70")
        return str((await self._caller.only("cases", order_id=order_id))["case_id"])

    async def invoice(self, **more: Any) -> str:
        """That is open, or a draft."""
        about = {"customer_id": self._name(), "amount": "5000", **more}
        return str((await self._caller.done("/invoices", **about))["invoice_id"])

    async def creditors_invoice(self) -> str:
        """Whose customer has paid something ahead."""
        customer_id = self._name()
        legs = [
            {"account": BANK, "side": "debit", "amount": "40"},
            {"account": "customer:credit", "side": "credit", "amount": "40", "item": customer_id},
        ]
        await self._caller.done("journals", legs=legs)
        return await self.invoice(customer_id=customer_id)

    async def contact(self) -> str:
        """That can be written to, but by a mailbox that takes nothing."""
        customer_id = self._name()
        await self._caller.done(
            "contacts", customer_id=customer_id, email="x@fail.example.test", channels=["email"]
        )
        return customer_id

    async def failed_message(self) -> str:
        """That the service could not deliver."""
        customer_id = await self.contact()
        await self.invoice(customer_id=customer_id)
        found = await self._caller.only("messages", customer_id=customer_id, state="failed")
        return str(found["message_id"])

    async def untold_invoice(self) -> str:
        """That the tax authority will not hear of, because of its currency."""
        return await self.invoice(currency="USD")

    async def bill(self) -> str:
        """That is owed."""
        return await _bill(self._caller, "s", self._name(), category="rent")

    async def waiting_bill(self) -> str:
        """Whose price somebody has to accept."""
        po_id = self._name()
        line = {"item_id": "i", "quantity": 2, "unit_price": 30}
        await self._caller.event(
            "inventory.po.received", po_id=po_id, supplier_id="s", lines=[line]
        )
        return await _bill(self._caller, "s", self._name(), po_id=po_id)

    async def expense(self) -> str:
        """That waits for approval."""
        about = {"expense_id": self._name(), "category": "fuel", "amount": "50", "party_id": "p"}
        return str((await self._caller.done("expenses", **about))["expense_id"])

    async def approved_expense(self) -> str:
        """That is owed."""
        expense_id = await self.expense()
        await self._caller.done(f"expenses/{expense_id}/approve", actor="ben")
        return expense_id

    async def payout(self, amount: str = "200") -> str:
        """That waits for another person, or (up to the limit) not."""
        payee_id = self._name()
        await _earn(self._caller, payee_id)
        about = {"target": "earnings", "subject_id": payee_id, "amount": amount}
        return str((await self._caller.done("payouts", **about))["payout_id"])

    async def paid_payout(self) -> str:
        """That is with its payee."""
        payout_id = await self.payout("50")
        await self._caller.become("payouts", payout_id, "completed")
        return payout_id

    async def subscription(self) -> str:
        """That is active."""
        plan = await self._caller.done("plans", name=self._name(), price="10", meters=[])
        return await _subscription(self._caller, plan["plan_id"], "c")

    async def journal(self, amount: str = "5") -> str:
        """That is posted, or (above the limit) waits."""
        legs = [
            {"account": BANK, "side": "debit", "amount": amount},
            {"account": "opening", "side": "credit", "amount": amount},
        ]
        return str((await self._caller.done("journals", legs=legs))["journal_id"])

    async def conversion(self) -> str:
        """That is quoted."""
        return await _conversion(self._caller)

    async def coins(self) -> str:
        """A quote of money on a chain."""
        coins = {"account": "crypto:polygon:USDC", "side": "debit"}
        legs = [coins, {"account": "opening", "side": "credit"}]
        legs = [{**leg, "amount": "5", "currency": "USDC"} for leg in legs]
        journal = await self._caller.done("journals", legs=legs)
        if journal["status"] == "held":  # another currency is above any limit
            await self._caller.done(f"journals/{journal['journal_id']}/approve", actor="ben")
        sold = {"from_account": coins["account"], "from_amount": "5", "from_currency": "USDC"}
        bought = {"to_account": BANK, "to_amount": "645", "to_currency": "KES"}
        quote = await self._caller.done("conversions", **sold, **bought)
        return str(quote["conversion_id"])

    async def settlement(self) -> str:
        """Whose day is over; time passes, so that it comes before rows that wait for somebody."""
        await self._caller.pay(order_id=self._name(), amount="70")
        return await _settlement(self._caller)

    async def hold(self) -> str:
        """That stands."""
        return await _hold(self._caller)

    async def rejected_document(self) -> str:
        """That the tax authority did not take."""
        made = await self._caller.done(
            "/invoices", customer_id="c", amount="116", customer_pin=NOT_REGISTERED
        )
        document_id = str(made["tax_document_id"])
        await self._caller.become("tax-documents", document_id, "rejected")
        return document_id

    async def silent_document(self) -> str:
        """Of which nothing is known, a minute later."""
        about = {"customer_pin": NEVER_ANSWERED, "outlet_id": "silent"}
        made = await self._caller.done("/invoices", customer_id="c", amount="116", **about)
        return str(made["tax_document_id"])

    async def filed_return(self) -> str:
        """That the tax authority has yet to acknowledge."""
        made = await self._caller.done("tax-returns", tax="nil", period="2026-02")
        return str(made["return_id"])

    async def api_key(self) -> str:
        """That is good."""
        made = await self._caller.done("api-keys", name="seed", scopes=["balances:read"])
        return str(made["key_id"])

    async def endpoint(self) -> str:
        """That is enabled."""
        return await _endpoint(self._caller, self._name())

    async def delivery(self) -> Ids:
        """An event on its way to an endpoint."""
        endpoint_id = await self.endpoint()
        path = f"webhook-endpoints/{endpoint_id}/deliveries"
        await self.invoice()
        deliveries = await self._caller.until(lambda: listed(self._caller, path))
        return {"endpoint_id": endpoint_id, "event_id": deliveries[0]["event_id"]}


async def _is_doubted(caller: Caller, document_id: str) -> bool:
    return bool((await caller.get(f"tax-documents/{document_id}"))["doubted"])


async def row_for_each_command(caller: Caller) -> dict[str, Ids]:
    """By the operation, its path below the tenant: the id of a row that it can be done to."""
    rows, found = Rows(caller), dict[str, Ids]()
    rejected = await rows.rejected_document()
    silent = await rows.silent_document()  # of KRA nothing is heard for a while after it
    payments = "/payments/intents/{payment_id}/"
    for path, make in (
        ("/settlements/{settlement_id}/proof", rows.settlement),
        (f"{payments}capture", rows.held),
        (f"{payments}cancel", rows.intent),
        (f"{payments}refunds", rows.paid),
        (f"{payments}disputes", rows.paid),
        ("/refunds/{refund_id}/approve", rows.refund),
        ("/refunds/{refund_id}/reject", rows.refund),
        ("/disputes/{dispute_id}/close", rows.dispute),
        ("/cases/{case_id}/resolve", rows.case),
        ("/calls/{call_id}/resolve", rows.unknown_call),
        ("/invoices/{invoice_id}/void", rows.untold_invoice),
        ("/invoices/{invoice_id}/credit", rows.invoice),
        ("/invoices/{invoice_id}/write-off", rows.invoice),
        ("/invoices/{invoice_id}/withhold", rows.invoice),
        ("/invoices/{invoice_id}/apply-credit", rows.creditors_invoice),
        ("/messages/{message_id}/send-again", rows.failed_message),
        ("/bills/{bill_id}/approve", rows.waiting_bill),
        ("/bills/{bill_id}/void", rows.waiting_bill),
        ("/bills/{bill_id}/pay", rows.bill),
        ("/expenses/{expense_id}/approve", rows.expense),
        ("/expenses/{expense_id}/reject", rows.expense),
        ("/expenses/{expense_id}/pay", rows.approved_expense),
        ("/payouts/{payout_id}/approve", rows.payout),
        ("/payouts/{payout_id}/reject", rows.payout),
        ("/payouts/{payout_id}/return", rows.paid_payout),
        ("/subscriptions/{subscription_id}/cancel", rows.subscription),
        ("/journals/{journal_id}/reverse", rows.journal),
        ("/conversions/{conversion_id}/execute", rows.coins),
        ("/conversions/{conversion_id}/complete", rows.conversion),
        ("/conversions/{conversion_id}/cancel", rows.conversion),
        ("/holds/{hold_id}/capture", rows.hold),
        ("/holds/{hold_id}/release", rows.hold),
        ("/tax-returns/{return_id}/acknowledge", rows.filed_return),
        ("/api-keys/{key_id}/rotate", rows.api_key),
        *(
            (f"/webhook-endpoints/{{endpoint_id}}{rest}", rows.endpoint)
            for rest in ("/enable", "/disable", "/rotate", "/test", "/replay")
        ),
    ):
        member = path.partition("{")[2].partition("}")[0]
        found[f"POST {path}"] = {member: await make()}
    found["POST /invoices/{invoice_id}/issue"] = {"invoice_id": await rows.invoice(draft=True)}
    found["POST /tax-branches/{branch}/number"] = {"branch": OWN_BRANCHES["quiet"]}
    await caller.until(lambda: _is_doubted(caller, silent), within_s=UNKNOWN_WITHIN_S)
    found["POST /tax-documents/{document_id}/declare"] = {"document_id": rejected}
    found["POST /tax-documents/{document_id}/resolve"] = {"document_id": silent}
    for verb in ("approve", "reject"):
        path = f"POST /journals/{{journal_id}}/{verb}"
        found[path] = {"journal_id": await rows.journal("1000000.01")}
    path = "POST /webhook-endpoints/{endpoint_id}/deliveries/{event_id}/replay"
    found[path] = await rows.delivery()
    for method in ("GET", "PUT", "DELETE"):
        found[f"{method} /configuration/{{name}}"] = {"name": "tax"}
    found["DELETE /contacts/{customer_id}"] = {"customer_id": await rows.contact()}
    found["DELETE /api-keys/{key_id}"] = {"key_id": await rows.api_key()}
    found["DELETE /webhook-endpoints/{endpoint_id}"] = {"endpoint_id": await rows.endpoint()}
    return found
