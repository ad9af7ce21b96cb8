"""The rows a writer decides on: decoded, in memory, over a store of bytes.

Newer rows stay here until a checkpoint has stored them; clean ones are a cache and may be
dropped. Knows no Kafka, no Faust and no business.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Protocol, TypeVar

from streams.errors import TreasuryError
from streams.journal import Image
from tables.row import ENCODERS, Row, decode

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


def _image_bytes(key: bytes, value: bytes | None) -> int:
    return _IMAGE_BYTES + len(key) + (0 if value is None else len(value))


class Changes:
    """New rows by key, None for a deletion, as rows and as bytes.

    `size_bytes` is about what their images add to a record.
    """

    __slots__ = ("encoded", "rows", "size_bytes")

    def __init__(self, rows: Mapping[bytes, Row | None]) -> None:
        self.rows = rows
        self.encoded: dict[bytes, bytes | None] = {}
        size = 0
        for key, row in rows.items():
            if row is None:
                self.encoded[key] = None
                size += _IMAGE_BYTES + len(key)
            else:
                value = self.encoded[key] = ENCODERS[type(row)](row)
                size += _IMAGE_BYTES + len(key) + len(value)
        self.size_bytes = size


def row_hash(key: bytes, value: bytes) -> int:
    """A row's part in the partition's digest, which is the sum of these modulo 2^128."""
    return int.from_bytes(hashlib.blake2b(key + b"\x00" + value, digest_size=16).digest(), "big")


class WorkingSet:
    """Rows of one partition, with the digest of all of them kept incrementally.

    `changed` are the images of rows put since the last `images`, `changed_bytes` their size in a
    record. `written_bytes` only grows: it counts a row each time it is put. `known` are the rows in
    memory, None where the store has none: all newer ones, and a cache of others.
    """

    def __init__(self, store: Store, *, digest: int = 0, clean_limit: int = 200_000) -> None:
        self._store = store
        self.known: dict[bytes, Row | None] = {}
        self._hashes: dict[bytes, int] = {}  # of all in known, as far as `images` accounted for
        self._newer: set[bytes] = set()
        self._clean_limit = clean_limit
        self._sorted: dict[bytes, list[bytes]] = {}  # keys of newer rows, by kind, once scanned
        self.digest = digest
        self.changed: dict[bytes, bytes | None] = {}
        self.changed_bytes = 0
        self.written_bytes = 0

    def get(self, key: bytes) -> Row | None:
        """The row under `key`, or None."""
        row = self.known.get(key, _ABSENT)
        return self._read(key) if row is _ABSENT else row  # type: ignore[return-value]

    def _read(self, key: bytes) -> Row | None:
        try:
            value = self._store.get(key)
            row = None if value is None else decode(key, value)
        except Exception as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error
        self._hashes[key] = 0 if value is None else row_hash(key, value)
        self.known[key] = row
        if len(self.known) - len(self._newer) > self._clean_limit:
            self._drop_oldest()
        return row

    def _drop_oldest(self) -> None:
        """Drop a tenth of the clean rows, those first that were read first."""
        clean = (key for key in self.known if key not in self._newer)
        for key in list(islice(clean, max(1, self._clean_limit // 10))):
            del self.known[key], self._hashes[key]

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> list[Row]:
        """At most `limit` rows whose keys begin with `prefix`, in key order, from `start` on."""
        start = max(start, prefix)
        found: dict[bytes, Row] = {}
        keys = self._newer_keys(prefix)
        for at in range(bisect_left(keys, start), len(keys)):
            key = keys[at]
            if not key.startswith(prefix) or len(found) == limit:
                break
            row = self.known[key]
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
        self.merge(Changes({key: row}))

    def merge(self, changes: Changes) -> None:
        """As `put` of each."""
        size, images = changes.size_bytes, self.changed
        self.written_bytes += size
        for key, value in changes.encoded.items():
            if key in images:
                size -= _image_bytes(key, images[key])
            images[key] = value
        self.changed_bytes += size
        self._set_all(changes.rows)

    def _set_all(self, rows: Mapping[bytes, Row | None]) -> None:
        known, newer = self.known, self._newer
        for key, row in rows.items():
            if key not in newer:
                newer.add(key)
                if self._sorted and key[:2] in self._sorted:
                    insort(self._sorted[key[:2]], key)
                if key not in known:
                    self._read(key)
            known[key] = row

    def images(self) -> list[Image]:
        """The images of the changed rows in key order; brings the digest up to date."""
        changed, self.changed, self.changed_bytes = self.changed, {}, 0
        images = [Image(key, changed[key]) for key in sorted(changed)]
        self._account(images)
        return images

    def redo(self, images: list[Image]) -> None:
        """Take over the images of a journal record."""
        self._set_all(
            {
                image.key: None if image.value is None else decode(image.key, image.value)
                for image in images
            }
        )
        self._account(images)

    def stored(self, images: dict[bytes, bytes | None], unchanged: set[bytes]) -> None:
        """A checkpoint has stored these images; rows in `unchanged` need no longer be pinned."""
        self._newer -= images.keys() & unchanged
        while len(self.known) - len(self._newer) > self._clean_limit:
            self._drop_oldest()
        self._sorted.clear()

    def _account(self, images: list[Image]) -> None:
        digest, hashes = self.digest, self._hashes
        for image in images:
            key, value = image.key, image.value
            new = 0 if value is None else row_hash(key, value)
            digest += new - hashes[key]
            hashes[key] = new
        self.digest = digest & _DIGEST_MASK


class Overlay:
    """Changes of one event on top of a working set: merged on success, dropped on refusal."""

    __slots__ = ("_base", "_below", "changes")

    def __init__(self, base: WorkingSet) -> None:
        self._base = base
        self._below = base.known
        self.changes: dict[bytes, Row | None] = {}

    def get(self, key: bytes) -> Row | None:
        """The row as this event sees it."""
        row = self.changes.get(key, _ABSENT)
        if row is _ABSENT:
            row = self._below.get(key, _ABSENT)
        return self._base.get(key) if row is _ABSENT else row  # type: ignore[return-value]

    def put(self, row: Row) -> None:
        """Set a row."""
        self.changes[row.key] = row

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.changes[key] = None

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> list[Row]:
        """As the working set's; sees only rows that were there before this event."""
        return [
            row
            for row in self._base.scan(prefix, limit + len(self.changes), start)
            if self.changes.get(row.key, row) is row
        ][:limit]
