import pytest

from connectors.base import Result
from connectors.breaker import Breaker
from connectors.routing import Candidate, Choice, Health, choose

ANSWERS = [Result("succeeded"), Result("failed", failure="wrong_pin"), Result("pending")]
TROUBLE = [Result("unknown"), Result("failed", failure="not_reached")]


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestHealth:
    def test_begins_well(self, clock):
        assert Health(monotonic_s=clock).trouble == 0

    @pytest.mark.parametrize("result", ANSWERS)
    def test_is_not_harmed_by_answers(self, clock, result):
        health = Health(monotonic_s=clock)
        for _ in range(50):
            health.saw(result)
        assert health.trouble == 0

    @pytest.mark.parametrize("result", TROUBLE)
    def test_is_lost_after_four_calls_that_hang(self, clock, result):
        health = Health(monotonic_s=clock)
        seen = []
        for _ in range(4):
            health.saw(result)
            seen.append(health.trouble)
        assert seen == [200, 360, 488, 590]

    def test_comes_back_with_time_and_with_answers(self, clock):
        health = Health(monotonic_s=clock)
        for _ in range(20):
            health.saw(Result("unknown"))
        before = health.trouble
        clock.now_s += 60
        assert health.trouble == before // 2
        health.saw(Result("succeeded"))
        assert health.trouble < before // 2

    def test_is_never_outside_its_bounds(self, clock):
        health = Health(monotonic_s=clock)
        for _ in range(200):
            health.saw(Result("unknown"))
            assert 0 <= health.trouble <= 1_000


class TestChoose:
    @pytest.mark.parametrize(
        ("candidates", "choice"),
        [
            ([("a", True, 999)], ("a", "only")),
            ([("a", False, 0), ("b", False, 0)], ("a", "preferred")),
            ([("a", False, 499), ("b", False, 0)], ("a", "preferred")),
            ([("a", False, 500), ("b", False, 0)], ("b", "preferred_in_trouble")),
            ([("a", True, 0), ("b", False, 0)], ("b", "preferred_open")),
            ([("a", True, 0), ("b", False, 700), ("c", False, 10)], ("c", "preferred_open")),
            ([("a", False, 600), ("b", False, 700)], ("a", "others_worse")),
            ([("a", False, 800), ("b", False, 700)], ("b", "preferred_in_trouble")),
            ([("a", False, 900), ("b", True, 0)], ("a", "others_worse")),
        ],
    )
    def test_takes_the_preferred_one_that_works(self, candidates, choice):
        assert choose([Candidate(*each) for each in candidates]) == Choice(*choice)

    def test_of_nothing_is_an_error(self):
        with pytest.raises(ValueError, match="no gateway"):
            choose([])


class TestTraffic:
    """A payment a second; one gateway hangs and recovers."""

    def test_leaves_a_gateway_that_hangs_and_returns_when_it_has_recovered(self, clock):
        healths = {name: Health(monotonic_s=clock) for name in "ab"}
        breakers = {name: Breaker(monotonic_s=clock) for name in "ab"}

        def pay(*, hanging: bool) -> str:
            clock.now_s += 1
            candidates = [
                Candidate(name, breakers[name].state == "open", healths[name].trouble)
                for name in "ab"
            ]
            gateway = choose(candidates).gateway
            assert breakers[gateway].admit()
            if gateway == "a" and hanging:
                breakers["a"].failed()
                healths["a"].saw(Result("unknown"))
            else:
                breakers[gateway].succeeded()
                healths[gateway].saw(Result("succeeded"))
            return gateway

        assert {pay(hanging=False) for _ in range(50)} == {"a"}
        hung = [pay(hanging=True) for _ in range(300)]
        assert hung[:20].count("a") < 10
        assert hung[20:].count("a") < 20
        back = [pay(hanging=False) for _ in range(200)]
        assert set(back[-50:]) == {"a"}
