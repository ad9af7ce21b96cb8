"""A log in memory, read as a partition of Kafka is."""

from collections.abc import AsyncIterator

from streams.kafka import Record


class Log:
    """Records from offset `first` on."""

    def __init__(self, *values: bytes, first: int = 0) -> None:
        self.first = first
        self.records = {
            offset: Record(offset, 0, (), value, None) for offset, value in enumerate(values, first)
        }

    async def bounds(self) -> tuple[int, int]:
        return self.first, self.first + len(self.records)

    async def read_range(self, start: int, end: int) -> AsyncIterator[list[Record]]:
        yield [self.records[offset] for offset in range(start, end)]

    async def read_one(self, offset: int) -> Record | None:
        return self.records.get(offset)
