import os

import asyncpg
import pytest

from tables.postgres.archived import (
    RawRecord,
    apply_images,
    images_of,
    insert_records,
    last_record,
    records_after,
)


def raw(seq: int, size: int = 10, partition: int = 0) -> RawRecord:
    return RawRecord(partition, seq, 1, seq * 2, seq, 0, seq + 1, 0, bytes(32), os.urandom(size))


async def stored(database, *records: RawRecord) -> None:
    async with database.archiver.acquire() as connection:
        await insert_records(connection, records)


class TestRawRecords:
    async def test_the_last_one_is_of_the_greatest_seq_of_its_partition(self, database):
        assert await last_record(database.archiver, 0) is None
        records = [raw(0), raw(1), raw(7, partition=1)]
        await stored(database, *records)
        assert await last_record(database.archiver, 0) == records[1]

    async def test_a_seq_cannot_be_taken_twice(self, database):
        await stored(database, raw(0))
        with pytest.raises(asyncpg.UniqueViolationError):
            await stored(database, raw(0))

    async def test_reads_on_in_bounded_pieces(self, database):
        records = [raw(seq, size=1000) for seq in range(10)]
        await stored(database, *records)
        found = await records_after(database.archiver, 0, 2, limit_bytes=2500)
        assert found == [(seq, records[seq].bytes) for seq in (3, 4, 5)]
        found = await records_after(database.archiver, 0, 2, limit=2)
        assert [seq for seq, _ in found] == [3, 4]

    async def test_a_record_larger_than_the_bound_comes_alone(self, database):
        await stored(database, raw(0, size=5000), raw(1))
        found = await records_after(database.archiver, 0, -1, limit_bytes=100)
        assert [seq for seq, _ in found] == [0]


class TestImages:
    async def apply(self, database, images):
        async with database.archiver.acquire() as connection:
            await apply_images(connection, 0, images)

    async def rows(self, database):
        return {key: (seq, value) async for key, seq, value in images_of(database.archiver, 0)}

    async def test_keeps_the_last_value_of_each_key(self, database):
        await self.apply(database, {b"a": (1, b"one"), b"b": (1, b"b")})
        await self.apply(database, {b"a": (2, b"two"), b"c": (2, b"c")})
        expected = {b"a": (2, b"two"), b"b": (1, b"b"), b"c": (2, b"c")}
        assert await self.rows(database) == expected

    async def test_a_greater_seq_wins(self, database):
        await self.apply(database, {b"a": (5, b"five"), b"b": (5, b"five")})
        await self.apply(database, {b"a": (4, b"four"), b"b": (4, None)})
        assert await self.rows(database) == {b"a": (5, b"five"), b"b": (5, b"five")}

    async def test_a_deleted_row_is_gone_and_may_come_back(self, database):
        await self.apply(database, {b"a": (1, b"one")})
        await self.apply(database, {b"a": (2, None), b"never": (2, None)})
        assert await self.rows(database) == {}
        await self.apply(database, {b"a": (3, b"three")})
        assert await self.rows(database) == {b"a": (3, b"three")}

    async def test_keys_of_any_length_stay_apart(self, database):
        long = os.urandom(480) + b"\x00" * 10_000
        keys = [long[:length] for length in (480, 511, 512, 513, 9_000)]
        await self.apply(database, {key: (1, str(len(key)).encode()) for key in keys})
        await self.apply(database, {keys[-1]: (2, b"again"), keys[2]: (2, None)})
        rows = await self.rows(database)
        assert rows.keys() == set(keys) - {keys[2]}
        assert rows[keys[-1]] == (2, b"again")
        assert rows[keys[3]] == (1, b"513")

    async def test_an_empty_value_is_not_a_deletion(self, database):
        await self.apply(database, {b"a": (1, b"")})
        assert await self.rows(database) == {b"a": (1, b"")}
