"""Seeded worlds: whatever dies, hangs, is late, lost or comes twice, the books are the model's."""

import os
import random

import pytest

from agents.roles import gaps, internal, journal_writer, seat, takeover, writer
from tests.model.generator import START_MS
from tests.simulation.broker import Reader
from tests.simulation.loop import Clock, run
from tests.simulation.world import World

WORLDS = int(os.environ.get("TREASURY_WORLDS", "150"))
MANY_WORLDS = 10_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The played clock, and the played parts in place of Kafka's and Postgres'."""
    clock = Clock(START_MS / 1_000)
    for module in (internal, seat, writer):
        monkeypatch.setattr(module, "time", clock)
    for module in (gaps, journal_writer, takeover):
        monkeypatch.setattr(module, "PartitionReader", Reader)
    for name in ("snapshot", "last_record", "archived_offset", "images_in"):
        monkeypatch.setattr(takeover, name, _asked(name))
    return clock


def _asked(name: str):
    return lambda archive, *arguments: getattr(archive, name)(*arguments)


def _play(clock: Clock, worlds: int) -> None:
    first = int(os.environ.get("TREASURY_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"seeds from {first}: TREASURY_SEED repeats one")
    for seed in range(first, first + worlds):
        world = World(seed, clock)
        run(world.play())
        assert world.problems == [], f"seed {seed}"


def test_a_world_repeats_itself(clock):
    worlds = [World(7, clock), World(7, clock)]
    for world in worlds:
        run(world.play())
    assert worlds[0].told == worlds[1].told != []


def test_worlds_end_in_the_books_of_the_model(clock):
    _play(clock, WORLDS)


@pytest.mark.long
def test_of_many_worlds_each_ends_in_the_books_of_the_model(clock):
    _play(clock, MANY_WORLDS)
