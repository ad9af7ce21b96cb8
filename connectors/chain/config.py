"""What a chain needs to be read, and to be paid on: a node, our wallets, the tokens we take.

The decimals of a token are said here, compared with our own table of assets, and with what its
contract says (`Client.decimals_of`): a token of 6 decimals read as one of 18 is worth a
million-millionth.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from connectors.chain.words import (
    address,
)
from connectors.reading import Unfit
from streams.money import UnknownAsset, exponent_of, format_minor, parse_minor

SECRETS = ("rpc_url", "private_key")
"""Members that are kept sealed: the address of a node commonly holds a key."""
GWEI = 10**9
MAX_FEE_GWEI = 1_000
_key = re.compile(r"0x[0-9a-fA-F]{64}").fullmatch
BLOCKS_A_ROUND = 100


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain as we know it; `confirmations` is how deep a block counts without more.

    `gateway` is the name under which it and its test network are gateways.
    """

    name: str
    gateway: str
    native: str
    confirmations: int


CHAINS: Mapping[int, Chain] = {
    1: Chain("Ethereum", "ethereum", "ETH", 64),
    11_155_111: Chain("Sepolia", "ethereum", "ETH", 64),
    137: Chain("Polygon", "polygon", "POL", 256),
    80_002: Chain("Amoy", "polygon", "POL", 256),
}
"""By chain id. Two epochs of Ethereum are 64 blocks; Polygon has had deep reorganisations."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What is paid in: the chain's own currency, or the token of a contract (lower case)."""

    name: str
    decimals: int
    contract: str = ""

    def text(self, minor: int) -> str:
        """Minor units as decimal text: 1500000 of a token with 6 decimals is 1.500000."""
        return format_minor(minor, self.decimals)

    def minor(self, text: str) -> int:
        """Minor units of decimal text. Raises BadAmount: nothing is rounded."""
        return parse_minor(text, self.decimals)


@dataclass(frozen=True)
class Config:
    """One chain with one node. `wallets` and contracts are in lower case; without wallets nothing
    is received.

    `native` is None where the chain's own currency is not taken. `private_key` is the hot wallet's
    that we sign by; empty where we only receive; `key_is_tenants` says that it is the tenant's own,
    not the installation's, `node_is_tenants` the same of the node. `max_fee` bounds what a
    transaction may offer for a unit of gas, in wei.
    """

    rpc_url: str = field(repr=False)
    chain_id: int
    wallets: tuple[str, ...]
    native: Asset | None
    tokens: tuple[Asset, ...]
    confirmations: int
    blocks_a_round: int = BLOCKS_A_ROUND
    max_fee: int = MAX_FEE_GWEI * GWEI
    private_key: str = field(repr=False, default="")
    key_is_tenants: bool = False
    node_is_tenants: bool = False

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be.

        `wallets` is a list with commas; `tokens` one of NAME:CONTRACT:DECIMALS; `native` is yes or
        no.
        """
        chain_id = _integer(values, "chain_id")
        if chain_id not in CHAINS:
            raise ValueError(f"chain: chain_id must be one of {', '.join(map(str, CHAINS))}")
        chain = CHAINS[chain_id]
        native = values.get("native", "yes")
        if native not in {"yes", "no"}:
            raise ValueError("chain: native must be yes or no")
        return cls(
            _node(values.get("rpc_url", "")),
            chain_id,
            _wallets(values.get("wallets", "")),
            _asset(chain.native) if native == "yes" else None,
            _tokens(values.get("tokens", "")),
            _integer(values, "confirmations", chain.confirmations),
            _integer(values, "blocks_a_round", BLOCKS_A_ROUND),
            _integer(values, "max_fee_gwei", MAX_FEE_GWEI) * GWEI,
            _private_key(values.get("private_key", "")),
            values.get("key_is_tenants") == "yes",
            values.get("node_is_tenants") == "yes",
        )

    @property
    def signs(self) -> bool:
        """Whether there is a key, and a node that it may be used by: one that a tenant names says
        of fees and of nonces what it likes, and the installation's wallet is everybody's.
        """
        return bool(self.private_key) and (self.key_is_tenants or not self.node_is_tenants)

    @property
    def gateway(self) -> str:
        """The gateway that this chain is."""
        return CHAINS[self.chain_id].gateway

    @property
    def token_of(self) -> Mapping[str, Asset]:
        """Tokens that are taken, by contract."""
        return {each.contract: each for each in self.tokens}

    @property
    def contracts(self) -> tuple[str, ...]:
        """Contracts of the tokens that are taken."""
        return tuple(each.contract for each in self.tokens)


def _integer(values: Mapping[str, str], name: str, default: int = 0) -> int:
    text = values.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 12) or int(text) < 1:
        raise ValueError(f"chain: {name} must be a whole number above zero")
    return int(text)


def _node(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("chain: rpc_url must be an http address")
    return url


def _private_key(text: str) -> str:
    if text and not _key(text):
        raise ValueError("chain: private_key must be 0x and 64 hex digits")
    return text


def _wallets(text: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(_address(each, "wallets") for each in text.split(",") if each.strip())
    )


def _tokens(text: str) -> tuple[Asset, ...]:
    found: dict[str, Asset] = {}
    for each in text.split(","):
        if not each.strip():
            continue
        name, _, rest = each.strip().partition(":")
        contract, _, decimals = rest.partition(":")
        asset = _asset(name, _address(contract, "tokens"))
        if decimals != str(asset.decimals):
            raise ValueError(f"chain: tokens: {name} has {asset.decimals} decimals here")
        if asset.contract in found:
            raise ValueError(f"chain: tokens: {name} has the contract of another")
        found[asset.contract] = asset
    return tuple(found.values())


def _asset(name: str, contract: str = "") -> Asset:
    try:
        return Asset(name, exponent_of(name), contract)
    except UnknownAsset:
        raise ValueError(f"chain: tokens: no asset is named {name}") from None


def _address(text: str, member: str) -> str:
    try:
        return address(text.strip())
    except Unfit as error:
        raise ValueError(f"chain: {member}: {error.reason}") from None
