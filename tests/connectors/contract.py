"""What every connector must do against its fake. Subclass `ConnectorContract`, give `harness`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from connectors.base import NOT_FOUND, Ambiguous, Connector, NotSent
from connectors.breaker import Breaker
from connectors.guard import Guard

Kind = Literal["succeeds", "declined", "hangs", "breaks"]


@dataclass
class Harness:
    """A connector whose fake gives up on a caller quickly, and how to look behind the fake."""

    connector: Connector
    operation: str
    request: Callable[[Kind], bytes]
    effects: Callable[[str], int]
    minor: Callable[[Kind], int]
    stop: Callable


async def no_sleep(_delay_s: float) -> None:
    """Retries of the guard without the waiting."""
    await asyncio.sleep(0)


class ConnectorContract:
    """One behaviour each; `hangs` and `breaks` do the work and then give no usable answer."""

    async def perform(self, harness: Harness, kind: Kind, key: str = "key-1"):
        return await harness.connector.perform(harness.operation, key, harness.request(kind))

    async def query(self, harness: Harness, kind: Kind, key: str = "key-1"):
        return await harness.connector.query(harness.operation, key, harness.request(kind))

    async def test_success_names_reference_and_amount(self, harness):
        result = await self.perform(harness, "succeeds")
        assert result.outcome == "succeeded"
        assert result.provider_reference
        assert result.amount_minor == harness.minor("succeeds")
        assert harness.effects("key-1") == 1

    async def test_repeat_with_the_same_key_has_one_effect_and_the_same_reference(self, harness):
        if not harness.connector.key_lifetime_s:
            pytest.skip("the provider knows no idempotency keys")
        first = await self.perform(harness, "succeeds")
        again = await self.perform(harness, "succeeds")
        assert first == again
        assert harness.effects("key-1") == 1

    async def test_other_keys_are_other_calls(self, harness):
        first = await self.perform(harness, "succeeds", "key-1")
        second = await self.perform(harness, "succeeds", "key-2")
        assert first.provider_reference != second.provider_reference
        assert harness.effects("key-2") == 1

    async def test_decline_is_a_failure_with_a_word_and_no_effect(self, harness):
        result = await self.perform(harness, "declined")
        assert result.outcome == "failed"
        assert result.failure
        assert harness.effects("key-1") == 0

    async def test_query_agrees_with_perform(self, harness):
        for kind, key in (("succeeds", "key-1"), ("declined", "key-2")):
            performed = await self.perform(harness, kind, key)
            assert await self.query(harness, kind, key) == performed

    async def test_query_of_a_key_never_used_is_not_found(self, harness):
        result = await self.query(harness, "succeeds", "never")
        assert (result.outcome, result.detail) == ("unknown", NOT_FOUND)

    @pytest.mark.parametrize("kind", ["hangs", "breaks"])
    async def test_no_answer_is_ambiguous_and_a_query_resolves_it(self, harness, kind):
        with pytest.raises(Ambiguous):
            await self.perform(harness, kind)
        assert harness.effects("key-1") == 1
        result = await self.query(harness, kind)
        assert result.outcome == "succeeded"
        assert harness.effects("key-1") == 1

    async def test_guarded_call_without_an_answer_has_one_effect(self, harness):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        request = harness.request("hangs")
        result = await guard.perform(harness.operation, "key-1", request)
        assert result.outcome in {"succeeded", "unknown"}
        assert (await guard.query(harness.operation, "key-1", request)).outcome == "succeeded"
        assert harness.effects("key-1") == 1

    async def test_closed_port_is_not_sent(self, harness):
        await harness.stop()
        with pytest.raises(NotSent):
            await self.perform(harness, "succeeds")
