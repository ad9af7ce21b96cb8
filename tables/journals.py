"""Journals that people post by hand, their reversals, and conversions between currencies.

States of a journal: held (above the tenant's limit, until somebody else approves) → posted →
reversed, or rejected. Guarantees:
a journal balances per currency and is reversed at most once. Constraints: a leg on a control
account names the item it belongs to.
"""

import msgspec

from tables.row import Row, register


class Leg(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One leg: debit positive, minor units of `asset`; `item` for a control account."""

    account: str
    asset: str
    minor: int
    item: str = ""
    dimensions: dict[str, str] = {}


@register
class Journal(Row, frozen=True):
    """One journal; its effective day is tenant-local, ISO 8601. One that is held posts nothing."""

    KIND = "jn"
    KEY = ("tenant_id", "journal_id")

    tenant_id: str
    journal_id: str
    legs: tuple[Leg, ...]
    day: str
    description: str = ""
    reference: str = ""
    status: str = "posted"
    reverses: str = ""
    reversed_by: str = ""
    posted_by: str = ""
    created_ms: int = 0
    version: int = 1
    approved_by: str = ""
    metadata: dict[str, str] = {}


@register
class Conversion(Row, frozen=True):
    """Money of one currency for another: `quoted` is what was promised, `bought` what came.

    States: quoted → completed | cancelled; of money on a chain also quoted → executing (it is being
    sent to `destination`) → executed (it is there) → completed, or back to quoted when it was not
    sent. Guarantees: what is executing or executed is in cash:in_transit. Constraints: what was
    sent cannot be cancelled; `tx_hash` is its transaction.
    """

    KIND = "cv"
    KEY = ("tenant_id", "conversion_id")

    tenant_id: str
    conversion_id: str
    from_account: str
    from_asset: str
    sold: int
    to_account: str
    to_asset: str
    quoted: int
    bought: int = 0
    status: str = "quoted"
    reference: str = ""
    created_ms: int = 0
    version: int = 1
    quoted_by: str = ""
    destination: str = ""
    call_id: str = ""
    tx_hash: str = ""
    failure: str = ""
