"""Public bug reports about the payment gateways: each has a test, and the test exists."""

import pytest

from tests.compose.records import DECISIONS, missing, named, table

TABLE = table(DECISIONS / "0013-public-bug-reports.md", r"A\d+")
OF_PAYMENTS = [*range(1, 27), 38, 40, 41, 42]


def test_every_case_of_these_gateways_is_there():
    assert list(TABLE) == [f"A{number}" for number in OF_PAYMENTS]


@pytest.mark.parametrize("case", [f"A{number}" for number in OF_PAYMENTS])
def test_is_shown_by_tests_that_exist(case):
    _, what, tests = TABLE[case]
    assert what
    assert named(tests)
    assert missing(tests) == []
