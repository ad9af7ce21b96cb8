"""Tax on sales: dated rates per country; computed once per total, rounded half up (KRA practice).

Source of the Kenyan rate: VAT Act 2013, section 5(2): 16 %; 14 % from 1 April to 31 December 2020.
"""

from datetime import date
from fractions import Fraction
from functools import lru_cache

from streams.money import tax_inclusive
from tables.tenants import Tenant

_RATES: dict[str, tuple[tuple[date, Fraction], ...]] = {
    "KE": (
        (date(2013, 9, 2), Fraction(16, 100)),
        (date(2020, 4, 1), Fraction(14, 100)),
        (date(2021, 1, 1), Fraction(16, 100)),
    ),
}
"""Standard VAT rate by country, from its first day on."""


@lru_cache(maxsize=4096)
def standard_rate(country: str, day: date) -> Fraction:
    """The country's standard rate on a tenant-local day; 0 where no table is kept."""
    rate = Fraction(0)
    for since, value in _RATES.get(country, ()):
        if since <= day:
            rate = value
    return rate


def of_total(tenant: Tenant, total: int, day: date) -> tuple[int, int]:
    """(net, tax) in minor units of a total without lines: gross if the tenant is registered."""
    if not tenant.tax_registered:
        return total, 0
    return tax_inclusive(total, standard_rate(tenant.country, day))
