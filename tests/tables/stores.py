"""Faust's table over RocksDB, unstarted, for tests of what lies in it."""

from pathlib import Path
from typing import NoReturn

from streams.app import AppSettings, create_app
from streams.topics import Topics
from tables.store import RecoveryHook, StateTable, add_table


class Died(Exception):
    """The process would have ended here."""


def die(error: BaseException) -> NoReturn:
    raise Died from error


async def nothing(_partitions: set[int]) -> None: ...


def open_table(folder: Path, recover: RecoveryHook = nothing) -> StateTable:
    """The table of a worker whose data directory is `folder`."""
    topics = Topics()
    app = create_app(AppSettings("127.0.0.1:1", topics, 4, folder, "http://127.0.0.1:1"))
    return add_table(app, topics, 4, recover, die)
