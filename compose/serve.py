"""Runs one worker until it is told to stop, and then within 20 seconds, whatever hangs."""

import asyncio
import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType

import structlog

from agents.roles.process import exit_code
from compose.container import Worker
from compose.credentials import Credentials, resolved
from compose.logs import configure_logs
from compose.settings import Settings
from tables.postgres.migrate import migrate
from tables.postgres.pool import APP, ARCHIVER

STOP_WITHIN_S = 20.0
EXIT_STOP_TOOK_TOO_LONG = 72
log = structlog.get_logger(__name__)


async def migrate_database(settings: Settings) -> list[str]:
    """Bring the schema to this release and let our logins in; names of the files applied."""
    return await migrate(
        settings.owner_dsn,
        app_password=settings.password(APP),
        archiver_password=settings.password(ARCHIVER),
    )


def serve(settings: Settings) -> int:
    """Run a worker in this process; returns the exit code."""
    configure_logs(settings.log_level)
    try:
        import uvloop  # not on every platform

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        try:
            return runner.run(_serve(settings))
        except Exception as error:
            log.critical("worker_failed", error=str(error), exc_info=True)
            return exit_code(error)


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    if settings.migrate_at_start:
        from compose.topics import prepare_topics

        found = await resolved(settings)
        log.info("prepared", migrated=await migrate_database(found))
        log.info("prepared", topics=await prepare_topics(found))
    async with Credentials(settings) as credentials:
        settings = credentials.settings
        async with Worker(settings, credentials) as worker:
            log.info("worker_started", worker=settings.worker, url=worker.url, roles=settings.roles)
            await stop.wait()
            log.info("worker_stops")
    log.info("worker_stopped")
    return 0


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal asks everything to end; a thread ends the process if something does not.

    A handler of the loop's own would not run while the loop is blocked, and then nothing would end.
    """
    loop = asyncio.get_running_loop()
    asked = threading.Event()
    threading.Thread(target=_end_in_time, args=(asked,), daemon=True).start()

    def heard(_number: int, _frame: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heard)


def _end_in_time(asked: threading.Event) -> None:
    asked.wait()
    time.sleep(STOP_WITHIN_S - 1)
    os._exit(EXIT_STOP_TOOK_TOO_LONG)
