"""Faust's acknowledgements and deliveries are not trusted: what a gap or a repeat leads to."""

import asyncio

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition

from agents.roles.mailbox import Mail
from agents.roles.trimming import trim
from streams.errors import LogBetrayed
from streams.kafka import PartitionReader
from tests.agents.core import envelope
from tests.agents.roles.writing import WITHIN_S, writing

VALUES = [
    envelope("auth.tenant.created", f"t{number}", {}, event_id=f"e{number}") for number in range(6)
]


class Inbound:
    """An inbound log on a broker, delivered by hand."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.place = bootstrap, name
        self.done: list[int] = []

    async def deliver(self, found, *offsets: int) -> None:
        """The records at these offsets, as Faust would hand them over."""
        async with PartitionReader(*self.place, 0) as reader:
            log = [one async for some in reader.read_range(*await reader.bounds()) for one in some]
        values = {record.offset: record.value for record in log}
        for offset in offsets:
            await found.writer.put(self.mail(found, offset, values[offset]))

    def mail(self, found, offset: int, value: bytes) -> Mail:
        found._offset = max(found._offset, offset + 1)
        return Mail(offset, found.now_ms, (), value, lambda: self.done.append(offset))


@pytest.fixture
def inbound(stack, topic) -> Inbound:
    return Inbound(stack.kafka.bootstrap, topic)


@pytest_asyncio.fixture
async def filled(inbound, producer) -> Inbound:
    for value in VALUES:
        await producer.send_and_wait(inbound.place[1], value, partition=0)
    return inbound


def decided(found) -> list[str]:
    return [entry.event_id for entry in found.journal.entries]


class TestAcknowledgements:
    async def test_come_in_order_and_after_the_commit_only(self):
        inbound = Inbound("", "")
        async with writing() as found:
            found.journal.free.clear()
            for offset, value in enumerate(VALUES):
                await found.writer.put(inbound.mail(found, offset, value))
            async with asyncio.timeout(WITHIN_S):
                while found.writer.next.offset < len(VALUES):
                    await asyncio.sleep(0)
            assert inbound.done == []
            found.journal.free.set()
            await found.decided()
        assert inbound.done == list(range(len(VALUES)))


@pytest.mark.kafka
class TestARepeat:
    async def test_is_acknowledged_and_decides_nothing(self, filled):
        async with writing(inbound=filled.place) as found:
            await filled.deliver(found, 0, 1, 0, 1, 2)
            await found.decided()
        assert decided(found) == ["e0", "e1", "e2"]
        assert filled.done.count(0) == filled.done.count(1) == 2


@pytest.mark.kafka
class TestAGap:
    async def test_is_filled_from_the_log(self, filled):
        async with writing(inbound=filled.place) as found:
            await filled.deliver(found, 0)
            await found.decided()
            await filled.deliver(found, 3, 2, 5)
            await found.decided()
        assert found.ended is None
        assert decided(found) == ["e0", "e1", "e2", "e3", "e4", "e5"]
        assert sorted(filled.done) == [0, 2, 3, 5]
        assert found.journal.replayed() is None

    async def test_in_which_records_may_have_been_ends_the_process(self, filled, needs_apache):
        bootstrap, name = filled.place
        async with writing(inbound=filled.place) as found:
            await filled.deliver(found, 0)
            await found.decided()
            await trim(bootstrap, {TopicPartition(name, 0): 3})
            await filled.deliver(found, 3)
            await found.decided()
        assert isinstance(found.ended, LogBetrayed)
        assert decided(found) == ["e0"]

    async def test_of_a_transactions_mark_is_stepped_over(self, inbound, needs_apache):
        bootstrap, name = inbound.place
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
        await producer.start()
        for value in VALUES[:3]:
            async with producer.transaction():
                await producer.send_and_wait(name, value, partition=0)
        await producer.stop()
        async with writing(inbound=inbound.place) as found:
            await inbound.deliver(found, 0, 2, 4)
            await found.decided()
        assert found.ended is None
        assert decided(found) == ["e0", "e1", "e2"]
        assert inbound.done == [0, 2, 4]
        assert found.journal.replayed() is None
