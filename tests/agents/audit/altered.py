"""A good journal, and ways to falsify it: what a faulty writer would have appended instead.

Every alteration is chained and summed up anew, so that nothing but itself can give it away.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from agents.audit.invariants import Violation
from agents.audit.journal import Audit
from streams.journal import CODEC, Batch, Entry, Genesis, Image, Posting, hash_of
from tables.row import Row, decode, encode
from tables.working_set import row_hash

Records = list[Genesis | Batch]


def decoded(journal: list[bytes]) -> Records:
    """Records to alter."""
    return [CODEC.decode(data) for data in journal]


def chained(records: Records) -> list[bytes]:
    """The records' bytes with hashes and digests as their writer would have made them."""
    data: list[bytes] = []
    hashes: dict[bytes, int] = {}
    for record in records:
        for image in record.images if isinstance(record, Batch) else ():
            value = image.value
            hashes[image.key] = 0 if value is None else row_hash(image.key, value)
        digest = (sum(hashes.values()) % (1 << 128)).to_bytes(16, "big")
        before = hash_of(data[-1]) if data else record.previous_hash
        data.append(CODEC.encode(replace(record, previous_hash=before, digest=digest)))
    return data


def violations(journal: list[bytes], partitions: int = 1) -> list[Violation]:
    """What the checker says of these bytes."""
    audit = Audit(0, partitions)
    for data in journal:
        audit.read(data)
    return audit.finish().violations


def broken(records: Records) -> set[str]:
    """The invariants that the altered journal breaks."""
    found = violations(chained(records))
    print(*found, sep="\n")
    return {violation.invariant for violation in found}


def of(**wanted: Any) -> Callable[[Any], bool]:
    """Whether an entry or row has these members."""
    return lambda each: all(getattr(each, name) == value for name, value in wanted.items())


def entry_of(records: Records, wanted: Callable[[Entry], bool]) -> Entry:
    """The first entry like this."""
    return next(
        entry
        for record in records
        if isinstance(record, Batch)
        for entry in record.entries
        if wanted(entry)
    )


def with_entry(records: Records, old: Entry, **changes: Any) -> Records:
    """The journal with these members of an entry changed."""
    new = replace(old, **changes)
    return [
        replace(record, entries=[new if entry is old else entry for entry in record.entries])
        if isinstance(record, Batch)
        else record
        for record in records
    ]


def with_another(records: Records, entry: Entry, images: list[Image] | None = None) -> Records:
    """The journal with one more record, of one more entry in the next place."""
    last = records[-1]
    after = replace(last.next, offset=last.next.offset + 1)
    placed = replace(entry, offset=last.next.offset, index=0, now_ms=last.now_ms)
    return [
        *records,
        replace(
            last,
            seq=last.seq + 1,
            first=last.next,
            next=after,
            entries=[placed],
            images=images or [],
        ),
    ]


def last_row(records: Records, kind: type[Row], **wanted: Any) -> Row:
    """A row as the last record with it left it: of those like `wanted` the one written last."""
    last: dict[bytes, Row | None] = {}
    prefix = kind.KIND.encode() + b"\x00"
    for record in records:
        for image in record.images if isinstance(record, Batch) else ():
            if image.key.startswith(prefix):
                last.pop(image.key, None)
                last[image.key] = None if image.value is None else decode(image.key, image.value)
    rows = [row for row in last.values() if row is not None and of(**wanted)(row)]
    return rows[-1]


def with_row(records: Records, row: Row, new: Row | None) -> Records:
    """The journal in which `row`, as it was last written, was written as `new`."""
    old = Image(row.key, encode(row))
    image = Image(row.key, None if new is None else encode(new))
    return _with_images(records, old, [image])


def without_row(records: Records, row: Row) -> Records:
    """The journal in which `row`, as it was last written, was not written."""
    return _with_images(records, Image(row.key, encode(row)), [])


def _with_images(records: Records, old: Image, new: list[Image]) -> Records:
    return [
        replace(
            record,
            images=[image for each in record.images for image in (new if each == old else [each])],
        )
        if isinstance(record, Batch)
        else record
        for record in records
    ]


def leg(posting: Posting, minor: int) -> Posting:
    """The posting with another amount."""
    return replace(posting, minor=minor)
