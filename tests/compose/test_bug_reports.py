"""Public bug reports about what we connect to: each has a test, and the test exists."""

import pytest

from tests.compose.records import DECISIONS, missing, named, table

TABLE = table(DECISIONS / "0013-public-bug-reports.md", r"A\d+")
CASES = [f"A{number}" for number in range(1, 43)]


def test_every_case_is_there():
    assert list(TABLE) == CASES


@pytest.mark.parametrize("case", CASES)
def test_is_shown_by_tests_that_exist(case):
    _, what, tests = TABLE[case]
    assert what
    assert named(tests)
    assert missing(tests) == []
