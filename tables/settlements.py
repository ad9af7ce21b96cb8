"""Settlements: what a gateway account owes us for one day, each item in exactly one of them.

States: collecting → expected (at the tenant's cut-off) → settled (its bank's word). Guarantees:
every receipt, refund, fee, payout and dispute of the account is in one settlement (an account that
only pays out has none); once expected, its net lies in cash:in_transit until `line_id`, a line of
its bank's statement, shows it on `settled_day`. `line_out` is "shown" once its gateway's own
statement has it as gone (below zero: as come); `short` is what its bank got less and no fee has
explained yet. Constraints: an item of a later moment never joins an earlier one, but a fee that
only a statement tells.
"""

from tables.row import Row, register


@register
class Settlement(Row, frozen=True):
    """One day of a gateway account (or one closing of a drawer); amounts in minor units."""

    KIND = "st"
    KEY = ("tenant_id", "settlement_id")

    tenant_id: str
    settlement_id: str
    provider: str
    account: str
    asset: str
    day: str
    gross: int = 0
    refunds: int = 0
    fees: int = 0
    payouts: int = 0
    disputes: int = 0
    items: int = 0
    status: str = "collecting"
    expected_date: str = ""
    created_ms: int = 0
    version: int = 1
    settled_day: str = ""
    line_id: str = ""
    line_out: str = ""
    short: int = 0

    @property
    def net(self) -> int:
        """What is left for us."""
        return self.gross - self.refunds - self.fees - self.payouts - self.disputes


@register
class SettlementProof(Row, frozen=True):
    """A root over the lines of a settlement, written to a chain; proofs of its lines lead there.

    States: requested → anchored (its transaction `tx_hash` counts) | failed, after which it may be
    asked for again; failed → anchored when it counts after all. Guarantees: of one settlement one
    root is anchored. Constraints: `root` is 64 hex digits over `size` lines, which are kept beside.
    """

    KIND = "sp"
    KEY = ("tenant_id", "settlement_id")

    tenant_id: str
    settlement_id: str
    root: str
    size: int
    provider: str
    status: str = "requested"
    call_id: str = ""
    tx_hash: str = ""
    failure: str = ""
    created_ms: int = 0
    version: int = 1
