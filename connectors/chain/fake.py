"""A node of Ethereum or Polygon, as a small server on loopback that speaks JSON-RPC 2.0.

Written from the Ethereum JSON-RPC specification and the words of its clients, never from our own
encoder: quantities with leading zeros are refused, batches are answered in reverse, errors come
with status 200, and every block has extra data longer than 32 bytes. `chain` is the chain behind
it, whose book is the witness; `mine`, `pay` and `reorg` are what tests do to it.

Switches: `faults` are taken by one request each, `errors` by one call of a method each; `lag` has
the node know fewer blocks than there are, `lag_of` for calls of one method alone (the door to many
nodes); `log_range_max` and `log_results_max` bound what may be asked of logs; without `finality`
there is no final block. Nothing is kept beyond the process.
"""

import asyncio
import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from connectors.chain.fake_chain import Block, Done, FakeChain, Refusal
from connectors.fake_server import FakeServer

USDC = "0x" + "a0b8" * 10
EXTRA_DATA = b"\x11" * 200
_quantity = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]*)").fullmatch


@dataclass
class Fault:
    """What becomes of one request: this status, before the work or after it; or no answer."""

    status: int = 0
    after: bool = False
    delay_s: float = 0.0
    drop: bool = False
    body: bytes = b""
    headers: Mapping[str, str] | None = None


class FakeNode(FakeServer):
    """A node of `chain`."""

    def __init__(
        self,
        *,
        chain_id: int = 80_002,
        tokens: Mapping[str, int] | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.chain = FakeChain(chain_id, {USDC: 6} if tokens is None else tokens, clock)
        self.faults: deque[Fault] = deque()
        self.errors: defaultdict[str, deque[tuple[int, str]]] = defaultdict(deque)
        self.requests: list[tuple[str, Any]] = []
        """Every call that came: its method and parameters."""
        self.lag = 0
        self.lag_of: dict[str, int] = {}
        self.finality: int | None = 64
        self.log_range_max: int | None = None
        self.log_results_max: int | None = None
        self.log_error = -32005
        self.tip_fee = 10**9
        self._methods: Mapping[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(self.chain.chain_id),
            "eth_blockNumber": lambda: hex(self._head("eth_blockNumber")),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getLogs": self._logs,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionCount": self._count,
            "eth_getBalance": self._balance,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_maxPriorityFeePerGas": lambda: hex(self.tip_fee),
            "eth_sendRawTransaction": lambda raw: self.chain.submit(_octets(raw)),
        }

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server; its wallets are for the test to say."""
        tokens = [f"USDC:{contract}:{each}" for contract, each in self.chain.tokens.items()]
        return {
            "rpc_url": f"{self.base_url}/v2/key-1",
            "chain_id": str(self.chain.chain_id),
            "tokens": ",".join(tokens),
        }

    # -- what tests do ------------------------------------------------------------------------

    def mine(self, count: int = 1) -> None:
        """So many blocks; the first takes all that waits."""
        self.chain.mine(count)

    def pay(self, to: str, amount: int, token: str | None = None, **how: Any) -> str:
        """Somebody pays, in the next block; the transaction's hash."""
        return self.chain.pay(to, amount, token, **how)

    def fund(self, address: str, amount: int, token: str = "") -> None:
        """Give an address money that it has had from the beginning."""
        self.chain.fund(address, amount, token)

    def reorg(self, depth: int, **how: Any) -> None:
        """Replace the last blocks by others."""
        self.chain.reorg(depth, **how)

    def sent(self, method: str) -> list[Any]:
        """The parameters of every call of a method."""
        return [params for name, params in self.requests if name == method]

    # -- requests -----------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """JSON-RPC, under an address that only its customer knows."""
        yield web.post("/v2/key-1", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read(), parse_float=str)
        fault = self.faults.popleft() if self.faults else Fault()
        broken = bool(fault.status or fault.drop or fault.body)
        said = self._answers(asked) if fault.after or not broken else None
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        if broken:
            status = fault.status or 200
            return web.Response(status=status, body=fault.body, headers=fault.headers)
        return web.Response(body=msgspec.json.encode(said), content_type="application/json")

    def _answers(self, asked: Any) -> Any:
        if isinstance(asked, list):
            return [self._answer(each) for each in asked][::-1]
        return self._answer(asked)

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        method, params = asked["method"], asked.get("params", [])
        self.requests.append((method, params))
        head = {"jsonrpc": "2.0", "id": asked["id"]}
        try:
            if self.errors[method]:
                raise Refusal(*self.errors[method].popleft())
            if method not in self._methods:
                raise Refusal(-32601, f"the method {method} does not exist/is not available")
            return {**head, "result": self._methods[method](*params)}
        except Refusal as error:
            return {**head, "error": {"code": error.code, "message": error.message}}

    # -- blocks -------------------------------------------------------------------------------

    def _head(self, method: str) -> int:
        return max(0, self.chain.head - self.lag_of.get(method, self.lag))

    def _at(self, method: str, tag: str) -> Block | None:
        """The block of a number or a tag, as far as the node knows it."""
        head = self._head(method)
        if tag == "finalized":
            if self.finality is None:
                raise Refusal(-32602, "finalized block not found")
            number = max(0, self.chain.head - self.finality)
        else:
            number = head if tag in {"latest", "pending"} else _number(tag)
        return self.chain.blocks[number] if number <= head else None

    def _block_by_number(self, tag: str, whole: bool) -> Any:
        block = self._at("eth_getBlockByNumber", tag)
        if block is None:
            return None
        return {
            "number": hex(block.number),
            "hash": block.hash,
            "parentHash": block.parent,
            "timestamp": hex(block.time_s),
            "baseFeePerGas": hex(block.base_fee),
            "extraData": "0x" + EXTRA_DATA.hex(),
            "gasLimit": hex(30_000_000),
            "gasUsed": hex(sum(each.gas_used for each in block.done)),
            "logsBloom": "0x" + "00" * 256,
            "transactions": [
                _transaction_of(each, block, at) if whole else each.transaction.hash
                for at, each in enumerate(block.done)
            ],
            "uncles": [],
        }

    def _logs(self, wanted: Mapping[str, Any]) -> Any:
        blocks = self._blocks_of(wanted)
        found = [log for each in blocks for log in _logs_of(each) if _fits(log, wanted)]
        if self.log_results_max is not None and len(found) > self.log_results_max:
            raise Refusal(self.log_error, "query returned more than allowed results")
        return found

    def _blocks_of(self, wanted: Mapping[str, Any]) -> list[Block]:
        """The blocks that logs are asked of, as far as the node knows them.

        Of a range those that it lacks are passed over; of a hash that is an error (EIP-234).
        """
        known = self.chain.blocks[: self._head("eth_getLogs") + 1]
        if "blockHash" in wanted:
            found = [each for each in known if each.hash == wanted["blockHash"]]
            if not found:
                raise Refusal(-32000, "unknown block")
            return found
        first, last = _number(wanted["fromBlock"]), _number(wanted["toBlock"])
        if self.log_range_max is not None and last - first + 1 > self.log_range_max:
            raise Refusal(self.log_error, f"block range is limited to {self.log_range_max}")
        return known[first : last + 1]

    # -- transactions -------------------------------------------------------------------------

    def _find(self, method: str, wanted: str) -> tuple[Block, int] | None:
        for block in self.chain.blocks[: self._head(method) + 1]:
            for at, each in enumerate(block.done):
                if each.transaction.hash == wanted:
                    return block, at
        return None

    def _receipt(self, wanted: str) -> Any:
        found = self._find("eth_getTransactionReceipt", wanted)
        if found is None:
            return None
        block, at = found
        done = block.done[at]
        return {
            "transactionHash": wanted,
            "transactionIndex": hex(at),
            "blockHash": block.hash,
            "blockNumber": hex(block.number),
            "from": done.transaction.sender,
            "to": done.transaction.to,
            "status": hex(int(done.succeeded)),
            "gasUsed": hex(done.gas_used),
            "effectiveGasPrice": hex(done.price),
            "logs": [log for log in _logs_of(block) if log["transactionHash"] == wanted],
        }

    def _transaction(self, wanted: str) -> Any:
        found = self._find("eth_getTransactionByHash", wanted)
        if found is not None:
            block, at = found
            return self._shown(block.done[at], block, at)
        for each in self.chain.mempool.values():
            if each.hash == wanted:
                done = Done(each, succeeded=False, gas_used=0, price=0, logs=())
                return self._shown(done, None, 0)
        return None

    def _shown(self, done: Done, block: Block | None, at: int) -> dict[str, Any]:
        return _transaction_of(done, block, at) | {"chainId": hex(self.chain.chain_id)}

    def _count(self, address: str, tag: str) -> str:
        if tag == "pending":
            return hex(self.chain.count(address.lower()))
        return hex(self._after("eth_getTransactionCount", tag).nonces.get(address.lower(), 0))

    def _balance(self, address: str, tag: str) -> str:
        return hex(self._after("eth_getBalance", tag).natives.get(address.lower(), 0))

    def _after(self, method: str, tag: str) -> Any:
        block = self._at(method, tag)
        if block is None:
            raise Refusal(-32000, "header not found")
        return block.after

    def _call(self, made: Mapping[str, str], tag: str) -> str:
        contract, data = made["to"].lower(), _octets(made["data"])
        if contract not in self.chain.tokens:
            return "0x"
        if data[:4].hex() == "313ce567":
            return f"0x{self.chain.tokens[contract]:064x}"
        if data[:4].hex() == "70a08231" and len(data) == 36:
            key = (contract, "0x" + data[16:].hex())
            return f"0x{self._after('eth_call', tag).tokens.get(key, 0):064x}"
        raise Refusal(3, "execution reverted")

    def _estimate(self, made: Mapping[str, str]) -> str:
        value, data = _number(made.get("value", "0x0")), _octets(made.get("data", "0x"))
        return hex(self.chain.estimate(made["from"].lower(), made["to"].lower(), value, data))


def _number(text: str) -> int:
    if not _quantity(text):
        raise Refusal(-32602, "invalid argument: hex number with leading zero digits")
    return int(text, 16)


def _octets(text: str) -> bytes:
    if not text.startswith("0x") or len(text) % 2:
        raise Refusal(-32602, "invalid argument: hex string of odd length")
    return bytes.fromhex(text[2:])


def _transaction_of(done: Done, block: Block | None, at: int) -> dict[str, Any]:
    made = done.transaction
    return {
        "hash": made.hash,
        "type": "0x2",
        "nonce": hex(made.nonce),
        "from": made.sender,
        "to": made.to,
        "value": hex(made.value),
        "input": "0x" + made.data.hex(),
        "blockHash": block.hash if block else None,
        "blockNumber": hex(block.number) if block else None,
        "transactionIndex": hex(at) if block else None,
    }


def _logs_of(block: Block) -> list[dict[str, Any]]:
    """The logs of a block, counted through all its transactions."""
    pairs = [(at, log) for at, each in enumerate(block.done) for log in each.logs]
    return [
        {
            "address": log.address,
            "topics": list(log.topics),
            "data": "0x" + log.data.hex(),
            "blockNumber": hex(block.number),
            "blockHash": block.hash,
            "transactionHash": block.done[at].transaction.hash,
            "transactionIndex": hex(at),
            "logIndex": hex(index),
            "removed": False,
        }
        for index, (at, log) in enumerate(pairs)
    ]


def _fits(log: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a log meets conditions: one of the addresses, and at each place one of the topics."""
    addresses = wanted.get("address", log["address"])
    if log["address"] not in ([addresses] if isinstance(addresses, str) else addresses):
        return False
    topics = wanted.get("topics", [])
    return len(topics) <= len(log["topics"]) and all(
        want is None or have in ([want] if isinstance(want, str) else want)
        for want, have in zip(topics, log["topics"], strict=False)
    )
