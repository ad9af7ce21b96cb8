"""Payments over HTTP: what was tried, what is held and captured, what needs a second person."""

import pytest

from tests.web.desk import project

INTENTS = "/api/v1/alpha/payments/intents"
ACT = "/alpha/payments/intents"


async def answered(desk, call_id, outcome="succeeded", **more):
    """The gateway's word on a call."""
    about = {"call_id": call_id, "nonce": f"n-{call_id}"}
    await desk.hear("treasury.call.granted", ingress="internal", **about, valid_for_ms=5_000)
    entry = await desk.hear(
        "treasury.call.completed", ingress="internal", **about, outcome=outcome, **more
    )
    assert entry.status == "applied"


@pytest.fixture
async def held(listed, desk):
    """The id of a payment of 1,500 shillings that the payer's bank holds, at the second attempt."""
    body = {"amount": "1500.00", "capture_method": "manual", "reference": "till-7"}
    made = (await listed.command("/payments/intents", body, key="make")).json
    confirm = {"payment_id": made["payment_id"], "method": "instant"}
    for number, outcome in enumerate(("failed", "succeeded")):
        sent = await listed.command("/payments/confirm", confirm, key=f"confirm-{number}")
        assert sent.status == 202
        more = {"failure": "declined"} if outcome == "failed" else {"provider_reference": "auth-1"}
        await answered(desk, sent.json["call_id"], outcome, **more)
    return made["payment_id"]


class TestCapture:
    async def test_of_a_part(self, listed, desk, held):
        before = (await listed.get(f"{INTENTS}/{held}")).json
        assert (before["status"], before["authorized"]) == ("requires_capture", "1500.00")
        path = f"{ACT}/{held}/capture"
        more = await listed.command(path, {"amount": "1500.01"}, key="more")
        assert (more.status, more.code) == (422, "more_than_authorized")
        sent = await listed.command(path, {"amount": "1000"}, key="capture")
        assert (sent.status, sent.json["capturing"]) == (202, "1000.00")
        await answered(desk, sent.json["call_id"])
        after = (await listed.get(f"{INTENTS}/{held}")).json
        assert (after["status"], after["received"]) == ("succeeded", "1000.00")

    async def test_a_reference_is_taken_for_ever(self, listed, held):
        body = {"amount": "1.00", "reference": "till-7"}
        answer = await listed.command("/payments/intents", body, key="again")
        assert (answer.status, answer.code) == (409, "reference_already_used")

    async def test_an_order_has_one_open_intent(self, listed):
        body = {"amount": "1.00", "order_id": "o"}
        first = await listed.command("/payments/intents", body, key="first")
        second = await listed.command("/payments/intents", body, key="second")
        assert (second.status, second.code) == (409, "intent_open")
        assert first.json["payment_id"] in second.json["detail"]


class TestAttempts:
    async def test_are_listed_newest_first_with_their_end(self, listed, desk, held, database):
        await project(desk, database)
        rows = (await listed.get(f"{INTENTS}/{held}/attempts")).json["data"]
        assert [(row["operation"], row["outcome"], row["failure"]) for row in rows] == [
            ("authorize", "succeeded", ""),
            ("authorize", "failed", "declined"),
        ]
        assert rows[0]["provider_reference"] == "auth-1"
        assert all("nonce" not in row for row in rows)

    async def test_of_no_payment_or_anothers_are_404(self, listed, desk, held, database):
        await project(desk, database)
        answer = await listed.get(f"{INTENTS}/nobody/attempts")
        assert (answer.status, answer.code) == (404, "not-found")
        theirs = f"/api/v1/beta/payments/intents/{held}/attempts"
        assert (await listed.get(theirs, token=listed.token("beta"))).status == 404


class TestTwoPeople:
    async def test_approve_a_refund_and_a_journal(self, listed, desk):
        limits = {"refund_limit": "100", "journal_limit": "100"}
        await desk.hear("auth.tenant.updated", settings=limits)
        made = (await listed.command("/payments/intents", {"amount": "500"}, key="make")).json
        confirm = {"payment_id": made["payment_id"], "method": "instant"}
        sent = (await listed.command("/payments/confirm", confirm, key="confirm")).json
        await answered(desk, sent["call_id"])
        refund = await listed.command(f"{ACT}/{made['payment_id']}/refunds", {}, key="refund")
        assert (refund.status, refund.json["status"]) == (201, "held")
        legs = [
            {"account": "bank:kcb", "side": "debit", "amount": "500"},
            {"account": "opening", "side": "credit", "amount": "500"},
        ]
        journal = await listed.command("/alpha/journals", {"legs": legs}, key="journal")
        assert (journal.status, journal.json["status"]) == (202, "held")
        for path in (
            f"/alpha/refunds/{refund.json['refund_id']}/approve",
            f"/alpha/journals/{journal.json['journal_id']}/approve",
        ):
            alone = await listed.command(path, {}, key=f"alone {path}")
            assert (alone.status, alone.code) == (403, "same_person")
            token = listed.token(subject="ben")
            other = await listed.command(path, {}, key=f"other {path}", token=token)
            assert other.json["status"] in {"submitted", "posted"}
            assert other.json["approved_by"] == "ben"
