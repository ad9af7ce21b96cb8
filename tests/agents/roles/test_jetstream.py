import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import nats
import pytest
import pytest_asyncio
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, StorageType

from agents.roles.jetstream import (
    CONSUMER,
    ensure_consumer,
    ensure_stream,
    inbound_consumer,
    inbound_stream,
    outbound_stream,
)
from streams.errors import Misconfigured


@pytest_asyncio.fixture
async def jetstream(stack) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(stack.endpoints.nats)
    yield client.jetstream()
    await client.close()


@pytest_asyncio.fixture
async def stream(jetstream):
    """A stream like the inbound one, under a name and subject of its own."""
    name = uuid4().hex
    yield replace(inbound_stream(), name=name, subjects=[f"{name}.>", f"{name}-too.>"])
    await jetstream.delete_stream(name)


class TestStreams:
    async def test_are_made_as_wanted_and_then_left_alone(self, jetstream, stream):
        await ensure_stream(jetstream, stream)
        await jetstream.publish(f"{stream.name}.thing", b"kept")
        await ensure_stream(jetstream, stream)
        info = await jetstream.stream_info(stream.name)
        assert info.state.messages == 1

    async def test_may_be_ensured_by_several_workers_at_once(self, jetstream, stream):
        await asyncio.gather(*(ensure_stream(jetstream, stream) for _ in range(5)))

    @pytest.mark.parametrize(
        "changes",
        [
            {"max_age": 600.0},
            {"storage": StorageType.MEMORY},
            {"duplicate_window": 1.0},
            {"max_msgs": 10},
        ],
        ids="-".join,
    )
    async def test_that_differ_are_refused_by_name(self, jetstream, stream, changes):
        await jetstream.add_stream(replace(stream, **changes))
        with pytest.raises(Misconfigured, match=next(iter(changes))):
            await ensure_stream(jetstream, stream)

    async def test_with_fewer_subjects_are_refused(self, jetstream, stream):
        await jetstream.add_stream(replace(stream, subjects=stream.subjects[:1]))
        with pytest.raises(Misconfigured, match="subjects"):
            await ensure_stream(jetstream, stream)

    async def test_over_the_subjects_of_another_are_refused(self, jetstream, stream):
        await ensure_stream(jetstream, stream)
        with pytest.raises(Misconfigured, match="overlap"):
            await ensure_stream(jetstream, replace(stream, name=f"{stream.name}-2"))

    def test_of_ours_are_on_disk_with_a_window_for_duplicates(self):
        for config in (outbound_stream(replicas=3), inbound_stream(replicas=3)):
            assert config.storage == StorageType.FILE
            assert config.duplicate_window == 120.0
            assert config.num_replicas == 3


class TestTheConsumer:
    async def test_is_made_as_wanted_and_then_left_alone(self, jetstream, stream):
        await ensure_stream(jetstream, stream)
        for _ in range(2):
            await ensure_consumer(jetstream, stream.name, inbound_consumer())
        info = await jetstream.consumer_info(stream.name, CONSUMER)
        assert info.config.ack_policy == AckPolicy.EXPLICIT
        assert info.config.max_deliver == -1

    @pytest.mark.parametrize(
        "changes",
        [
            {"max_deliver": 3},
            {"ack_wait": 5.0},
            {"ack_policy": AckPolicy.ALL},
            {"max_ack_pending": 10},
            {"backoff": [1.0, 2.0], "max_deliver": 3},
        ],
        ids="-".join,
    )
    async def test_that_drifted_is_refused_by_name(self, jetstream, stream, changes):
        await ensure_stream(jetstream, stream)
        await jetstream.add_consumer(stream.name, replace(inbound_consumer(), **changes))
        with pytest.raises(Misconfigured, match=next(iter(changes))):
            await ensure_consumer(jetstream, stream.name, inbound_consumer())

    async def test_that_reads_a_part_only_is_refused(self, jetstream, stream):
        await ensure_stream(jetstream, stream)
        part = replace(inbound_consumer(), filter_subject=f"{stream.name}.some")
        await jetstream.add_consumer(stream.name, part)
        with pytest.raises(Misconfigured, match="filter_subject"):
            await ensure_consumer(jetstream, stream.name, inbound_consumer())
