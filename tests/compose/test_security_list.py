"""The security list: every row is there, and every test it names exists."""

import pytest

from tests.compose.records import DECISIONS, NO_TEST, missing, named, table

TABLE = table(DECISIONS / "0011-every-row-of-the-security-list.md", r"[WJTPSO]\d+")
COUNTS = {"W": 14, "J": 12, "T": 10, "P": 11, "S": 9, "O": 9}
ROWS = [f"{kind}{number + 1}" for kind, count in COUNTS.items() for number in range(count)]


def test_every_row_is_there():
    assert list(TABLE) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_names_tests_that_exist_or_says_why_there_are_none(row):
    _, what, tests = TABLE[row]
    assert what
    assert missing(tests) == []
    assert any("::" in test for test in named(tests)) or tests.startswith(NO_TEST)
