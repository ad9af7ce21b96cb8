"""Lets Kafka forget what checkpoint and archive both have: nothing else ever deletes records.

Kept are the journal record the checkpoint stands on and the last inbound record that was decided
on, because recovery proves itself by reading exactly those back; and everything that was archived
only lately, because a Postgres that is failed over or restored loses its last moments.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from streams.journal import Position
from streams.topics import Topics
from tables.checkpoint import Checkpoint

TRIM_S = 60.0
SAMPLES = 64
log = structlog.get_logger(__name__)


def trimmable(
    topics: Topics, partition: int, checkpoint: Checkpoint, archived_seq: int, archived: Position
) -> dict[TopicPartition, int]:
    """The offsets before which records are of no more use, by topic and partition.

    Empty while the archive is behind the checkpoint: what it has not read must stay.
    """
    if archived_seq < checkpoint.seq or archived.log != checkpoint.next.log:
        return {}
    wanted = {
        TopicPartition(topics.journal.name, partition): checkpoint.journal_offset,
        TopicPartition(topics.inbound.name, partition): checkpoint.next.covered,
    }
    return {tp: offset for tp, offset in wanted.items() if offset > 0}


class Trimmer:
    """Remembers what could be forgotten when, and gives it out once it is `after_s` old.

    It remembers in memory only: a process that starts trims nothing for that long.
    """

    def __init__(
        self, after_s: float, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._after_s, self._monotonic_s = after_s, monotonic_s
        self._noted: defaultdict[TopicPartition, deque[tuple[float, int]]] = defaultdict(deque)

    def note(self, before: Mapping[TopicPartition, int]) -> None:
        """From now on these offsets are trimmable; a day's notes are thinned to some `SAMPLES`."""
        now_s = self._monotonic_s()
        for tp, offset in before.items():
            noted = self._noted[tp]
            if not noted or now_s - noted[-1][0] >= self._after_s / SAMPLES:
                noted.append((now_s, offset))

    def due(self) -> dict[TopicPartition, int]:
        """The newest offsets that have been trimmable long enough; each is given out once."""
        limit_s = self._monotonic_s() - self._after_s
        due: dict[TopicPartition, int] = {}
        for tp, noted in self._noted.items():
            while noted and noted[0][0] <= limit_s:
                _, due[tp] = noted.popleft()
        return due


async def trim(bootstrap: str, before: Mapping[TopicPartition, int]) -> None:
    """Delete records before these offsets; a broker that cannot now is asked again next time."""
    if not before:
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=20_000)
    try:
        await admin.start()
        await admin.delete_records({tp: RecordsToDelete(offset) for tp, offset in before.items()})
    except KafkaError as error:
        log.warning("trim_failed", error=type(error).__name__)
    finally:
        await admin.close()
