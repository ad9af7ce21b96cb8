"""The chain behind the fake node: blocks that may be replaced, a mempool, tokens. No network.

Written from the documentation of Ethereum, ERC-20 and its clients. Blocks follow from what was done
to it and in which order. A block keeps the balances after it, so that replacing blocks takes back
what they did.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeVar

from eth_hash.auto import keccak

from connectors.chain.library import library

TRANSFER_TOPIC = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
TRANSFER_SELECTOR = keccak(b"transfer(address,uint256)")[:4]
GENESIS_S, BLOCK_S = 1_772_346_605, 12
PAYER = "0x" + "ca" * 20
PLAIN_GAS, TOKEN_GAS = 21_000, 52_000
Key = TypeVar("Key")


class Refusal(Exception):
    """An error of the node's, with its code and its words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Log:
    """What a contract said in a transaction."""

    address: str
    topics: tuple[str, ...]
    data: bytes


@dataclass(frozen=True)
class Transaction:
    """Signed by a wallet, or (without `raw`) made by the fake for somebody else."""

    hash: str
    sender: str
    nonce: int
    to: str
    value: int
    data: bytes = b""
    gas: int = PLAIN_GAS
    max_fee: int = 0
    tip: int = 0
    raw: bytes = b""
    fails: bool = False
    says: tuple[Log, ...] = ()


@dataclass(frozen=True)
class Done:
    """A transaction in its block."""

    transaction: Transaction
    succeeded: bool
    gas_used: int
    price: int
    logs: tuple[Log, ...]


@dataclass
class Ledger:
    """Who has what, in smallest units; and how many transactions each has made."""

    natives: dict[str, int] = field(default_factory=dict)
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """A block, and the balances after it."""

    number: int
    hash: str
    parent: str
    time_s: int
    base_fee: int
    done: tuple[Done, ...]
    after: Ledger


@dataclass(frozen=True)
class Transfer:
    """One line of the book; `token` is a contract, or empty."""

    tx_hash: str
    block_hash: str
    sender: str
    to: str
    token: str
    amount: int


class FakeChain:
    """One chain. `tokens` are its contracts, each with its decimals.

    Blocks are of March 2026, twelve seconds apart, unless a `clock` (Unix, seconds) says when.
    """

    def __init__(
        self, chain_id: int, tokens: Mapping[str, int], clock: Callable[[], int] | None = None
    ) -> None:
        self.chain_id, self.tokens = chain_id, dict(tokens)
        self.clock = clock
        self.base_fee = 10**9
        self.mempool: dict[tuple[str, int], Transaction] = {}
        self.blocks: list[Block] = []
        self._waiting: list[Transaction] = []
        self._numbers = 0
        self._ledger = Ledger()
        self.mine()

    # -- what tests do ------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The number of the last block."""
        return len(self.blocks) - 1

    @property
    def waits(self) -> bool:
        """Whether there is anything for the next block."""
        return bool(self._waiting or self.mempool)

    @property
    def book(self) -> list[Transfer]:
        """Every transfer of money in the blocks that stand, in order."""
        return [line for block in self.blocks for line in _lines_of(block)]

    def block_of(self, tx_hash: str) -> int | None:
        """The number of the block that has a transaction; None for none."""
        for block in self.blocks:
            if any(each.transaction.hash == tx_hash for each in block.done):
                return block.number
        return None

    def received(self, to: str, token: str = "") -> int:
        """What came to an address, as the book has it."""
        lines = (each for each in self.book if (each.to, each.token) == (to.lower(), token.lower()))
        return sum(each.amount for each in lines)

    def fund(self, address: str, amount: int, token: str = "") -> None:
        """Give an address money that it has had from the beginning; no transfer."""
        for ledger in (self._ledger, *(each.after for each in self.blocks)):
            if token:
                _add_to(ledger.tokens, (token.lower(), address.lower()), amount)
            else:
                _add_to(ledger.natives, address.lower(), amount)

    def pay(
        self,
        to: str,
        amount: int,
        token: str | None = None,
        *,
        payer: str = PAYER,
        fails: bool = False,
    ) -> str:
        """Somebody pays, in the next block; the transaction's hash."""
        if token is None:
            return self._add(payer, to.lower(), amount, fails=fails)
        log = Log(
            token.lower(), (TRANSFER_TOPIC, _word(payer), _word(to)), amount.to_bytes(32, "big")
        )
        return self.say(log, fails=fails)

    def say(self, *logs: Log, fails: bool = False) -> str:
        """A contract says something in the next block."""
        return self._add(PAYER, logs[0].address, 0, says=logs, fails=fails)

    def mine(self, count: int = 1) -> None:
        """So many blocks; the first takes all that waits and can be done."""
        for _ in range(count):
            if self.clock is None:
                self._mine(GENESIS_S + BLOCK_S * len(self.blocks))
            else:
                last_s = self.blocks[-1].time_s if self.blocks else 0
                self._mine(max(self.clock(), last_s + 1))

    def reorg(self, depth: int, *, longer: int = 1, without: Collection[str] = ()) -> None:
        """Replace the last blocks by as many others and `longer` more.

        What they held waits again and goes into the first of the others, except the transactions
        of these hashes: they are gone.
        """
        gone = self.blocks[len(self.blocks) - depth :]
        del self.blocks[len(self.blocks) - depth :]
        self._ledger = deepcopy(self.blocks[-1].after)
        back = [each.transaction for block in gone for each in block.done]
        for each in back:
            if each.hash in without:
                continue
            if each.raw:
                self.mempool.setdefault((each.sender, each.nonce), each)
            else:
                self._waiting.append(each)
        self._numbers += 1  # so that the others are not the same blocks again
        self.mine(depth + longer)

    # -- what wallets do ----------------------------------------------------------------------

    def submit(self, raw: bytes) -> str:
        """Take a signed transaction into the mempool. Raises `Refusal` in the words of clients."""
        new = _transaction_of(raw, self.chain_id)
        place = (new.sender, new.nonce)
        known = self.mempool.get(place)
        if known is not None and known.hash == new.hash:
            raise Refusal(-32000, "already known")
        used = self._ledger.nonces.get(new.sender, 0)
        if new.nonce < used:
            message = f"nonce too low: next nonce {used}, tx nonce {new.nonce}"
            raise Refusal(-32000, message)
        if new.tip > new.max_fee:
            raise Refusal(-32000, "max priority fee per gas higher than max fee per gas")
        if new.gas < PLAIN_GAS + 16 * sum(map(bool, new.data)):
            raise Refusal(-32000, "intrinsic gas too low")
        if new.value + new.gas * new.max_fee > self._ledger.natives.get(new.sender, 0):
            raise Refusal(-32000, "insufficient funds for gas * price + value")
        if known is not None and not _pays_more(new, known):
            raise Refusal(-32000, "replacement transaction underpriced")
        self.mempool[place] = new
        return new.hash

    def count(self, address: str) -> int:
        """Transactions of an address, with those that wait without a gap."""
        found = self._ledger.nonces.get(address, 0)
        while (address, found) in self.mempool:
            found += 1
        return found

    def estimate(self, sender: str, to: str, value: int, data: bytes) -> int:
        """Gas that a transaction would use. Raises `Refusal` if it would fail."""
        if value > self._ledger.natives.get(sender, 0):
            raise Refusal(-32000, "insufficient funds for transfer")
        token = self._token_transfer(sender, to, data)
        if token is not None and not token[1]:
            raise Refusal(3, "execution reverted: ERC20: transfer amount exceeds balance")
        return PLAIN_GAS + 16 * len(data) if token is None else TOKEN_GAS

    # -- blocks -------------------------------------------------------------------------------

    def _add(
        self,
        sender: str,
        to: str,
        value: int,
        *,
        says: Sequence[Log] = (),
        fails: bool = False,
    ) -> str:
        self._numbers += 1
        name = "0x" + keccak(f"somebody's {self._numbers}".encode()).hex()
        new = Transaction(name, sender, self._numbers, to, value, fails=fails, says=tuple(says))
        self._waiting.append(new)
        return name

    def _mine(self, time_s: int) -> None:
        done = [self._somebodys(each) for each in self._waiting]
        self._waiting.clear()
        while (ready := self._ready()) is not None:
            del self.mempool[ready.sender, ready.nonce]
            done.append(self._do(ready))
        parent = self.blocks[-1].hash if self.blocks else "0x" + "00" * 32
        hashes = " ".join(each.transaction.hash for each in done)
        content = f"{len(self.blocks)} {parent} {time_s} {self._numbers} {hashes}"
        name = "0x" + keccak(content.encode()).hex()
        after = deepcopy(self._ledger)
        block = Block(len(self.blocks), name, parent, time_s, self.base_fee, tuple(done), after)
        self.blocks.append(block)

    def _somebodys(self, made: Transaction) -> Done:
        """Somebody else's money comes from nowhere: only what arrives is counted."""
        logs = () if made.fails else made.says
        if not made.fails:
            self._credit(made.to, made.value)
            for each in logs:
                self._credit_token(each)
        return Done(made, not made.fails, PLAIN_GAS, self.base_fee, logs)

    def _ready(self) -> Transaction | None:
        """A transaction that can go into a block: the next of its sender, with enough to offer."""
        for (sender, nonce), each in sorted(self.mempool.items()):
            if nonce < self._ledger.nonces.get(sender, 0):
                del self.mempool[sender, nonce]
                return self._ready()
            affordable = each.value + each.gas * each.max_fee <= self._ledger.natives.get(sender, 0)
            is_next = nonce == self._ledger.nonces.get(sender, 0)
            if is_next and affordable and each.max_fee >= self.base_fee:
                return each
        return None

    def _do(self, made: Transaction) -> Done:
        ledger, price = self._ledger, min(made.max_fee, self.base_fee + made.tip)
        token = self._token_transfer(made.sender, made.to, made.data)
        gas_used = min(made.gas, PLAIN_GAS + 16 * len(made.data) if token is None else TOKEN_GAS)
        ledger.nonces[made.sender] = made.nonce + 1
        ledger.natives[made.sender] -= gas_used * price
        if token is not None and (not token[1] or made.gas < TOKEN_GAS):
            return Done(made, succeeded=False, gas_used=gas_used, price=price, logs=())
        ledger.natives[made.sender] -= made.value
        self._credit(made.to, made.value)
        logs: tuple[Log, ...] = ()
        if token is not None:
            ledger.tokens[made.to, made.sender] -= int.from_bytes(token[0].data, "big")
            self._credit_token(token[0])
            logs = (token[0],)
        return Done(made, succeeded=True, gas_used=gas_used, price=price, logs=logs)

    def _token_transfer(self, sender: str, to: str, data: bytes) -> tuple[Log, bool] | None:
        """The log of a call that moves tokens, and whether there are enough; None for no such."""
        if to not in self.tokens or data[:4] != TRANSFER_SELECTOR or len(data) != 68:
            return None
        payee, amount = "0x" + data[16:36].hex(), data[36:]
        log = Log(to, (TRANSFER_TOPIC, _word(sender), _word(payee)), amount)
        return log, int.from_bytes(amount, "big") <= self._ledger.tokens.get((to, sender), 0)

    def _credit(self, to: str, amount: int) -> None:
        _add_to(self._ledger.natives, to, amount)

    def _credit_token(self, log: Log) -> None:
        if log.address in self.tokens and len(log.topics) == 3 and log.topics[0] == TRANSFER_TOPIC:
            key = (log.address, "0x" + log.topics[2][-40:])
            _add_to(self._ledger.tokens, key, int.from_bytes(log.data, "big"))


def _add_to(ledger: dict[Key, int], key: Key, amount: int) -> None:
    ledger[key] = ledger.get(key, 0) + amount


def _pays_more(new: Transaction, known: Transaction) -> bool:
    """Whether both fees are at least a tenth higher."""
    return 10 * new.max_fee >= 11 * known.max_fee and 10 * new.tip >= 11 * known.tip


def _transaction_of(raw: bytes, chain_id: int) -> Transaction:
    """What signed bytes say, read by the reference library."""
    parts = library()
    try:
        said = parts.typed_transaction.from_bytes(parts.hex_bytes(raw)).as_dict()
        sender = parts.account.recover_transaction(raw).lower()
    except Exception as error:
        raise Refusal(-32000, f"rlp: {type(error).__name__}") from error
    if said["type"] != 2 or said["chainId"] != chain_id:
        raise Refusal(-32000, "invalid chain id for signer")
    return Transaction(
        "0x" + keccak(raw).hex(),
        sender,
        said["nonce"],
        "0x" + bytes(said["to"]).hex(),
        said["value"],
        bytes(said["data"]),
        said["gas"],
        said["maxFeePerGas"],
        said["maxPriorityFeePerGas"],
        raw,
    )


def _lines_of(block: Block) -> list[Transfer]:
    found = []
    for done in block.done:
        made = done.transaction
        if done.succeeded and made.value:
            found.append(Transfer(made.hash, block.hash, made.sender, made.to, "", made.value))
        for log in done.logs:
            if len(log.topics) == 3 and log.topics[0] == TRANSFER_TOPIC:
                sender, to = ("0x" + each[-40:] for each in log.topics[1:])
                amount = int.from_bytes(log.data, "big")
                found.append(Transfer(made.hash, block.hash, sender, to, log.address, amount))
    return found


def _word(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")
