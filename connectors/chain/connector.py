"""A chain as a gateway: payers are asked for an exact amount, roots are written to it, and money is
sent to who converts it.

What a payer pays is told by the watch of the chain (watching.py) and by nothing else: this side
only says where to pay, and never knows whether anybody did. What is sent is a transaction of our
own, which has ended once it lies as deep as a payment must.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import aiohttp
import msgspec

from connectors.base import NOT_FOUND, Acted, Asked, Connector, Refused, Result
from connectors.callbacks import Callback, Heard, NotBelieved
from connectors.chain.assets import TAKEN
from connectors.chain.client import Client
from connectors.chain.config import Asset, Config
from connectors.chain.nonces import Nonces
from connectors.chain.proof import anchor_data
from connectors.chain.sending import Payment, Sender, native, token
from connectors.chain.words import (
    checksummed,
    octets,
    payment_request,
)
from connectors.reading import Unfit
from connectors.tokens import Shelf
from streams import merkle

NOT_PAID = "not_paid"
"""The failure of an attempt that nobody paid in time; what comes later counts all the same."""
FOREVER_S = 10.0 * 365 * 24 * 3600


class _Collect(msgspec.Struct, frozen=True):
    """What the journaled call says: an amount as decimal text, and which of our wallets to name."""

    amount: str
    currency: str
    turn: str = "0"


class _Root(msgspec.Struct, frozen=True):
    """A root in 64 hex digits."""

    root: str


class _Sent(msgspec.Struct, frozen=True):
    """An amount as decimal text, and an address."""

    destination: str
    amount: str
    currency: str


_read_sent = msgspec.json.Decoder(_Sent).decode
_read_collect = msgspec.json.Decoder(_Collect).decode
_read_root = msgspec.json.Decoder(_Root).decode
_bad = Result("failed", failure="bad_request")


class OnChain:
    """One chain, with a tenant's wallets and (perhaps) a key that signs.

    Money is sent by the tenant's own key alone, out of a wallet of its own: whatever wallets it
    names, the installation's key must not move the installation's money for it. Nor does it sign
    anything by the word of a node that a tenant has named.
    """

    name: ClassVar[str]
    capabilities = frozenset({"anchor", "collect", "convert"})
    actions = frozenset({"balance"})
    doubted: frozenset[str] = frozenset()

    def __init__(self, client: Client, config: Config, nonces: Nonces | None = None) -> None:
        self._client, self._config = client, config
        self._sender = None
        if config.signs and nonces is not None:
            self._sender = Sender(client, config, nonces)
        self._decimals_known = False

    @property
    def operations(self) -> frozenset[str]:
        """Without a wallet nothing can be collected, without a key nothing be written, and without
        the wallet's key nothing be sent.
        """
        own = self._sender.address if self._sender and self._config.key_is_tenants else ""
        ours = own in self._config.wallets
        can = {"collect": self._config.wallets, "anchor": self._sender, "convert": ours}
        return frozenset(name for name, there in can.items() if there)

    @property
    def public(self) -> Mapping[str, str]:
        """Nothing to pay to by hand: without a request nobody could tell whose money it is."""
        return {}

    def key_lifetime_s(self, asked: Asked) -> float:  # noqa: ARG002
        """For ever: a request only asks, and what is sent again are the same bytes."""
        return FOREVER_S

    async def perform(self, asked: Asked) -> Result:
        """Say where to pay; or sign, keep the bytes, and send them."""
        if asked.operation != "collect":
            return await self._send(asked)
        result = self._request(asked)
        if result.outcome == "pending":
            await self._verify()
        return result

    async def query(self, asked: Asked) -> Result:
        """Where to pay, as before; how a transaction of ours stands, sent again if it is in none of
        the blocks.
        """
        if asked.operation == "collect":
            return self._request(asked)
        if self._sender is None:
            return Result("unknown", detail="not_configured")
        standing = await self._sender.standing(asked.key)
        if standing.result.detail == NOT_FOUND and await self._sender.closes_gap(asked.key):
            standing = await self._sender.standing(asked.key)
        if standing.result.outcome == "pending" and not standing.block_hash:
            await self._sender.rebroadcast()
        result = standing.result
        # Whoever waits for a chain waits as for a payer: for as long as the request says.
        action = result.handle if result.outcome == "pending" else ""
        return replace(result, payer_action=action)

    async def end(self, asked: Asked) -> Result:
        """Nobody paid in time. A transaction has no such end."""
        if asked.operation == "collect":
            return Result("failed", failure=NOT_PAID)
        return await self.query(asked)

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:  # noqa: ARG002
        """Tell what our wallets have, asset by asset, in the last block."""
        if action != "balance":
            raise Refused(action, failure="action_unknown")
        said: dict[str, dict[str, str]] = {}
        for wallet in self._config.wallets:
            said[checksummed(wallet)] = {
                each.name: each.text(await self._client.balance_of(wallet, each.contract))
                for each in self._assets
            }
        return Acted({"wallets": said})

    async def hear(self, callback: Callback) -> Heard | None:
        """Chains tell nothing by themselves."""
        raise NotBelieved(f"{callback.kind}: this gateway tells nothing")

    # -- asking -------------------------------------------------------------------------------

    @property
    def _assets(self) -> tuple[Asset, ...]:
        native = (self._config.native,) if self._config.native else ()
        return (*native, *self._config.tokens)

    def _request(self, asked: Asked) -> Result:
        """The wallet (as the call's handle) and the EIP-681 address that a payer opens."""
        try:
            wish = _read_collect(asked.request)
            asset = next(each for each in self._assets if each.name == wish.currency)
            amount, turn = asset.minor(wish.amount), int(wish.turn)
            wallet = self._config.wallets[turn % len(self._config.wallets)]
            shown = payment_request(wallet, self._config.chain_id, amount, asset.contract)
        except StopIteration:
            return Result("failed", failure="currency_unsupported")
        except (ValueError, ZeroDivisionError):
            return _bad
        return Result("pending", handle=wallet, payer_action=shown)

    async def _verify(self) -> None:
        """The node is of this chain, and tokens have the decimals that we count by; once."""
        if not self._decimals_known:
            await self._client.verify()
            await self._client.require_decimals()
            self._decimals_known = True

    # -- sending ------------------------------------------------------------------------------

    async def _send(self, asked: Asked) -> Result:
        """One transaction, which is not over when a node has taken it."""
        if self._sender is None:
            return Result("failed", failure="not_configured")
        try:
            payment = self._payment(asked, self._sender.address)
        except StopIteration:
            return Result("failed", failure="currency_unsupported")
        except ValueError:
            return _bad
        if asked.operation == "convert":
            await self._verify()
        sent = await self._sender.send(asked.key, payment)
        return Result("pending", handle=sent.tx_hash, payer_action=sent.tx_hash)

    def _payment(self, asked: Asked, own: str) -> Payment:
        """What is sent: of a root, nothing to ourselves. Raises ValueError, or StopIteration for a
        currency that is not taken.
        """
        if asked.operation == "anchor":
            root = octets(f"0x{_read_root(asked.request).root}", merkle.HASH_BYTES)
            return Payment(own, 0, anchor_data(root))
        wish = _read_sent(asked.request)
        asset = next(each for each in self._assets if each.name == wish.currency)
        amount = asset.minor(wish.amount)
        if asset.contract:
            return token(asset.contract, wish.destination, amount)
        return native(wish.destination, amount)


class Ethereum(OnChain):
    """Ethereum, or its test network Sepolia."""

    name = "ethereum"

    @staticmethod
    def takes(asset: str) -> bool:
        """Its own currency, and tokens."""
        return asset in TAKEN["ethereum"]


class Polygon(OnChain):
    """Polygon, or its test network Amoy."""

    name = "polygon"

    @staticmethod
    def takes(asset: str) -> bool:
        """Its own currency, and tokens."""
        return asset in TAKEN["polygon"]


def build(
    kind: type[Ethereum] | type[Polygon],
    session: aiohttp.ClientSession,
    configuration: Mapping[str, str],
    shelf: Shelf | None = None,  # noqa: ARG001
    nonces: Nonces | None = None,
) -> Connector:
    """The connector for this configuration; ValueError when it is incomplete, or another chain's.

    Without `nonces` nothing is ever signed.
    """
    config = Config.read(configuration)
    if config.gateway != kind.name:
        raise ValueError(f"chain: chain_id {config.chain_id} is not of {kind.name}")
    try:
        return kind(Client(session, config), config, nonces)
    except Unfit as error:
        raise ValueError(f"chain: private_key: {error.reason}") from None
