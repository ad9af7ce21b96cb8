import pytest

from connectors.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock) -> Breaker:
    return Breaker(monotonic_s=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admit()
        breaker.failed()


class TestBreaker:
    def test_stays_closed_below_five_failures_in_a_row(self, breaker):
        fail(breaker, 4)
        assert breaker.state == "closed"
        breaker.succeeded()
        fail(breaker, 4)
        assert breaker.state == "closed"

    def test_opens_at_the_fifth(self, breaker):
        fail(breaker, 5)
        assert breaker.state == "open"
        assert not breaker.admit()

    def test_is_open_for_sixty_seconds_exactly(self, breaker, clock):
        fail(breaker, 5)
        clock.now_s += 59.9
        assert not breaker.admit()
        clock.now_s += 0.1
        assert breaker.state == "half_open"
        assert breaker.admit()

    def test_half_open_admits_one_probe(self, breaker, clock):
        fail(breaker, 5)
        clock.now_s += 60
        assert breaker.admit()
        assert not breaker.admit()

    def test_success_of_the_probe_closes(self, breaker, clock):
        fail(breaker, 5)
        clock.now_s += 60
        breaker.admit()
        breaker.succeeded()
        assert breaker.state == "closed"
        fail(breaker, 4)
        assert breaker.state == "closed"

    def test_failure_of_the_probe_opens_for_another_sixty_seconds(self, breaker, clock):
        fail(breaker, 5)
        clock.now_s += 60
        breaker.admit()
        breaker.failed()
        clock.now_s += 59.9
        assert not breaker.admit()
        clock.now_s += 0.1
        assert breaker.admit()

    def test_abandoned_probe_lets_another_one_out(self, breaker, clock):
        fail(breaker, 5)
        clock.now_s += 60
        breaker.admit()
        breaker.abandoned()
        assert breaker.admit()

    def test_late_failure_of_an_earlier_call_does_not_prolong(self, breaker, clock):
        for _ in range(6):
            breaker.admit()
        fail_later = breaker.failed
        for _ in range(5):
            breaker.failed()
        clock.now_s += 30
        fail_later()
        clock.now_s += 30
        assert breaker.state == "half_open"
