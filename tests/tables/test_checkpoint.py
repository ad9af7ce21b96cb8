"""Checkpoints on a real log: a row is stored once the changelog has it, and never otherwise."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.errors import KafkaError

from streams.errors import Fenced, OutcomeUnknown
from streams.journal import Chain
from streams.kafka import PartitionReader
from tables import checkpoint
from tables.checkpoint import ChangelogWriter, checkpoint_of, write_checkpoint
from tables.store import CHECKPOINT_KEY, PartitionStore
from tests.tables.stores import open_table

pytestmark = pytest.mark.kafka
IMAGES: dict[bytes, tuple[int, bytes | None]] = {b"a": (1, b"a1"), b"b": (2, None)}
STATE = checkpoint_of(Chain(seq=2), 9)


@pytest.fixture
def store(tmp_path) -> PartitionStore:
    return PartitionStore(open_table(tmp_path), 0)


@pytest_asyncio.fixture
async def changelog(producer, topic) -> ChangelogWriter:
    return ChangelogWriter(producer, topic, 0, 0)


async def keys(stack, changelog: ChangelogWriter) -> list[bytes | None]:
    async with PartitionReader(stack.kafka.bootstrap, changelog._topic, 0) as reader:
        log = reader.read_range(*await reader.bounds())
        return [record.key async for records in log for record in records]


def untouched(store: PartitionStore) -> bool:
    return store.checkpoint() is None and store.offset() == -1 and store.get(b"a") is None


class TestACheckpoint:
    async def test_is_in_the_changelog_and_then_in_the_store(self, stack, store, changelog):
        await write_checkpoint(store, changelog, IMAGES, STATE)
        assert await keys(stack, changelog) == [b"a", b"b", CHECKPOINT_KEY]
        assert (store.get(b"a"), store.seq_of(b"b"), store.offset()) == (b"a1", 2, 2)
        assert store.checkpoint() is not None

    async def test_beside_another_writer_stores_nothing(self, stack, producer, store, changelog):
        other = ChangelogWriter(producer, changelog._topic, 0, 0)
        await other.append({b"a": b"other"})
        with pytest.raises(Fenced, match="another writer"):
            await write_checkpoint(store, changelog, IMAGES, STATE)
        assert untouched(store)


class TestRowsWithoutAnAck:
    async def test_are_not_stored(self, monkeypatch, producer, store, changelog):
        async def silent(*_: Any, **__: Any) -> "asyncio.Future[Any]":
            return asyncio.get_running_loop().create_future()

        monkeypatch.setattr(checkpoint, "ACK_TIMEOUT_S", 0.05)
        monkeypatch.setattr(producer, "send_batch", silent)
        with pytest.raises(OutcomeUnknown):
            await write_checkpoint(store, changelog, IMAGES, STATE)
        assert untouched(store)

    async def test_are_not_stored_when_the_send_failed(
        self, monkeypatch, producer, store, changelog
    ):
        async def fails(*_: Any, **__: Any) -> "asyncio.Future[Any]":
            failed = asyncio.get_running_loop().create_future()
            failed.set_exception(KafkaError("lost"))
            return failed

        monkeypatch.setattr(producer, "send_batch", fails)
        with pytest.raises(OutcomeUnknown):
            await write_checkpoint(store, changelog, IMAGES, STATE)
        assert untouched(store)
