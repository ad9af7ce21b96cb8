"""Payments, the gateway calls they make, and the references that keep one payment from two homes.

Payment: requires_confirmation → processing → succeeded | requires_confirmation (attempt failed);
expired; canceled. Call: requested → granted → done | unknown. Money counts once per
(provider, direction, provider reference), by whichever route it is reported first.
"""

from tables.row import Row, register


@register
class Payment(Row, frozen=True):
    """A payment intent; `amount` in minor units of `asset`."""

    KIND = "pi"
    KEY = ("tenant_id", "payment_id")

    tenant_id: str
    payment_id: str
    asset: str
    amount: int
    order_id: str = ""
    invoice_id: str = ""
    customer_id: str = ""
    status: str = "requires_confirmation"
    method: str = ""
    attempt: int = 0
    call_id: str = ""
    provider: str = ""
    provider_reference: str = ""
    failure: str = ""
    created_ms: int = 0
    expires_ms: int = 0
    metadata: dict[str, str] = {}
    version: int = 1


@register
class GatewayCall(Row, frozen=True):
    """One wish to call a gateway; only the holder of the granted nonce may send it."""

    KIND = "ca"
    KEY = ("tenant_id", "call_id")

    tenant_id: str
    call_id: str
    gateway: str
    operation: str
    subject_id: str
    status: str = "requested"  # requested → granted → done; granted → unknown at the deadline
    nonce: str = ""
    deadline_ms: int = 0
    outcome: str = ""


@register
class Reference(Row, frozen=True):
    """Where every route of one payment meets: (provider, direction, provider's reference)."""

    KIND = "rf"
    KEY = ("tenant_id", "provider", "direction", "provider_reference")

    tenant_id: str
    provider: str
    direction: str
    provider_reference: str
    payment_id: str


@register
class Case(Row, frozen=True):
    """Money without a home, for a person or a later event to place; suspense = Σ open cases."""

    KIND = "cs"
    KEY = ("tenant_id", "case_id")

    tenant_id: str
    case_id: str
    kind: str
    asset: str
    amount: int
    payment_id: str = ""
    order_id: str = ""
    status: str = "open"
    opened_ms: int = 0


@register
class Credit(Row, frozen=True):
    """What a customer has paid too much; customer:credit = Σ credits."""

    KIND = "cr"
    KEY = ("tenant_id", "customer_id", "asset")

    tenant_id: str
    customer_id: str
    asset: str
    amount: int
    version: int = 1
