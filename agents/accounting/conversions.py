"""Money of one currency for another: each balances by itself through fx:clearing.

Completed at the provider's actual rate: what it differs from the quote is fx:gain_loss, in the
currency that was bought.
"""

from collections.abc import Iterator

from agents.accounting import chart
from agents.effects import Effect, Post, Put
from streams.journal import Posting
from tables.journals import Conversion


def complete(conversion: Conversion, bought: int, reference: str) -> Iterator[Effect]:
    """Sold out of one account, bought (minor units) into the other."""
    where = {"conversion": conversion.conversion_id}
    sold, asset, quoted = conversion.sold, conversion.to_asset, conversion.quoted
    legs = [
        Posting(chart.FX_CLEARING, conversion.from_asset, sold, where),
        Posting(conversion.from_account, conversion.from_asset, -sold, where),
        Posting(conversion.to_account, asset, bought, where),
        Posting(chart.FX_CLEARING, asset, -quoted, where),
        Posting(chart.FX_GAIN_LOSS, asset, quoted - bought, where),
    ]
    yield Post([leg for leg in legs if leg.minor])
    after = conversion.replaced(
        status="completed", bought=bought, reference=reference, version=conversion.version + 1
    )
    yield Put(after)
