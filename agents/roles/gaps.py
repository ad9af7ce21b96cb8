"""What Faust left out: records that it should have delivered are read from the log itself.

Around a rebalance a fetch that was under way can lose what it brought; the consumer goes on
behind it and never tells.
"""

import structlog

from agents.roles.mailbox import Mail
from streams.errors import LogBetrayed
from streams.kafka import PartitionReader

log = structlog.get_logger(__name__)


async def read_back(
    place: tuple[str, str], partition: int, start: int, delivered: int
) -> list[Mail]:
    """Records of the inbound log (bootstrap, topic) from `start` on, before the one delivered.

    Some of them, at least one; none when the log holds none: a transaction left its marks. Raises
    `LogBetrayed` when the log no longer reaches back to `start`.
    """
    async with PartitionReader(*place, partition) as reader:
        first, _ = await reader.bounds()
        if first > start:
            raise LogBetrayed(
                f"inbound[{partition}]: offset {delivered} came, {start} did not, and the log"
                f" begins at {first}"
            )
        async for records in reader.read_range(start, delivered):
            log.warning("inbound_read_back", partition=partition, start=start, delivered=delivered)
            # Faust takes what it did not deliver for acknowledged.
            return [
                Mail(each.offset, each.timestamp_ms, each.headers, each.value, _nothing)
                for each in records
            ]
    return []


def _nothing() -> None: ...
