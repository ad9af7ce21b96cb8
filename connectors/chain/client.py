"""Requests to a node, single and in batches. Knows nothing of what answers mean for money.

A node's address is often a door to many that are not equally far: an empty answer about blocks
counts only beside the word of the same request that these blocks are known there. Nothing is asked
before the chain has said that it is the one that is meant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from connectors.base import Ambiguous, Refused, TurnedAway
from connectors.chain import rpc
from connectors.chain.config import Config
from connectors.chain.rpc import Call, Said
from connectors.chain.translate import (
    BALANCE_CALL,
    DECIMALS_CALL,
    Anchor,
    Block,
    Moved,
    Receipt,
    anchor_of,
    block_of,
    natives_of,
    receipt_of,
    tokens_of,
    transfer_filter,
)
from connectors.chain.words import (
    WORD_BYTES,
    number,
    octets,
    word_of_address,
)
from connectors.http import TOO_LARGE, Answer, exchange
from connectors.reading import Unfit, Unreadable

T = TypeVar("T")

BATCH, WHOLE_BLOCKS_A_BATCH = 50, 10
MAX_ANSWER_BYTES = 16 * 1024 * 1024
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class View:
    """How the chain looks at one moment.

    `head` is the number of its last block, `at` the block of a number that was asked for, and
    `finalized` the last block that is never replaced; None where the node has none.
    """

    head: int
    at: Block | None
    finalized: Block | None

    def depth(self, block_number: int) -> int:
        """How many blocks there are from this one on, itself among them."""
        return max(0, self.head - block_number + 1)

    def counts(self, block_number: int, block_hash: str, confirmations: int) -> bool:
        """Whether the block that was asked for is this one, and deep enough or final."""
        if self.at is None or self.at.hash != block_hash:
            return False
        final = self.finalized is not None and block_number <= self.finalized.number
        return final or self.depth(block_number) >= confirmations


class Client:
    """Speaks to one node, of the chain that is configured. Every verb raises a `CallError`."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session, self._config = session, config
        self._verified = False

    async def verify(self) -> None:
        """Ask the node for its chain, once. Raises `Refused` when it is another."""
        if self._verified:
            return
        [said] = await self._exchanged([Call("eth_chainId")])
        found = _read(number, said.result())
        if found != self._config.chain_id:
            raise Refused(
                f"the node is of chain {found}, not {self._config.chain_id}", failure="wrong_chain"
            )
        self._verified = True

    async def ask(self, calls: Sequence[Call], *, batch: int = BATCH) -> list[Said]:
        """What is said to each call, errors among it, in requests of so many calls at most."""
        await self.verify()
        found: list[Said] = []
        for at in range(0, len(calls), batch):
            found += await self._exchanged(calls[at : at + batch])
        return found

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call."""
        [said] = await self.ask([Call(method, params)])
        return said.result()

    # -- blocks -------------------------------------------------------------------------------

    async def view(self, at: int | None = None) -> View:
        """How the chain looks now, and which block it has at a number."""
        calls = [Call("eth_blockNumber"), _block("finalized")]
        calls += [] if at is None else [_block(hex(at))]
        head, finalized, *found = await self.ask(calls)
        return View(
            _read(number, head.result()),
            _read(_maybe_block, found[0].result()) if found else None,
            # A node that does not know the tag says so by an error, or by nothing.
            _read(_maybe_block, finalized.value),
        )

    async def heads(self, numbers: Sequence[int]) -> list[Block]:
        """The heads of blocks. Raises `TurnedAway` while the node lacks one."""
        answers = await self.ask([_block(hex(each)) for each in numbers])
        return [_read(block_of, _there(each)) for each in answers]

    async def blocks(self, numbers: Sequence[int]) -> list[tuple[Block, tuple[Moved, ...]]]:
        """Whole blocks, and what their transactions move. Raises as `heads`."""
        calls = [_block(hex(each), whole=True) for each in numbers]
        answers = await self.ask(calls, batch=WHOLE_BLOCKS_A_BATCH)
        return [
            (_read(block_of, whole), _read(natives_of, whole)) for whole in map(_there, answers)
        ]

    # -- money --------------------------------------------------------------------------------

    async def transfers(
        self, contracts: Sequence[str], wallets: Sequence[str], first: int, last: int
    ) -> tuple[Moved, ...]:
        """Transfers of tokens to wallets in these blocks.

        A range that the node finds too wide is asked for in halves. Raises `TurnedAway` while the
        node has not come to the last of them: its answer would lack what it does not know yet.
        """
        where = {"fromBlock": hex(first), "toBlock": hex(last)}
        conditions = {**where, **transfer_filter(contracts, wallets)}
        head, logs = await self.ask([Call("eth_blockNumber"), Call("eth_getLogs", (conditions,))])
        if _read(number, head.result()) < last:
            raise TurnedAway("the node is behind")
        if logs.code in rpc.TOO_MUCH and first < last:
            half = (first + last) // 2
            lower = await self.transfers(contracts, wallets, first, half)
            return lower + await self.transfers(contracts, wallets, half + 1, last)
        return _read(tokens_of, logs.result())

    async def transfers_of(
        self, contracts: Sequence[str], wallets: Sequence[str], blocks: Sequence[str]
    ) -> tuple[Moved, ...]:
        """Transfers of tokens to wallets in the blocks of these hashes.

        Raises `TurnedAway` while the node has not all of them: unlike a range, a hash that is not
        known is an error (EIP-234).
        """
        conditions = transfer_filter(contracts, wallets)
        calls = [Call("eth_getLogs", ({"blockHash": each, **conditions},)) for each in blocks]
        answers = await self.ask(calls)
        if any(each.code is not None or each.value is None for each in answers):
            raise TurnedAway("the node lacks a block")
        return tuple(moved for each in answers for moved in _read(tokens_of, each.value))

    async def receipts(self, hashes: Sequence[str]) -> list[Receipt | None]:
        """What became of transactions; None for one that is in no block that the node knows."""
        calls = [Call("eth_getTransactionReceipt", (each,)) for each in hashes]
        return [_read(receipt_of, each.result()) for each in await self.ask(calls)]

    async def anchor_of(self, tx_hash: str) -> Anchor | None:
        """What is said of the transaction that bears a root; None while it is in no block."""
        [receipt] = await self.receipts([tx_hash])
        said = await self.call("eth_getTransactionByHash", tx_hash)
        if receipt is None or said is None:
            return None
        return _read(lambda said: anchor_of(said, receipt), said)

    async def balance_of(self, wallet: str, contract: str = "") -> int:
        """What a wallet has in the last block: of a token, or of the chain's own currency."""
        if not contract:
            return _read(number, await self.call("eth_getBalance", wallet, "latest"))
        return await self._word(contract, BALANCE_CALL + word_of_address(wallet)[2:])

    async def decimals_of(self, contract: str) -> int:
        """Decimals that a token's contract says it has."""
        return await self._word(contract, DECIMALS_CALL)

    async def require_decimals(self) -> None:
        """Raises `Refused` unless every token has the decimals that are configured."""
        for each in self._config.tokens:
            found = await self.decimals_of(each.contract)
            if found != each.decimals:
                raise Refused(
                    f"{each.name} has {found} decimals, not {each.decimals}",
                    failure="wrong_decimals",
                )

    async def _word(self, contract: str, data: str) -> int:
        said = await self.call("eth_call", {"to": contract, "data": data}, "latest")
        return _read(_integer_of_word, said)

    # -- requests -----------------------------------------------------------------------------

    async def _exchanged(self, calls: Sequence[Call]) -> list[Said]:
        """One request; a batch whose answer is too large is asked for in halves."""
        try:
            answer = await exchange(
                self._session,
                "POST",
                self._config.rpc_url,
                body=rpc.body_of(calls),
                headers=_HEADERS,
                max_body_bytes=MAX_ANSWER_BYTES,
            )
        except Ambiguous as error:
            if error.reason != TOO_LARGE or len(calls) == 1:
                raise
            half = len(calls) // 2
            return await self._exchanged(calls[:half]) + await self._exchanged(calls[half:])
        return _heard(answer, len(calls))


def _heard(answer: Answer, count: int) -> list[Said]:
    """What an answer says to so many calls; some nodes say errors with a status of their own."""
    if answer.status == 429:
        raise TurnedAway("status 429", retry_after_s=answer.retry_after_s)
    try:
        return rpc.said_of(answer.body, count)
    except Unreadable as error:
        if answer.status >= 300:
            raise Refused(f"status {answer.status}") from error
        raise Ambiguous("answer unreadable") from error


def _block(tag: str, *, whole: bool = False) -> Call:
    return Call("eth_getBlockByNumber", (tag, whole))


def _there(said: Said) -> Any:
    found = said.result()
    if found is None:
        raise TurnedAway("the node is behind")
    return found


def _maybe_block(said: object) -> Block | None:
    return None if said is None else block_of(said)


def _integer_of_word(said: object) -> int:
    return int.from_bytes(octets(said, WORD_BYTES), "big")


def _read(reader: Callable[[Any], T], said: Any) -> T:
    """What a result says. Raises `Ambiguous` for one that cannot be read."""
    try:
        return reader(said)
    except (Unreadable, Unfit) as error:
        raise Ambiguous(f"answer unreadable: {error}") from error
