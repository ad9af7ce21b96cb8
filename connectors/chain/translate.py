"""What a node says, as values. Pure: no IO, no clock.

Only members that decide something are read, and those strictly; all others (`extraData` of any
length, for one) are left. Source: Ethereum JSON-RPC specification, ERC-20.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from connectors.chain.words import (
    HASH_BYTES,
    WORD_BYTES,
    address,
    address_of_word,
    count,
    hash_text,
    number,
    octets,
    word_of_address,
)
from connectors.reading import Unfit, Unreadable

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Topic of an ERC-20 transfer: keccak256 of `Transfer(address,address,uint256)`."""
TRANSFER_CALL, BALANCE_CALL, DECIMALS_CALL = "0xa9059cbb", "0x70a08231", "0x313ce567"
NATIVE = -1
"""Stands for the index of a log where a transaction itself moves the chain's currency."""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A block's head: its own name, the one before it, and when (Unix seconds)."""

    number: int
    hash: str
    parent: str
    time_s: int


class Moved(msgspec.Struct, frozen=True):
    """Money that one block says has moved; `contract` is empty for the chain's own currency.

    Of a log it is true as long as its block stands; of a transaction only if it succeeded, which
    its receipt says. `amount` is in the asset's smallest unit.
    """

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    sender: str
    to: str
    contract: str
    amount: int


class Receipt(msgspec.Struct, frozen=True):
    """What became of a transaction in the block that it is in.

    `succeeded` is None where the node does not say. `moved` are the tokens that its logs say.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool | None
    moved: tuple[Moved, ...]


class Anchor(msgspec.Struct, frozen=True):
    """What a node says of the transaction that bears a root."""

    chain_id: int
    tx_hash: str
    block_number: int
    block_hash: str
    sender: str
    data: bytes
    succeeded: bool | None


def block_of(said: object) -> Block:
    """A block's head. Raises `Unreadable`."""
    members = _object(said)
    try:
        return Block(
            count(members.get("number")),
            hash_text(members.get("hash")),
            hash_text(members.get("parentHash")),
            count(members.get("timestamp")),
        )
    except Unfit as error:
        raise Unreadable(f"a block: {error.reason}") from None


def base_fee_of(said: object) -> int:
    """Wei that a block asks for a unit of gas. Raises `Unreadable`."""
    try:
        return number(_object(said).get("baseFeePerGas"))
    except Unfit as error:
        raise Unreadable(f"a block: {error.reason}") from None


def natives_of(said: object) -> tuple[Moved, ...]:
    """Transactions of a whole block that move the chain's own currency. Raises `Unreadable`.

    What a contract pays on as a part of its work is not among them: no block says it.
    """
    block = block_of(said)
    try:
        return tuple(
            _native(each, block)
            for each in map(_object, _list(_object(said).get("transactions")))
            if each.get("to") is not None and number(each.get("value"))
        )
    except Unfit as error:
        raise Unreadable(f"a transaction: {error.reason}") from None


def _native(said: Mapping[str, Any], block: Block) -> Moved:
    return Moved(
        hash_text(said.get("hash")),
        NATIVE,
        block.number,
        block.hash,
        address(said.get("from")),
        address(said.get("to")),
        "",
        number(said.get("value")),
    )


def tokens_of(said: object) -> tuple[Moved, ...]:
    """Transfers of tokens that logs say. Raises `Unreadable`.

    Logs of other kinds are left, among them transfers with four topics, whose last is no amount but
    the number of a thing (ERC-721); so are logs of a block that is gone.
    """
    return tuple(_token(each) for each in map(_object, _list(said)) if _is_transfer(each))


def _is_transfer(log: Mapping[str, Any]) -> bool:
    topics = _list(log.get("topics"))
    return (
        len(topics) == 3
        and str(topics[0]).lower() == TRANSFER
        and log.get("removed", False) is False
    )


def _token(log: Mapping[str, Any]) -> Moved:
    try:
        _, sender, to = (octets(each, HASH_BYTES) for each in log["topics"])
        return Moved(
            hash_text(log.get("transactionHash")),
            count(log.get("logIndex")),
            count(log.get("blockNumber")),
            hash_text(log.get("blockHash")),
            address_of_word(sender),
            address_of_word(to),
            address(log.get("address")),
            int.from_bytes(octets(log.get("data"), WORD_BYTES), "big"),
        )
    except Unfit as error:
        raise Unreadable(f"a log: {error.reason}") from None


def receipt_of(said: object) -> Receipt | None:
    """A receipt; None while the transaction is in no block. Raises `Unreadable`."""
    if said is None:
        return None
    members = _object(said)
    try:
        return Receipt(
            hash_text(members.get("transactionHash")),
            count(members.get("blockNumber")),
            hash_text(members.get("blockHash")),
            {"0x1": True, "0x0": False}.get(str(members.get("status"))),
            tuple(_readable(_list(members.get("logs")))),
        )
    except Unfit as error:
        raise Unreadable(f"a receipt: {error.reason}") from None


def _readable(logs: Iterable[object]) -> Iterator[Moved]:
    """Transfers among all logs of a transaction: any contract may have said anything there."""
    for each in logs:
        with suppress(Unreadable):
            yield from tokens_of([each])


def anchor_of(said: object, receipt: Receipt) -> Anchor:
    """A transaction that has a receipt, as the bearer of a root. Raises `Unreadable`."""
    members = _object(said)
    try:
        return Anchor(
            number(members.get("chainId")),
            hash_text(members.get("hash")),
            receipt.block_number,
            receipt.block_hash,
            address(members.get("from")),
            octets(members.get("input")),
            receipt.succeeded,
        )
    except Unfit as error:
        raise Unreadable(f"a transaction: {error.reason}") from None


def transfer_filter(contracts: Sequence[str], wallets: Sequence[str]) -> dict[str, Any]:
    """Which logs `eth_getLogs` is asked for: transfers of these tokens to these wallets."""
    topics = [TRANSFER, None, [word_of_address(each) for each in wallets]]
    return {"address": list(contracts), "topics": topics}


def transfer_call(to: str, amount: int) -> bytes:
    """The data of a call of a token's contract that moves so many of its smallest unit."""
    return octets(TRANSFER_CALL + word_of_address(to)[2:] + f"{amount:064x}")


def _object(said: object) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise Unreadable("no object")
    return said


def _list(said: object) -> Sequence[Any]:
    if not isinstance(said, list):
        raise Unreadable("no list")
    return said
