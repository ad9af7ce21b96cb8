"""A worker's local rows: what RocksDB holds of the partition, and what survives its process."""

from collections.abc import Iterator, Mapping

from tables.store import CHECKPOINT_KEY


class Shelf:
    """As `PartitionStore`; each write is whole or not there."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._offset = -1

    def get(self, key: bytes) -> bytes | None:
        value = self._rows.get(key)
        return value[8:] if value is not None and len(value) > 8 else None

    def seq_of(self, key: bytes) -> int:
        value = self._rows.get(key)
        return -1 if value is None else int.from_bytes(value[:8], "big")

    def scan(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(self._rows):
            value = self._rows[key]
            if key >= start and key.startswith(prefix) and len(value) > 8 and key != CHECKPOINT_KEY:
                yield key, value[8:]

    def offset(self) -> int:
        return self._offset

    def write(self, rows: Mapping[bytes, bytes], offset: int) -> None:
        self._rows.update(rows)
        self._offset = offset

    def checkpoint(self) -> bytes | None:
        value = self._rows.get(CHECKPOINT_KEY)
        return None if value is None else value[8:]

    def wipe(self) -> None:
        self._rows.clear()
        self._offset = -1
