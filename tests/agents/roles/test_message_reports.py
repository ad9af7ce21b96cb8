"""Reports of the notifications service, over a real JetStream, to the rows of messages."""

import asyncio

import nats
import pytest
import pytest_asyncio

from agents.roles import message_reports
from agents.roles.jetstream import REPORTS, ensure_stream, reports_stream
from agents.roles.message_reports import MessageReports
from connectors.notifications.delivery import SUBJECT

WITHIN_S = 30


@pytest_asyncio.fixture
async def client(stack):
    client = await nats.connect(stack.endpoints.nats)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def kept(client):
    """JetStream without any report."""
    jetstream = client.jetstream()
    yield jetstream
    for name in await streams(jetstream):
        await jetstream.delete_stream(name)


async def streams(jetstream):
    found = await jetstream.streams_info()
    return [info.config.name for info in found if SUBJECT in info.config.subjects]


@pytest.fixture
def hearing(client, database):
    """Start hearing; what is heard is written down."""
    tasks = []

    def start():
        tasks.append(asyncio.create_task(MessageReports(client, database.archiver).run()))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()


async def told(world):
    await world.contact(email="gone@fail.example.test")
    await world.order()
    async with world.carrying():
        await world.until_states(accepted=2)
    return list(world.fake.messages)


async def until_states(world, task, **wanted):
    world.task = task
    async with asyncio.timeout(WITHIN_S):
        await world.until_states(**wanted)


class TestReports:
    async def test_close_the_loop_in_either_envelope(self, world, kept, hearing):
        first, second = await told(world)
        task = hearing()
        await self.until_kept(kept)
        await kept.publish(SUBJECT, world.fake.report(first))
        await kept.publish(SUBJECT, world.fake.report(second, library=True))
        await until_states(world, task, sent=1, failed=1)

    async def test_are_heard_that_came_while_nobody_listened(self, world, kept, hearing):
        first, second = await told(world)
        await ensure_stream(kept, reports_stream(SUBJECT))
        await kept.publish(SUBJECT, world.fake.report(first))
        await kept.publish(SUBJECT, world.fake.report(second))
        await until_states(world, hearing(), sent=1, failed=1)

    async def test_that_are_none_stop_nothing(self, world, kept, hearing):
        first, second = await told(world)
        await ensure_stream(kept, reports_stream(SUBJECT))
        for body in (b"", b"[1]", b'{"a":' * 60, world.fake.report(first)[:-2]):
            await kept.publish(SUBJECT, body)
        nul = world.fake.report(first).replace(b"550", b"\\u0000")
        for body in (nul, world.fake.report(first), world.fake.report(second)):
            await kept.publish(SUBJECT, body)
        await until_states(world, hearing(), sent=1, failed=1)

    async def test_are_found_in_a_stream_of_somebody_elses(self, world, kept, hearing):
        first, second = await told(world)
        await kept.add_stream(name="SOMEBODYS", subjects=["notifications.>"])
        try:
            await kept.publish(SUBJECT, world.fake.report(first))
            await kept.publish(SUBJECT, world.fake.report(second))
            await until_states(world, hearing(), sent=1, failed=1)
            assert REPORTS not in await streams(kept)
        finally:
            await kept.delete_stream("SOMEBODYS")

    async def test_are_heard_again_after_their_stream_was_lost(
        self,
        world,
        kept,
        hearing,
        monkeypatch,
    ):
        monkeypatch.setattr(message_reports, "AT_ONCE", 1)
        first, second = await told(world)
        task = hearing()
        await self.until_kept(kept)
        await kept.publish(SUBJECT, world.fake.report(first))
        await until_states(world, task, **self.after_one(world, first))
        await kept.delete_stream(REPORTS)
        await self.until_kept(kept)
        await kept.publish(SUBJECT, world.fake.report(second))
        await until_states(world, task, sent=1, failed=1)

    def after_one(self, world, request_id):
        return {"failed" if world.fake.error_of(request_id) else "sent": 1, "accepted": 1}

    async def until_kept(self, jetstream):
        async with asyncio.timeout(WITHIN_S):
            while REPORTS not in await streams(jetstream):
                await asyncio.sleep(0.1)
