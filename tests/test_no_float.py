"""I18: no number of ours is ever a float, so that an amount keeps its text. Read from the sources.

Floats are seconds of clocks and timeouts; they live where nothing is decided.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
PRODUCT = ("streams", "agents", "tables", "connectors", "web", "compose")
SOURCES = sorted(path for folder in PRODUCT for path in (HERE / folder).rglob("*.py"))
MONEY = [
    path
    for path in SOURCES
    if path.parent in {HERE / "agents", HERE / "agents" / "accounting", HERE / "agents" / "audit"}
    or (path.parent == HERE / "tables" and path.name not in {"checkpoint.py", "store.py"})
    or (path.parent == HERE / "streams" and path.name in {"money.py", "journal.py", "codec.py"})
    or path.name == "translate.py"
]
"""Where amounts are read, decided on, or kept."""


def name_of(function: ast.expr) -> str:
    """`json.loads` of the expression json.loads."""
    return ast.unparse(function)


def unsafe_reads(tree: ast.AST) -> Iterator[str]:
    """Calls that make, or may make, a float of a number in JSON or text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, named = name_of(node.func), {keyword.arg for keyword in node.keywords}
        if name == "float":
            yield f"{node.lineno}: {ast.unparse(node)}"
        elif name in {"json.loads", "json.load"} and "parse_float" not in named:
            yield f"{node.lineno}: {name} without parse_float"
        elif name == "msgspec.json.decode" and "type" not in named:
            yield f"{node.lineno}: {name} without type"
        elif name == "msgspec.json.Decoder" and not (node.args or "float_hook" in named):
            yield f"{node.lineno}: {name} without type or float_hook"


def floats(tree: ast.AST) -> Iterator[str]:
    """The word float, a float in the source, or a division that gives one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "float":
            yield f"{node.lineno}: float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{node.lineno}: {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{node.lineno}: {ast.unparse(node)}"


class TestTheSources:
    def test_are_all_here(self):
        assert len(SOURCES) > 100
        assert {path.name for path in MONEY} >= {"money.py", "invoices.py", "sales.py", "pos.py"}

    @pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HERE)))
    def test_read_no_number_as_a_float(self, path):
        assert list(unsafe_reads(ast.parse(path.read_text()))) == []

    @pytest.mark.parametrize("path", MONEY, ids=lambda path: str(path.relative_to(HERE)))
    def test_know_no_float_where_money_passes(self, path):
        assert list(floats(ast.parse(path.read_text()))) == []


class TestTheRules:
    @pytest.mark.parametrize(
        "source",
        [
            "float(x)",
            "json.loads(x)",
            "json.load(x, object_pairs_hook=f)",
            "msgspec.json.decode(x)",
            "msgspec.json.Decoder()",
            "msgspec.json.Decoder(strict=True)",
        ],
    )
    def test_find_what_may_read_a_float(self, source):
        assert len(list(unsafe_reads(ast.parse(source)))) == 1

    @pytest.mark.parametrize(
        "source",
        [
            "json.loads(x, parse_float=str)",
            "msgspec.json.decode(x, type=Model)",
            "msgspec.json.Decoder(Model)",
            "msgspec.json.Decoder(float_hook=str)",
        ],
    )
    def test_let_pass_what_cannot(self, source):
        assert list(unsafe_reads(ast.parse(source))) == []

    @pytest.mark.parametrize("source", ["x: float", "0.16", "a / b", "a /= b", "f(float)"])
    def test_find_floats(self, source):
        assert len(list(floats(ast.parse(source)))) == 1
