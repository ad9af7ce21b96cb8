"""The table of known faults: all of them are there, and every file and test it names exists."""

import pytest

from tests.compose.records import DECISIONS, NO_TEST, ROOT, exists, missing, named, table

RECORD = DECISIONS / "0006-known-faults-of-the-parts.md"
CASES = [*(f"K{number}" for number in range(1, 13)), *(f"A{number}" for number in range(1, 41))]
TABLE = table(RECORD, r"[AK]\d+")


def test_every_case_has_a_row():
    assert list(TABLE) == CASES


@pytest.mark.parametrize("case", CASES)
class TestACase:
    def test_says_what_prevents_it_and_where(self, case):
        _, fault, prevention, _ = TABLE[case]
        assert fault
        assert prevention
        files = [name for name in named(prevention) if "/" in name]
        assert [name for name in files if not (ROOT / name).is_file()] == []
        assert files or prevention.startswith("as K")

    def test_names_tests_that_exist_or_says_why_there_are_none(self, case):
        _, _, _, tests = TABLE[case]
        assert missing(tests) == []
        assert named(tests) or tests.startswith(NO_TEST)


def test_a_test_that_is_gone_would_be_missed():
    assert exists("tests/compose/test_known_faults.py::test_every_case_has_a_row")
    assert exists(
        "tests/compose/test_known_faults.py::TestACase::test_says_what_prevents_it_and_where"
    )
    assert not exists("tests/compose/test_known_faults.py::test_that_is_gone")
    assert not exists("tests/compose/test_that_is_gone.py::test_every_case_has_a_row")
