"""Fills an archive without Kafka: what the archive role would have stored of a journal."""

from agents.roles.archive import pieces, read_chunk
from agents.roles.lease import Lease, Owner
from streams.journal import Chain
from streams.kafka import Record
from tables.postgres.archived import apply_images, insert_records


class Shelf:
    """The archive of one partition, filled record by record."""

    def __init__(self, database, partition: int = 0) -> None:
        self._pool = database.archiver
        self._partition = partition
        self._chain = Chain()
        self._offset = 0
        self._lease = Lease(self._pool, "archive", partition, Owner("shelf"), ttl_s=3600)

    async def put(self, *records: bytes) -> None:
        """Archive these journal records."""
        await self._lease.acquire()
        found = []
        for data in records:
            found.append(Record(self._offset, 0, (), data, None))
            self._offset += 1
        for piece in pieces(found):
            before = self._chain.seq
            chunk = read_chunk(self._chain, self._partition, piece)
            async with self._pool.acquire() as connection, connection.transaction():
                await self._lease.advance(
                    connection, before, self._chain.seq, next_position=self._chain.next
                )
                await insert_records(connection, chunk.records)
                await apply_images(connection, self._partition, chunk.images)

    @property
    def seq(self) -> int:
        """The last record's."""
        return self._chain.seq
