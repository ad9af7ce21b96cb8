"""What a chain tells about our money, block by block, and what it takes back.

Pure. Blocks are kept as long as they may be replaced. Money is seen in a block as soon as there is
one, and counts (`Credited`) once its block lies deep enough, or the chain calls it final, and its
receipt says that it succeeded. When blocks were replaced by others, all that stood in them is
forgotten, and what had counted is told again (`Reversed`); the same transaction may come back in
another block, under another index.

A log and a receipt are believed only when they name the block that is kept here under its number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import msgspec

from connectors.base import Refused, TurnedAway
from connectors.chain.config import Asset, Config
from connectors.chain.translate import NATIVE, Block, Moved, Receipt
from streams.codec import Codec

BLOCKS_KEPT = 256


class Transfer(msgspec.Struct, frozen=True):
    """Money to one of our wallets in one block; `log_index` is -1 for the chain's own currency.

    `amount_minor` is in minor units of `asset`, as many as 256 bits hold.
    """

    chain_id: int
    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    block_time_s: int
    sender: str
    wallet: str
    asset: str
    amount_minor: int

    @property
    def key(self) -> tuple[int, str, int]:
        """Its name on all chains. After a reorganisation it may come again, in another block."""
        return self.chain_id, self.tx_hash, self.log_index

    @property
    def at(self) -> datetime:
        """When its block says that it was made."""
        return datetime.fromtimestamp(self.block_time_s, UTC)


@dataclass(frozen=True, slots=True)
class Credited:
    """Money that counts now."""

    transfer: Transfer


@dataclass(frozen=True, slots=True)
class Reversed:
    """Money that had counted, and whose block is not of the chain any more."""

    transfer: Transfer


Seen = Credited | Reversed


class State(msgspec.Struct, frozen=True):
    """What is known of a chain from block `first` on; kept between rounds as bytes.

    `blocks` are the last ones, each the parent of the next; `final` is the highest number that
    counts; `waiting` has money that does not count yet, `credited` what counts in the blocks that
    are kept.
    """

    chain_id: int
    first: int
    final: int
    blocks: tuple[Block, ...] = ()
    waiting: tuple[Transfer, ...] = ()
    credited: tuple[Transfer, ...] = ()

    @classmethod
    def begun(cls, chain_id: int, first: int) -> "State":
        """Nothing is known yet; what is before `first` is of no concern."""
        return cls(chain_id, first, first - 1)

    @property
    def tip(self) -> int:
        """The number of the last block that is known."""
        return self.blocks[-1].number if self.blocks else self.first - 1


STATES: Codec[State] = Codec(State)
"""Between a state and its bytes."""


def agrees(state: State, theirs: Block | None) -> bool:
    """Whether the chain has our last block too. Raises `TurnedAway` when it was not shown."""
    if not state.blocks:
        return True
    if theirs is None:
        raise TurnedAway("the node is behind")
    return theirs.hash == state.blocks[-1].hash


def rolled_back(state: State, theirs: Sequence[Block]) -> tuple[State, tuple[Reversed, ...]]:
    """The state without what was replaced, and what had counted there, newest first.

    `theirs` are the chain's blocks now, for every number that is kept. Raises `Refused` when none
    of them is ours and older ones were not kept: people have to look.
    """
    pairs = zip(state.blocks, theirs, strict=True)
    kept = tuple(ours for ours, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    if not kept and state.blocks[0].number > state.first:
        raise Refused("blocks were replaced beyond what is kept", failure="too_deep")
    tip = kept[-1].number if kept else state.first - 1
    gone = [each for each in state.credited if each.block_number > tip]
    remaining = msgspec.structs.replace(
        state,
        final=min(state.final, tip),
        blocks=kept,
        waiting=_up_to(state.waiting, tip),
        credited=_up_to(state.credited, tip),
    )
    return remaining, tuple(map(Reversed, sorted(gone, key=_place, reverse=True)))


def linked(state: State, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks that follow on what is known, up to the first that does not."""
    found: list[Block] = []
    last = state.blocks[-1] if state.blocks else None
    for each in blocks:
        follows = last is None or (each.parent == last.hash and each.number == last.number + 1)
        if not follows:
            break
        found.append(each)
        last = each
    return tuple(found)


def grown(config: Config, state: State, blocks: Sequence[Block], moved: Iterable[Moved]) -> State:
    """The state with further blocks, and with the money of ours that is not known yet.

    Raises `TurnedAway` for money in a block that is not the one we know: the chain changes while it
    is read.
    """
    known = (*state.blocks, *blocks)
    by_number = {each.number: each for each in known}
    have = {(each.key, each.block_hash) for each in (*state.waiting, *state.credited)}
    found: dict[Any, Transfer] = {}
    for each in moved:
        asset = _asset_of(config, each)
        if asset is None:
            continue
        block = by_number.get(each.block_number)
        if block is None or block.hash != each.block_hash:
            raise TurnedAway("the chain changes while it is read")
        transfer = _transfer(config.chain_id, each, asset, block)
        if (transfer.key, transfer.block_hash) not in have:
            found[transfer.key] = transfer
    waiting = sorted((*state.waiting, *found.values()), key=_place)
    return msgspec.structs.replace(state, blocks=known, waiting=tuple(waiting))


def _asset_of(config: Config, moved: Moved) -> Asset | None:
    """What is paid in; None when nothing comes to us that we take.

    Between our own wallets nothing comes; a transfer of nothing is how other people's addresses are
    put before our eyes.
    """
    if moved.to not in config.wallets or moved.sender in config.wallets or not moved.amount:
        return None
    return config.token_of.get(moved.contract) if moved.contract else config.native


def _transfer(chain_id: int, moved: Moved, asset: Asset, block: Block) -> Transfer:
    return Transfer(
        chain_id,
        moved.tx_hash,
        moved.log_index,
        block.number,
        block.hash,
        block.time_s,
        moved.sender,
        moved.to,
        asset.name,
        moved.amount,
    )


def final_number(config: Config, state: State, finalized: Block | None) -> int:
    """The highest number of a known block that counts: deep enough, or final by the chain's word.

    The block itself is its first confirmation. The chain's word is taken only of a block that is
    known here by the same hash: what lies below it is then final too.
    """
    final = max(state.final, state.tip - config.confirmations + 1)
    if finalized is not None and finalized in state.blocks:
        return max(final, finalized.number)
    return final


def due(state: State, final: int) -> tuple[Transfer, ...]:
    """Money whose block counts, and whose receipt is wanted now."""
    return _up_to(state.waiting, final)


def settled(
    config: Config, state: State, final: int, receipts: Mapping[str, Receipt | None]
) -> tuple[State, tuple[Credited, ...]]:
    """The state after receipts (by transaction) were read, and what counts now.

    Only a receipt's word ends the waiting: what failed is forgotten, what succeeded counts. Blocks
    that are not needed any more are forgotten, and with them what counted there.
    """
    ends = {each: _end(each, receipts.get(each.tx_hash)) for each in due(state, final)}
    counts = tuple(each for each, succeeded in ends.items() if succeeded)
    waiting = tuple(each for each in state.waiting if ends.get(each) is None)
    blocks = state.blocks[-max(BLOCKS_KEPT, 2 * config.confirmations) :]
    oldest = blocks[0].number if blocks else state.first
    credited = (each for each in (*state.credited, *counts) if each.block_number >= oldest)
    after = msgspec.structs.replace(
        state, final=final, blocks=blocks, waiting=waiting, credited=tuple(credited)
    )
    return after, tuple(map(Credited, counts))


def _end(transfer: Transfer, receipt: Receipt | None) -> bool | None:
    """Whether it succeeded; None while nobody has said so of the block that it was seen in."""
    if receipt is None or receipt.block_hash != transfer.block_hash:
        return None
    named = (transfer.log_index, transfer.wallet, transfer.amount_minor)
    logs = ((each.log_index, each.to, each.amount) for each in receipt.moved)
    if receipt.succeeded and transfer.log_index != NATIVE and named not in logs:
        return None
    return receipt.succeeded


def _up_to(transfers: Iterable[Transfer], number: int) -> tuple[Transfer, ...]:
    return tuple(each for each in transfers if each.block_number <= number)


def _place(transfer: Transfer) -> tuple[int, str, int]:
    return transfer.block_number, transfer.tx_hash, transfer.log_index
