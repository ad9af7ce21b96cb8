"""The Faust application: one agent's topic, one table, everything unsafe switched off.

Faust gives us partition assignment, the stream of inbound records and the changelog-backed
table. What it promises about delivery is not relied upon (streams/README.md, "The commit rule").
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust

from streams.topics import Topics


@dataclass(frozen=True)
class AppSettings:
    """What the Faust application needs to know; times in seconds."""

    bootstrap: str
    topics: Topics
    partitions: int
    data_dir: Path
    web_url: str  # where other workers reach our web layer; it names us in the group
    instance_id: str | None = None  # static membership: unique and stable per worker
    session_timeout_s: float = 10.0
    heartbeat_interval_s: float = 2.0


def create_app(settings: AppSettings) -> faust.App:
    """An unstarted application; tables and the agent are added by tables/store.py and writers."""
    return faust.App(
        settings.topics.prefix,
        broker=f"kafka://{settings.bootstrap}",
        datadir=str(settings.data_dir),
        store="rocksdb://",
        processing_guarantee="at_least_once",
        canonical_url=settings.web_url,
        consumer_group_instance_id=settings.instance_id,
        topic_partitions=settings.partitions,
        topic_allow_declare=False,  # topics are created and checked by compose/topics.py
        topic_disable_leader=True,
        table_standby_replicas=0,
        recovery_consistency_check=False,  # tables/recovery.py checks more than Faust can
        stream_buffer_maxsize=16,  # counts records of up to 1 MB
        stream_wait_empty=False,  # the writer ends its batch itself, within a bound
        stream_recovery_delay=0.0,
        broker_commit_interval=1.0,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_interval_s,
        broker_request_timeout=max(30.0, settings.session_timeout_s),
        broker_max_poll_interval=1_800.0,  # a rebuild from the archive may take long
        producer_request_timeout=30.0,
        consumer_max_fetch_size=8 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,  # Faust's pages would show every tenant's rows to anyone
        web_tables_enabled=False,
        web_router_enabled=False,
    )


class Heartbeat:
    """When the group last confirmed that this process is a member of its present generation."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._confirmed_at = -math.inf

    def age_s(self) -> float:
        """Seconds since the last confirmed heartbeat was sent; infinite before the first."""
        return self._monotonic_s() - self._confirmed_at

    def attach(self, app: faust.App) -> None:
        """Watch the heartbeats of a started application.

        aiokafka keeps their time to itself, and answers True while a rebalance is going on.
        """
        coordinator = app.consumer._thread._consumer._coordinator  # noqa: SLF001
        beat = coordinator._do_heartbeat  # noqa: SLF001

        async def watched() -> bool:
            sent_at = self._monotonic_s()
            confirmed: bool = await beat()
            if confirmed and not coordinator._rejoin_needed_fut.done():  # noqa: SLF001
                self._confirmed_at = sent_at
            return confirmed

        coordinator._do_heartbeat = watched  # noqa: SLF001
        # Joining the group just now was a confirmation, too.
        self._confirmed_at = self._monotonic_s()


def fetch_often(app: faust.App, wait_ms: int) -> None:
    """Shorten the time a fetch of a started application may wait at the broker.

    Faust fixes it at 1.5 s, which costs nothing at a broker that answers when records come.
    """
    consumer = app.consumer._thread._consumer  # noqa: SLF001
    consumer._fetcher._fetch_max_wait_ms = wait_ms  # noqa: SLF001


def inbound_topic(app: faust.App, topics: Topics, partitions: int) -> Any:
    """The inbound topic as raw bytes: decoding is the writer's, inside its own error rules."""
    return app.topic(
        topics.inbound.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=partitions,
        internal=True,
    )
