"""The audit log: commands and changes of configuration in one list, with who did them."""

import asyncio

import pytest

from tests.web.desk import project
from tests.web.test_lists import walk
from tests.web.test_secrets import NAME, put
from web import scopes
from web.people import People

LOG = "/api/v1/alpha/audit-log"


@pytest.fixture
async def acted(listed, desk, database):
    """Ben asks for two intents, one of them in vain; Ann sets a secret and makes a key."""
    ben = listed.token(subject="ben", name="Ben Otieno", email="ben@example.com", roles=["admin"])
    ann = listed.token(subject="ann", name="Ann\nWanjiru")
    for number, amount in enumerate(("100.00", "0.00")):
        await listed.command(
            "/payments/intents", {"amount": amount, "order_id": "o1"}, key=f"k{number}", token=ben
        )
    await desk.hear("cafe.order.created", order_id="o2", total_amount="10.00")
    await listed.command(
        "/payments/intents", {"amount": "7.00"}, token=listed.token("beta", subject="eve")
    )
    await put(listed, token=ann)
    await listed.command(
        "/alpha/api-keys", {"name": "pos", "scopes": [scopes.EVENTS_WRITE]}, token=ann
    )
    await project(desk, database)
    return listed


class TestTheAuditLog:
    async def test_says_who_asked_for_what_and_what_came_of_it(self, acted):
        lines = (await acted.get(LOG)).json["data"]
        said = {(line["actor"], line["action"], line["outcome"]) for line in lines}
        assert said == {
            ("ben", "payment_intent.create", "applied"),
            ("ben", "payment_intent.create", "refused: amount_not_positive"),
            ("ann", "secret.put", "done"),
            ("ann", "api_key.create", "done"),
        }
        names = {line["actor"]: line["actor_name"] for line in lines}
        assert names == {"ben": "Ben Otieno", "ann": ""}  # a name with controls is none

    async def test_leads_to_the_entry_of_a_command_and_to_the_request_of_a_change(self, acted):
        lines = (await acted.get(f"{LOG}?actor=ben")).json["data"]
        for line in lines:
            entry = await acted.get(f"/api/v1/alpha/entries/{line['resource']}")
            assert entry.json["data"][0]["event_type"] == f"treasury.command.{line['action']}"
        [line] = (await acted.get(f"{LOG}?action=secret.put")).json["data"]
        assert (line["resource"], line["detail"]) == (NAME, {"version": 1})
        assert line["request_id"]

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_is_read_page_by_page(self, acted, limit):
        whole = (await acted.get(LOG)).json["data"]
        assert len(whole) == 4
        assert await walk(acted, LOG, limit) == whole

    async def test_takes_a_time(self, acted):
        assert (await acted.get(f"{LOG}?to=2020-01-01")).json["data"] == []
        assert len((await acted.get(f"{LOG}?from=2020-01-01")).json["data"]) == 4

    async def test_cannot_be_changed_by_the_app_or_the_archiver(self, acted, database):
        for pool in (database.app, database.archiver):
            for attack in (
                "UPDATE audit_log SET actor = 'nobody'",
                "DELETE FROM audit_log",
                "TRUNCATE audit_log",
            ):
                with pytest.raises(Exception, match="permission denied"):
                    await pool.execute(attack)

    async def test_of_a_change_that_failed_has_no_line(self, acted, database):
        await database.owner.execute(
            "ALTER TABLE secrets ADD CONSTRAINT no_more CHECK (version < 2)"
        )
        assert (await put(acted)).status == 503
        assert len((await acted.get(f"{LOG}?action=secret.put")).json["data"]) == 1


class TestUsers:
    async def test_are_rows_from_verified_claims_of_their_tenant(self, acted, database):
        rows = await database.owner.fetch(
            "SELECT tenant_id, subject, name, email, roles FROM users ORDER BY subject"
        )
        assert [tuple(row) for row in rows] == [
            ("alpha", "ann", "", "", []),
            ("alpha", "ben", "Ben Otieno", "ben@example.com", ["admin"]),
            ("beta", "eve", "", "", []),
        ]

    async def test_are_noted_once_an_hour_and_when_they_change(self, listed, database):
        now_s = [0.0]
        people = People(database.app, monotonic_s=lambda: now_s[0])

        async def seen(**claims):
            claimed = await listed.issuer.verifier().verify(listed.token(**claims))
            await people.saw(claimed)
            return await database.owner.fetchval("SELECT last_seen FROM users")

        first = await seen(name="Ben")
        await asyncio.sleep(0.002)
        assert await seen(name="Ben") == first
        changed = await seen(name="Benjamin")
        assert changed > first
        now_s[0] = 3_600
        assert await seen(name="Benjamin") > changed
        assert await database.owner.fetchval("SELECT name FROM users") == "Benjamin"

    async def test_do_not_wait_for_postgres(self, api):
        made = await api.command("/payments/intents", {"amount": "1.00"})
        assert made.status == 201
