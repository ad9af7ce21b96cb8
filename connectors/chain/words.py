"""Ethereum's words: addresses, quantities, data, requests for payment. Pure.

Sources: Ethereum JSON-RPC specification ("Hex value encoding"), EIP-55 (checksum of addresses),
EIP-681 (requests for payment). Within this package an address and a hash are lower-case text with
`0x`; `checksummed` is how people are shown an address.
"""

import re

from eth_hash.auto import keccak

from connectors.reading import Unfit

ADDRESS_BYTES, HASH_BYTES, WORD_BYTES = 20, 32, 32
COUNT_BITS = 43
NOBODY = "0x" + "00" * ADDRESS_BYTES
"""Where tokens come from that are made, and where they go to be destroyed."""
_address = re.compile(r"0x[0-9a-fA-F]{40}").fullmatch
_quantity = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})").fullmatch
_data = re.compile(r"0x(?:[0-9a-fA-F]{2})*").fullmatch


def hash_of(data: bytes) -> str:
    """Keccak-256, which is not SHA-3, as text."""
    return data_of(keccak(data))


def address(text: object) -> str:
    """An address that people or a node wrote, in lower case. Raises `Unfit`.

    One in lower or in upper case alone is taken as it is; mixed case is a checksum (EIP-55), and
    must be the right one.
    """
    if not isinstance(text, str) or not _address(text):
        raise Unfit("not_an_address")
    digits = text[2:]
    if digits not in {digits.lower(), digits.upper()} and checksummed(text.lower()) != text:
        raise Unfit("wrong_checksum")
    return text.lower()


def checksummed(lower: str) -> str:
    """An address with its checksum in the case of its letters (EIP-55)."""
    digits = lower[2:]
    weights = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(weight, 16) >= 8 else digit
        for digit, weight in zip(digits, weights, strict=False)
    )


def number(text: object) -> int:
    """The integer of a quantity: hex without leading zeros, of 256 bits at most. Raises `Unfit`."""
    if not isinstance(text, str) or not _quantity(text):
        raise Unfit("not_a_quantity")
    return int(text, 16)


def count(text: object) -> int:
    """A quantity that counts blocks, logs or seconds: of 43 bits at most, so that every reader of
    our events can hold it, in milliseconds too. Raises `Unfit`.
    """
    found = number(text)
    if found.bit_length() > COUNT_BITS:
        raise Unfit("too_large")
    return found


def quantity(value: int) -> str:
    """A quantity on the wire. Raises `Unfit` for one below zero."""
    if value < 0:
        raise Unfit("below_zero")
    return hex(value)


def octets(text: object, size: int | None = None) -> bytes:
    """The bytes of data: hex of even length, of this size if one is named. Raises `Unfit`."""
    if not isinstance(text, str) or not _data(text):
        raise Unfit("not_data")
    found = bytes.fromhex(text[2:])
    if size is not None and len(found) != size:
        raise Unfit("wrong_length")
    return found


def data_of(data: bytes) -> str:
    """Bytes on the wire."""
    return "0x" + data.hex()


def hash_text(text: object) -> str:
    """A hash of 32 bytes that a node wrote, in lower case. Raises `Unfit`."""
    return data_of(octets(text, HASH_BYTES))


def word_of_address(lower: str) -> str:
    """An address as a word of 32 bytes, as topics and calls have it."""
    return "0x" + lower[2:].rjust(2 * WORD_BYTES, "0")


def address_of_word(word: bytes) -> str:
    """The address in a word of 32 bytes. Raises `Unfit` when it holds more."""
    if len(word) != WORD_BYTES or any(word[:-ADDRESS_BYTES]):
        raise Unfit("not_an_address")
    return data_of(word[-ADDRESS_BYTES:])


def payment_request(to: str, chain_id: int, amount_minor: int, contract: str = "") -> str:
    """An EIP-681 address that wallets open: to pay so much, of the token if a contract is named.

    Raises `Unfit` for an amount not above zero, or for what is no address.
    """
    if amount_minor <= 0:
        raise Unfit("amount_not_positive")
    payee = checksummed(address(to))
    if not contract:
        return f"ethereum:{payee}@{chain_id}?value={amount_minor}"
    token = checksummed(address(contract))
    return f"ethereum:{token}@{chain_id}/transfer?address={payee}&uint256={amount_minor}"
