"""Pull requests on a real server: what is refused is told, what is lost is asked for again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.subscription import (
    DEFAULT_SUB_PENDING_BYTES_LIMIT,
    DEFAULT_SUB_PENDING_MSGS_LIMIT,
)

from agents.roles.bridge import BATCH, IN_FLIGHT_BYTES, IN_FLIGHT_MESSAGES
from agents.roles.outward import WINDOW
from agents.roles.pulling import OVERHEAD_BYTES, Puller
from tests.agents.roles.bridging import Place, connected

WITHIN_S = 30
BYTES = 4_000_000


@pytest.fixture
def place(stack) -> Place:
    return Place("", stack.nats.url, 1)


@pytest_asyncio.fixture
async def client(place) -> AsyncIterator[Client]:
    async with connected(place) as client:
        yield client


@pytest_asyncio.fixture
async def puller(place, client) -> AsyncIterator[Puller]:
    puller = Puller(client, place.name, place.name)
    await puller.start()
    yield puller
    await puller.stop()


async def taken(puller: Puller, count: int) -> list[bytes]:
    """The next messages, asked for again whenever a request has ended."""
    found: list[bytes] = []
    async with asyncio.timeout(WITHIN_S):
        while len(found) < count:
            if puller.idle:
                await puller.ask(count - len(found), BYTES)
            found += [message.data for message in await puller.take()]
    return found


class TestARefusal:
    async def test_of_a_consumer_that_was_deleted_meanwhile_is_told(self, place, client, puller):
        await puller.ask(10, BYTES)
        await place.publish(client, b"0")
        assert [message.data for message in await puller.take()] == [b"0"]
        await client.jetstream().delete_consumer(place.name, place.name)
        async with asyncio.timeout(WITHIN_S):
            while not puller.trouble:
                assert await puller.take() == []
        assert puller.trouble == "409 Consumer Deleted"
        assert puller.idle

    async def test_of_a_consumer_that_is_not_there_is_told(self, place, client, puller):
        await client.jetstream().delete_consumer(place.name, place.name)
        await puller.ask(10, BYTES)
        assert await asyncio.wait_for(puller.take(), WITHIN_S) == []
        assert puller.trouble.startswith("503")

    async def test_ends_with_the_next_request(self, place, client, puller):
        puller.trouble = "409 Consumer Deleted"
        await place.publish(client, b"0")
        assert await taken(puller, 1) == [b"0"]
        assert puller.trouble == ""


class TestASilentServer:
    async def test_is_asked_again(self, place, client, puller):
        await puller.ask(10, BYTES)
        await puller.stop()  # its answers go nowhere, as those to a connection that died
        async with asyncio.timeout(WITHIN_S):
            while not puller.idle:
                assert await puller.take() == []
        await puller.start()
        await place.publish(client, b"0")
        assert await taken(puller, 1) == [b"0"]


class TestASlowConsumer:
    """The client drops what exceeds its own limits: nothing that is asked for may come near."""

    def test_of_inbound_messages_cannot_be(self):
        assert max(BATCH, IN_FLIGHT_MESSAGES) < DEFAULT_SUB_PENDING_MSGS_LIMIT
        largest_message = 64 * 1024 * 1024  # the most a server can be configured to
        most = IN_FLIGHT_BYTES + largest_message + OVERHEAD_BYTES
        assert most < DEFAULT_SUB_PENDING_BYTES_LIMIT

    def test_of_acks_cannot_be(self):
        assert WINDOW < DEFAULT_SUB_PENDING_MSGS_LIMIT

    async def test_is_not_what_a_full_request_makes(self, place, client, puller):
        messages = [b"%6d" % number + b"x" * 10_000 for number in range(300)]
        await place.publish(client, *messages)
        dropped: list[Exception] = []

        async def note(error: Exception) -> None:
            dropped.append(error)

        client._error_cb = note
        assert await taken(puller, len(messages)) == messages
        assert dropped == []
