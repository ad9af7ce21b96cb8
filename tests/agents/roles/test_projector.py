import asyncio
import json
from decimal import Decimal

import pytest

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Owner
from agents.roles.projector import ROLE, Projector
from streams.errors import JournalBroken
from streams.journal import Posting
from tables.balances import Balance
from tables.invoices import Invoice
from tables.memory import StoredReply
from tables.postgres.pool import tenant_transaction
from tables.row import encode
from tests.agents.roles.archives import Shelf
from tests.journals import NOW_MS, Journal, emitted, entry, two_postings

WITHIN_S = 60


def images(*rows) -> dict[bytes, bytes]:
    return {row.key: encode(row) for row in rows}


class Projection:
    """An archive and the projector that reads it."""

    def __init__(self, database) -> None:
        self.journal = Journal()
        self.shelf = Shelf(database)
        self._database = database

    async def put(self, *batches: bytes) -> None:
        await self.shelf.put(*batches)

    async def catch_up(self) -> None:
        """Run the projector until it is where the archive is."""
        archived = ArchiveProgress(self._database.archiver)
        task = asyncio.create_task(
            Projector(self._database.archiver, archived, Owner("test")).run(0)
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                while not task.done() and await self._seq() != self.shelf.seq:
                    await asyncio.sleep(0.02)
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await archived.close()

    async def _seq(self) -> int | None:
        return await self._database.owner.fetchval("SELECT seq FROM progress WHERE role = $1", ROLE)


@pytest.fixture
async def projection(database) -> Projection:
    projection = Projection(database)
    await projection.put(projection.journal.genesis(), projection.journal.claim("w"))
    return projection


class TestAnEntry:
    async def test_becomes_rows_with_all_its_parts(self, database, projection):
        told = entry(7, step=3, reason="why", postings=two_postings(), emitted=[emitted(7)])
        await projection.put(projection.journal.batch([entry(6), told]))
        await projection.catch_up()
        row = await database.owner.fetchrow("SELECT * FROM entries WHERE event_id = 'event-7'")
        place = ("partition", "seq", "ordinal", "log", "log_offset", "log_index", "step")
        assert [row[name] for name in place] == [0, 1, 1, 1, 7, 0, 3]
        assert (row["status"], row["reason"], row["raw"]) == ("applied", "why", told.raw)
        assert row["decided_at"].timestamp() == pytest.approx((NOW_MS + 7) / 1000)
        legs = await database.owner.fetch("SELECT * FROM postings ORDER BY leg")
        assert [(leg["account"], leg["minor"]) for leg in legs] == [
            ("cash", Decimal(1250)),
            ("revenue", Decimal(-1250)),
        ]
        assert json.loads(legs[0]["dimensions"]) == {"outlet": "o1"}
        out = await database.owner.fetchrow("SELECT * FROM emitted")
        assert (out["event_id"], out["source_event_id"]) == ("out-7", "event-7")
        assert out["body"] == emitted(7).body

    async def test_amounts_are_exact_at_any_size(self, database, projection):
        wei = 10**79 + 1
        await projection.put(projection.journal.batch([entry(0, postings=two_postings(wei))]))
        await projection.catch_up()
        minors = await database.owner.fetch("SELECT minor::text FROM postings ORDER BY leg")
        assert [row[0] for row in minors] == [str(wei), str(-wei)]

    async def test_is_projected_once_whatever_restarts(self, database, projection):
        for number in range(5):
            await projection.put(projection.journal.batch([entry(number, postings=two_postings())]))
            await projection.catch_up()
        await projection.catch_up()
        assert await database.owner.fetchval("SELECT count(*) FROM entries") == 5
        assert await database.owner.fetchval("SELECT sum(minor) FROM postings") == 0

    async def test_is_its_tenants_alone(self, database, projection):
        batch = projection.journal.batch([entry(0), entry(1, tenant_id="beta"), entry(2)])
        await projection.put(batch)
        await projection.catch_up()
        async with tenant_transaction(database.app, "beta") as connection:
            seen = await connection.fetch("SELECT event_id FROM entries")
        assert [row[0] for row in seen] == ["event-1"]


class TestTheArchiveItReads:
    async def test_must_not_lack_a_record(self, database, projection):
        batches = [projection.journal.batch([entry(number)]) for number in range(3)]
        await projection.put(*batches)
        await database.owner.execute("DELETE FROM raw_records WHERE seq = 2")
        with pytest.raises(JournalBroken, match="seq 3 follows 1"):
            await projection.catch_up()


class TestDeadLetters:
    async def letters(self, database) -> dict[str, str]:
        rows = await database.owner.fetch("SELECT event_id, reason FROM dead_letters")
        return {row["event_id"]: row["reason"] for row in rows}

    async def test_are_what_was_rejected_and_what_nobody_was_told(self, database, projection):
        entries = [
            entry(0),
            entry(1, status="rejected", reason="future"),
            entry(2, status="refused", reason="no_such_order"),
            entry(3, status="refused", reason="no_such_order", ingress="http"),
            entry(4, status="duplicate"),
            entry(5, status="parked", reason="tenant_unknown_or_frozen"),
        ]
        await projection.put(projection.journal.batch(entries))
        await projection.catch_up()
        assert await self.letters(database) == {"event-1": "future", "event-2": "no_such_order"}

    async def test_of_no_tenant_are_hidden_from_tenants(self, database, projection):
        bad = entry(0, status="rejected", tenant_id="", event_id="", event_type="", raw=b"\x00\xff")
        await projection.put(projection.journal.batch([bad]))
        await projection.catch_up()
        row = await database.owner.fetchrow("SELECT tenant_id, raw FROM dead_letters")
        assert tuple(row) == (None, b"\x00\xff")
        assert await database.app.fetchval("SELECT count(*) FROM dead_letters") == 0

    async def test_show_what_became_of_their_re_drives(self, database, projection):
        rejected = entry(0, status="rejected", reason="internal")
        await projection.put(projection.journal.batch([rejected]))
        again = entry(1, step=1, event_id="event-0", status="rejected", reason="internal")
        await projection.put(projection.journal.batch([entry(1), again]))
        await projection.catch_up()
        applied = entry(2, step=1, event_id="event-0")
        await projection.put(projection.journal.batch([entry(2), applied]))
        await projection.catch_up()
        rows = await database.owner.fetch(
            "SELECT seq, redrive_attempt, redrive_status FROM dead_letters ORDER BY seq"
        )
        assert [tuple(row) for row in rows] == [(1, 2, "applied"), (2, 1, "applied")]


class TestResources:
    def invoice(self, **changes) -> Invoice:
        members = {"total": 1160, "tax": 160, **changes}
        return Invoice("alpha", "i1", "o1", "c1", "cafe", "KES", **members)

    async def test_are_business_rows_as_they_are_now(self, database, projection):
        journal = projection.journal
        reply = StoredReply(bytes(16), 200, b"{}")
        await projection.put(
            journal.batch([entry(0)], images(self.invoice(), reply)),
            journal.batch([entry(1)], images(self.invoice(paid=1160, status="paid"))),
        )
        await projection.catch_up()
        (row,) = await database.owner.fetch("SELECT * FROM resources")
        assert (row["tenant_id"], row["kind"], row["id"]) == ("alpha", "iv", "i1")
        assert (row["status"], row["asset"], row["order_id"]) == ("paid", "KES", "o1")
        assert (row["customer_id"], row["seq"]) == ("c1", 2)
        assert json.loads(row["body"])["paid"] == 1160

    async def test_keep_the_time_of_their_first_image(self, database, projection):
        journal = projection.journal
        await projection.put(journal.batch([entry(0)], images(self.invoice())))
        await projection.catch_up()
        await projection.put(journal.batch([entry(1)], images(self.invoice(version=2))))
        await projection.catch_up()
        row = await database.owner.fetchrow("SELECT created_at, updated_at FROM resources")
        assert row["created_at"].timestamp() == pytest.approx((NOW_MS + 1) / 1000)
        assert row["updated_at"].timestamp() == pytest.approx((NOW_MS + 2) / 1000)

    async def test_stay_when_they_leave_the_working_set(self, database, projection):
        journal = projection.journal
        await projection.put(
            journal.batch([entry(0)], images(self.invoice())),
            journal.batch([entry(1)], {self.invoice().key: None}),
        )
        await projection.catch_up()
        assert await database.owner.fetchval("SELECT status FROM resources") == "open"

    async def test_hold_integers_of_any_size_exactly(self, database, projection):
        wei = 2**53 + 1, 10**30 + 1
        batch = projection.journal.batch(
            [entry(0)], images(Balance("alpha", "wallet:a/b", "ETH", *wei))
        )
        await projection.put(batch)
        await projection.catch_up()
        row = await database.owner.fetchrow(
            "SELECT id, (body->>'debits')::numeric = $1, (body->>'credits')::numeric = $2 "
            "FROM resources",
            *map(Decimal, wei),
        )
        assert tuple(row) == ("wallet:a%2Fb/ETH", True, True)


class TestWhatPostgresCannotTake:
    async def quarantined(self, database) -> list[tuple]:
        rows = await database.owner.fetch(
            "SELECT seq, part, ordinal FROM quarantined ORDER BY part, seq, ordinal"
        )
        return [tuple(row) for row in rows]

    @pytest.mark.parametrize(
        "changes",
        [
            {"event_id": "nul\x00"},
            {"reason": "nul\x00", "status": "rejected"},
            {"event_id": "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(9_000))},
            {"now_ms": 2**63},
            {"now_ms": 2**62},
            {"postings": two_postings(10**80)},
            {"postings": [Posting("cash\x00", "KES", 1), Posting("revenue", "KES", -1)]},
            {"postings": [Posting("cash", "KES", 1, {"k": "\x00"}), Posting("r", "KES", -1)]},
        ],
        ids="-".join,
    )
    async def test_is_put_aside_whole_and_the_rest_goes_on(self, database, projection, changes):
        bad = entry(3, emitted=[emitted(3)], **changes)
        entries = [entry(n, postings=two_postings()) for n in range(8)]
        entries[3] = bad
        await projection.put(projection.journal.batch(entries))
        await projection.put(projection.journal.batch([entry(8)]))
        await projection.catch_up()
        assert await self.quarantined(database) == [(1, "entry", 3)]
        assert await database.owner.fetchval("SELECT raw FROM quarantined") == bad.raw
        assert await database.owner.fetchval("SELECT count(*) FROM entries") == 8
        assert await database.owner.fetchval("SELECT count(*) FROM postings") == 14
        assert await database.owner.fetchval("SELECT count(*) FROM emitted") == 0

    async def test_two_entries_that_emit_under_one_id_are_found_out(self, database, projection):
        entries = [entry(0, emitted=[emitted(0)]), entry(1, emitted=[emitted(0)])]
        await projection.put(projection.journal.batch(entries))
        await projection.catch_up()
        assert await self.quarantined(database) == [(1, "entry", 1)]

    async def test_rows_of_an_unknown_version_are_put_aside(self, database, projection):
        good = images(Balance("alpha", "cash", "KES", 1))
        unknown = {b"iv\x00alpha\x00i1": b"\xffnew", b"iv\x00alpha\x00i2": b""}
        await projection.put(projection.journal.batch([entry(0)], {**good, **unknown}))
        await projection.catch_up()
        assert await self.quarantined(database) == [(1, "image", 1), (1, "image", 2)]
        assert await database.owner.fetchval("SELECT count(*) FROM resources") == 1
        assert await database.owner.fetchval("SELECT count(*) FROM entries") == 1

    async def test_a_resource_that_holds_nul_is_put_aside(self, database, projection):
        rows = images(Balance("alpha", "cash", "KES", 1), Balance("alpha", "a", "\\u0000\x00", 1))
        await projection.put(projection.journal.batch([entry(0)], rows))
        await projection.catch_up()
        assert await self.quarantined(database) == [(1, "image", 0)]
        assert await database.owner.fetchval("SELECT count(*) FROM resources") == 1
