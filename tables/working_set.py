"""The rows a writer decides on: decoded, in memory, over a store of bytes.

Newer rows stay here until a checkpoint has stored them; clean ones are a cache and may be
dropped. Knows no Kafka, no Faust and no business.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from streams.errors import TreasuryError
from streams.journal import Image
from tables.row import Row, decode, encode

_DIGEST_MASK = (1 << 128) - 1
_ABSENT = object()
_IMAGE_BYTES = 10
R = TypeVar("R", bound=Row)


class StoreFailed(TreasuryError):
    """A row could not be read: the process must exit, for no event is at fault."""


class Store(Protocol):
    """What lies below: the partition's stored rows, without their sequence numbers."""

    def get(self, key: bytes) -> bytes | None:
        """The stored bytes of a row."""

    def scan(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Stored rows with this key prefix in key order, from key `start` on."""


def image_bytes(key: bytes, value: bytes | None) -> int:
    """The bytes that a row's image adds to a record, about."""
    return len(key) + _IMAGE_BYTES + (0 if value is None else len(value))


def row_hash(key: bytes, value: bytes) -> int:
    """A row's part in the partition's digest, which is the sum of these modulo 2^128."""
    return int.from_bytes(hashlib.blake2b(key + b"\x00" + value, digest_size=16).digest(), "big")


class WorkingSet:
    """Rows of one partition, with the digest of all of them kept incrementally.

    `changed` are the images of rows put since the last `images`, `changed_bytes` their size in a
    record. `written_bytes` only grows: it counts a row each time it is put.
    """

    def __init__(self, store: Store, *, digest: int = 0, clean_limit: int = 200_000) -> None:
        self._store = store
        self._newer: dict[bytes, Row | None] = {}
        self._clean: dict[bytes, Row | None] = {}
        self._hashes: dict[bytes, int] = {}
        self._clean_limit = clean_limit
        self._sorted: dict[bytes, list[bytes]] = {}  # keys of newer rows, by kind, once scanned
        self.digest = digest
        self.changed: dict[bytes, bytes | None] = {}
        self.changed_bytes = 0
        self.written_bytes = 0

    def get(self, key: bytes) -> Row | None:
        """The row under `key`, or None."""
        row = self._newer.get(key, _ABSENT)
        if row is _ABSENT:
            row = self._clean.get(key, _ABSENT)
        return self._read(key) if row is _ABSENT else row  # type: ignore[return-value]

    def _read(self, key: bytes) -> Row | None:
        try:
            value = self._store.get(key)
            row = None if value is None else decode(key, value)
        except Exception as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error
        self._hashes[key] = 0 if value is None else row_hash(key, value)
        self._remember(key, row)
        return row

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> list[Row]:
        """At most `limit` rows whose keys begin with `prefix`, in key order, from `start` on."""
        start = max(start, prefix)
        found: dict[bytes, Row] = {}
        keys = self._newer_keys(prefix)
        for at in range(bisect_left(keys, start), len(keys)):
            key = keys[at]
            if not key.startswith(prefix) or len(found) == limit:
                break
            row = self._newer[key]
            if row is not None:
                found[key] = row
        found.update(self._scan_store(prefix, limit, start))
        return [found[key] for key in sorted(found)[:limit]]

    def _scan_store(self, prefix: bytes, limit: int, start: bytes) -> dict[bytes, Row]:
        found: dict[bytes, Row] = {}
        try:
            for key, value in self._store.scan(prefix, start):
                if key in self._newer:
                    continue
                found[key] = decode(key, value)
                if len(found) == limit:
                    break
        except Exception as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error
        return found

    def _newer_keys(self, prefix: bytes) -> list[bytes]:
        """Sorted keys of newer rows, at least those with this prefix."""
        kind = prefix[:2]
        if len(kind) < 2:
            return sorted(self._newer)
        keys = self._sorted.get(kind)
        if keys is None:
            keys = self._sorted[kind] = sorted(key for key in self._newer if key[:2] == kind)
        return keys

    def put(self, key: bytes, row: Row | None) -> None:
        """Set or (None) delete a row; `images` later accounts for it in the digest."""
        self.put_encoded(key, row, None if row is None else encode(row))

    def put_encoded(self, key: bytes, row: Row | None, value: bytes | None) -> None:
        """As `put`, of a row whose bytes are known."""
        changed, size = self.changed, image_bytes(key, value)
        self.written_bytes += size
        self.changed_bytes += size
        if key in changed:
            self.changed_bytes -= image_bytes(key, changed[key])
        changed[key] = value
        self._set(key, row)

    def _set(self, key: bytes, row: Row | None) -> None:
        if key not in self._hashes:
            self.get(key)
        if key not in self._newer:
            self._clean.pop(key, None)
            keys = self._sorted.get(key[:2])
            if keys is not None:
                insort(keys, key)
        self._newer[key] = row

    def images(self) -> list[Image]:
        """The images of the changed rows in key order; brings the digest up to date."""
        changed, self.changed, self.changed_bytes = self.changed, {}, 0
        images = []
        for key in sorted(changed):
            value = changed[key]
            self._account(key, value)
            images.append(Image(key, value))
        return images

    def redo(self, images: list[Image]) -> None:
        """Take over the images of a journal record."""
        for image in images:
            row = None if image.value is None else decode(image.key, image.value)
            self._set(image.key, row)
            self._account(image.key, image.value)

    def stored(self, images: dict[bytes, bytes | None], unchanged: set[bytes]) -> None:
        """A checkpoint has stored these images; rows in `unchanged` need no longer be pinned."""
        for key in images.keys() & unchanged:
            self._remember(key, self._newer.pop(key))
        self._sorted.clear()

    def _account(self, key: bytes, value: bytes | None) -> None:
        new = 0 if value is None else row_hash(key, value)
        self.digest = (self.digest - self._hashes[key] + new) & _DIGEST_MASK
        self._hashes[key] = new

    def _remember(self, key: bytes, row: Row | None) -> None:
        clean = self._clean
        clean[key] = row
        if len(clean) > self._clean_limit:
            # Oldest first: dictionaries keep insertion order.
            for old in list(clean)[: self._clean_limit // 10]:
                del clean[old]
                del self._hashes[old]


class Overlay:
    """Changes of one event on top of a working set: merged on success, dropped on refusal."""

    def __init__(self, base: WorkingSet) -> None:
        self._base = base
        self.changes: dict[bytes, Row | None] = {}

    def get(self, key: bytes) -> Row | None:
        """The row as this event sees it."""
        changes = self.changes
        return changes[key] if key in changes else self._base.get(key)

    def put(self, row: Row) -> None:
        """Set a row."""
        self.changes[row.key] = row

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.changes[key] = None

    def scan(self, prefix: bytes, limit: int) -> list[Row]:
        """As the working set's; sees only rows that were there before this event."""
        return [
            row
            for row in self._base.scan(prefix, limit + len(self.changes))
            if self.changes.get(row.key, row) is row
        ][:limit]

    def encoded(self) -> dict[bytes, bytes | None]:
        """The bytes of the changed rows; None for a deletion."""
        return {key: None if row is None else encode(row) for key, row in self.changes.items()}

    def merge(self, encoded: Mapping[bytes, bytes | None]) -> None:
        """Write the changes, whose bytes are these, to the base."""
        put, changes = self._base.put_encoded, self.changes
        for key, value in encoded.items():
            put(key, changes[key], value)
