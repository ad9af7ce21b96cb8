"""Amounts as Stripe counts them, which is not always as ISO 4217 does.

Pure. Source: Stripe documentation, "Supported currencies" (zero-decimal, special cases,
three-decimal currencies).
"""

from connectors.reading import Unfit
from streams.money import UnknownAsset, exponent_of

ZERO_DECIMAL = frozenset({
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
})  # fmt: skip
"""Sent in whole units."""
SENT_AS_HUNDREDTHS = frozenset({"ISK", "UGX"})
"""Without decimals, but sent as if they had two, which are 00."""
WHOLE_IN_PAYOUTS = frozenset({"HUF", "TWD"})
_THREE_DECIMALS = 3
_POWERS = (1, 10, 100, 1_000)


def to_stripe(minor: int, asset: str, *, payout: bool = False) -> int:
    """Stripe's integer for an amount above zero in our minor units.

    Raises `Unfit`: nothing is rounded.
    """
    if minor <= 0:
        raise Unfit("amount_not_positive")
    more, less = _factors(asset)
    sent, rest = divmod(minor * more, less)
    step = 10 if exponent_of(asset) == _THREE_DECIMALS else 1
    if asset in SENT_AS_HUNDREDTHS or (payout and asset in WHOLE_IN_PAYOUTS):
        step = 100
    if rest or sent % step:
        raise Unfit("too_many_decimals")
    return sent


def from_stripe(sent: int, asset: str) -> int:
    """Our minor units of Stripe's integer. Raises `Unfit` for what is none of ours."""
    more, less = _factors(asset)
    minor, rest = divmod(sent * less, more)
    if rest:
        raise Unfit("too_many_decimals")
    return minor


def _factors(asset: str) -> tuple[int, int]:
    """(what ours is multiplied by, what it is divided by) to be theirs."""
    try:
        ours = exponent_of(asset)
    except UnknownAsset:
        raise Unfit("currency_unsupported") from None
    if len(asset) != 3:
        raise Unfit("currency_unsupported")
    if asset in SENT_AS_HUNDREDTHS:
        return 100, 1
    return (1, _POWERS[ours]) if asset in ZERO_DECIMAL else (1, 1)
