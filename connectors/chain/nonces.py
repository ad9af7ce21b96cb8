"""Which number each transaction of a wallet has, and the bytes that were signed under it.

A chain takes the transactions of a wallet in the order of their nonces, each once, and waits at a
gap. So a nonce belongs to one payment for ever, by the payment's key; what was signed under it is
kept before it is sent; and a gap is closed by signing something, never by leaving it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connectors.chain.signing import Signed


@dataclass(frozen=True, slots=True)
class Kept:
    """One nonce: whose it is, and everything that was signed under it, oldest first.

    Of these at most one ever becomes part of the chain. Nothing is signed for a moment only, unless
    a process died in it: then the payment is sent again, or cancelled.
    """

    key: str
    nonce: int
    signed: tuple[Signed, ...] = ()


class Nonces(Protocol):
    """Where nonces are kept, for all processes. Every verb is for one chain and one address."""

    async def reserve(self, chain_id: int, address: str, key: str, at_least: int) -> int:
        """The nonce of a payment: the one that its key has, else the next that nobody has.

        The next is one above the last, and not below `at_least`. Two who ask at once get two
        (under a lock), or one if their key is the same.
        """

    async def store(
        self, chain_id: int, address: str, nonce: int, signed: bytes, tx_hash: str
    ) -> None:
        """Keep bytes under a nonce beside what was kept before; durable when this returns."""

    async def find(self, chain_id: int, address: str, key: str) -> Kept | None:
        """What is kept of a payment, also once it has ended."""

    async def pending(self, chain_id: int, address: str) -> Sequence[Kept]:
        """What has not ended, in the order of nonces."""

    async def end(self, chain_id: int, address: str, nonce: int, block_hash: str) -> None:
        """The nonce is used in this block, which counts: it is not pending any more."""


@dataclass
class _Wallet:
    keys: dict[str, int] = field(default_factory=dict)
    signed: dict[int, list[Signed]] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)


class InMemory:
    """Nonces of one process, kept as long as it lives: for tests."""

    def __init__(self) -> None:
        self._wallets: dict[tuple[int, str], _Wallet] = {}

    async def reserve(self, chain_id: int, address: str, key: str, at_least: int) -> int:
        """As `Nonces`."""
        wallet = self._wallet(chain_id, address)
        if key not in wallet.keys:
            last = max(wallet.keys.values(), default=-1)
            wallet.keys[key] = max(at_least, last + 1)
        return wallet.keys[key]

    async def store(
        self, chain_id: int, address: str, nonce: int, signed: bytes, tx_hash: str
    ) -> None:
        """As `Nonces`."""
        kept = self._wallet(chain_id, address).signed.setdefault(nonce, [])
        if all(each.tx_hash != tx_hash for each in kept):
            kept.append(Signed(signed, tx_hash))

    async def find(self, chain_id: int, address: str, key: str) -> Kept | None:
        """As `Nonces`."""
        wallet = self._wallet(chain_id, address)
        nonce = wallet.keys.get(key)
        return None if nonce is None else Kept(key, nonce, tuple(wallet.signed.get(nonce, ())))

    async def pending(self, chain_id: int, address: str) -> Sequence[Kept]:
        """As `Nonces`."""
        wallet = self._wallet(chain_id, address)
        kept = (
            Kept(key, nonce, tuple(wallet.signed.get(nonce, ())))
            for key, nonce in wallet.keys.items()
            if nonce not in wallet.ended
        )
        return sorted(kept, key=lambda each: each.nonce)

    async def end(self, chain_id: int, address: str, nonce: int, block_hash: str) -> None:  # noqa: ARG002
        """As `Nonces`."""
        self._wallet(chain_id, address).ended.add(nonce)

    def _wallet(self, chain_id: int, address: str) -> _Wallet:
        return self._wallets.setdefault((chain_id, address), _Wallet())
