"""How a worker is put together: every object made once, started in order, stopped in reverse."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Self

import asyncpg
import structlog

import agents.services  # noqa: F401  fills the registry
from agents.roles.archive import Archive
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.inlet import Inlet
from agents.roles.process import exit_now
from agents.roles.projector import Projector
from agents.roles.takeover import Sources
from agents.roles.writer import Limits
from agents.roles.writers import Writers, WriterSettings
from compose.settings import Settings
from streams.app import AppSettings, create_app
from streams.inbound import Signer
from streams.kafka import open_producer
from tables.postgres.migrate import require_current
from tables.postgres.pool import open_pool

log = structlog.get_logger(__name__)


class Worker:
    """One worker process: the roles its settings name, in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.signer = Signer(settings.derived_key("inbound"))
        self.writers: Writers | None = None
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self.settings
        self.archive_pool = await self._pool(settings.archiver_dsn, 12)
        async with self.archive_pool.acquire() as connection:
            await require_current(connection)
        self.archived = ArchiveProgress(self.archive_pool)
        self._stack.push_async_callback(self.archived.close)
        self.inlet = Inlet(settings.kafka, self.signer, settings.topics)
        self._stack.push_async_callback(self.inlet.close)
        self._start_readers()
        if "writer" in settings.roles:
            await self._start_writers()

    async def _pool(self, dsn: str, size: int) -> asyncpg.Pool:
        pool = await open_pool(dsn, max_size=size)
        self._stack.push_async_callback(pool.close)
        return pool

    def _start_readers(self) -> None:
        """Roles that read the journal or the archive: one task per partition each."""
        settings, pool, name = self.settings, self.archive_pool, self.settings.worker
        journal = settings.topics.journal.name
        roles: dict[str, Callable[[int], Awaitable[Any]]] = {
            "archive": Archive(pool, settings.kafka, journal, self.archived, name).run,
            "projector": Projector(pool, self.archived, name).run,
        }
        for role, run in roles.items():
            if role in settings.roles:
                for partition in range(settings.partitions):
                    self._spawn(run(partition))

    def _spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(self._or_die(work))
        self._tasks.append(task)
        self._stack.push_async_callback(_cancelled, task)

    async def _or_die(self, work: Awaitable[Any]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            exit_now(error)

    async def _start_writers(self) -> None:
        settings = self.settings
        app = create_app(
            AppSettings(
                settings.kafka,
                settings.topics,
                settings.partitions,
                settings.data_dir,
                settings.web_url,
                session_timeout_s=settings.session_timeout_s,
                heartbeat_interval_s=settings.heartbeat_interval_s,
            )
        )
        self.writers = Writers(
            app,
            WriterSettings(
                settings.worker,
                settings.topics,
                settings.partitions,
                settings.kafka,
                settings.ack_after == "archive",
                Limits(unarchived_bytes=settings.unarchived_bytes),
            ),
            signer=self.signer,
            inlet=self.inlet,
            sources=Sources(settings.kafka, settings.topics, self.archive_pool),
            archived=self.archived,
            die=exit_now,
        )
        producer = await open_producer(settings.kafka)
        self._stack.push_async_callback(producer.stop)
        self.writers.use(producer)
        await app.start()
        self._stack.push_async_callback(app.stop)
        self._stack.push_async_callback(self.writers.stop)


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
