import asyncio

import pytest

from connectors.base import Ambiguous, NotSent, Refused, Result, TurnedAway
from connectors.breaker import Breaker
from connectors.guard import Guard

DONE = Result("succeeded", "R1", 100, "KES")


class Scripted:
    """A connector that gives what it was told, in order; exceptions are raised."""

    name = "scripted"
    operations = frozenset({"collect"})

    def __init__(self, *script, key_lifetime_s: float = 3_600.0) -> None:
        self.script = list(script)
        self._key_lifetime_s = key_lifetime_s
        self.calls: list[tuple[str, str]] = []

    def key_lifetime_s(self, _asked):
        return self._key_lifetime_s

    async def perform(self, asked):
        return await self._next("perform", asked.key)

    async def query(self, asked):
        return await self._next("query", asked.key)

    async def _next(self, verb, key):
        self.calls.append((verb, key))
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Result):
            return step
        return await step()


class Clock:
    """Monotonic time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now_s += delay_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def guarded(connector: Scripted, clock: Clock) -> Guard:
    return Guard(connector, Breaker(monotonic_s=clock), monotonic_s=clock, sleep=clock.sleep)


def perform(guard: Guard, **limits):
    return guard.perform("collect", "key-1", b"{}", **limits)


class TestRetries:
    async def test_repeats_three_times_with_doubling_pauses_and_the_same_key(self, clock):
        connector = Scripted(*[Ambiguous("timeout")] * 4)
        result = await perform(guarded(connector, clock))
        assert result == Result("unknown", detail="timeout")
        assert connector.calls == [("perform", "key-1")] * 4
        assert clock.slept == [1.0, 2.0, 4.0]

    async def test_first_answer_ends_it(self, clock):
        connector = Scripted(Ambiguous("timeout"), DONE)
        assert await perform(guarded(connector, clock)) == DONE
        assert clock.slept == [1.0]

    async def test_without_keys_what_may_have_been_sent_is_never_repeated(self, clock):
        connector = Scripted(Ambiguous("timeout"), DONE, key_lifetime_s=0.0)
        result = await perform(guarded(connector, clock))
        assert result.outcome == "unknown"
        assert len(connector.calls) == 1

    async def test_without_keys_what_was_never_sent_is_repeated(self, clock):
        connector = Scripted(NotSent("refused"), DONE, key_lifetime_s=0.0)
        assert await perform(guarded(connector, clock)) == DONE

    async def test_keys_are_not_used_beyond_their_lifetime(self, clock):
        connector = Scripted(*[Ambiguous("timeout")] * 4, key_lifetime_s=2.5)
        await perform(guarded(connector, clock))
        assert len(connector.calls) == 2

    async def test_nothing_is_sent_after_the_deadline(self, clock):
        connector = Scripted(*[NotSent("refused")] * 4)
        result = await perform(guarded(connector, clock), until_s=2.0)
        assert len(connector.calls) == 2
        assert result == Result("failed", failure="not_reached", detail="refused")

    async def test_query_is_always_repeated(self, clock):
        connector = Scripted(Ambiguous("timeout"), DONE, key_lifetime_s=0.0)
        assert await guarded(connector, clock).query("collect", "key-1", b"{}") == DONE

    async def test_a_provider_that_asks_for_patience_gets_it(self, clock):
        connector = Scripted(TurnedAway("status 429", retry_after_s=7.0), DONE)
        assert await perform(guarded(connector, clock)) == DONE
        assert clock.slept == [7.0]

    async def test_a_provider_that_asks_for_more_than_a_retry_has_is_left_alone(self, clock):
        connector = Scripted(TurnedAway("status 429", retry_after_s=31.0), DONE)
        result = await perform(guarded(connector, clock))
        assert result == Result("failed", failure="provider_busy", detail="status 429")
        assert clock.slept == []

    async def test_to_be_turned_away_is_repeated_without_keys_too(self, clock):
        connector = Scripted(TurnedAway("status 429"), DONE, key_lifetime_s=0.0)
        assert await perform(guarded(connector, clock)) == DONE


class TestWhatIsKnown:
    async def test_what_is_not_claimed_fails_unsent(self, clock):
        connector = Scripted()
        result = await guarded(connector, clock).perform("void", "key-1", b"{}")
        assert result == Result("failed", failure="capability_unsupported")
        assert connector.calls == []

    async def test_what_is_claimed_no_longer_stays_unknown(self, clock):
        result = await guarded(Scripted(), clock).query("void", "key-1", b"{}")
        assert result == Result("unknown", detail="capability_unsupported")

    async def test_turned_away_after_an_ambiguous_attempt_stays_unknown(self, clock):
        connector = Scripted(Ambiguous("timeout"), *[TurnedAway("status 429")] * 3)
        assert (await perform(guarded(connector, clock))).outcome == "unknown"

    async def test_refusal_alone_is_a_failure_and_is_not_repeated(self, clock):
        connector = Scripted(Refused("status 422"))
        result = await perform(guarded(connector, clock))
        assert result == Result("failed", failure="refused", detail="status 422")

    async def test_refusal_says_why(self, clock):
        connector = Scripted(Refused("status 403", failure="not_configured"))
        assert (await perform(guarded(connector, clock))).failure == "not_configured"

    async def test_refusal_after_an_ambiguous_attempt_stays_unknown(self, clock):
        connector = Scripted(Ambiguous("timeout"), Refused("status 401"))
        assert (await perform(guarded(connector, clock))).outcome == "unknown"

    async def test_connection_refused_after_an_ambiguous_attempt_stays_unknown(self, clock):
        connector = Scripted(Ambiguous("timeout"), *[NotSent("refused")] * 3)
        assert (await perform(guarded(connector, clock))).outcome == "unknown"

    async def test_fault_of_the_connector_is_unknown_not_raised(self, clock):
        connector = Scripted(*[KeyError("status")] * 4)
        assert (await perform(guarded(connector, clock))).outcome == "unknown"

    async def test_hanging_call_is_given_up(self, clock, monkeypatch):
        monkeypatch.setattr("connectors.guard.TIMEOUT_S", 0.01)
        connector = Scripted(asyncio.Event().wait, DONE)
        assert await perform(guarded(connector, clock)) == DONE


class TestCircuit:
    async def test_open_circuit_lets_nothing_out_and_says_so(self, clock):
        connector = Scripted(*[NotSent("refused")] * 5, DONE)
        guard = guarded(connector, clock)
        await perform(guard)
        result = await perform(guard)
        assert len(connector.calls) == 5
        assert (result.outcome, result.failure) == ("failed", "circuit_open")

    async def test_refusals_and_declines_do_not_open_it(self, clock):
        connector = Scripted(*[Refused("status 422"), Result("failed")] * 5, DONE)
        guard = guarded(connector, clock)
        for _ in range(10):
            await perform(guard)
        assert await perform(guard) == DONE

    async def test_cancelled_probe_does_not_block_the_next_one(self, clock):
        connector = Scripted(*[NotSent("refused")] * 5, asyncio.Event().wait, DONE)
        guard = guarded(connector, clock)
        await perform(guard)
        await perform(guard)
        clock.now_s += 60
        probe = asyncio.create_task(perform(guard))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert await perform(guard) == DONE
