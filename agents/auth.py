"""What the auth service tells of tenants and outlets, and the end of a freeze; no postings."""

import msgspec

from agents.effects import Effects, Put, Refuse
from agents.registry import INTERNAL, PLATFORM, Event, View, handles
from agents.words import Code, Country, Id, Text
from streams.money import UnknownAsset, exponent_of
from streams.timestamps import local_date
from tables.tenants import Outlet, Tenant

THAW = "treasury.tenant.thaw_requested"


class Settings(msgspec.Struct, frozen=True, gc=False):
    """Choices of a tenant that decisions depend on."""

    tax_registered: bool = False
    payment_terms_days: int = 0


class TenantCreated(msgspec.Struct, frozen=True, gc=False):
    """A new tenant; country ISO 3166, currency ISO 4217, time zone IANA."""

    name: Text = ""
    country: Country = "KE"
    currency: Code = "KES"
    time_zone: Text = "Africa/Nairobi"
    settings: Settings = Settings()


class ThawRequested(msgspec.Struct, frozen=True, gc=False):
    """An operator says that what made its handlers raise is mended."""


class OutletCreated(msgspec.Struct, frozen=True, gc=False):
    """A new place of sale."""

    outlet_id: Id
    name: Text = ""


@handles("auth.tenant.created", TenantCreated, ingress=PLATFORM, needs_tenant=False)
def tenant_created(event: Event[TenantCreated], view: View) -> Effects:
    """Initialise a tenant; what waited for it goes on in the same place."""
    data = event.data
    if view.row(Tenant, event.tenant_id) is not None:
        return [Refuse("tenant_exists")]
    try:
        exponent_of(data.currency)
        local_date(event.timestamp_ms, data.time_zone)
    except UnknownAsset:
        return [Refuse("unknown_currency", data.currency[:16], 422)]
    except (LookupError, ValueError):
        return [Refuse("unknown_time_zone", data.time_zone[:64], 422)]
    if not 0 <= data.settings.payment_terms_days <= 366:
        return [Refuse("payment_terms_out_of_bounds", "0 to 366 days", 422)]
    tenant = Tenant(
        event.tenant_id,
        data.name or event.tenant_id,
        data.country,
        data.currency,
        data.time_zone,
        tax_registered=data.settings.tax_registered,
        payment_terms_days=data.settings.payment_terms_days,
    )
    return [Put(tenant)]


@handles(THAW, ThawRequested, ingress=INTERNAL, needs_tenant=False)
def thaw_requested(event: Event[ThawRequested], view: View) -> Effects:
    """Let a tenant whose handlers kept raising go on; what waited is decided in its order."""
    tenant = view.row(Tenant, event.tenant_id)
    if tenant is None:
        return [Refuse("tenant_unknown")]
    if tenant.status != "frozen":
        return []
    return [Put(tenant.replaced(status="active"))]


@handles("auth.outlet.created", OutletCreated, ingress=PLATFORM)
def outlet_created(event: Event[OutletCreated], view: View) -> Effects:
    """Initialise an outlet of the tenant."""
    data = event.data
    if view.row(Outlet, event.tenant_id, data.outlet_id) is not None:
        return [Refuse("outlet_exists")]
    return [Put(Outlet(event.tenant_id, data.outlet_id, data.name or data.outlet_id))]
