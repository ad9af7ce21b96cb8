"""What a process leaves alone once its partitions are somebody else's."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

import agents.services  # noqa: F401  fills the registry
from agents.roles.mailbox import Mail
from agents.roles.takeover import TakenOver, correct_changelog
from agents.roles.writers import Writers, WriterSettings
from streams.app import AppSettings, create_app
from streams.errors import Fenced
from streams.inbound import Signer
from streams.journal import Chain, Position
from streams.topics import Topics
from tables.checkpoint import CODEC, checkpoint_of
from tests.journals import Journal


class Seat:
    """Tells what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def pause(self) -> None:
        self.asked.append("pause")

    async def write_checkpoint(self) -> None:
        self.asked.append("checkpoint")


@pytest.fixture
def writers(tmp_path) -> Writers:
    topics = Topics("treasury")
    app = create_app(AppSettings("127.0.0.1:1", topics, 4, tmp_path, "http://127.0.0.1:1"))
    nobody: Any = None
    return Writers(
        app,
        WriterSettings("me", topics, 4, "127.0.0.1:1"),
        signer=Signer(b"writers test key, thirty-two byte"),
        inlet=nobody,
        sources=nobody,
        archived=nobody,
        die=nobody,
    )


class TestStop:
    @pytest.mark.parametrize(
        ("assigned", "age_s", "asked"),
        [
            ({2}, 0.0, ["pause", "checkpoint"]),
            (set(), 0.0, ["pause"]),
            ({2}, 60.0, ["pause"]),
        ],
    )
    async def test_writes_a_last_checkpoint_only_of_what_is_ours(
        self, writers, monkeypatch, assigned, age_s, asked
    ):
        seat = Seat()
        writers._seats[2] = seat
        writers._assigned = assigned
        monkeypatch.setattr(writers.heartbeat, "age_s", lambda: age_s)
        await writers.stop()
        assert seat.asked == asked


class Consumer:
    """A group that takes, or does not take, what is committed to it."""

    def __init__(self, *, takes: bool) -> None:
        self._takes = takes
        self.committed: dict[TP, int] = {}
        self.sought: dict[TP, int] = {}

    async def _commit(self, offsets: dict[TP, int]) -> bool:
        self.committed = offsets
        return self._takes

    async def seek_wait(self, offsets: dict[TP, int]) -> None:
        self.sought = offsets


class TestPosition:
    """Where Faust goes on is where the journal ends, whatever the group had stored."""

    @pytest.fixture
    def positioned(self, writers) -> Any:
        writers._seats[2] = SimpleNamespace(writer=SimpleNamespace(next=Position(1, 70)))
        return writers

    async def test_is_committed_and_sought(self, positioned, monkeypatch):
        consumer = Consumer(takes=True)
        monkeypatch.setattr(positioned, "_app", SimpleNamespace(consumer=consumer))
        await positioned._position({2})
        assert consumer.committed == consumer.sought == {TP("treasury.inbound", 2): 70}

    async def test_that_the_group_does_not_take_ends_the_recovery(self, positioned, monkeypatch):
        consumer = Consumer(takes=False)
        monkeypatch.setattr(positioned, "_app", SimpleNamespace(consumer=consumer))
        with pytest.raises(Fenced, match="did not take our positions"):
            await positioned._position({2})
        assert consumer.sought == {}


class Stream:
    """What Faust delivers: (partition, generation), acknowledged into `acked`."""

    def __init__(self, *delivered: tuple[int, int]) -> None:
        self._delivered = delivered
        self.acked: list[int] = []

    def noack(self) -> "Stream":
        return self

    async def events(self):
        for offset, (partition, generation) in enumerate(self._delivered):
            message = SimpleNamespace(
                partition=partition,
                generation_id=generation,
                offset=offset,
                timestamp=0.0,
                headers=None,
                value=None,
            )
            yield SimpleNamespace(message=message, ack=partial(self.acked.append, offset))


async def test_only_what_belongs_to_the_present_assignment_is_handed_on(writers, monkeypatch):
    put: list[Mail] = []

    async def take(mail: Mail) -> None:
        put.append(mail)

    writers._seats[2] = SimpleNamespace(writer=SimpleNamespace(put=take))
    monkeypatch.setattr(writers, "_app", SimpleNamespace(consumer_generation_id=8))
    stream = Stream((2, 7), (2, 8), (3, 8))  # prefetched long ago; ours; never ours
    await writers._pump(stream)
    assert [mail.offset for mail in put] == [1]
    assert stream.acked == [], "what was not handed on comes again, to whoever owns it"
    put[0].done()
    assert stream.acked == [1]


class Store:
    """Two rows and a checkpoint."""

    rows = ((b"aa\x00t\x00x", b"1"), (b"aa\x00t\x00y", b"2"))

    def __init__(self, checkpoint: bytes) -> None:
        self._checkpoint = checkpoint

    def checkpoint(self) -> bytes:
        return self._checkpoint

    def scan(self, _prefix: bytes, _start: bytes):
        return iter(self.rows)

    def seq_of(self, _key: bytes) -> int:
        return 1


class Changelog:
    """Counts what is appended."""

    appended = 0

    async def append(self, rows, **_: Any) -> int:
        self.appended += len(rows)
        return 0

    async def append_all(self, rows) -> int:
        async for _ in rows:
            self.appended += 1
        return self.appended


@pytest.mark.parametrize(("ours_for", "appended"), [(0, 0), (1, 1), (2, 2)])
async def test_a_changelog_is_put_right_only_while_it_is_ours(ours_for, appended):
    chain = Chain.after(Journal().genesis())
    store, changelog = Store(CODEC.encode(checkpoint_of(chain, 0))), Changelog()
    asked = 0

    def must_be_ours() -> None:
        nonlocal asked
        asked += 1
        if asked > ours_for:
            raise Fenced("another assignment has begun")

    taken: Any = TakenOver(None, 0, foreign=[b"zz\x00t\x00gone"])
    with pytest.raises(Fenced):
        await correct_changelog(store, changelog, taken, must_be_ours)
    assert changelog.appended == appended
