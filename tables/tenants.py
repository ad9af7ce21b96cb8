"""Tenants and outlets, as the auth service announces them.

Guarantees: a tenant's partition, currency and rows never mix with another's. A tenant that is
not `active` holds its events (they park) until it is.
"""

from tables.row import Row, register


@register
class Tenant(Row, frozen=True):
    """One tenant of the platform; `settings` holds what its decisions depend on."""

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


@register
class Outlet(Row, frozen=True):
    """A place of sale of a tenant."""

    KIND = "ol"
    KEY = ("tenant_id", "outlet_id")

    tenant_id: str
    outlet_id: str
    name: str
    status: str = "active"
    version: int = 1
