import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import nats
import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from agents.roles import outward
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.inlet import Inlet
from agents.roles.jetstream import OUTBOUND, ensure_stream, outbound_stream
from agents.roles.lease import Owner
from agents.roles.outward import WINDOW, Outbound, Outward
from agents.roles.relay import ROLE, Relay
from compose.local.nats import NatsServer
from streams.errors import Misconfigured
from streams.inbound import Signer, Stamp
from streams.kafka import PartitionReader, Record, open_producer
from streams.partitioner import partition_of
from streams.topics import Topics
from tests.agents.roles.archives import Shelf
from tests.journals import NOW_MS, Journal, emitted, entry

WITHIN_S = 60
PARTITIONS = 2
SIGNER = Signer(bytes(32))
ELSEWHERE = next(f"t{n}" for n in range(99) if partition_of(f"t{n}", PARTITIONS) == 1)
HERE = next(f"t{n}" for n in range(99) if partition_of(f"t{n}", PARTITIONS) == 0)


@dataclass
class Outside:
    """What the relay publishes to: a NATS server of the test's own, topics of its own."""

    server: NatsServer
    bootstrap: str
    topics: Topics

    async def jetstream_messages(self) -> list:
        """Everything in the outbound stream, in order."""
        client = await nats.connect(self.server.url)
        jetstream = client.jetstream()
        state = (await jetstream.stream_info(OUTBOUND)).state
        found = [await jetstream.get_msg(OUTBOUND, seq) for seq in range(1, state.messages + 1)]
        await client.close()
        return found

    async def kafka_records(self, topic: str, partition: int) -> list[Record]:
        async with PartitionReader(self.bootstrap, topic, partition) as reader:
            start, end = await reader.bounds()
            return [one async for some in reader.read_range(start, end) for one in some]

    async def events(self) -> list[Record]:
        """Everything in the topic of events."""
        both = [await self.kafka_records(self.topics.events.name, n) for n in range(PARTITIONS)]
        return both[0] + both[1]


async def make_stream(server: NatsServer) -> None:
    client = await nats.connect(server.url)
    await ensure_stream(client.jetstream(), outbound_stream())
    await client.close()


@pytest_asyncio.fixture
async def outside(stack, stack_folder) -> AsyncIterator[Outside]:
    server = NatsServer(stack_folder / uuid4().hex)
    await server.start()
    await make_stream(server)
    topics = Topics(f"relay-{uuid4().hex}")
    await stack.create_topics({t.name: PARTITIONS for t in (topics.inbound, topics.events)})
    yield Outside(server, stack.kafka.bootstrap, topics)
    await server.stop()


@asynccontextmanager
async def relaying(database, outside: Outside):
    client = await nats.connect(
        outside.server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1
    )
    inlet = Inlet(outside.bootstrap, SIGNER, outside.topics)
    archived = ArchiveProgress(database.archiver)
    relay = Relay(
        database.archiver,
        archived,
        Owner("test"),
        client=client,
        inlet=inlet,
        bootstrap=outside.bootstrap,
        events_topic=outside.topics.events.name,
        partitions=PARTITIONS,
    )
    task = asyncio.create_task(relay.run(0))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await inlet.close()
        await archived.close()
        await client.close()


async def until(database, task: asyncio.Task, seq: int) -> None:
    """Wait until the relay has done the record `seq`, or raise what ended it."""
    async with asyncio.timeout(WITHIN_S):
        while not task.done() and await relayed(database) < seq:
            await asyncio.sleep(0.05)
    if task.done():
        task.result()


async def relayed(database) -> int:
    found = await database.owner.fetchval("SELECT seq FROM progress WHERE role = $1", ROLE)
    return -1 if found is None else found


@pytest.fixture
def journal() -> Journal:
    return Journal(partitions=PARTITIONS)


@pytest.fixture
async def shelf(database, journal) -> Shelf:
    shelf = Shelf(database)
    await shelf.put(journal.genesis(), journal.claim("w"))
    return shelf


class TestPublishing:
    async def test_carries_the_bytes_of_the_journal_both_ways(
        self, database, outside, journal, shelf
    ):
        told = entry(5, tenant_id="alpha", emitted=[emitted(5)])
        await shelf.put(journal.batch([told, entry(6)]))
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
        (message,) = await outside.jetstream_messages()
        assert message.subject == "treasury.payment.success"
        assert message.data == emitted(5).body
        assert message.headers["Nats-Msg-Id"] == "out-5"
        about = {name: message.headers[f"ce-{name}"] for name in ("id", "type", "subject", "time")}
        assert about == {
            "id": "out-5",
            "type": "treasury.payment.success",
            "subject": "alpha",
            "time": "2026-01-01T00:00:00.005Z",
        }
        (record,) = await outside.events()
        assert (record.key, record.value) == (b"alpha", emitted(5).body)
        assert dict(record.headers)["ce_id"] == b"out-5"

    async def test_keeps_the_order_and_leaves_none_out(self, database, outside, journal, shelf):
        batches = [
            journal.batch([entry(n, emitted=[emitted(n)]) for n in range(start, start + 300)])
            for start in range(0, 1500, 300)
        ]
        await shelf.put(*batches)
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
        expected = [f"out-{n}" for n in range(1500)]
        messages = await outside.jetstream_messages()
        assert [message.headers["ce-id"] for message in messages] == expected
        records = await outside.events()
        assert [dict(record.headers)["ce_id"].decode() for record in records] == expected

    async def test_does_not_repeat_what_is_done(self, database, outside, journal, shelf):
        for number in range(3):
            await shelf.put(journal.batch([entry(number, emitted=[emitted(number)])]))
            async with relaying(database, outside) as task:
                await until(database, task, shelf.seq)
        assert len(await outside.events()) == 3

    async def test_a_record_without_events_is_passed(self, database, outside, journal, shelf):
        await shelf.put(journal.batch([entry(0)]), journal.batch([]))
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
        assert await outside.events() == []


class TestMisroutedEvents:
    async def test_are_sent_on_with_the_door_they_came_by(self, database, outside, journal, shelf):
        lost = entry(0, status="misrouted", tenant_id=ELSEWHERE, ingress="kafka")
        await shelf.put(journal.batch([lost]))
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
        (record,) = await outside.kafka_records(outside.topics.inbound.name, 1)
        assert record.value == b"[" + lost.raw + b"]"
        assert SIGNER.read(record.headers, 1, record.value) == Stamp("kafka")
        assert dict(record.headers)["treasury-signature"]

    async def test_that_belong_here_stop_the_relay(self, database, outside, journal, shelf):
        await shelf.put(journal.batch([entry(0, status="misrouted", tenant_id=HERE)]))
        async with relaying(database, outside) as task:
            with pytest.raises(Misconfigured, match="2 partitions"):
                await asyncio.wait_for(task, WITHIN_S)


class TestAnOutage:
    async def test_of_nats_skips_nothing(self, database, outside, journal, shelf):
        await shelf.put(journal.batch([entry(0, emitted=[emitted(0)])]))
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
            await outside.server.kill()
            await shelf.put(
                *(journal.batch([entry(n, emitted=[emitted(n)])]) for n in range(1, 20))
            )
            await asyncio.sleep(1.0)
            assert await relayed(database) == 1
            await outside.server.start()
            await until(database, task, shelf.seq)
        ids = [message.headers["ce-id"] for message in await outside.jetstream_messages()]
        assert ids == [f"out-{n}" for n in range(20)]

    async def test_of_acks_alone_makes_no_second_message(
        self, database, outside, journal, shelf, monkeypatch
    ):
        lost = []
        hear = Outward._on_ack

        async def hear_later(self: Outward, message: Msg) -> None:
            if len(lost) < 5:
                lost.append(message)
            else:
                await hear(self, message)

        monkeypatch.setattr(outward, "ACKS_WITHIN_S", 0.5)
        monkeypatch.setattr(Outward, "_on_ack", hear_later)
        await shelf.put(journal.batch([entry(n, emitted=[emitted(n)]) for n in range(10)]))
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
        assert len(lost) == 5
        ids = [message.headers["ce-id"] for message in await outside.jetstream_messages()]
        assert ids == [f"out-{n}" for n in range(10)]

    async def test_may_fail_more_often_than_there_are_places(
        self, database, outside, journal, shelf, monkeypatch
    ):
        failed = 0

        async def gone(*_, **__):
            nonlocal failed
            failed += 1
            raise nats.errors.OutboundBufferLimitError

        client = await nats.connect(outside.server.url)
        producer = await open_producer(outside.bootstrap)
        events = [Outbound(emitted(n), "alpha", NOW_MS) for n in range(10)]
        async with Outward(client, outside.topics.events.name) as publisher:
            with monkeypatch.context() as patched:
                patched.setattr(client, "publish", gone)
                for _ in range(3 * WINDOW):
                    with pytest.raises(nats.errors.OutboundBufferLimitError):
                        await publisher.publish(producer, events[:1])
            assert failed == 3 * WINDOW
            await publisher.publish(producer, events)
        await producer.stop()
        await client.close()
        ids = [message.headers["ce-id"] for message in await outside.jetstream_messages()]
        assert ids == [f"out-{n}" for n in range(10)]

    async def test_leaves_no_subscription_behind(self, outside):
        client = await nats.connect(outside.server.url)
        before = len(client._subs)
        async with Outward(client, outside.topics.events.name):
            assert len(client._subs) == before + 1
        assert len(client._subs) == before
        await client.close()

    async def test_is_what_a_missing_stream_is(self, database, outside, journal, shelf):
        client = await nats.connect(outside.server.url)
        await client.jetstream().delete_stream(OUTBOUND)
        await shelf.put(journal.batch([entry(0, emitted=[emitted(0)])]))
        async with relaying(database, outside) as task:
            await asyncio.sleep(1.0)
            assert await relayed(database) < shelf.seq
            with pytest.raises(NotFoundError):
                await client.jetstream().stream_info(OUTBOUND)
            await make_stream(outside.server)
            await until(database, task, shelf.seq)
        assert len(await outside.jetstream_messages()) == 1
        await client.close()


WORKER = """
import asyncio, sys
import nats
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.inlet import Inlet
from agents.roles.lease import Owner
from agents.roles.relay import Relay
from streams.inbound import Signer
from streams.topics import Topics
from tables.postgres.pool import open_pool

async def main(dsn, bootstrap, prefix, servers):
    pool, topics = await open_pool(dsn), Topics(prefix)
    relay = Relay(pool, ArchiveProgress(pool), Owner("crasher"), client=await nats.connect(servers),
        inlet=Inlet(bootstrap, Signer(bytes(32)), topics), bootstrap=bootstrap,
        events_topic=topics.events.name, partitions=2)
    await relay.run(0)

asyncio.run(main(*sys.argv[1:]))
"""


class TestACrashAfterPublishing:
    async def test_publishes_again_under_the_same_ids(
        self, database, database_dsn, outside, journal, shelf
    ):
        await shelf.put(journal.batch([entry(n, emitted=[emitted(n)]) for n in range(10)]))
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", WORKER, database_dsn, outside.bootstrap),
            *(outside.topics.prefix, outside.server.url),
            env={**os.environ, "TREASURY_CRASH_AT": "S12:1"},
            cwd=Path(__file__).parents[3],
        )
        assert await asyncio.wait_for(worker.wait(), WITHIN_S) == -signal.SIGKILL
        assert len(await outside.jetstream_messages()) == 10
        assert await relayed(database) == -1
        async with relaying(database, outside) as task:
            await until(database, task, shelf.seq)
        assert len(await outside.jetstream_messages()) == 10
        copies = [record.value for record in await outside.events()]
        assert copies == 2 * [emitted(n).body for n in range(10)]
