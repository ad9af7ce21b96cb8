"""Transactions of type 2 (EIP-1559): signed, and read back from their bytes."""

from dataclasses import dataclass

from connectors.chain.library import library
from connectors.chain.words import (
    address,
    checksummed,
    data_of,
    hash_of,
)
from connectors.reading import Unfit

TYPE = 2


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is signed. `max_fee` and `tip` are offered for a unit of gas, in wei, as `value` is."""

    chain_id: int
    nonce: int
    to: str
    value: int
    data: bytes
    gas: int
    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction as it is sent, and the name that its bytes have."""

    raw: bytes
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A signed transaction read back: what it says, who signed it, and its name."""

    transaction: Transaction
    sender: str
    tx_hash: str


def address_of(private_key: str) -> str:
    """The address that a key signs for. Raises `Unfit` without saying anything of the key."""
    account = library().account
    try:
        return str(account.from_key(private_key).address).lower()
    except Exception:
        raise Unfit("not_a_key") from None


def signed(transaction: Transaction, private_key: str) -> Signed:
    """The bytes to send; the same transaction and key give the same bytes (RFC 6979)."""
    account = library().account
    members = {
        "type": TYPE,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "to": checksummed(transaction.to),
        "value": transaction.value,
        "data": transaction.data,
        "gas": transaction.gas,
        "maxFeePerGas": transaction.max_fee,
        "maxPriorityFeePerGas": transaction.tip,
        "accessList": [],
    }
    raw = bytes(account.sign_transaction(members, private_key).raw_transaction)
    return Signed(raw, hash_of(raw))


def opened(raw: bytes) -> Opened:
    """What signed bytes say, and who signed them. Raises `Unfit` for anything else."""
    parts = library()
    if raw[:1] != bytes([TYPE]):
        raise Unfit("not_of_type_2")
    try:
        said = parts.typed_transaction.from_bytes(parts.hex_bytes(raw)).as_dict()
        sender = address(parts.account.recover_transaction(raw))
        transaction = Transaction(
            int(said["chainId"]),
            int(said["nonce"]),
            data_of(bytes(said["to"])),
            int(said["value"]),
            bytes(said["data"]),
            int(said["gas"]),
            int(said["maxFeePerGas"]),
            int(said["maxPriorityFeePerGas"]),
        )
    except Exception as error:
        raise Unfit("not_a_transaction") from error
    return Opened(transaction, sender, hash_of(raw))
