"""A tenant's choices as somebody writes them, and as rows keep them."""

import re
from typing import Any

import msgspec

from agents.accounting import methods, tax_documents, tax_months
from agents.accounting.tax import LEVIES
from agents.effects import Unfit
from agents.words import Method, Text
from streams.money import Amount, exponent_of, format_minor, parse_minor
from tables.tenants import Settings, Tenant

TERMS_MAX_DAYS = 366
STEPS_MAX = 12
OUTLETS_MAX = 1_000
_branch = re.compile(r"[0-9]{2}").fullmatch
_clock = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])").fullmatch
_HUNDRED_PERCENT = 10_000


class SettingsGiven(msgspec.Struct, frozen=True, gc=False):
    """What is not said stays as it is. Limits are amounts of the tenant's currency.

    `cut_off` is a local time like 23:30 until which a day's settlement collects; percentages have
    two decimals at most. `gateways` orders those of a method, and under `payout` those that pay
    out; it replaces what was chosen before. `etims` is the branch, as KRA numbers them, of each
    outlet (`*` for all others) whose tax documents are declared; none are where it is empty.
    """

    tax_registered: bool | None = None
    payment_terms_days: int | None = None
    taxes: list[Text] | None = None
    service_charge_percent: Amount | None = None
    dunning_days: list[int] | None = None
    payment_links: bool | None = None
    expense_limit: Amount | None = None
    payout_limit: Amount | None = None
    refund_limit: Amount | None = None
    journal_limit: Amount | None = None
    tolerance_percent: Amount | None = None
    tolerance_amount: Amount | None = None
    cut_off: Text | None = None
    gateways: dict[Method, list[Method]] | None = None
    etims: dict[Text, Text] | None = None


def chosen(tenant: Tenant, given: SettingsGiven) -> Tenant:
    """The tenant with these choices. Raises Unfit or BadAmount for one that cannot be."""
    terms = given.payment_terms_days
    if terms is not None and not 0 <= terms <= TERMS_MAX_DAYS:
        raise Unfit("payment_terms_out_of_bounds", f"0 to {TERMS_MAX_DAYS} days")
    changes: dict[str, Any] = {}
    if given.tax_registered is not None:
        changes["tax_registered"] = given.tax_registered
    if terms is not None:
        changes["payment_terms_days"] = terms
    return tenant.replaced(**changes, settings=_settings(tenant, given))


def told(tenant: Tenant) -> dict[str, Any]:
    """The tenant and its choices as somebody would write them."""
    kept, currency = tenant.settings, tenant.currency
    return {
        "tenant_id": tenant.tenant_id,
        "name": tenant.name,
        "country": tenant.country,
        "currency": currency,
        "time_zone": tenant.time_zone,
        "status": tenant.status,
        "mode": "sandbox" if tenant.sandbox else "live",
        "closed_through": tenant.closed_through,
        "version": tenant.version,
        "settings": {
            "tax_registered": tenant.tax_registered,
            "payment_terms_days": tenant.payment_terms_days,
            "taxes": kept.taxes,
            "service_charge_percent": format_minor(kept.service_charge_bp, 2),
            "dunning_days": list(kept.dunning_days),
            "payment_links": kept.payment_links,
            "expense_limit": _limit_text(kept.expense_limit, currency),
            "payout_limit": _limit_text(kept.payout_limit, currency),
            "refund_limit": _limit_text(kept.refund_limit, currency),
            "journal_limit": _limit_text(kept.journal_limit, currency),
            "tolerance_percent": format_minor(kept.tolerance_bp, 2),
            "tolerance_amount": _limit_text(kept.tolerance_minor, currency),
            "cut_off": "{:02d}:{:02d}".format(*divmod(kept.cut_off_minutes, 60)),
            "gateways": {name: list(order) for name, order in kept.gateways.items()},
            "etims": kept.etims,
        },
    }


def _limit_text(minor: int, currency: str) -> str | None:
    """A limit as decimal text; None where there is none."""
    return None if minor < 0 else format_minor(minor, exponent_of(currency))


def _settings(tenant: Tenant, given: SettingsGiven) -> Settings:
    found = {
        "taxes": None if given.taxes is None else _taxes(given.taxes),
        "service_charge_bp": _percent(given.service_charge_percent),
        "dunning_days": None if given.dunning_days is None else _steps(given.dunning_days),
        "payment_links": given.payment_links,
        "expense_limit": _limit(given.expense_limit, tenant.currency),
        "payout_limit": _limit(given.payout_limit, tenant.currency),
        "refund_limit": _limit(given.refund_limit, tenant.currency),
        "journal_limit": _limit(given.journal_limit, tenant.currency),
        "tolerance_bp": _percent(given.tolerance_percent),
        "tolerance_minor": _limit(given.tolerance_amount, tenant.currency),
        "cut_off_minutes": None if given.cut_off is None else _minutes(given.cut_off),
        "gateways": None if given.gateways is None else _gateways(given.gateways),
        "etims": None if given.etims is None else _branches(tenant, given.etims),
    }
    said = {name: value for name, value in found.items() if value is not None}
    return msgspec.structs.replace(tenant.settings, **said)


def _taxes(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in LEVIES]
    if unknown:
        raise Unfit("unknown_tax", f"known are {', '.join(LEVIES)}")
    return sorted(set(names))


def _gateways(orders: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    known = methods.choices()
    for name, order in orders.items():
        if name not in known:
            raise Unfit("method_unknown", f"known are {', '.join(known)}")
        if not order or len(set(order)) != len(order) or not set(order) <= set(known[name]):
            raise Unfit("provider_unknown", f"{name} is served by {', '.join(known[name])}")
    return {name: tuple(order) for name, order in sorted(orders.items())}


def _branches(tenant: Tenant, given: dict[str, str]) -> dict[str, str]:
    """Branches by outlet. An outlet without one would sell without a document: all have one."""
    if not given:
        return {}
    if tenant.country != tax_months.COUNTRY:
        raise Unfit("etims_unsupported", f"it is of {tax_months.COUNTRY}")
    named = all(outlet and outlet.isprintable() for outlet in given)
    if not named or len(given) > OUTLETS_MAX or not all(map(_branch, given.values())):
        raise Unfit("branch_unfit", "two digits; 00 is the head office")
    if tax_documents.OTHER_OUTLETS not in given:
        raise Unfit("branch_unfit", "* names the branch of outlets that are not named")
    return dict(sorted(given.items()))


def _steps(days: list[int]) -> tuple[int, ...]:
    if len(days) > STEPS_MAX or any(abs(day) > TERMS_MAX_DAYS for day in days):
        raise Unfit("dunning_days_out_of_bounds", f"at most {STEPS_MAX}, a year away")
    return tuple(sorted(set(days)))


def _percent(given: Amount | None) -> int | None:
    """Basis points."""
    if given is None:
        return None
    points = parse_minor(given.text, 2)
    if not 0 <= points <= _HUNDRED_PERCENT:
        raise Unfit("percent_out_of_bounds", "0 to 100")
    return points


def _limit(given: Amount | None, currency: str) -> int | None:
    if given is None:
        return None
    minor = given.minor(currency)
    if minor < 0:
        raise Unfit("amount_not_positive", "a limit")
    return minor


def _minutes(text: str) -> int:
    """Minutes after midnight: the settlement's day ends so long after the calendar's."""
    match = _clock(text)
    if match is None:
        raise Unfit("bad_cut_off", "a local time like 02:00")
    return int(match[1]) * 60 + int(match[2])
