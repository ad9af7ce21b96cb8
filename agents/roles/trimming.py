"""Lets Kafka forget what checkpoint and archive both have: nothing else ever deletes records.

Kept are the journal record the checkpoint stands on and the last inbound record that was decided
on, because recovery proves itself by reading exactly those back.
"""

from collections.abc import Mapping

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from streams.journal import Position
from streams.topics import Topics
from tables.checkpoint import Checkpoint

TRIM_S = 60.0
log = structlog.get_logger(__name__)


def trimmable(
    topics: Topics, partition: int, checkpoint: Checkpoint, archived_seq: int, archived: Position
) -> dict[TopicPartition, int]:
    """The offsets before which records are of no more use, by topic and partition.

    Empty while the archive is behind the checkpoint: what it has not read must stay.
    """
    if archived_seq < checkpoint.seq or archived.log != checkpoint.next.log:
        return {}
    position = checkpoint.next
    covered = position.offset if position.index else position.offset - 1
    wanted = {
        TopicPartition(topics.journal.name, partition): checkpoint.journal_offset,
        TopicPartition(topics.inbound.name, partition): covered,
    }
    return {tp: offset for tp, offset in wanted.items() if offset > 0}


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
