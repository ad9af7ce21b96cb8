"""What a process leaves alone once its partitions are somebody else's."""

from typing import Any

import pytest

import agents.services  # noqa: F401  fills the registry
from agents.roles.takeover import TakenOver, correct_changelog
from agents.roles.writers import Writers, WriterSettings
from streams.app import AppSettings, create_app
from streams.errors import Fenced
from streams.inbound import Signer
from streams.journal import Chain
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
