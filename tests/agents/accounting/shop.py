"""A café with one open order, and what gateways tell it."""

from tables.invoices import Invoice
from tables.payments import GatewayCall, Payment
from tables.payouts import Payout
from tests.agents.accounting.books import Books

MPESA, UTILITY = "gateway:mpesa:collection", "gateway:mpesa:utility"
PHONE = "+254712345678"


class Shop(Books):
    """One open order of 1,160 shillings."""

    def __init__(self) -> None:
        super().__init__(tax_registered=True)
        self.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        [self.invoice] = self.rows(Invoice)

    def confirmed(self, method: str = "mpesa", **wish) -> str:
        """A payment whose payer is being asked; its id."""
        payment_id = self.intent(**(wish or {"order_id": "o"}))
        phone = {"phone": PHONE} if method == "mpesa" else {}
        self.done("payment.confirm", payment_id=payment_id, method=method, **phone)
        return payment_id

    def call(self, payment_id: str) -> GatewayCall:
        return self.row(GatewayCall, self.row(Payment, payment_id).call_id)

    def heard(self, event_type: str, /, **data):
        """What a gateway tells, verified; its entry."""
        kind = f"treasury.gateway.{event_type}"
        entry = self.core.event(kind, "t", data, ingress="webhook")[0]
        self.check()
        return entry

    def deposit(self, receipt: str, reference: str, amount: str = "1160.00"):
        about = {
            "gateway": "mpesa",
            "account": "600999",
            "currency": "KES",
            "payer": "2547 *** 149",
        }
        entry = self.heard("received", receipt=receipt, reference=reference, amount=amount, **about)
        assert entry.status == "applied", entry.reason
        return entry

    def money(self) -> tuple[int, int, int]:
        """Minor units at M-Pesa, receivable, in suspense (as a debt)."""
        balances = self.balances
        return (
            balances.get(MPESA, 0),
            balances.get("receivable", 0),
            -balances.get("suspense", 0),
        )

    def paid_out(self) -> Payout:
        """Earnings of 500 shillings on their way to a payee by M-Pesa."""
        self.deposit("TCA9", "o")
        legs = [
            {"account": UTILITY, "side": "debit", "amount": "1000", "currency": "KES"},
            {"account": MPESA, "side": "credit", "amount": "1000", "currency": "KES"},
        ]
        self.done("journal.post", legs=legs)
        self.applied(
            "logistics.earnings.calculated", payee_id="p", period="2026-03", gross_amount=500
        )
        self.done(
            "payout.create",
            target="earnings",
            subject_id="p",
            provider="mpesa",
            destination=PHONE,
        )
        [payout] = self.rows(Payout)
        return payout
