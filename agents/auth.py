"""What the auth service tells of tenants and outlets, and the end of a freeze; no postings.

Of two events about the same thing the newer one counts, by its own time, whichever comes first.
"""

from typing import Literal

import msgspec

from agents.accounting.settings import SettingsGiven, chosen
from agents.effects import Effects, Park, Put, Refuse
from agents.registry import INTERNAL, PLATFORM, Event, View, handles
from agents.words import Code, Country, Id, Text
from streams.money import UnknownAsset, exponent_of
from streams.timestamps import local_date
from tables.balances import Balance
from tables.tenants import Outlet, Settings, Tenant

THAW = "treasury.tenant.thaw_requested"


class TenantCreated(msgspec.Struct, frozen=True, gc=False):
    """A new tenant; country ISO 3166, currency ISO 4217, time zone IANA.

    A tenant in sandbox mode has a clock that can be put forward; the mode never changes.
    """

    name: Text = ""
    country: Country = "KE"
    currency: Code = "KES"
    time_zone: Text = "Africa/Nairobi"
    mode: Literal["live", "sandbox"] = "live"
    settings: SettingsGiven = SettingsGiven()


class TenantFound(TenantCreated, frozen=True, gc=False):
    """What the auth service answered about a tenant whose events came before its own."""

    status: Literal["active", "suspended"] = "active"


class TenantUpdated(msgspec.Struct, frozen=True, gc=False):
    """What changed of a tenant; what is not said stays. Country and currency never change."""

    name: Text | None = None
    country: Country | None = None
    currency: Code | None = None
    time_zone: Text | None = None
    status: Literal["active", "suspended"] | None = None
    settings: SettingsGiven = SettingsGiven()


class ThawRequested(msgspec.Struct, frozen=True, gc=False):
    """An operator says that what made its handlers raise is mended."""


class OutletCreated(msgspec.Struct, frozen=True, gc=False):
    """A new place of sale."""

    outlet_id: Id
    name: Text = ""


class OutletFound(OutletCreated, frozen=True, gc=False):
    """What the auth service answered about an outlet of a tenant that was looked up."""

    status: Literal["active", "closed"] = "active"


class OutletUpdated(msgspec.Struct, frozen=True, gc=False):
    """What changed of an outlet; what is not said stays."""

    outlet_id: Id
    name: Text | None = None
    status: Literal["active", "closed"] | None = None


@handles("auth.tenant.created", TenantCreated, ingress=PLATFORM, needs_tenant=False)
def tenant_created(event: Event[TenantCreated], view: View) -> Effects:
    """Initialise a tenant; what waited for it goes on in the same place.

    Of one that was looked up it says the rest; what never changes may differ while nothing is
    posted.
    """
    known, data = view.row(Tenant, event.tenant_id), event.data
    refusal = _cannot_begin(known, event, view)
    if refusal is not None:
        return [refusal]
    tenant = chosen(_begun(event).replaced(told_ms=event.timestamp_ms), data.settings)
    return [Put(tenant if known is None else _completed(known, tenant))]


def _completed(known: Tenant, told: Tenant) -> Tenant:
    """A tenant that was looked up, with what is told of it; newer events have been heard before."""
    after = told.replaced(
        status=known.status,
        closed_through=known.closed_through,
        watched=known.watched,
        ahead_ms=known.ahead_ms,
        version=known.version + 1,
    )
    if known.told_ms <= told.told_ms:
        return after
    newer = {
        name: getattr(known.settings, name)
        for name in Settings.__struct_fields__
        if getattr(known.settings, name) != getattr(Settings(), name)
    }
    return after.replaced(
        name=known.name,
        time_zone=known.time_zone,
        tax_registered=known.tax_registered or told.tax_registered,
        payment_terms_days=known.payment_terms_days or told.payment_terms_days,
        settings=msgspec.structs.replace(told.settings, **newer),
        told_ms=known.told_ms,
    )


@handles("treasury.tenant.found", TenantFound, ingress=INTERNAL, needs_tenant=False)
def tenant_found(event: Event[TenantFound], view: View) -> Effects:
    """Begin with what the auth service answers, if its own event has not come meanwhile.

    Whatever it tells later is newer, whatever its time.
    """
    if view.row(Tenant, event.tenant_id) is not None:
        return []
    refusal = _cannot_begin(None, event, view)
    if refusal is not None:
        return [refusal]
    return [Put(_begun(event).replaced(status=event.data.status, looked_up=True))]


def _begun(event: Event[TenantCreated] | Event[TenantFound]) -> Tenant:
    data = event.data
    return Tenant(
        event.tenant_id,
        data.name or event.tenant_id,
        data.country,
        data.currency,
        data.time_zone,
        sandbox=data.mode == "sandbox",
    )


def _cannot_begin(
    known: Tenant | None, event: Event[TenantCreated] | Event[TenantFound], view: View
) -> Refuse | None:
    """Why a tenant cannot begin so; None if it can."""
    data = event.data
    if known is not None:
        said = (data.country, data.currency, data.mode == "sandbox")
        same = said == (known.country, known.currency, known.sandbox)
        if not known.looked_up or not (same or _untouched(event.tenant_id, view)):
            return Refuse("tenant_exists")
    return _currency(data.currency) or _time_zone(data.time_zone, event.timestamp_ms)


def _untouched(tenant_id: str, view: View) -> bool:
    """Whether nothing was ever posted for a tenant."""
    return not view.scan(Balance.prefix_of(tenant_id), 1)


@handles("auth.tenant.updated", TenantUpdated, ingress=PLATFORM, needs_tenant=False)
def tenant_updated(event: Event[TenantUpdated], view: View) -> Effects:
    """Change what is said of a tenant, unless something newer is known; it waits for its tenant."""
    data, tenant = event.data, view.row(Tenant, event.tenant_id)
    if tenant is None:
        return [Park(Tenant.key_of(event.tenant_id), "tenant_unknown_or_frozen")]
    if data.currency not in {None, tenant.currency}:
        return [Refuse("currency_never_changes", http_status=422)]
    if data.country not in {None, tenant.country}:
        return [Refuse("country_never_changes", http_status=422)]
    time_zone = data.time_zone or tenant.time_zone
    refusal = _time_zone(time_zone, event.timestamp_ms)
    if refusal is not None:
        return [refusal]
    if event.timestamp_ms < tenant.told_ms:
        return []
    status = tenant.status
    if data.status is not None and status != "frozen":
        status = data.status
    after = chosen(tenant, data.settings).replaced(
        name=data.name or tenant.name,
        time_zone=time_zone,
        status=status,
        told_ms=event.timestamp_ms,
        version=tenant.version + 1,
    )
    return [Put(after)]


def _currency(code: str) -> Refuse | None:
    try:
        exponent_of(code)
    except UnknownAsset:
        return Refuse("unknown_currency", code[:16], 422)
    return None


def _time_zone(name: str, at_ms: int) -> Refuse | None:
    try:
        local_date(at_ms, name)
    except (LookupError, ValueError):
        return Refuse("unknown_time_zone", name[:64], 422)
    return None


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
    known = view.row(Outlet, event.tenant_id, data.outlet_id)
    if known is not None and known.told_ms:
        return [Refuse("outlet_exists")]
    outlet = Outlet(
        event.tenant_id,
        data.outlet_id,
        data.name or data.outlet_id,
        version=known.version + 1 if known is not None else 1,
        told_ms=event.timestamp_ms,
    )
    return [Put(outlet)]


@handles("treasury.outlet.found", OutletFound, ingress=INTERNAL)
def outlet_found(event: Event[OutletFound], view: View) -> Effects:
    """Begin with what the auth service answers; whatever it tells itself is newer."""
    data = event.data
    if view.row(Outlet, event.tenant_id, data.outlet_id) is not None:
        return []
    return [Put(Outlet(event.tenant_id, data.outlet_id, data.name or data.outlet_id, data.status))]


@handles("auth.outlet.updated", OutletUpdated, ingress=PLATFORM)
def outlet_updated(event: Event[OutletUpdated], view: View) -> Effects:
    """Change what is said of an outlet, unless something newer is known; it waits for it."""
    data = event.data
    outlet = view.row(Outlet, event.tenant_id, data.outlet_id)
    if outlet is None:
        return [Park(Outlet.key_of(event.tenant_id, data.outlet_id), "outlet_unknown")]
    if event.timestamp_ms < outlet.told_ms:
        return []
    after = outlet.replaced(
        name=data.name or outlet.name,
        status=data.status or outlet.status,
        told_ms=event.timestamp_ms,
        version=outlet.version + 1,
    )
    return [Put(after)]
