"""Batches of events from sister services, and the life story of one event."""

import io
import json

import msgspec
import pytest

from agents import registry
from tests.web.desk import project

BATCH = "/api/v1/alpha/events:batch"


def line(event_id, **changes):
    envelope = {
        "event_id": event_id,
        "event_type": "cafe.order.created",
        "tenant_id": "alpha",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {"order_id": f"order-{event_id}", "total_amount": "10.00"},
    }
    return json.dumps({**envelope, **changes}).encode()


async def post(api, *lines, path=BATCH, **options):
    headers = {"Content-Type": "application/x-ndjson"}
    return await api.request(
        "POST", path, data=io.BytesIO(b"\n".join(lines)), headers=headers, **options
    )


async def results(api, *lines):
    answer = await post(api, *lines)
    assert answer.status == 200
    rows = answer.json["data"]
    assert [row["line"] for row in rows] == list(range(1, len(lines) + 1))
    return rows


AT_THE_DOOR = {"wrong_tenant", "unknown_type", "ingress_not_allowed"}


class TestBatch:
    async def test_decides_each_line_and_says_what_it_became(self, api, desk):
        rows = await results(api, line("a"), line("b"), line("a"))
        assert [row["event_id"] for row in rows] == ["a", "b", "a"]
        assert [row["status"] for row in rows] == ["applied", "applied", "duplicate"]

    async def test_of_a_thousand_lines_is_decided_in_their_order(self, api, desk):
        lines = [line(f"e{number:04}") for number in range(1000)]
        rows = await results(api, *lines)
        assert {row["status"] for row in rows} == {"applied"}
        decided = [entry.event_id for batch in desk.batches for entry in batch.entries][2:]
        assert decided == [f"e{number:04}" for number in range(1000)]

    async def test_of_one_event_in_two_versions_takes_the_first(self, api):
        other = line("a", data={"order_id": "other", "total_amount": "99.00"})
        rows = await results(api, line("a"), other, line("a"))
        assert [row["status"] for row in rows] == ["applied", "rejected", "duplicate"]
        assert rows[1]["reason"].startswith("conflict")

    async def test_may_end_with_a_line_break(self, api):
        answer = await post(api, line("a") + b"\n")
        assert [row["status"] for row in answer.json["data"]] == ["applied"]

    async def test_keeps_amounts_digit_by_digit(self, api, desk):
        raw = line("a").replace(b'"10.00"', b"9007199254740993.01")
        await results(api, raw)
        answer = await api.get("/api/v1/alpha/balances?account=receivable")
        assert answer.json["data"][0]["balance"]["amount"] == "9007199254740993.01"

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (line("x", tenant_id="beta"), "wrong_tenant"),
            (line("x", event_type="no.such.type"), "unknown_type"),
            (line("x", event_type="auth.tenant.created", data={}), "ingress_not_allowed"),
            (line("x", event_type="treasury.call.completed", data={}), "ingress_not_allowed"),
            (line("x", event_type="treasury.call.granted", data={}), "ingress_not_allowed"),
            (line("x", event_type="treasury.clock.ticked", data={}), "ingress_not_allowed"),
            (
                line("x", event_type="treasury.command.payment.confirm", data={}),
                "ingress_not_allowed",
            ),
            (
                line("x", event_type="treasury.command.payment_intent.create", data={}),
                "ingress_not_allowed",
            ),
            (line("x", timestamp="yesterday"), "bad_timestamp"),
            (line(""), "bad_event_id"),
            (b'{"event_id": "x", "event_id": "y"}', "duplicate_key"),
            (b'{"event_id": NaN}', "bad_number"),
            (b"{", "not_json"),
            (b"", "not_json"),
            (b"\xff", "not_utf8"),
        ],
    )
    async def test_does_not_take_what_this_door_may_not(self, api, desk, raw, reason):
        decided = len(desk.batches)
        rows = await results(api, raw, line("good"))
        assert rows[0]["status"] == "not_taken"
        assert rows[0]["reason"].startswith(reason)
        assert rows[0]["event_id"] == ("x" if b'"x"' in raw and reason in AT_THE_DOOR else "")
        assert rows[1]["status"] == "applied"
        assert sum(len(batch.entries) for batch in desk.batches[decided:]) == 1

    async def test_of_a_malformed_body_is_refused_by_the_decision_which_says_why(self, api):
        bad = line("a", data={"order_id": 7, "total_amount": "1"})
        first, again = await results(api, bad, bad)
        assert (first["status"], again["status"]) == ("refused", "duplicate")
        assert first["reason"].startswith("malformed: Expected `str`")
        assert again["reason"] == first["reason"]

    async def test_whose_handler_fails_tells_nothing_of_our_insides(self, api, monkeypatch):
        def fails(_event, _view):
            raise ZeroDivisionError("secret")

        handled = registry.HANDLED["cafe.order.created"]
        failing = msgspec.structs.replace(handled, handler=fails)
        monkeypatch.setitem(registry._handled, "cafe.order.created", failing)
        [row] = await results(api, line("a"))
        assert (row["status"], row["reason"]) == ("rejected", "internal")

    @pytest.mark.parametrize("lines", [[], [b"{}"] * 1001])
    async def test_of_no_line_or_too_many_is_422(self, api, lines):
        answer = await post(api, *lines)
        assert (answer.status, answer.code) == (422, "malformed")

    async def test_over_the_limit_is_413(self, api):
        answer = await post(api, line("a"), b" " * 1_048_576)
        assert (answer.status, answer.code) == (413, "body-too-large")

    async def test_of_another_media_type_is_415(self, api):
        answer = await api.request(
            "POST", BATCH, data=line("a"), headers={"Content-Type": "application/json"}
        )
        assert answer.status == 415

    async def test_for_another_tenants_path_is_403(self, api):
        assert (await post(api, line("a"), path="/api/v1/beta/events:batch")).status == 403

    async def test_at_a_recovering_partition_is_503(self, api, desk):
        desk.recovering = True
        answer = await post(api, line("a"), line("b"))
        assert (answer.status, answer.code) == (503, "not-serving")

    async def test_without_answers_says_of_each_line_that_it_is_unknown(self, api, desk):
        desk.silent = True
        rows = await results(api, line("a"), line("b"))
        assert {row["status"] for row in rows} == {"unknown"}
        desk.silent = False
        again = await results(api, line("a"), line("b"))
        assert {row["status"] for row in again} == {"duplicate"}


class TestLifeStory:
    async def test_tells_received_decided_posted_and_emitted(self, listed, desk, database):
        raw = line("a").replace(b'"10.00"', b"10.50")
        await results(listed, raw, raw)
        await project(desk, database)
        story = (await listed.get("/api/v1/alpha/events/a")).raw
        assert b'"total_amount": 10.50' in story
        told = json.loads(story)
        assert told["event_type"] == "cafe.order.created"
        assert [step["ingress"] for step in told["received"]] == ["http", "http"]
        assert [step["status"] for step in told["decided"]] == ["applied", "duplicate"]
        assert {leg["account"] for leg in told["posted"]} >= {"receivable", "revenue:cafe"}
        assert [event["event_type"] for event in told["emitted"]] == ["treasury.invoice.created"]
        assert told["called"] == told["delivered"] == told["dead_lettered"] == []

    async def test_tells_what_was_published_and_delivered(self, listed, desk, database):
        url = {"url": "https://example.com/x", "event_types": ["treasury.invoice.created"]}
        made = await listed.command("/alpha/webhook-endpoints", url)
        await results(listed, line("a"))
        await project(desk, database)
        path = f"/alpha/webhook-endpoints/{made.json['endpoint_id']}/replay"
        await listed.command(path, {"from": "2020-01-01", "to": "2099-01-01"})
        told = json.loads((await listed.get("/api/v1/alpha/events/a")).raw)
        [emitted], [delivery] = told["emitted"], told["delivered"]
        assert emitted["published"] is False
        assert (delivery["event_id"], delivery["state"]) == (emitted["event_id"], "pending")
        assert (delivery["endpoint_id"], delivery["attempts"]) == (made.json["endpoint_id"], 0)
        await database.owner.execute(
            "INSERT INTO progress (role, partition, seq) VALUES ('relay', 0, $1)",
            desk.batches[-1].seq,
        )
        await database.owner.execute(
            "UPDATE webhook_deliveries SET state = 'delivered', attempts = 1, delivered_at = now()"
        )
        told = json.loads((await listed.get("/api/v1/alpha/events/a")).raw)
        assert told["emitted"][0]["published"] is True
        assert (told["delivered"][0]["state"], told["delivered"][0]["attempts"]) == ("delivered", 1)

    async def test_tells_the_call_a_confirmation_made(self, listed, desk, database):
        made = await listed.command("/payments/intents", {"amount": "5.00"}, key="a")
        body = {"payment_id": made.json["payment_id"], "method": "instant"}
        await listed.command("/payments/confirm", body, key="b")
        await project(desk, database)
        event_id = desk.batches[-1].entries[0].event_id
        (call,) = (await listed.get(f"/api/v1/alpha/events/{event_id}")).json["called"]
        assert (call["gateway"], call["status"]) == ("instant", "requested")
        assert call["subject_id"] == made.json["payment_id"]

    async def test_tells_why_an_event_is_dead(self, listed, desk, database):
        await desk.hear("cafe.order.created", event_id="bad", order_id="o", total_amount="-1")
        await project(desk, database)
        told = (await listed.get("/api/v1/alpha/events/bad")).json
        assert [letter["reason"] for letter in told["dead_lettered"]] == ["amount_not_positive"]
        assert told["posted"] == []

    async def test_of_an_unknown_event_is_404(self, listed):
        answer = await listed.get("/api/v1/alpha/events/nothing")
        assert (answer.status, answer.code) == (404, "not-found")
