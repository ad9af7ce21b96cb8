"""The three local services together: Kafka, NATS and PostgreSQL, started at once, stopped in order.

Knows nothing of topics' settings, migrations or the app; those are their own modules' business.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compose.local.broker import EmbeddedBroker
from compose.local.kafka import ApacheKafka
from compose.local.nats import NatsServer, NatsSync
from compose.local.postgres import PostgresServer

KafkaKind = Literal["embedded", "apache"]


@dataclass(frozen=True)
class Endpoints:
    """Where the services answer. The DSN holds a password: never log it."""

    kafka: str
    nats: str
    postgres_dsn: str


class Stack:
    """One local stack with its data in one folder; start it from the thread that will outlive it.

    `topics` (name to partition count) exist from the first moment on the embedded broker only,
    which cannot create them by its protocol; on Apache Kafka use its admin interface.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        kafka: KafkaKind,
        nats_sync: NatsSync = "default",
        topics: Mapping[str, int] | None = None,
    ) -> None:
        self._topics = dict(topics or {})
        self.kafka: EmbeddedBroker | ApacheKafka = (
            EmbeddedBroker(data_dir / "broker")
            if kafka == "embedded"
            else ApacheKafka(data_dir / "kafka")
        )
        self.nats = NatsServer(data_dir / "nats", sync=nats_sync)
        self.postgres = PostgresServer(data_dir / "postgres")

    @property
    def endpoints(self) -> Endpoints:
        """The addresses of the running services; StartError before they run."""
        return Endpoints(
            kafka=self.kafka.bootstrap, nats=self.nats.url, postgres_dsn=self.postgres.dsn
        )

    async def start(self, progress: Callable[[str], None]) -> Endpoints:
        """Start all three at once, a line of progress for each; StartError stops what had begun."""

        async def announced(name: str, starting: Coroutine[None, None, str]) -> None:
            progress(f"{name} is ready at {_without_password(await starting)}")

        progress(f"starting {self.kafka.version}, NATS and PostgreSQL")
        tasks = [
            asyncio.create_task(announced("Kafka", self._start_kafka())),
            asyncio.create_task(announced("NATS", self.nats.start())),
            asyncio.create_task(announced("PostgreSQL", self.postgres.start())),
        ]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.shield(self.stop())
            raise
        return self.endpoints

    async def stop(self) -> None:
        """What feeds first, what remembers last: NATS, Kafka, PostgreSQL."""
        await self.nats.stop()
        await self.kafka.stop()
        await self.postgres.stop()

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        """Create topics (name to partition count) with the broker's default settings."""
        await self.kafka.create_topics(topics)

    async def _start_kafka(self) -> str:
        if isinstance(self.kafka, EmbeddedBroker):
            return await self.kafka.start(self._topics)
        return await self.kafka.start()


def _without_password(address: str) -> str:
    return address.rpartition("@")[2]
