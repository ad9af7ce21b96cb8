"""Tables of decision records whose rows name tests: read, and held against the tests there are."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "compose" / "decisions"
NO_TEST = "none: "


def table(record: Path, key: str) -> dict[str, list[str]]:
    """The cells of each row, by the first one, which looks like `key`."""
    pattern = re.compile(rf"\| {key} \|")
    lines = (line for line in record.read_text().splitlines() if pattern.match(line))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({row[0] for row in rows}) == len(rows), "a number has two rows"
    return {row[0]: row for row in rows}


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def _tests_in(path: Path) -> set[str]:
    """`Class::test` and `test` of every test in a file."""
    body = ast.parse(path.read_text()).body
    found = _functions(body)
    for node in body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{name}" for name in _functions(node.body)}
    return found


def _functions(body: list[ast.stmt]) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in body if isinstance(node, kinds) and node.name.startswith("test")}


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.is_file() and name in _tests_in(file)


def missing(cell: str) -> list[str]:
    """The tests that a cell names and nobody has written."""
    return [test for test in named(cell) if "::" in test and not exists(test)]
