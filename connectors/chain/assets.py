"""Which assets are taken on which chain, by the gateways' names. Decisions read it, too."""

from collections.abc import Mapping

TAKEN: Mapping[str, frozenset[str]] = {
    "ethereum": frozenset({"ETH", "USDC", "USDT"}),
    "polygon": frozenset({"POL", "USDC", "USDT"}),
}
"""Each chain's own currency, and tokens of the same names; an installation may take fewer."""
