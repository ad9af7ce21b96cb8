"""Money as integers of the minor unit: reading, writing, splitting, rounding.

Nothing here touches a float or a decimal context. What cannot be read exactly is refused with a
stable reason and never rounded. Computed values are rounded once, by a rule with a name.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from streams import iso4217

MAX_DIGITS: Final = 34
"""Digits an amount may have on the wire, as many as an IEEE 754 decimal128 carries."""

TOKENS: Final[dict[str, int]] = {"ETH": 18, "MATIC": 18, "POL": 18, "USDC": 6, "USDT": 6}
"""Token to decimals, as their contracts on Ethereum and Polygon declare them."""

Rate = Fraction | tuple[int, int]
RoundingRule = Callable[[int, int], int]
Model = TypeVar("Model")

_EXPONENTS: Final = iso4217.EXPONENTS | TOKENS
_PLAIN_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?").fullmatch
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch


class BadAmount(ValueError):
    """An amount that is not taken; `reason` is a stable code.

    not_a_number, exponent (1E5 is a number, but not how money is written), too_many_decimals,
    out_of_bounds.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownAsset(LookupError):
    """A currency or token that no table here knows, or that has no minor unit."""


class Amount:
    """An amount as it arrived: the exact text of a JSON number, or of a string.

    Which decimals are allowed depends on the currency, which the message may not carry; so the
    text is kept and judged by `minor`.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def minor(self, currency: str) -> int:
        """Minor units of the currency. Raises BadAmount or UnknownAsset."""
        return parse_minor(self.text, exponent_of(currency))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Amount({self.text!r})"


def exponent_of(asset: str) -> int:
    """Decimals of the asset's minor unit. Raises UnknownAsset."""
    try:
        return _EXPONENTS[asset]
    except (KeyError, TypeError):
        raise UnknownAsset(asset) from None


def parse_minor(text: str, exponent: int) -> int:
    """Read plain decimal text as minor units. Raises BadAmount.

    The grammar is JSON's without the exponent form. Decimals beyond the minor unit are taken
    only if they are zeros: `1500.000` is exact in KES, `1500.001` is refused.
    """
    if len(text) <= MAX_DIGITS + 1 and text.isascii():
        whole, _, fraction = text.partition(".")
        if (
            len(fraction) == exponent
            and fraction.isdigit()
            and whole.isdigit()
            and (whole[0] != "0" or whole == "0")
        ):
            return int(whole + fraction)
    return _parse_any(text, exponent)


def _parse_any(text: str, exponent: int) -> int:
    match = _PLAIN_NUMBER(text)
    if match is None:
        raise BadAmount("exponent" if _JSON_NUMBER(text) else "not_a_number")
    sign, whole, fraction = match.groups("")
    if len(whole) + len(fraction) > MAX_DIGITS:
        raise BadAmount("out_of_bounds")
    if fraction[exponent:].strip("0"):
        raise BadAmount("too_many_decimals")
    minor = int(whole + fraction[:exponent].ljust(exponent, "0"))
    return -minor if sign else minor


def format_minor(minor: int, exponent: int) -> str:
    """Write minor units with exactly the asset's decimals, as in `1500.00`."""
    if minor < 0:
        return "-" + format_minor(-minor, exponent)
    digits = str(minor)
    if not exponent:
        return digits
    if len(digits) <= exponent:
        digits = digits.zfill(exponent + 1)
    return f"{digits[:-exponent]}.{digits[-exponent:]}"


def json_number(minor: int, currency: str) -> msgspec.Raw:
    """The amount as a JSON number with all its decimals; any msgspec encoder writes it so."""
    return msgspec.Raw(format_minor(minor, exponent_of(currency)))


@cache
def decoder(model: type[Model]) -> msgspec.json.Decoder[Model]:
    """A JSON decoder that keeps the text of amounts.

    Fields typed Amount take a number or a string. In untyped places a number with a point or an
    exponent becomes an Amount too, so that nothing passes through a float.
    """
    return msgspec.json.Decoder(model, dec_hook=_amount_from_json, float_hook=Amount)


plain = msgspec.json.Decoder(float_hook=Amount).decode
"""Reads JSON into plain values; a number with a point or an exponent becomes an Amount."""


def _amount_from_json(expected: type, value: object) -> object:
    if expected is not Amount:
        raise NotImplementedError(expected)  # msgspec's word for "no such type here"
    kind = type(value)
    if kind is Amount:
        return value
    if kind is str:
        return Amount(value)  # type: ignore[arg-type]
    if kind is int:
        return Amount(str(value))
    raise BadAmount("not_a_number")


def _amount_to_json(value: object) -> Any:
    if not isinstance(value, Amount):
        raise NotImplementedError(type(value))  # msgspec's word for "no such type here"
    if _JSON_NUMBER(value.text) is None:
        raise BadAmount("not_a_number")
    return msgspec.Raw(value.text)


ENCODER: Final = msgspec.json.Encoder(enc_hook=_amount_to_json)
"""The reverse of `decoder`: an Amount is written as the JSON number it is, digit by digit."""


def half_up(numerator: int, denominator: int) -> int:
    """Round the ratio, ties away from zero. The denominator is positive."""
    if numerator < 0:
        return -half_up(-numerator, denominator)
    return (2 * numerator + denominator) // (2 * denominator)


def split(total_minor: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Parts of the total in proportion to the weights, which sum to the total exactly.

    Largest remainder: every part is within one unit of its exact share; the units left over go
    to the largest fractions, among equals to the first. Splitting -n negates splitting n.
    Raises ValueError when a weight is negative or none is positive.
    """
    if total_minor < 0:
        return [-part for part in split(-total_minor, weights)]
    total_weight = sum(weights)
    if total_weight <= 0 or min(weights) < 0:
        raise ValueError("weights must be at least zero, and one above")
    shares = [divmod(total_minor * weight, total_weight) for weight in weights]
    parts = [int(whole) for whole, _ in shares]
    left = total_minor - sum(parts)
    if left:
        # sorted() is stable, also in reverse: equal fractions keep their order
        by_fraction = sorted(range(len(parts)), key=lambda at: shares[at][1], reverse=True)
        for at in by_fraction[:left]:
            parts[at] += 1
    return parts


def tax_inclusive(gross_minor: int, rate: Rate) -> tuple[int, int]:
    """(net, tax) in minor units of a price that contains the tax; rounded once, in the tax.

    The rate is a ratio: 16 % is (16, 100). Raises ValueError for a negative rate.
    """
    numerator, denominator = _ratio(rate)
    tax = half_up(gross_minor * numerator, denominator + numerator)
    return gross_minor - tax, tax


def _ratio(rate: Rate) -> tuple[int, int]:
    if isinstance(rate, tuple):
        numerator, denominator = rate
    else:
        numerator, denominator = rate.numerator, rate.denominator
    if numerator < 0 or denominator <= 0:
        raise ValueError("a tax rate is a ratio of at least zero")
    return numerator, denominator
