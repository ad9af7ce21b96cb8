"""Verification of an archive: sound when it is, and what it says when somebody touched it."""

import pytest
import pytest_asyncio
from msgspec.structs import replace

from agents.roles.verify import Report, verify
from streams.journal import CODEC
from tables.balances import Balance
from tables.invoices import Invoice
from tables.row import encode
from tests.agents.audit.altered import (
    Records,
    chained,
    decoded,
    entry_of,
    last_row,
    leg,
    of,
    with_entry,
    with_row,
)
from tests.agents.core import Core
from tests.agents.roles.archives import Shelf
from tests.model.generator import generate
from tests.model.played import play


@pytest.fixture(scope="module")
def core() -> Core:
    load = generate(3, 400)
    return play(load, load.messages).cores[0]


@pytest.fixture(scope="module")
def good(core) -> Records:
    return decoded(core.journal())


@pytest_asyncio.fixture
async def shelf(database) -> Shelf:
    return Shelf(database)


async def verified(database) -> Report:
    async for report in verify(database.archiver, 0, 1):
        last = report
    print(last.difference, *last.findings.violations, sep="\n")
    return last


def named(report: Report) -> set[str]:
    return {violation.invariant for violation in report.findings.violations}


class TestAnArchive:
    async def test_as_the_writer_left_it_is_sound(self, database, shelf, core):
        await shelf.put(*core.journal())
        report = await verified(database)
        assert report.sound
        assert (report.records, report.events) == (len(core.journal()), len(core.arrivals))
        assert report.digest == f"{core.working.digest:032x}"
        assert report.findings.checked["I9"] == len(core.entries)
        assert report.findings.checked["I8"] == sum(map(len, core.images))

    async def test_of_nothing_is_sound(self, database):
        report = await verified(database)
        assert (report.sound, report.records) == (True, 0)

    async def test_that_grows_meanwhile_is_read_to_its_end(self, database, shelf, core):
        journal = core.journal()
        await shelf.put(*journal[:5])
        async for report in verify(database.archiver, 0, 1):
            last = report
            if shelf.seq < len(journal) - 1:
                await shelf.put(*journal[5:])
        assert (last.sound, last.seq) == (True, len(journal) - 1)


class TestAFalsifiedArchive:
    """Falsified by somebody who knows how to chain records; the rules of the audit all hold."""

    async def test_of_other_amounts_differs_in_an_entry(self, database, shelf, good):
        entry = entry_of(good, of(event_type="cafe.order.created", status="applied"))
        legs = [leg(posting, 2 * posting.minor) for posting in entry.postings]
        await shelf.put(*chained(with_entry(good, entry, postings=legs)))
        report = await verified(database)
        assert (report.difference.what, named(report)) == ("entry", {"I9"})
        assert str(legs[0].minor) in report.difference.journal
        assert str(entry.postings[0].minor) in report.difference.replay

    async def test_of_another_row_differs_in_it(self, database, shelf, good):
        row = last_row(good, Invoice)
        await shelf.put(*chained(with_row(good, row, row.replaced(due_date="2099-01-01"))))
        report = await verified(database)
        assert (report.difference.what, named(report)) == ("row", {"I8"})

    async def test_that_applied_what_is_no_strict_json_differs(self, database, shelf, good):
        entry = entry_of(good, of(event_type="cafe.order.created", status="applied"))
        twice = entry.raw.replace(b'"data":{', b'"data":{"order_id":"x",', 1)
        assert twice != entry.raw
        await shelf.put(*chained(with_entry(good, entry, raw=twice)))
        report = await verified(database)
        assert report.difference.what == "entry"
        assert "duplicate_key" in report.difference.replay

    async def test_without_an_entry_differs_in_their_number(self, database, shelf, good):
        last = good[-1]
        steps = replace(last, entries=[*last.entries, replace(last.entries[-1], step=2)])
        await shelf.put(*chained([*good[:-1], steps]))
        report = await verified(database)
        assert report.difference.what == "number of entries"

    @pytest.mark.parametrize("changes", [{"rules_version": 9}, {"now_ms": 9}])
    async def test_under_another_head_differs_in_it(self, database, shelf, good, changes):
        await shelf.put(*chained([*good[:-1], replace(good[-1], **changes)]))
        report = await verified(database)
        assert (report.difference.what, report.difference.journal) == (*changes, "9")

    async def test_of_another_digest_differs_in_it(self, database, shelf, good):
        data = chained(good)
        data[-1] = CODEC.encode(replace(CODEC.decode(data[-1]), digest=bytes(16)))
        await shelf.put(*data)
        assert (await verified(database)).difference.what == "digest"


class TestTheRowsKept:
    @pytest.fixture
    async def kept(self, shelf, core) -> None:
        await shelf.put(*core.journal())

    async def test_that_are_others_are_named(self, database, kept, good):
        row = last_row(good, Balance)
        forged = encode(row.replaced(debits=row.debits + 1))
        changed = await database.owner.execute(
            "UPDATE images SET bytes = $2 WHERE slot = $1", row.key, forged
        )
        assert changed == "UPDATE 1"
        [violation] = (await verified(database)).findings.violations
        assert violation.invariant == "I5"
        assert row.key.decode().replace("\x00", "/") in violation.words

    async def test_that_are_missing_are_named(self, database, kept, good):
        row = last_row(good, Balance)
        await database.owner.execute("DELETE FROM images WHERE slot = $1", row.key)
        [violation] = (await verified(database)).findings.violations
        assert violation.words.startswith("the archive does not keep the row ba/")

    async def test_that_are_too_many_are_named(self, database, kept, good):
        row = last_row(good, Balance).replaced(account="cash:elsewhere")
        await database.owner.execute(
            "INSERT INTO images (partition, slot, seq, bytes) VALUES (0, $1, 1, $2)",
            row.key,
            encode(row),
        )
        [violation] = (await verified(database)).findings.violations
        assert violation.words.startswith("the archive keeps a row that is gone: ba/")

    async def test_beside_another_hash_of_the_last_record(self, database, kept):
        await database.owner.execute(
            "UPDATE raw_records SET hash = $1 WHERE seq = (SELECT max(seq) FROM raw_records)",
            bytes(32),
        )
        assert named(await verified(database)) == {"I13"}
