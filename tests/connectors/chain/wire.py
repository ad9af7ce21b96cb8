"""What nodes send, by hand from external-apis.md, section 6, and the JSON-RPC specification.

Never by our own encoder.
"""

from string import Template
from typing import Any

from streams.money import plain

WALLET = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
TOKEN = "0x3c499c542cef5e3811e1192ce70d8cc03d5c3359"
BLOCK_HASH = "0x" + "b1" * 32
TX_HASH = "0x" + "7a" * 32

# a block of a PoA chain, whose extra data is longer than 32 bytes (A34)
BLOCK = """
{"number":"0x20","hash":"$block","parentHash":"0x$parent","timestamp":"0x69a3d6ed",
 "baseFeePerGas":"0x7","extraData":"0x$extra","miner":"0x0000000000000000000000000000000000000000",
 "transactions":[
 {"hash":"0x$first","from":"0x00000000000000000000000000000000000000aa","to":"$wallet",
  "value":"0xde0b6b3a7640000","input":"0x","nonce":"0x1","type":"0x2"},
 {"hash":"0x$second","from":"0x00000000000000000000000000000000000000aa","to":null,
  "value":"0x1","input":"0x6000","nonce":"0x2","type":"0x2"},
 {"hash":"0x$third","from":"0x00000000000000000000000000000000000000aa","to":"$wallet",
  "value":"0x0","input":"0x","nonce":"0x3","type":"0x2"}]}
"""

# a log of an ERC-20 transfer of 1 500 000 units
LOG = """
{"address":"$token","topics":[
 "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
 "0x00000000000000000000000000000000000000000000000000000000000000aa",
 "0x0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed"],
 "data":"0x000000000000000000000000000000000000000000000000000000000016e360",
 "blockNumber":"0x20","blockHash":"$block","transactionHash":"$transaction",
 "transactionIndex":"0x1","logIndex":"0x4","removed":false}
"""

RECEIPT = """
{"transactionHash":"$transaction","blockHash":"$block","blockNumber":"0x20","status":"0x1",
 "gasUsed":"0xcb20","effectiveGasPrice":"0x7","logs":[$log]}
"""


def said(text: str) -> Any:
    """A value as a node sends it, with the names above put in."""
    names = {
        "block": BLOCK_HASH,
        "parent": "b0" * 32,
        "extra": "11" * 200,
        "first": "01" * 32,
        "second": "02" * 32,
        "third": "03" * 32,
        "wallet": WALLET,
        "token": TOKEN,
        "transaction": TX_HASH,
    }
    return plain(Template(text.replace("$log", LOG)).substitute(names).encode())


ERROR = '{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"limit exceeded"}}'
REORDERED = """
[{"jsonrpc":"2.0","id":2,"result":"c"},{"jsonrpc":"2.0","id":0,"result":"a"},
 {"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"header not found"}}]
"""
