"""How often a tenant may ask: its own share and no more, and nobody else's."""

from dataclasses import replace

import pytest

from tests.web.conftest import SETTINGS
from web.limits import BUCKETS_MAX, Rates
from web.problems import Problem

BALANCES = "/api/v1/{}/balances"


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def taken(rates, tenant_id="a", times=1_000):
    """How many requests pass at once."""
    for number in range(times):
        try:
            rates.take(tenant_id)
        except Problem:
            return number
    return times


class TestRates:
    def test_a_burst_then_so_many_a_second(self, clock):
        rates = Rates(10, 30, monotonic_s=clock)
        assert taken(rates) == 30
        clock.now_s += 1
        assert taken(rates) == 10
        clock.now_s += 3_600
        assert taken(rates) == 30

    def test_each_tenant_by_itself(self, clock):
        rates = Rates(10, 30, monotonic_s=clock)
        assert taken(rates, "a") == 30
        assert taken(rates, "b") == 30

    @pytest.mark.parametrize(("burst", "per_s", "wait"), [(1, 10, "1"), (1, 1, "1")])
    def test_who_comes_too_early_is_told_when_to_come(self, clock, burst, per_s, wait):
        rates = Rates(per_s, burst, monotonic_s=clock)
        rates.take("a")
        with pytest.raises(Problem) as refused:
            rates.take("a")
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, wait)
        clock.now_s += int(wait)
        rates.take("a")

    def test_none_at_all_if_so_wished(self, clock):
        assert taken(Rates(0, 1, monotonic_s=clock)) == 1_000

    def test_those_who_have_not_asked_lately_are_forgotten(self, clock):
        rates = Rates(1, 2, monotonic_s=clock)
        for number in range(BUCKETS_MAX):
            rates.take(f"t{number}")
        clock.now_s += 2
        rates.take("late")
        assert len(rates._full_at) == 1


class TestOverHttp:
    async def test_the_tenant_is_refused_and_its_neighbour_served(self, serve, context):
        api = await serve(
            replace(context, settings=replace(SETTINGS, requests_per_s=1, requests_at_once=2))
        )
        path = BALANCES.format("alpha")
        statuses = [(await api.get(path)).status for _ in range(4)]
        assert statuses.count(429) >= 1
        answer = await api.get(path)
        assert (answer.status, answer.code) == (429, "too-many-requests")
        assert int(answer.headers["Retry-After"]) >= 1
        neighbour = await api.get(BALANCES.format("beta"), token=api.token("beta"))
        assert neighbour.status == 200

    async def test_who_has_no_good_token_uses_up_nothing(self, serve, context):
        api = await serve(
            replace(context, settings=replace(SETTINGS, requests_per_s=1, requests_at_once=2))
        )
        path = BALANCES.format("alpha")
        for _ in range(5):
            assert (await api.get(path, token="bad")).status == 401
        assert (await api.get(path)).status == 200
