"""The table of known faults: all of them are there, and every file and test it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "compose" / "decisions" / "0006-known-faults-of-the-parts.md"
CASES = [*(f"K{number}" for number in range(1, 13)), *(f"A{number}" for number in range(1, 41))]
NO_TEST = "none: "


def table() -> dict[str, list[str]]:
    """The cells of each case's row, by case."""
    lines = (line for line in RECORD.read_text().splitlines() if re.match(r"\| [AK]\d+ \|", line))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({row[0] for row in rows}) == len(rows), "a case has two rows"
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


def test_every_case_has_a_row():
    assert list(table()) == CASES


@pytest.mark.parametrize("case", CASES)
class TestACase:
    def test_says_what_prevents_it_and_where(self, case):
        _, fault, prevention, _ = table()[case]
        assert fault
        assert prevention
        files = [name for name in named(prevention) if "/" in name]
        assert [name for name in files if not (ROOT / name).is_file()] == []
        assert files or prevention.startswith("as K")

    def test_names_tests_that_exist_or_says_why_there_are_none(self, case):
        _, _, _, tests = table()[case]
        missing = [test for test in named(tests) if not exists(test)]
        assert missing == []
        assert named(tests) or tests.startswith(NO_TEST)


def test_a_test_that_is_gone_would_be_missed():
    assert exists("tests/compose/test_known_faults.py::test_every_case_has_a_row")
    assert exists(
        "tests/compose/test_known_faults.py::TestACase::test_says_what_prevents_it_and_where"
    )
    assert not exists("tests/compose/test_known_faults.py::test_that_is_gone")
    assert not exists("tests/compose/test_that_is_gone.py::test_every_case_has_a_row")
