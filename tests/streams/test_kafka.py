"""The reader of one partition, on a real broker: gaps of transactions, silence, idling."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from streams.errors import LogBetrayed, Unavailable
from streams.kafka import PartitionReader, Record

WITHIN_S = 60
pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture
async def reader(stack, topic) -> AsyncIterator[PartitionReader]:
    async with PartitionReader(stack.kafka.bootstrap, topic, 0) as reader:
        yield reader


async def append(producer: AIOKafkaProducer, topic: str, *values: bytes) -> None:
    for value in values:
        await producer.send_and_wait(topic, value, partition=0)


async def first_of(records: AsyncIterator[list[Record]]) -> list[Record]:
    """The next records that come at all."""
    async with asyncio.timeout(WITHIN_S):
        async for found in records:
            if found:
                return found
    raise AssertionError("it ended")


async def read_all(reader: PartitionReader) -> list[Record]:
    async with asyncio.timeout(WITHIN_S):
        return [one async for some in reader.read_range(*await reader.bounds()) for one in some]


class TestFollow:
    async def test_gives_what_comes_and_nothing_while_nothing_does(self, reader, producer, topic):
        records = reader.follow(0, poll_ms=10, silent_s=0.02)
        for number in range(2):
            for _ in range(5):  # silence, and nothing to be had: no reason to end
                assert await anext(records) == []
            await append(producer, topic, b"%d" % number)
            assert [each.value for each in await first_of(records)] == [b"%d" % number]

    async def test_ends_when_its_client_fetches_no_more(self, reader, producer, topic):
        records = reader.follow(0, poll_ms=10, silent_s=0.2)
        await append(producer, topic, b"0")
        await first_of(records)
        reader._consumer._fetcher._fetch_task.cancel()
        await append(producer, topic, b"1")
        with pytest.raises(Unavailable, match="not being read"):
            await first_of(records)

    async def test_leaves_nothing_behind_however_often_nothing_comes(self, reader):
        records = reader.follow(0, poll_ms=1)
        for _ in range(50):
            await anext(records)
        before = len(asyncio.all_tasks())
        for _ in range(500):
            assert await anext(records) == []
        assert len(asyncio.all_tasks()) <= before
        assert len(reader._consumer._fetcher._fetch_waiters) <= 1
        assert len(reader._consumer._fetcher._pending_tasks) <= 1


class TestStop:
    async def test_while_a_fetch_waits_to_be_repeated_cancels_nobody(self, stack, topic):
        # What the client's own stop raises then would end a role without a word.
        failed = asyncio.Event()

        async def send(*_arguments: object, **_more: object) -> None:
            failed.set()
            raise KafkaConnectionError("the connection is lost")

        async with PartitionReader(stack.kafka.bootstrap, topic, 0) as reader:
            client = reader._consumer._client
            client.send = send
            reader._consumer.seek(reader._tp, 0)
            async with asyncio.timeout(WITHIN_S):
                await failed.wait()
        assert client._conns == {} or not any(each.connected() for each in client._conns.values())


class TestReadRange:
    async def test_steps_over_the_marks_of_transactions(self, stack, reader, topic, needs_apache):
        producer = AIOKafkaProducer(
            bootstrap_servers=stack.kafka.bootstrap, transactional_id=uuid4().hex
        )
        await producer.start()
        for number in range(3):
            async with producer.transaction():
                await append(producer, topic, b"%d" % number)
        await producer.stop()
        found = await read_all(reader)
        assert [(record.offset, record.value) for record in found] == [
            (0, b"0"),
            (2, b"1"),
            (4, b"2"),
        ]
        assert await reader.bounds() == (0, 6)

    async def test_of_what_is_gone_is_a_betrayal_not_a_jump(self, reader, producer, topic):
        await append(producer, topic, b"0", b"1")
        with pytest.raises(LogBetrayed):
            await first_of(reader.read_range(5, 9))
