"""The month's script and its books: repeatable, believable, and in themselves in balance."""

from collections import Counter

import pytest

from tests.model.month import DAYS, SETTINGS, Script, month
from tests.model.month_books import books_of

SEEDS = range(20)


@pytest.fixture(scope="module")
def script() -> Script:
    return month(7)


class TestMonth:
    def test_the_same_seed_gives_the_same_month(self, script):
        assert month(7) == script
        assert month(8) != script

    def test_says_things_of_every_service_every_week(self, script):
        services = {"cafe", "pos", "logistics", "inventory", "projects"}
        for week in range(4):
            days = range(7 * week + 1, 7 * week + 8)
            said = {s.name.partition(".")[0] for s in script.steps if s.day in days}
            assert services <= said

    def test_every_tenant_does_something_every_week(self, script):
        said = Counter((step.tenant, step.day // 7) for step in script.steps)
        assert set(said) == {(tenant, week) for tenant in SETTINGS for week in range(DAYS // 7 + 1)}

    @pytest.mark.parametrize("seed", SEEDS)
    def test_its_books_balance(self, seed):
        books = books_of(month(seed))
        for tenant, balances in books.balances.items():
            assert balances.total() == 0, tenant
            assert balances["receivable"] >= 0
            assert balances["payable"] <= 0
            assert balances["grni"] <= 0
