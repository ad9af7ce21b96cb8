"""The library that signs, imported at its first use, without what that does to the interpreter.

It takes more than a second, and raises Python's recursion limit to a hundred thousand: a deeply
nested JSON would then overflow the stack and end the process, where it must be an error.
"""

import sys
from functools import cache
from typing import Any, NamedTuple


class Library(NamedTuple):
    """What is used of it."""

    account: Any
    typed_transaction: Any
    hex_bytes: Any


@cache
def library() -> Library:
    """eth-account's parts; the recursion limit is as before."""
    limit = sys.getrecursionlimit()
    try:
        from eth_account import Account
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes
    finally:
        sys.setrecursionlimit(limit)
    return Library(Account, TypedTransaction, HexBytes)
