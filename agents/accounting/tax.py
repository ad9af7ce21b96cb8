"""Taxes by dated tables per country; once per total or line, rounded half up (KRA practice).

Sources for Kenya: VAT Act 2013, section 5(2): 16 %, and 14 % from 1 April to 31 December 2020;
Tourism Act 2011, section 105: levy of 2 %; Tax Procedures Act 2015, section 42A: agents withhold
2 % of the taxable value as VAT; Income Tax Act, third schedule: 5 % of professional and 3 % of
contractual fees from KES 24,000 a month on.
"""

from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from streams.money import half_up
from tables.tenants import Tenant

_Table = tuple[tuple[date, Fraction], ...]
_VAT: Final[dict[str, _Table]] = {
    "KE": (
        (date(2013, 9, 2), Fraction(16, 100)),
        (date(2020, 4, 1), Fraction(14, 100)),
        (date(2021, 1, 1), Fraction(16, 100)),
    ),
}
"""Standard VAT rate by country, from its first day on."""
_LEVIES: Final[dict[tuple[str, str], _Table]] = {
    ("KE", "tourism_levy"): ((date(2012, 6, 1), Fraction(2, 100)),),
}
_WITHHOLDING: Final[dict[tuple[str, str], tuple[Fraction, int, str]]] = {
    ("KE", "vat"): (Fraction(2, 100), 0, "KES"),
    ("KE", "professional"): (Fraction(5, 100), 2_400_000, "KES"),
    ("KE", "contractual"): (Fraction(3, 100), 2_400_000, "KES"),
}
"""Rate on the net amount, and the net (minor units of a currency) from which on it is withheld."""

TOURISM_LEVY, SERVICE_CHARGE = "tax:tourism_levy", "service_charge"
LEVIES: Final = {"tourism_levy": TOURISM_LEVY}
"""Taxes besides VAT that a tenant may be liable for, and their accounts."""
TREATMENTS: Final = ("standard", "zero", "exempt", "non_vat")
"""How VAT sees what is sold."""


class Parts(msgspec.Struct, frozen=True, gc=False):
    """What a total consists of, minor units; `levies` by account."""

    net: int
    vat: int
    levies: dict[str, int] = {}

    @property
    def charge(self) -> int:
        """The service charge, of which VAT is due too."""
        return self.levies.get(SERVICE_CHARGE, 0)


class Rates(msgspec.Struct, frozen=True, gc=False):
    """The rates that one tenant charges on one day."""

    vat: Fraction
    levies: tuple[tuple[str, Fraction], ...]
    service_charge: Fraction
    registered: bool


def standard_rate(country: str, day: str) -> Fraction:
    """The country's standard VAT rate on a day (ISO); 0 where no table is kept."""
    return _on(_VAT.get(country, ()), day)


def rates_of(tenant: Tenant, day: str) -> Rates:
    """What the tenant adds to its prices; nothing if it is not registered."""
    settings = tenant.settings
    named = (tenant.country, tenant.tax_registered, tuple(settings.taxes))
    return _rates(*named, settings.service_charge_bp, day)


@lru_cache(maxsize=4096)
def _rates(
    country: str, registered: bool, taxes: tuple[str, ...], service_charge_bp: int, day: str
) -> Rates:
    vat = standard_rate(country, day) if registered else Fraction(0)
    levies = ((LEVIES[name], _on(_LEVIES.get((country, name), ()), day)) for name in taxes)
    charged = tuple((account, rate) for account, rate in levies if rate)
    return Rates(vat, charged, Fraction(service_charge_bp, 10_000), registered)


def treated(treatment: str, *, registered: bool) -> str:
    """Who is not registered for VAT sells outside of it, whatever is sold."""
    return treatment if registered else "non_vat"


def of_total(tenant: Tenant, total: int, day: str) -> Parts:
    """The parts of a gross total without lines: total = (net + service charge) × VAT + levies."""
    settings = tenant.settings
    if not (tenant.tax_registered or settings.taxes or settings.service_charge_bp):
        return Parts(total, 0)
    return of_gross(rates_of(tenant, day), total)


def of_gross(rates: Rates, gross: int, treatment: str = "standard") -> Parts:
    """The parts of a gross amount; each part but the net is rounded, so that all sum to it."""
    vat = rates.vat if treatment == "standard" else Fraction(0)
    if not vat and not rates.levies and not rates.service_charge:
        return Parts(gross, 0)
    charge = rates.service_charge
    if not rates.levies and not charge:
        tax = half_up(gross * vat.numerator, vat.denominator + vat.numerator)
        return Parts(gross - tax, tax)
    whole = (1 + charge) * (1 + vat) + sum(rate for _, rate in rates.levies)
    net = Fraction(gross * whole.denominator, whole.numerator)
    levies = {account: _rounded(net * rate) for account, rate in rates.levies}
    taxed = gross - sum(levies.values())  # a tax document has to say the tax in this, to the cent
    tax = half_up(taxed * vat.numerator, vat.denominator + vat.numerator)
    if charge:
        levies[SERVICE_CHARGE] = _rounded(net * charge)
    return Parts(gross - tax - sum(levies.values()), tax, levies)


def on_net(rates: Rates, net: int, treatment: str = "standard") -> Parts:
    """The parts of an amount to which taxes are added."""
    vat = rates.vat if treatment == "standard" else Fraction(0)
    levies = {account: _rounded(net * rate) for account, rate in rates.levies}
    if rates.service_charge:
        levies[SERVICE_CHARGE] = _rounded(net * rates.service_charge)
    return Parts(net, _rounded((net + levies.get(SERVICE_CHARGE, 0)) * vat), levies)


def withheld(country: str, kind: str, net: int, asset: str) -> int:
    """What a payer withholds of a net amount, minor units of `asset`; 0 if the kind is unknown.

    Below the threshold it is nothing. In another currency it is withheld of every amount: no rate
    is known here to compare it with the threshold.
    """
    rate, threshold, threshold_asset = _WITHHOLDING.get((country, kind), (Fraction(0), 0, asset))
    return 0 if asset == threshold_asset and net < threshold else _rounded(net * rate)


def can_withhold(country: str, kind: str) -> bool:
    """Whether the country has this kind of withholding."""
    return (country, kind) in _WITHHOLDING


def _on(table: _Table, day: str) -> Fraction:
    rate = Fraction(0)
    for since, value in table:
        if since.isoformat() <= day:
            rate = value
    return rate


def _rounded(exact: Fraction | int) -> int:
    return half_up(exact.numerator, exact.denominator)
