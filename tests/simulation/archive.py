"""The archive: every record that counts, and the last image of each row."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streams.journal import Batch, Chain, Claim, Entry, Genesis, Image
from streams.kafka import Record
from tables.postgres.archived import RawRecord, raw_record
from tables.row import Row, decode


class Archive:
    """Told of journal records in order; stands for the pool in the functions below."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.records: list[RawRecord] = []
        self.entries: list[Entry] = []
        self.on_read: Callable[[], None] = lambda: None
        """Called when rows are read from here."""
        self._images: dict[bytes, tuple[int, bytes]] = {}

    def take(self, record: Record) -> Batch | None:
        """Archive the next record of the journal if it counts; returns it if it decides."""
        found = self.chain.accept(record.value)
        if found is None or isinstance(found, Claim):
            return None
        self.records.append(
            raw_record(found, 0, record.offset, self.chain.record_hash, record.value)
        )
        if isinstance(found, Genesis):
            return None
        self.entries += found.entries
        for image in found.images:
            self._keep(image, found.seq)
        return found

    def _keep(self, image: Image, seq: int) -> None:
        if image.value is None:
            self._images.pop(image.key, None)
        else:
            self._images[image.key] = (seq, image.value)

    def rows(self, kind: type[Row]) -> list[Row]:
        """Every row of this kind, as a core shows them."""
        prefix = kind.KIND.encode() + b"\x00"
        images = self._images.items()
        return [decode(key, data) for key, (_, data) in images if key.startswith(prefix)]

    # -- what takeover asks of Postgres -------------------------------------------------------

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Archive"]:
        yield self

    async def last_record(self, _partition: int) -> RawRecord | None:
        return self.records[-1] if self.records else None

    async def archived_offset(self, _partition: int) -> int:
        return self.records[-1].journal_offset

    async def images_in(self, _partition: int) -> AsyncIterator[tuple[bytes, int, bytes]]:
        self.on_read()
        for key, (seq, value) in list(self._images.items()):
            yield key, seq, value
