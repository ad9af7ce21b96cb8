"""The way into the log: a producer that broke is replaced, and nothing handed over is given up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from agents.roles import inlet as role
from agents.roles import internal
from agents.roles.inlet import Inlet
from streams.inbound import Signer, Stamp
from streams.kafka import PartitionReader
from streams.topics import Topics
from tests.agents.roles.producers import lose_count, silence

pytestmark = pytest.mark.kafka
WITHIN_S = 60
NATS = Stamp("nats")


@pytest.fixture
def opened(monkeypatch) -> list[AIOKafkaProducer]:
    """Every producer that an inlet opens."""
    opened: list[AIOKafkaProducer] = []
    open_producer = role.open_producer

    async def noted(bootstrap: str) -> AIOKafkaProducer:
        opened.append(await open_producer(bootstrap))
        return opened[-1]

    monkeypatch.setattr(role, "open_producer", noted)
    return opened


@pytest_asyncio.fixture
async def inlet(stack, topics: Topics, opened) -> AsyncIterator[Inlet]:
    inlet = Inlet(stack.kafka.bootstrap, Signer(bytes(32)), topics)
    yield inlet
    await inlet.close()


async def append(inlet: Inlet, *numbers: int) -> list[int]:
    async with asyncio.timeout(WITHIN_S):
        appends = (inlet.append(0, stamp=NATS, value=b"%d" % number) for number in numbers)
        return list(await asyncio.gather(*appends))


async def values(stack, topics: Topics) -> dict[int, int]:
    """How often the log has each number."""
    async with PartitionReader(stack.kafka.bootstrap, topics.inbound.name, 0) as reader:
        log = reader.read_range(*await reader.bounds())
        return Counter([int(record.value) async for records in log for record in records])


class TestABrokenProducer:
    async def test_whose_numbers_the_broker_refuses_is_replaced(
        self, stack, topics, inlet, opened, needs_apache
    ):
        await append(inlet, 0)
        lose_count(opened[0], topics.inbound.name)
        await append(inlet, 1, 2, 3)
        await append(inlet, 4)
        assert len(opened) == 2
        assert await values(stack, topics) == dict.fromkeys(range(5), 1)

    async def test_that_is_never_heard_of_again_is_replaced_once(
        self, stack, topics, inlet, opened, monkeypatch
    ):
        await append(inlet, 0)
        taken = silence(opened[0], monkeypatch)
        appends = []
        for number, ack_within_s in ((1, 0.2), (2, 0.6)):
            monkeypatch.setattr(internal, "ACK_WITHIN_S", ack_within_s)
            appends.append(asyncio.create_task(append(inlet, number)))
            while len(taken) < number:
                await asyncio.sleep(0)
        await asyncio.gather(*appends)  # the second fails when the first has its new producer
        assert len(opened) == 2
        assert await values(stack, topics) == dict.fromkeys(range(3), 1)

    async def test_that_forgot_where_a_repeat_stands_is_replaced(
        self, stack, topics, inlet, opened, monkeypatch
    ):
        class Repeated:
            offset = -1  # as after DuplicateSequenceNumber

        async def repeated() -> Repeated:
            return Repeated()

        async def send(*_: Any, **__: Any) -> Any:
            return repeated()

        await append(inlet, 0)
        monkeypatch.setattr(opened[0], "send", send)
        assert await append(inlet, 1) == [1]
        assert len(opened) == 2
