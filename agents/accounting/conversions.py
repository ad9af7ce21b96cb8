"""Money of one currency for another: each balances by itself through fx:clearing.

Completed at the provider's actual rate: what it differs from the quote is fx:gain_loss, in the
currency that was bought. Money on a chain that is sent to who converts it is in cash:in_transit
from then until that is known.
"""

from collections.abc import Iterator

from agents.accounting import chart
from agents.effects import Effect, Post, Put
from streams.journal import Posting
from tables.journals import Conversion

SENT = frozenset({"executing", "executed"})
"""States in which what is sold is on its way, or with who converts it."""


def complete(conversion: Conversion, bought: int, reference: str) -> Iterator[Effect]:
    """Sold out of one account (or of what was sent), bought (minor units) into the other."""
    where = {"conversion": conversion.conversion_id}
    sold, asset, quoted = conversion.sold, conversion.to_asset, conversion.quoted
    source = chart.IN_TRANSIT if conversion.status in SENT else conversion.from_account
    legs = [
        Posting(chart.FX_CLEARING, conversion.from_asset, sold, where),
        Posting(source, conversion.from_asset, -sold, where),
        Posting(conversion.to_account, asset, bought, where),
        Posting(chart.FX_CLEARING, asset, -quoted, where),
        Posting(chart.FX_GAIN_LOSS, asset, quoted - bought, where),
    ]
    yield Post([leg for leg in legs if leg.minor])
    after = conversion.replaced(
        status="completed", bought=bought, reference=reference, version=conversion.version + 1
    )
    yield Put(after)


def move(conversion: Conversion, account: str, sign: int = 1) -> Post:
    """What is sold goes from its account to another one, or (-1) back."""
    where = {"conversion": conversion.conversion_id}
    minor, asset = sign * conversion.sold, conversion.from_asset
    return Post(
        [
            Posting(account, asset, minor, where),
            Posting(conversion.from_account, asset, -minor, where),
        ]
    )
