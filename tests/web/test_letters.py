"""Dead letters over HTTP: listed, read, and decided once more without doing anything twice."""

import pytest

from tests.web.desk import project
from tests.web.test_lists import walk

LETTERS = "/api/v1/alpha/dead-letters"


async def bad(desk, event_id, tenant_id="alpha", **data):
    """An order that is refused for good."""
    about = {"order_id": event_id, "total_amount": "-1", **data}
    return await desk.hear("cafe.order.created", tenant_id, event_id=event_id, **about)


async def only(api, event_id):
    [row] = [row for row in (await api.get(LETTERS)).json["data"] if row["event_id"] == event_id]
    return row


async def redriven(api, letter_id, **options):
    return await api.request("POST", f"{LETTERS}/{letter_id}/redrive", **options)


def decided(desk, event_id):
    """(status, reason) of every decision about an event."""
    entries = [entry for batch in desk.batches for entry in batch.entries]
    return [(each.status, each.reason) for each in entries if each.event_id == event_id]


@pytest.fixture
async def refused(listed, desk, database):
    """Three of alpha's orders and one of beta's that are refused, and one that is not."""
    for number in range(3):
        await bad(desk, f"bad-{number}")
    await bad(desk, "bad-beta", "beta")
    await desk.hear("cafe.order.created", event_id="good", order_id="o", total_amount="1")
    await project(desk, database)
    return listed


class TestALetter:
    async def test_is_listed_newest_first_page_by_page(self, refused):
        whole = await walk(refused, LETTERS, 100)
        assert [row["event_id"] for row in whole] == ["bad-2", "bad-1", "bad-0"]
        assert {row["reason"] for row in whole} == {"amount_not_positive"}
        assert {(row["redrive_attempts"], row["redrive_status"]) for row in whole} == {(0, None)}
        assert await walk(refused, LETTERS, 1) == whole

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("reason=amount", 3),
            ("reason=unknown_type", 0),
            ("event_type=cafe.order.created", 3),
            ("event_type=pos.order.completed", 0),
            ("from=2025-12-31&to=2026-01-01", 3),
            ("from=2026-01-02", 0),
            ("to=2025-12-31", 0),
        ],
    )
    async def test_is_found_by_its_reason_type_and_day(self, refused, query, found):
        assert len((await refused.get(f"{LETTERS}?{query}")).json["data"]) == found

    async def test_is_a_line_of_a_table(self, refused):
        lines = (await refused.get(f"{LETTERS}?format=csv")).raw.decode().splitlines()
        assert lines[0].startswith("letter_id,event_id,event_type,reason,ingress,received_at")
        assert len(lines) == 4

    async def test_has_its_event_as_it_came(self, refused):
        row = await only(refused, "bad-1")
        whole = await refused.get(f"{LETTERS}/{row['letter_id']}")
        assert {**row, "envelope": whole.json["envelope"]} == whole.json
        assert whole.json["envelope"]["data"] == {"order_id": "bad-1", "total_amount": "-1"}

    async def test_of_another_tenant_is_as_none(self, refused, desk):
        theirs = (await refused.get("/api/v1/beta/dead-letters", token=refused.token("beta"))).json
        [letter_id] = [row["letter_id"] for row in theirs["data"]]
        before = len(desk.batches)
        for path, method in ((f"/{letter_id}", "GET"), (f"/{letter_id}/redrive", "POST")):
            others = await refused.request(method, LETTERS + path)
            nobodys = await refused.request(method, LETTERS + path.replace(letter_id, "9-9-9"))
            told = [{**answer.json, "request_id": ""} for answer in (others, nobodys)]
            assert told[0] == told[1]
            assert others.status == 404
        assert len(desk.batches) == before


class TestARedrive:
    @pytest.fixture
    async def mended(self, listed, desk, database, monkeypatch):
        """A letter of an event that raised, now that its handler does not; its id."""
        with monkeypatch.context() as patch:
            patch.setattr("agents.accounting.invoicing.told", None)
            await desk.hear("cafe.order.created", event_id="e", order_id="o", total_amount="10")
        await project(desk, database)
        return (await only(listed, "e"))["letter_id"]

    async def test_carries_out_what_can_be_now(self, listed, desk, database, mended):
        answer = await redriven(listed, mended)
        assert (answer.status, answer.json["attempt"]) == (200, 1)
        assert [status for status, _ in decided(desk, "e")] == ["rejected", "applied"]
        await project(desk, database)
        position = answer.headers["Treasury-Position"]
        after = (await listed.get(f"{LETTERS}/{mended}?min_position={position}")).json
        assert (after["redrive_attempts"], after["redrive_status"]) == (1, "applied")

    async def test_of_what_was_carried_out_does_nothing(self, listed, desk, database, mended):
        for _ in range(3):  # the first two before anybody can have seen what came of them
            assert (await redriven(listed, mended)).status == 200
        await project(desk, database)
        assert (await redriven(listed, mended)).json["attempt"] == 2
        statuses = [status for status, _ in decided(desk, "e")]
        assert statuses == ["rejected", "applied", "duplicate"]
        balances = (await listed.get("/api/v1/alpha/balances?account=receivable")).json["data"]
        assert [row["balance"]["amount"] for row in balances] == ["10.00"]

    async def test_of_what_is_still_wrong_is_another_letter(self, refused, desk, database):
        row = await only(refused, "bad-0")
        await redriven(refused, row["letter_id"])
        await project(desk, database)
        reasons = [reason for _, reason in decided(desk, "bad-0")]
        assert reasons == ["amount_not_positive"] * 2
        first = (await refused.get(f"{LETTERS}/{row['letter_id']}")).json
        assert (first["redrive_attempts"], first["redrive_status"]) == (1, "rejected")

    async def test_is_in_the_audit_log_with_who_asked_for_it(self, refused):
        row = await only(refused, "bad-0")
        await redriven(refused, row["letter_id"], token=refused.token(subject="ann"))
        log = (await refused.get("/api/v1/alpha/audit-log?action=dead_letter.redrive")).json
        assert [(line["actor"], line["resource"]) for line in log["data"]] == [
            ("ann", row["letter_id"])
        ]

    async def test_is_of_the_partitions_owner(self, refused, desk):
        row = await only(refused, "bad-0")
        desk.recovering = True
        answer = await redriven(refused, row["letter_id"])
        assert (answer.status, answer.code) == (503, "not-serving")
        log = (await refused.get("/api/v1/alpha/audit-log?action=dead_letter.redrive")).json
        assert log["data"] == []

    async def test_that_fits_in_no_record_is_refused(self, refused, desk, database):
        row = await only(refused, "bad-0")
        await database.owner.execute(
            "UPDATE dead_letters SET raw = $1 WHERE id = $2", b"x" * 900_000, row["letter_id"]
        )
        answer = await redriven(refused, row["letter_id"])
        assert (answer.status, answer.code) == (422, "too_large")
