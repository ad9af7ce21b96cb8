"""Payments, the gateway calls they make, and the references that keep one payment from two homes.

States of a payment: requires_action → processing → succeeded | requires_action (attempt failed);
expired; cancelled. One captured by hand: processing → requires_capture → processing → succeeded,
or cancelled or expired once the payer's money is let go. Of a call: requested → granted → done |
unknown. Guarantees: money counts once per (provider, direction, provider reference), by whichever
route it is reported first; a terminal payment is overwritten by proven money alone. Constraints:
refunded, pending and disputed money never exceed what was received.
"""

import msgspec

from tables.row import Row, register


class Placement(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where received money went, by its id: to an invoice (in its currency, or quoted in another),
    a customer's credit, a case; or what it turned out to be: another payment's money, a settlement,
    an entry of ours, another account's, or what an account stands for.

    `kind` is invoice, quoted, credit, case, payment, settlement, entry, other_line or account.
    """

    kind: str
    subject: str
    amount: int


class Came(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Money that one receipt brought, minor units, and how much of it went `back` by the same way:
    refunds that have not failed, disputes that were not won.
    """

    provider: str
    reference: str
    account: str
    amount: int
    back: int = 0


@register
class Payment(Row, frozen=True):
    """A payment intent; `amount` in minor units of `asset`, `received` of what truly came.

    `authorized` is what the payer's bank holds for it under the provider's reference
    `authorization`, `capturing` what we asked to have of it. `attempt` counts calls made for it.
    `next_action` is what its payer needs to go on: an address, or a client's secret. `routed` is
    why its gateway is that one (connectors/routing.py). A payment in another currency than its
    invoice's pays `quoted` minor units of it, of `quoted_asset`. `taken_back` is what a chain has
    undone of what was received; `received_ms` is when its money first came. `came` is what each
    receipt brought since no money was here.
    """

    KIND = "pi"
    KEY = ("tenant_id", "payment_id")

    tenant_id: str
    payment_id: str
    asset: str
    amount: int
    order_id: str = ""
    invoice_id: str = ""
    customer_id: str = ""
    status: str = "requires_action"
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
    received: int = 0
    account: str = ""
    placements: tuple[Placement, ...] = ()
    refunded: int = 0
    refund_pending: int = 0
    disputed: int = 0
    settlement_id: str = ""
    reference: str = ""
    capture_method: str = "automatic"  # automatic | manual
    authorized: int = 0
    authorization: str = ""
    capturing: int = 0
    capture_before_ms: int = 0
    phone: str = ""
    next_action: str = ""
    routed: str = ""
    quoted: int = 0
    quoted_asset: str = ""
    taken_back: int = 0
    received_ms: int = 0
    came: tuple[Came, ...] = ()

    @property
    def receipts(self) -> tuple[Came, ...]:
        """What each receipt brought; of a payment from before they were kept, one brought all."""
        if self.came or not self.provider_reference or not self.received:
            return self.came
        back = self.received - self.refundable
        about = self.provider, self.provider_reference, self.account
        return (Came(*about, self.received, back),)

    def receipt_of(self, provider: str, reference: str) -> Came | None:
        """The receipt of that name, or the provider's first: its name may have come only since."""
        theirs = [each for each in self.receipts if each.provider == provider]
        exact = [each for each in theirs if each.reference == reference]
        return next(iter([*exact, *theirs]), None)

    def gives_back(self, provider: str, reference: str, amount: int) -> tuple[Came, ...]:
        """Its receipts after so much more (or, below zero, less) went back by one of them."""
        found = self.receipt_of(provider, reference)
        return tuple(
            msgspec.structs.replace(each, back=each.back + amount) if each == found else each
            for each in self.receipts
        )

    @property
    def refundable(self) -> int:
        """What may still be given back, minor units."""
        return self.received - self.refunded - self.refund_pending - self.disputed - self.taken_back


@register
class OpenIntent(Row, frozen=True):
    """The newest intent for an order, or for an invoice that is of none: one is open at a time."""

    KIND = "oi"
    KEY = ("tenant_id", "order_id", "invoice_id")

    tenant_id: str
    order_id: str
    invoice_id: str
    payment_id: str


@register
class IntentReference(Row, frozen=True):
    """The intent that a caller's own reference names, for ever."""

    KIND = "ir"
    KEY = ("tenant_id", "reference")

    tenant_id: str
    reference: str
    payment_id: str


@register
class GatewayCall(Row, frozen=True):
    """One wish to call a gateway; only the holder of the granted nonce may send it.

    Of a payment, these are its attempts: what was tried, and how it ended. `gateways` may take it,
    in order; `handle` is the provider's name of it. `code` is what its payer was shown. `counted`
    is the reference under which its money was counted: its own id until a receipt is known.
    `failure` is our word for why it failed, `detail` the provider's code and words as they came.
    """

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
    failure: str = ""
    provider_reference: str = ""
    created_ms: int = 0
    gateways: tuple[str, ...] = ()
    routed: str = ""
    handle: str = ""
    code: str = ""
    counted: str = ""
    detail: str = ""


@register
class PayCode(Row, frozen=True):
    """What a payer's reference means: an invoice, or one attempt of a payment (agents' codes)."""

    KIND = "pc"
    KEY = ("tenant_id", "code")

    tenant_id: str
    code: str
    invoice_id: str = ""
    call_id: str = ""


@register
class Reference(Row, frozen=True):
    """Where every route of one payment meets: (provider, direction, provider's reference).

    Of what goes out, `payment_id` is the payout or refund. `line_id` is the statement's line that
    has shown it.
    """

    KIND = "rf"
    KEY = ("tenant_id", "provider", "direction", "provider_reference")

    tenant_id: str
    provider: str
    direction: str
    provider_reference: str
    payment_id: str
    amount: int = 0
    line_id: str = ""
    asset: str = ""


@register
class ProviderBalance(Row, frozen=True):
    """What a provider said last that one account of ours has; minor units, perhaps below zero."""

    KIND = "pb"
    KEY = ("tenant_id", "provider", "account")

    tenant_id: str
    provider: str
    account: str
    asset: str
    current: int
    available: int
    as_of_ms: int = 0
    version: int = 1


@register
class Case(Row, frozen=True):
    """What waits for a person or a later event; suspense = Σ open cases.

    Money without a home; or, of amount 0, a call whose outcome nobody knows (`call_id`), which is
    closed when somebody says how that call ended. States: open → closed. `resolution` says how:
    applied, refunded, credited, written_off, journal, duplicate, or the call's own outcome.
    """

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
    resolution: str = ""
    call_id: str = ""


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


class Taken(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a refund took from one account, and whose it was; all of it goes back if it fails."""

    account: str
    amount: int
    kind: str
    subject: str


@register
class Refund(Row, frozen=True):
    """Money on its way back to who paid it; refund:pending = Σ refunds in flight.

    States: held (above the tenant's limit, until somebody else approves) → submitted → completed |
    failed (what was taken goes back); completed → failed when it comes back. It goes by the way
    that the money of one `receipt` came, out of that one's `account`. Guarantees: of one
    payment never more is given back than is refundable; a fee stays where it is. Constraints: the
    amount never changes; cash is given back at once; who asked for one that is held cannot let it
    go.
    """

    KIND = "re"
    KEY = ("tenant_id", "refund_id")

    tenant_id: str
    refund_id: str
    payment_id: str
    asset: str
    amount: int
    taken: tuple[Taken, ...]
    status: str = "submitted"
    reason: str = ""
    provider: str = ""
    provider_reference: str = ""
    call_id: str = ""
    failure: str = ""
    created_ms: int = 0
    version: int = 1
    settlement_id: str = ""
    requested_by: str = ""
    approved_by: str = ""
    metadata: dict[str, str] = {}
    account: str = ""
    receipt: str = ""


@register
class Dispute(Row, frozen=True):
    """A payer's bank takes money back until it is decided whose it is.

    States: opened → won | lost. Guarantees: what is disputed is held once and cannot be refunded.
    `receipt` is the provider's name of the money. `excess` is what was taken beyond what was
    refundable (suspense:out until it is won); `invoices` are those that rest meanwhile.
    """

    KIND = "di"
    KEY = ("tenant_id", "dispute_id")

    tenant_id: str
    dispute_id: str
    payment_id: str
    asset: str
    amount: int
    account: str
    status: str = "opened"
    reason: str = ""
    fee: int = 0
    created_ms: int = 0
    version: int = 1
    provider: str = ""
    excess: int = 0
    invoices: tuple[str, ...] = ()
    receipt: str = ""
