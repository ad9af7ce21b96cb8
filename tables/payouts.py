"""Payouts: money on its way to people and suppliers; payout:pending = Σ payouts in flight.

States: requested → held (above the tenant's limit, until somebody else approves) → submitted →
completed | failed (back to whose it was) → returned (after completion). Guarantees: never more than
is owed and than the gateway account has; one payout per reference of the caller, for ever.
Constraints: amount, payee and account never change; who asked for one that is held cannot let it
go.
"""

from tables.row import Row, register


@register
class Payout(Row, frozen=True):
    """One payout; `owed` is the account it pays off, `subject` the payee, bill or expense."""

    KIND = "po"
    KEY = ("tenant_id", "payout_id")

    tenant_id: str
    payout_id: str
    target: str  # earnings | advance | bill | expense
    subject: str
    asset: str
    amount: int
    owed: str
    party_id: str = ""
    status: str = "held"
    provider: str = ""
    account: str = ""
    destination: str = ""
    provider_reference: str = ""
    call_id: str = ""
    failure: str = ""
    reference: str = ""
    requested_by: str = ""
    approved_by: str = ""
    fee: int = 0
    created_ms: int = 0
    version: int = 1
    settlement_id: str = ""
    metadata: dict[str, str] = {}


@register
class PayoutReference(Row, frozen=True):
    """The payout that a caller's own reference names."""

    KIND = "pf"
    KEY = ("tenant_id", "reference")

    tenant_id: str
    reference: str
    payout_id: str
