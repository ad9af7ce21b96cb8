"""Payments out of our own wallet, each once: signed, kept, sent, and watched until they count.

Nothing is kept before a node says that the payment can be made and what it costs: until then a
payment that is not made has failed for certain. From the moment its bytes are kept it may be made
at any time, whatever a node says of it: then only a block that counts tells how it ended, and until
then every error is `Ambiguous`. What is stuck is made quicker, or cancelled by a transaction of
nothing under the same nonce; of the two one becomes part of the chain.

Source: Ethereum JSON-RPC specification, EIP-1559, the words of clients for what they refuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from connectors.base import NOT_FOUND, Ambiguous, CallError, Refused, Result, TurnedAway
from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.nonces import Kept, Nonces
from connectors.chain.rpc import Call, Said
from connectors.chain.signing import Opened, Signed, Transaction, address_of, opened, signed
from connectors.chain.translate import TRANSFER_CALL, Moved, Receipt, base_fee_of, transfer_call
from connectors.chain.words import (
    NOBODY,
    address,
    data_of,
    number,
)
from connectors.reading import Unfit, Unreadable

BUMPS = 5
"""How often fees are raised at once when a node asks for more."""
PLAIN_GAS = 21_000
Meaning = Literal["taken", "known", "used", "underpriced", "refused"]
_MEANINGS: Sequence[tuple[str, Meaning]] = (
    ("already known", "known"),
    ("alreadyknown", "known"),
    ("known transaction", "known"),
    ("already imported", "known"),
    ("nonce too low", "used"),
    ("oldnonce", "used"),
    ("replacement transaction underpriced", "underpriced"),
)
"""What clients say of bytes that they do not take; there is one code for all."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What is to be done: so much of the chain's own currency, or a call of a contract."""

    to: str
    value: int = 0
    data: bytes = b""


def native(to: str, amount: int) -> Payment:
    """A payment in the chain's own currency, in wei. Raises `Unfit`."""
    return Payment(_payee(to, amount), amount)


def token(contract: str, to: str, amount: int) -> Payment:
    """A payment in a token, in its smallest unit. Raises `Unfit`."""
    return Payment(address(contract), 0, transfer_call(_payee(to, amount), amount))


def _payee(to: str, amount: int) -> str:
    if amount <= 0:
        raise Unfit("amount_not_positive")
    payee = address(to)
    if payee == NOBODY:
        raise Unfit("payee_is_nobody")
    return payee


@dataclass(frozen=True, slots=True)
class Standing:
    """How a payment stands; once it is in a block, also what was sent, and the block's hash."""

    result: Result
    signed: Signed | None = None
    block_hash: str = ""


@dataclass(frozen=True, slots=True)
class _Fees:
    max_fee: int
    tip: int

    def raised(self) -> "_Fees":
        """An eighth more of both, at least one wei; nodes ask for a tenth."""
        return _Fees(self.max_fee + self.max_fee // 8 + 1, self.tip + self.tip // 8 + 1)

    def at_least(self, other: "_Fees") -> "_Fees":
        return _Fees(max(self.max_fee, other.max_fee), max(self.tip, other.tip))


class Sender:
    """The wallet of one key on one chain."""

    def __init__(self, client: Client, config: Config, nonces: Nonces) -> None:
        """Raises `Unfit` without a key."""
        self._client, self._config, self._nonces = client, config, nonces
        self.address = address_of(config.private_key)

    # -- paying -------------------------------------------------------------------------------

    async def send(self, key: str, payment: Payment) -> Signed:
        """Make a payment, once for its key: a repeat sends the bytes that are kept.

        Returns when a node has taken it, which is not a payment yet. Raises `Ambiguous` when it may
        be made all the same, and any other `CallError` when it was not, and will not be.
        """
        kept = await self._nonces.find(self._config.chain_id, self.address, key)
        if kept is not None and kept.signed:
            self._require_same(kept.signed[0], payment)
            return await self._offered(kept.nonce, kept.signed[-1])
        transaction = await self._planned(payment)
        nonce = await self._nonces.reserve(
            self._config.chain_id, self.address, key, transaction.nonce
        )
        new = await self._signed(replace(transaction, nonce=nonce))
        return await self._offered(nonce, new)

    async def hasten(self, key: str) -> Signed:
        """Offer more for a payment that is not in a block yet. Raises as `send`."""
        kept = await self._kept(key)
        transaction = opened(kept.signed[-1].raw).transaction
        return await self._replaced(transaction)

    async def cancel(self, key: str) -> Signed:
        """Send nothing to ourselves in its place; whichever is in a block first has won.

        Also closes the gap of a payment that has a nonce and no bytes. Raises as `send`.
        """
        kept = await self._nonces.find(self._config.chain_id, self.address, key)
        if kept is None:
            raise Refused("no such payment", failure=NOT_FOUND)
        nothing = await self._nothing(kept)
        return await self._replaced(nothing)

    async def closes_gap(self, key: str) -> bool:
        """Whether a payment has a nonce and no bytes, as whoever was to sign it has died; then it
        is cancelled, as all later ones wait for its nonce. Raises as `send`.

        Should the signer wake up after all, one of the two becomes part of the chain.
        """
        kept = await self._nonces.find(self._config.chain_id, self.address, key)
        if kept is None or kept.signed:
            return False
        await self.cancel(key)
        return True

    async def rebroadcast(self) -> None:
        """Send again what is kept and has not ended, the same bytes; nodes forget. Any answer will
        do: how it ended is asked for by `standing`.
        """
        pending = await self._nonces.pending(self._config.chain_id, self.address)
        await self._client.ask([_sending(each.signed[-1]) for each in pending if each.signed])

    async def balance(self) -> int:
        """What there is of the chain's own currency, in wei."""
        return await self._client.balance_of(self.address)

    # -- how it stands ------------------------------------------------------------------------

    async def standing(self, key: str) -> Standing:
        """How a payment stands. It ends only by a receipt in a block that counts.

        `unknown` is a payment of which nothing is kept (`NOT_FOUND`), a nonce that something else
        has used (`nonce_taken`), and a token that succeeded and says of no transfer
        (`no_transfer`): people have to look.
        """
        kept = await self._nonces.find(self._config.chain_id, self.address, key)
        if kept is None or not kept.signed:
            return Standing(Result("unknown", detail=NOT_FOUND))
        receipts = await self._client.receipts([each.tx_hash for each in kept.signed])
        for each, receipt in zip(kept.signed, receipts, strict=True):
            if receipt is not None:
                return await self._in_block(kept, each, receipt)
        return await self._in_none(kept)

    async def _in_block(self, kept: Kept, sent: Signed, receipt: Receipt) -> Standing:
        view = await self._client.view(receipt.block_number)
        result = Result("pending", handle=sent.tx_hash)
        place = receipt.block_number, receipt.block_hash
        if view.counts(*place, self._config.confirmations):
            result = self._result(opened(sent.raw), receipt)
        if result.outcome in {"succeeded", "failed"}:
            about = self._config.chain_id, self.address, kept.nonce
            await self._nonces.end(*about, receipt.block_hash)
        return Standing(result, sent, receipt.block_hash)

    def _result(self, sent: Opened, receipt: Receipt) -> Result:
        """What a receipt in a block that counts says."""
        handle, made = sent.tx_hash, sent.transaction
        if receipt.succeeded is None:
            return Result("pending", handle=handle)
        if self._is_nothing(made):
            return Result("failed", handle, failure="cancelled")
        if not receipt.succeeded:
            return Result("failed", handle, failure="reverted")
        if made.data[:4] != _TRANSFER:
            name = self._config.native.name if self._config.native else ""
            return Result("succeeded", handle, made.value, name)
        moved = [each for each in receipt.moved if self._is_ours(made, each)]
        if not moved:
            return Result("unknown", handle, detail="no_transfer")
        asset = self._config.token_of.get(made.to)
        return Result("succeeded", handle, moved[0].amount, asset.name if asset else "")

    def _is_ours(self, made: Transaction, moved: Moved) -> bool:
        """Whether a log says just what the transaction asked for."""
        said = transfer_call(moved.to, moved.amount)
        return (moved.contract, moved.sender, said) == (made.to, self.address, made.data)

    def _is_nothing(self, made: Transaction) -> bool:
        return made.to == self.address and not made.value and not made.data

    async def _in_none(self, kept: Kept) -> Standing:
        """In no block that this node shows: still on its way, unless its nonce is long used."""
        head = (await self._client.view()).head
        deep = max(0, head - self._config.confirmations + 1)
        used = await self._client.call("eth_getTransactionCount", self.address, hex(deep))
        if _integer(used) > kept.nonce:
            return Standing(Result("unknown", detail="nonce_taken"))
        return Standing(Result("pending", handle=kept.signed[-1].tx_hash))

    # -- transactions -------------------------------------------------------------------------

    async def _planned(self, payment: Payment) -> Transaction:
        """The transaction, under the nonce that the node would give it. Nothing is kept yet."""
        made = {
            "from": self.address,
            "to": payment.to,
            "value": hex(payment.value),
            "data": data_of(payment.data),
        }
        calls = [
            Call("eth_getTransactionCount", (self.address, "pending")),
            Call("eth_getBalance", (self.address, "latest")),
            Call("eth_estimateGas", (made,)),
        ]
        count, balance, estimate, *fees = await self._client.ask([*calls, *_FEES])
        gas, offered = _with_margin(_estimated(estimate)), self._fees(fees)
        if payment.value + gas * offered.max_fee > _integer(balance.result()):
            raise Refused("insufficient funds", failure="insufficient_funds")
        return Transaction(
            self._config.chain_id,
            _integer(count.result()),
            payment.to,
            payment.value,
            payment.data,
            gas,
            offered.max_fee,
            offered.tip,
        )

    def _fees(self, said: Sequence[Said]) -> _Fees:
        """What is offered: twice the last block's fee, and the tip that nodes want.

        Raises `TurnedAway` while that is more than is allowed.
        """
        block, tip = (each.result() for each in said)
        try:
            base_fee = base_fee_of(block)
        except Unreadable as error:
            raise Ambiguous("answer unreadable") from error
        wanted = _integer(tip)
        if base_fee + wanted > self._config.max_fee:
            raise TurnedAway("fees are above what is allowed")
        return _Fees(min(2 * base_fee + wanted, self._config.max_fee), wanted)

    async def _nothing(self, kept: Kept) -> Transaction:
        if kept.signed:
            made = opened(kept.signed[-1].raw).transaction
            return replace(made, to=self.address, value=0, data=b"", gas=PLAIN_GAS)
        return replace(await self._planned(Payment(self.address)), nonce=kept.nonce)

    async def _replaced(self, made: Transaction) -> Signed:
        """Another transaction under the nonce of one, for more than it, and what is asked now."""
        now = self._fees(await self._client.ask(_FEES))
        fees = _Fees(made.max_fee, made.tip).raised().at_least(now)
        return await self._offered(made.nonce, await self._signed(self._paying(made, fees)))

    def _paying(self, made: Transaction, fees: _Fees) -> Transaction:
        if fees.max_fee > self._config.max_fee:
            raise Ambiguous("fees are above what is allowed")
        return replace(made, max_fee=fees.max_fee, tip=fees.tip)

    async def _signed(self, made: Transaction) -> Signed:
        """Signed and kept."""
        new = signed(made, self._config.private_key)
        await self._nonces.store(
            self._config.chain_id, self.address, made.nonce, new.raw, new.tx_hash
        )
        return new

    async def _offered(self, nonce: int, sent: Signed) -> Signed:
        """Give kept bytes to a node; for more, if it has others of this nonce. Raises `Ambiguous`.

        A nonce that is used is used by these bytes, or nobody knows yet by what.
        """
        try:
            for _ in range(BUMPS + 1):
                [said] = await self._client.ask([_sending(sent)])
                meaning = _meaning(said)
                if meaning in {"taken", "known"} or (meaning == "used" and await self._is_in(sent)):
                    return sent
                if meaning != "underpriced":
                    raise Ambiguous(f"not taken: {meaning}")
                made = opened(sent.raw).transaction
                fees = _Fees(made.max_fee, made.tip).raised()
                sent = await self._signed(self._paying(made, fees))
        except CallError as error:
            raise Ambiguous(error.reason, retry_after_s=error.retry_after_s) from error
        raise Ambiguous(f"nonce {nonce}: fees were raised in vain")

    async def _is_in(self, sent: Signed) -> bool:
        """Whether the node knows these bytes."""
        return await self._client.call("eth_getTransactionByHash", sent.tx_hash) is not None

    async def _kept(self, key: str) -> Kept:
        kept = await self._nonces.find(self._config.chain_id, self.address, key)
        if kept is None or not kept.signed:
            raise Refused("no such payment", failure=NOT_FOUND)
        return kept

    def _require_same(self, first: Signed, payment: Payment) -> None:
        made = opened(first.raw).transaction
        if Payment(made.to, made.value, made.data) != payment and not self._is_nothing(made):
            raise Refused("another payment has this key", failure="key_reused")


_TRANSFER = bytes.fromhex(TRANSFER_CALL[2:])
_FEES = (Call("eth_getBlockByNumber", ("latest", False)), Call("eth_maxPriorityFeePerGas"))


def _sending(sent: Signed) -> Call:
    return Call("eth_sendRawTransaction", (data_of(sent.raw),))


def _meaning(said: Said) -> Meaning:
    if said.code is None:
        return "taken"
    text = said.message.lower()
    return next((meaning for words, meaning in _MEANINGS if words in text), "refused")


def _estimated(said: Said) -> int:
    """Gas that is needed. Raises `Refused` when the transaction would fail."""
    if said.code is not None and "insufficient funds" in said.message.lower():
        raise Refused("insufficient funds", failure="insufficient_funds")
    if said.code is not None and "revert" in said.message.lower():
        raise Refused("the contract would refuse it", failure="would_fail")
    return _integer(said.result())


def _with_margin(gas: int) -> int:
    """A fifth more than was estimated, where a contract may need more in another block."""
    return gas if gas <= PLAIN_GAS else gas + gas // 5


def _integer(said: object) -> int:
    try:
        return number(said)
    except Unfit as error:
        raise Ambiguous("answer unreadable") from error
