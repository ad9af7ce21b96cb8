"""Contacts and messages over HTTP: whom to write to, what was written, and again."""

import json
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tables.postgres.messages import NewMessage, insert_messages
from tests.web.conftest import NOW
from web import scopes

WANJIRU = {"customer_id": "c-1", "name": "Wanjiru Kamau", "email": "w@example.com"}


async def put(api, body=WANJIRU, tenant="alpha", **options):
    sent = {"Content-Type": "application/json"}
    path = f"/api/v1/{tenant}/contacts"
    return await api.request("POST", path, headers=sent, data=json.dumps(body), **options)


async def messages(database, *event_ids, tenant="alpha", state="pending", **changes):
    """Messages by mail, each a minute after the one before."""
    rows = [
        NewMessage(
            tenant,
            event_id,
            "email",
            "treasury.invoice.created",
            "invoice_created",
            "invoice",
            f"i-{event_id}",
            "c-1",
            0,
            b"{}",
        )
        for event_id in event_ids
    ]
    for minutes, row in enumerate(rows):
        await insert_messages(database.archiver, [row], NOW + timedelta(minutes=minutes))
    reason = changes.get("reason", "")
    await database.owner.execute("UPDATE messages SET state = $1, reason = $2", state, reason)


class TestContacts:
    async def test_are_shown_as_they_were_written_and_replaced_whole(self, listed):
        first = (await put(listed)).json
        assert (first["phone"], first["channels"], first["version"]) == ("", ["email", "sms"], 1)
        assert (await listed.get("/api/v1/alpha/contacts/c-1")).json == first
        body = {"customer_id": "c-1", "phone": "+254712345678", "channels": ["sms"]}
        second = (await put(listed, body)).json
        assert (second["name"], second["email"], second["version"]) == ("", "", 2)
        assert (await listed.get("/api/v1/alpha/contacts")).json["data"] == [second]

    async def test_are_gone_once_erased(self, listed, database):
        await put(listed)
        path = "/api/v1/alpha/contacts/c-1"
        assert (await listed.request("DELETE", path)).json["state"] == "erased"
        assert (await listed.get(path)).code == "not-found"
        assert (await listed.request("DELETE", path)).code == "not-found"
        rows = await database.owner.fetch("SELECT * FROM contacts")
        assert rows == []

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("email", "nobody"),
            ("email", "a@b, c@d"),
            ("email", "a\u200b@example.com"),
            ("phone", "0712345678"),
            ("phone", "+254 712"),
            ("channels", ["push"]),
            ("channels", ["sms", "sms"]),
            ("name", "a\n"),
            ("customer_id", ""),
            ("card", "4111"),
        ],
    )
    async def test_that_cannot_be_are_refused(self, listed, member, value):
        answer = await put(listed, {**WANJIRU, member: value})
        assert answer.code == "malformed"

    async def test_are_their_tenants_alone(self, listed):
        await put(listed)
        token = listed.token("beta")
        answer = await listed.get("/api/v1/beta/contacts/c-1", token=token)
        assert answer.code == "not-found"
        assert (await listed.get("/api/v1/beta/contacts", token=token)).json["data"] == []

    async def test_are_for_who_may_see_people(self, listed):
        await put(listed)
        poor = listed.token(scope=set(scopes.ALL) - {scopes.CONTACTS_READ})
        assert (await listed.get("/api/v1/alpha/contacts/c-1", token=poor)).code == "scope-missing"

    async def test_leave_no_address_in_a_log_or_an_audit_line(self, listed, database):
        with capture_logs() as said:
            await put(listed, {**WANJIRU, "phone": "+254712345678"})
            await listed.request("DELETE", "/api/v1/alpha/contacts/c-1")
        lines = [dict(row) for row in await database.owner.fetch("SELECT * FROM audit_log")]
        assert [line["action"] for line in lines] == ["contact.put", "contact.remove"]
        for text in ("w@example.com", "254712345678", "Wanjiru"):
            assert text not in repr(said)
            assert text not in repr(lines)


class TestMessages:
    async def test_are_listed_newest_first_with_what_became_of_them(self, listed, database):
        await messages(database, "e1", "e2", "e3", state="parked", reason="no_credit")
        page = (await listed.get("/api/v1/alpha/messages?limit=2")).json
        assert [row["event_id"] for row in page["data"]] == ["e3", "e2"]
        rest = await listed.get(f"/api/v1/alpha/messages?limit=2&cursor={page['next_cursor']}")
        [first] = rest.json["data"]
        assert (first["message_id"], first["state"]) == ("e1.email", "parked")
        assert (first["reason"], first["next_at"], first["history"]) == ("no_credit", None, [])

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("state=parked", 2),
            ("state=sent", 0),
            ("reference_id=i-e1", 1),
            ("customer_id=c-1&channel=email", 2),
            ("customer_id=c-2", 0),
            ("template=dunning", 0),
        ],
    )
    async def test_are_narrowed(self, listed, database, query, found):
        await messages(database, "e1", "e2", state="parked")
        answer = await listed.get(f"/api/v1/alpha/messages?{query}")
        assert len(answer.json["data"]) == found

    async def test_one_is_found_by_its_id(self, listed, database):
        await messages(database, "e.1", state="sent")
        assert (await listed.get("/api/v1/alpha/messages/e.1.email")).json["state"] == "sent"
        for unknown in ("e.1.sms", "e.1", "e.1.post"):
            assert (await listed.get(f"/api/v1/alpha/messages/{unknown}")).code == "not-found"

    @pytest.mark.parametrize("state", ["parked", "failed"])
    async def test_that_wait_for_somebody_are_sent_again(self, listed, database, state):
        await messages(database, "e1", state=state, reason="no_credit")
        path = "/api/v1/alpha/messages/e1.email/send-again"
        answer = await listed.request("POST", path)
        assert (answer.json["state"], answer.json["reason"]) == ("pending", "")
        assert await database.owner.fetchval("SELECT round FROM messages") == (state == "failed")
        assert (await listed.request("POST", path)).code == "message-not-parked"
        actions = [row["action"] for row in await database.owner.fetch("SELECT * FROM audit_log")]
        assert actions == ["message.send_again"]

    async def test_are_their_tenants_alone(self, listed, database):
        await messages(database, "e1", state="parked")
        token = listed.token("beta")
        assert (await listed.get("/api/v1/beta/messages", token=token)).json["data"] == []
        for method, rest in (("GET", ""), ("POST", "/send-again")):
            path = f"/api/v1/beta/messages/e1.email{rest}"
            assert (await listed.request(method, path, token=token)).code == "not-found"
        assert await database.owner.fetchval("SELECT state FROM messages") == "parked"

    async def test_are_seen_by_the_platforms_own_people_who_see_no_address(self, listed, database):
        await put(listed)
        await messages(database, "e1", state="parked")
        root = listed.token("platform", roles=["superuser"])
        [row] = (await listed.get("/api/v1/alpha/messages", token=root)).json["data"]
        assert "w@example.com" not in repr(row)
        assert (await listed.get("/api/v1/alpha/contacts", token=root)).status == 403
