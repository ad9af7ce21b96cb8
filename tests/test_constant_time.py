"""What proves a caller is compared in constant time: never by ==, in the layers that callers reach.

Of the core, hashes are compared that prove the log and are no secrets; those may be by ==. So may
the hashes by which the whole world knows a chain's blocks and transactions.
"""

import ast
import re
from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for layer in ("web", "connectors", "streams/inbound.py")
    for path in ([ROOT / layer] if layer.endswith(".py") else (ROOT / layer).rglob("*.py"))
    if path.name != "fake.py"
)
_secret = re.compile(
    r"(^|_)(signature|mac|hmac|digest|hash|secret|token|password|api_key)s?$"
).search

PUBLIC = {"hash", "block_hash", "tx_hash"}
"""What everybody knows, in `connectors/chain`."""


def _name(node: ast.AST) -> str:
    """The word by which a value is called: a name, a member, or what a call or index is of."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return _name(func)
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


def compared(source: str, public: Collection[str] = ()) -> list[int]:
    """The lines where something called like a secret meets == or !=; empty text is no secret."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        is_equality = any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        names = [_name(side) for side in sides if not isinstance(side, ast.Constant)]
        names_one = any(_secret(name) and name not in public for name in names)
        with_nothing = any(isinstance(side, ast.Constant) and not side.value for side in sides)
        if is_equality and names_one and not with_nothing:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_secrets_are_not_compared_by_equality(path):
    public = PUBLIC if path.is_relative_to(ROOT / "connectors" / "chain") else ()
    assert compared(path.read_text(), public) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("given == signature", [1]),
        ("x = 1\nif row['secret_hash'] != hashed: pass", [2]),
        ("self._mac(place) == mac", [1]),
        ("token == ''", []),
        ("hmac.compare_digest(a, signature)", []),
        ("hash_name == 'sha256'", []),
        ("key.mode != row['mode']", []),
    ],
)
def test_such_a_comparison_would_be_found(source, lines):
    assert compared(source) == lines


def test_a_chains_hashes_are_no_secrets_and_its_tokens_are():
    source = "a.block_hash == b.block_hash\na.token == b.token"
    assert compared(source, PUBLIC) == [2]
