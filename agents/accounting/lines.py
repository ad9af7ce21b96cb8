"""Lines of invoices: quantity times price, rounded once, and their tax, rounded once per line."""

from typing import Literal

import msgspec

from agents.accounting.tax import Parts, Rates, of_gross, on_net, treated
from agents.effects import Unfit
from agents.words import Text
from streams.money import Amount, half_up, parse_minor
from tables.invoices import Line

MILLIONTHS = 6
"""Decimals of a quantity."""
LINES_MAX = 200


class LineGiven(msgspec.Struct, frozen=True, gc=False):
    """One line as a caller writes it: an `amount`, or a price for one and a quantity."""

    description: Text = ""
    quantity: Amount = Amount("1")
    unit_price: Amount | None = None
    amount: Amount | None = None
    tax: Literal["standard", "zero", "exempt"] = "standard"


class Itemised(msgspec.Struct, frozen=True, gc=False):
    """Lines with what they sum to, minor units."""

    lines: tuple[Line, ...]
    total: int
    parts: Parts


def quantity_of(given: Amount) -> int:
    """A quantity in millionths. Raises BadAmount for finer ones."""
    return parse_minor(given.text, MILLIONTHS)


def quantity_text(millionths: int) -> str:
    """A quantity as decimal text without needless zeros."""
    whole, part = divmod(abs(millionths), 10**MILLIONTHS)
    text = f"{whole}.{part:0{MILLIONTHS}d}".rstrip("0").rstrip(".")
    return f"-{text}" if millionths < 0 else text


def priced(quantity: int, price: int) -> int:
    """Minor units of millionths at a price for one, rounded half up."""
    return half_up(quantity * price, 10**MILLIONTHS)


def itemise(given: list[LineGiven], asset: str, rates: Rates, *, inclusive: bool) -> Itemised:
    """The lines in minor units of the asset. Raises Unfit, BadAmount or UnknownAsset."""
    if len(given) > LINES_MAX:
        raise Unfit("too_many_lines")
    lines, net, vat, levies = [], 0, 0, dict[str, int]()
    for line in given:
        quantity = quantity_of(line.quantity)
        amount = _amount(line, quantity, asset)
        if quantity <= 0 or amount < 0:
            raise Unfit("amount_not_positive")
        parts = (of_gross if inclusive else on_net)(rates, amount, line.tax)
        named = (line.description, quantity_text(quantity))
        treatment = treated(line.tax, registered=rates.registered)
        lines.append(Line(*named, parts.net, parts.vat, treatment, charge=parts.charge))
        net, vat = net + parts.net, vat + parts.vat
        for account, minor in parts.levies.items():
            levies[account] = levies.get(account, 0) + minor
    total = net + vat + sum(levies.values())
    return Itemised(tuple(lines), total, Parts(net, vat, levies))


def _amount(line: LineGiven, quantity: int, asset: str) -> int:
    if (line.amount is None) == (line.unit_price is None):
        raise Unfit("line_needs_amount_or_price")
    if line.amount is not None:
        return line.amount.minor(asset)
    assert line.unit_price is not None
    return priced(quantity, line.unit_price.minor(asset))
