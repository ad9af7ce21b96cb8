"""Amounts as PayPal writes them: decimal text, in the currencies that it has.

Pure. Source: PayPal documentation, "Currency codes". The Kenyan shilling is none of them: a tenant
of shillings needs a quote first.
"""

from connectors.reading import Unfit
from streams.money import BadAmount, exponent_of, format_minor, parse_minor

WHOLE = frozenset({"HUF", "JPY", "TWD"})
"""Without decimals at PayPal, whatever ISO 4217 says."""
SUPPORTED = WHOLE | frozenset({
    "AUD", "BRL", "CAD", "CNY", "CZK", "DKK", "EUR", "HKD", "ILS", "MYR", "MXN", "NZD", "NOK",
    "PHP", "PLN", "GBP", "SGD", "SEK", "CHF", "THB", "USD",
})  # fmt: skip


def value_of(minor: int, asset: str) -> str:
    """PayPal's text of an amount above zero. Raises `Unfit`: nothing is rounded."""
    if asset not in SUPPORTED:
        raise Unfit("currency_unsupported")
    if minor <= 0:
        raise Unfit("amount_not_positive")
    exponent = exponent_of(asset)
    if asset not in WHOLE or not exponent:
        return format_minor(minor, exponent)
    whole, rest = divmod(minor, 100)
    if rest:
        raise Unfit("too_many_decimals")
    return str(whole)


def minor_of(value: str, asset: str) -> int:
    """Our minor units of PayPal's text. Raises `Unfit` for what is none of ours."""
    if asset not in SUPPORTED:
        raise Unfit("currency_unsupported")
    try:
        return parse_minor(value, exponent_of(asset))
    except BadAmount as error:
        raise Unfit(error.reason) from None
