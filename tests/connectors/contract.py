"""What every connector must do against its fake. Subclass `ConnectorContract`, give `harness`; add
`Keyed` and `Refusing` where they hold.

Each operation that a connector claims has a harness of its own: the contract is held for all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from connectors.base import Ambiguous, Asked, Connector, NotSent, Result
from connectors.breaker import Breaker
from connectors.guard import Guard

Kind = Literal["succeeds", "declined", "hangs", "breaks"]


@dataclass
class Harness:
    """A connector whose fake gives up on a caller quickly, and how to look behind the fake.

    `arrange` prepares the fake for one call; `settle` lets the provider and its payer go on, and
    returns the last word on the call.
    """

    connector: Connector
    operation: str
    request: Callable[[Kind], bytes]
    effects: Callable[[str], int]
    minor: Callable[[Kind], int]
    stop: Callable[[], Awaitable[Any]]
    arrange: Callable[[Kind], None] = lambda _kind: None
    settle: Callable[[Asked, Result | None], Awaitable[Result]] | None = None
    refuse: Callable[[], None] = lambda: None
    """Let the provider refuse the request after the next one."""
    told_at: str = ""

    def asked(self, kind: Kind, key: str = "key-1") -> Asked:
        return Asked(self.operation, key, self.request(kind), f"{self.told_at}/{key}")

    async def perform(self, kind: Kind, key: str = "key-1") -> Result:
        self.arrange(kind)
        return await self.connector.perform(self.asked(kind, key))

    async def settled(self, kind: Kind, key: str = "key-1", performed: Result | None = None):
        if self.settle is None:
            return await self.connector.query(self.asked(kind, key))
        return await self.settle(self.asked(kind, key), performed)


async def no_sleep(_delay_s: float) -> None:
    """Retries of the guard without the waiting."""
    await asyncio.sleep(0)


class ConnectorContract:
    """One behaviour each; `hangs` and `breaks` do the work and then give no usable answer.

    `HELD_TO` are the gateway and those of its operations that a class executes.
    """

    HELD_TO: tuple[str, frozenset[str]] = "", frozenset()

    def test_it_claims_what_it_is_held_to(self, harness):
        gateway, operations = self.HELD_TO
        assert harness.connector.name == gateway
        assert harness.operation in operations & harness.connector.operations

    async def test_success_names_reference_and_amount(self, harness):
        performed = await harness.perform("succeeds")
        assert performed.outcome in {"succeeded", "pending"}
        result = await harness.settled("succeeds", performed=performed)
        assert result.outcome == "succeeded"
        assert result.provider_reference
        assert result.amount_minor == harness.minor("succeeds")
        assert harness.effects("key-1") == 1

    async def test_other_keys_are_other_calls(self, harness):
        first = await harness.settled(
            "succeeds", "key-1", await harness.perform("succeeds", "key-1")
        )
        second = await harness.settled(
            "succeeds", "key-2", await harness.perform("succeeds", "key-2")
        )
        assert first.provider_reference != second.provider_reference
        assert harness.effects("key-2") == 1

    async def test_decline_is_a_failure_with_a_word_and_no_effect(self, harness):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        harness.arrange("declined")
        asked = harness.asked("declined")
        result = await guard.perform(
            asked.operation, asked.key, asked.request, told_at=asked.told_at
        )
        if result.outcome == "pending":
            result = await harness.settled("declined", performed=result)
        assert result.outcome == "failed"
        assert result.failure
        assert harness.effects("key-1") == 0

    async def test_query_of_a_key_never_used_is_no_success(self, harness):
        result = await harness.connector.query(harness.asked("succeeds", "never"))
        assert result.outcome != "succeeded"
        assert harness.effects("never") == 0

    @pytest.mark.parametrize("kind", ["hangs", "breaks"])
    async def test_no_answer_is_ambiguous_and_is_resolved_later(self, harness, kind):
        with pytest.raises(Ambiguous):
            await harness.perform(kind)
        result = await harness.settled(kind)
        assert result.outcome == "succeeded"
        assert harness.effects("key-1") == 1

    async def test_guarded_call_without_an_answer_has_one_effect(self, harness):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        harness.arrange("hangs")
        asked = harness.asked("hangs")
        performed = await guard.perform(
            asked.operation, asked.key, asked.request, told_at=asked.told_at
        )
        assert performed.outcome != "failed"
        result = await harness.settled("hangs", performed=performed)
        assert result.outcome == "succeeded"
        assert harness.effects("key-1") == 1

    async def test_request_that_cannot_be_read_fails_unsent(self, harness):
        asked = Asked(harness.operation, "key-1", b'{"amount":1}', harness.told_at)
        result = await harness.connector.perform(asked)
        assert (result.outcome, result.failure) == ("failed", "bad_request")
        assert harness.effects("key-1") == 0

    async def test_closed_port_is_not_sent(self, harness):
        await harness.stop()
        with pytest.raises(NotSent):
            await harness.perform("succeeds")


class Keyed:
    """What holds besides where the provider knows our keys: a repeat is safe."""

    async def test_repeat_with_the_same_key_has_one_effect(self, harness):
        assert harness.connector.key_lifetime_s(harness.asked("succeeds")) > 0
        first = await harness.perform("succeeds")
        again = await harness.perform("succeeds")
        assert again.outcome in {first.outcome, "pending"}
        assert again.handle in {first.handle, ""}
        result = await harness.settled("succeeds", performed=first)
        assert result.outcome == "succeeded"
        assert harness.effects("key-1") == 1


class Refusing:
    """What holds besides where it is known how to have a repeat refused."""

    async def test_refusal_of_a_repeat_says_nothing_of_the_first(self, harness):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        harness.arrange("breaks")
        harness.refuse()
        asked = harness.asked("breaks")
        performed = await guard.perform(
            asked.operation, asked.key, asked.request, told_at=asked.told_at
        )
        assert performed.outcome == "unknown"
