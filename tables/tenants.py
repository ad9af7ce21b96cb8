"""Tenants and outlets, as the auth service announces them, and what their decisions depend on.

States of a tenant: active ⇄ frozen, suspended. Guarantees: a tenant's partition, currency and rows
never mix with another's; a tenant that is not `active` holds its events (they park) until it is.
Constraints: country, currency and `sandbox` never change once anything is posted; `closed_through`
only moves forward.
"""

import msgspec

from tables.row import Row, register

DUNNING_DAYS = (-3, 0, 3, 7, 14, 30)


class Settings(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A tenant's choices. Limits are minor units of its currency; -1 is no limit.

    `taxes` are what comes on top of VAT, by name; percentages are basis points (1/100 %).
    `dunning_days` are counted from the due date. `cut_off_minutes` after local midnight end a
    settlement's day. An expense up to `expense_limit` needs nobody's approval; a payout, refund or
    journal above its limit needs somebody's. A bill may differ from what was received by the
    greater of the two tolerances. `gateways` are those that may serve a method, in order, and under
    `payout` the one that pays out. `etims` are branches by outlet whose tax documents are declared.
    """

    taxes: list[str] = []
    service_charge_bp: int = 0
    dunning_days: tuple[int, ...] = DUNNING_DAYS
    payment_links: bool = False
    expense_limit: int = 0
    payout_limit: int = -1
    tolerance_bp: int = 200
    tolerance_minor: int = 0
    cut_off_minutes: int = 0
    refund_limit: int = -1
    journal_limit: int = -1
    gateways: dict[str, tuple[str, ...]] = {}
    etims: dict[str, str] = {}


@register
class Tenant(Row, frozen=True):
    """One tenant of the platform.

    One that is `looked_up` was asked for at the auth service, whose own event has not come yet.
    `closed_through` is the last day (ISO) of closed books, empty if none are. The clock of a
    sandbox tenant is `ahead_ms` ahead of log time. `watched` are the accounts with a threshold.
    """

    KIND = "tn"
    KEY = ("tenant_id",)

    tenant_id: str
    name: str
    country: str = "KE"
    currency: str = "KES"
    time_zone: str = "Africa/Nairobi"
    status: str = "active"
    tax_registered: bool = False
    payment_terms_days: int = 0
    version: int = 1
    settings: Settings = Settings()
    closed_through: str = ""
    sandbox: bool = False
    ahead_ms: int = 0
    watched: tuple[str, ...] = ()
    told_ms: int = 0  # of the newest event that told of it
    looked_up: bool = False

    def needs_two(self, limit: int, asset: str, minor: int) -> bool:
        """Whether `minor` units need a second person: above a limit, or of another currency."""
        return limit >= 0 and (asset != self.currency or minor > limit)


@register
class Outlet(Row, frozen=True):
    """A place of sale of a tenant; the newest event that told of it counts.

    `told_ms` is 0 of one that was looked up, and of which no event has told yet.
    """

    KIND = "ol"
    KEY = ("tenant_id", "outlet_id")

    tenant_id: str
    outlet_id: str
    name: str
    status: str = "active"
    version: int = 1
    told_ms: int = 0


@register
class Threshold(Row, frozen=True):
    """Tell when an account's balance, on its normal side, passes `minor`: `below` or above it.

    States: armed ⇄ passed. It tells once each time the line is crossed, while it is `watching`.
    """

    KIND = "th"
    KEY = ("tenant_id", "account", "asset")

    tenant_id: str
    account: str
    asset: str
    minor: int
    below: bool = True
    passed: bool = False
    version: int = 1
    watching: bool = True
