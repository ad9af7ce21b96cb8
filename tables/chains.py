"""What is known of money on chains: transactions that paid us, and which amounts are awaited.

States of a transfer: it counts, or (its block was replaced) does not, and may again. Guarantees: a
transfer counts once, in whichever block it stands; one whose block was replaced is
remembered, so that it finds its payment again when another block has it. Constraints: a payment is
told apart by its exact amount alone, so that several which await the same one at the same wallet
are told apart by people.
"""

import msgspec

from tables.row import Row, register


class Transfer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Money that a transaction brought to a wallet of ours; `amount` in minor units of `asset`.

    `log_index` is -1 for the chain's own currency. `times` is how often it has counted, `counts`
    whether it does now.
    """

    log_index: int
    block_hash: str
    wallet: str
    asset: str
    amount: int
    payment_id: str
    times: int = 1
    counts: bool = True


@register
class ChainTransaction(Row, frozen=True):
    """A transaction that paid us, under its hash; `provider` is the chain's name."""

    KIND = "xt"
    KEY = ("tenant_id", "provider", "tx_hash")

    tenant_id: str
    provider: str
    tx_hash: str
    transfers: tuple[Transfer, ...] = ()


@register
class ExactAmount(Row, frozen=True):
    """Attempts whose payers were asked for just so much on a chain, oldest first.

    `amount` is minor units as text. `turns` say which wallet each was shown, in the order of
    `calls`. Before `forgotten_ms` (Unix, ms) more were open than are kept here.
    """

    KIND = "xa"
    KEY = ("tenant_id", "provider", "asset", "amount")

    tenant_id: str
    provider: str
    asset: str
    amount: str
    calls: tuple[str, ...] = ()
    turns: tuple[int, ...] = ()
    forgotten_ms: int = 0
