"""Commands over HTTP: idempotency, refusals, replays, and what a worker in trouble answers."""

import asyncio

import pytest

from web.commands import REPLAYED

INTENTS, CONFIRM = "/payments/intents", "/payments/confirm"
INTENT = {"amount": "1500.00", "order_id": "order-1"}


async def created(api, key="key-0", **body):
    answer = await api.command(INTENTS, {**INTENT, **body}, key=key)
    assert answer.status == 201
    return answer.json["payment_id"]


class TestCreateIntent:
    async def test_answers_with_what_was_decided(self, api):
        answer = await api.command(INTENTS, INTENT)
        assert answer.status == 201
        assert answer.json["amount"] == "1500.00"
        assert answer.json["currency"] == "KES"
        assert answer.json["status"] == "requires_action"
        assert REPLAYED not in answer.headers

    @pytest.mark.parametrize("amount", ["1500.00", '"1500.00"', "1500", '"1500"'])
    async def test_takes_the_amount_as_number_or_text(self, api, amount):
        answer = await api.command(INTENTS, f'{{"amount": {amount}}}')
        assert answer.status == 201
        assert answer.json["amount"] == "1500.00"

    async def test_an_amount_beyond_any_float_stays_exact(self, api):
        answer = await api.command(INTENTS, '{"amount": 9007199254740993.01}')
        assert answer.json["amount"] == "9007199254740993.01"

    @pytest.mark.parametrize("amount", ["0.001", "0", '"0.00"'])
    async def test_an_amount_its_currency_cannot_have_is_422(self, api, amount):
        answer = await api.command(INTENTS, f'{{"amount": {amount}}}')
        assert answer.status == 422
        assert answer.code in {"bad_amount", "amount_not_positive"}

    async def test_takes_what_the_invoice_has_outstanding(self, api, desk):
        await desk.hear("cafe.order.created", order_id="order-7", total_amount="250.50")
        answer = await api.command(INTENTS, {"order_id": "order-7"})
        assert answer.json["amount"] == "250.50"

    async def test_the_tenant_is_the_tokens(self, api):
        payment_id = (await api.command(INTENTS, INTENT, token=api.token("beta"))).json[
            "payment_id"
        ]
        own = await api.get(f"/api/v1/beta/payments/intents/{payment_id}", token=api.token("beta"))
        assert own.status == 200

    async def test_a_tenant_nobody_announced_is_told_that_it_waits(self, api):
        answer = await api.command(INTENTS, INTENT, token=api.token("gamma"))
        assert answer.status == 202
        assert answer.json["status"] == "parked"


class TestTheIdempotencyKey:
    @pytest.mark.parametrize("path", [INTENTS, CONFIRM])
    async def test_is_required(self, api, path):
        answer = await api.command(path, INTENT, headers={"Idempotency-Key": None})
        assert (answer.status, answer.code) == (400, "idempotency-key-missing")

    @pytest.mark.parametrize("key", ["", " ", "k" * 256, "ключ"])
    async def test_must_be_short_printable_ascii(self, api, key):
        answer = await api.command(INTENTS, INTENT, key=key)
        assert (answer.status, answer.code) == (400, "idempotency-key-bad")

    async def test_of_255_characters_is_taken(self, api):
        assert (await api.command(INTENTS, INTENT, key="k" * 255)).status == 201

    async def test_given_twice_is_refused(self, api):
        head = (
            "POST /api/v1/payments/intents HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {api.token()}\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}"
        )
        answer = await api.raw(head.encode())
        assert b" 400 " in answer
        assert b"idempotency-key-bad" in answer

    async def test_gives_the_same_answer_again_and_says_so(self, api):
        first = await api.command(INTENTS, INTENT)
        again = await api.command(INTENTS, INTENT)
        assert (again.status, again.raw) == (201, first.raw)
        assert again.headers[REPLAYED] == "true"

    async def test_does_not_depend_on_spaces_or_order(self, api):
        first = await api.command(INTENTS, '{"amount": 1500.00, "order_id": "o"}')
        again = await api.command(INTENTS, '{ "order_id":"o","amount":"1500.00" }')
        assert again.raw == first.raw

    async def test_with_another_body_is_a_conflict(self, api):
        await api.command(INTENTS, INTENT)
        answer = await api.command(INTENTS, {**INTENT, "amount": "1.00"})
        assert (answer.status, answer.code) == (422, "conflict")

    async def test_a_conflict_does_not_spoil_the_first_answer(self, api):
        first = await api.command(INTENTS, INTENT)
        await api.command(INTENTS, {**INTENT, "amount": "1.00"})
        assert (await api.command(INTENTS, INTENT)).raw == first.raw

    async def test_is_each_tenants_own(self, api):
        mine = await api.command(INTENTS, INTENT)
        theirs = await api.command(INTENTS, INTENT, token=api.token("beta"))
        assert theirs.status == 201
        assert REPLAYED not in theirs.headers
        assert theirs.json["payment_id"] != mine.json["payment_id"]

    async def test_is_each_routes_own(self, api):
        payment_id = await created(api, key="key-1")
        answer = await api.command(
            CONFIRM, {"payment_id": payment_id, "method": "instant"}, key="key-1"
        )
        assert answer.status == 202

    async def test_many_at_once_make_one_payment(self, api, desk):
        answers = await asyncio.gather(*(api.command(INTENTS, INTENT) for _ in range(20)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.raw for answer in answers}) == 1
        entries = [entry for batch in desk.batches for entry in batch.entries]
        assert sum(entry.status == "applied" and entry.reply is not None for entry in entries) == 1

    async def test_at_once_with_two_bodies_serves_one_and_refuses_the_other(self, api):
        other = {**INTENT, "amount": "1.00"}
        answers = await asyncio.gather(
            *(api.command(INTENTS, body) for body in (INTENT, other) * 5)
        )
        served = {answer.json["amount"] for answer in answers if answer.status == 201}
        assert len(served) == 1
        assert {answer.status for answer in answers} == {201, 422}
        assert sum(answer.status == 201 for answer in answers) == 5

    async def test_replays_a_refusal_too(self, api):
        body = {"payment_id": "nothing", "method": "instant"}
        first = await api.command(CONFIRM, body)
        again = await api.command(CONFIRM, body)
        assert (first.status, first.code) == (again.status, again.code) == (404, "payment_unknown")
        assert again.headers[REPLAYED] == "true"


class TestConfirm:
    async def test_starts_an_attempt_and_pays_nothing(self, api):
        payment_id = await created(api)
        answer = await api.command(CONFIRM, {"payment_id": payment_id, "method": "instant"})
        assert answer.status == 202
        assert answer.json["status"] == "processing"

    async def test_by_cash_needs_its_own_scope(self, api, desk):
        payment_id = await created(api)
        body = {"payment_id": payment_id, "method": "cash"}
        decided = len(desk.batches)
        refused = await api.command(CONFIRM, body, token=api.token(scope=["payments:write"]))
        assert (refused.status, refused.code) == (403, "scope-missing")
        assert 'scope="payments:cash"' in refused.headers["WWW-Authenticate"]
        assert len(desk.batches) == decided
        assert (await api.command(CONFIRM, body)).json["status"] == "succeeded"

    async def test_of_what_is_paid_is_refused(self, api):
        payment_id = await created(api)
        body = {"payment_id": payment_id, "method": "cash"}
        await api.command(CONFIRM, body, key="a")
        answer = await api.command(CONFIRM, body, key="b")
        assert (answer.status, answer.code) == (409, "payment_succeeded")

    async def test_of_another_tenants_intent_is_as_of_none(self, api):
        payment_id = await created(api)
        body = {"payment_id": payment_id, "method": "instant"}
        theirs = await api.command(CONFIRM, body, token=api.token("beta"))
        nobodys = await api.command(CONFIRM, {**body, "payment_id": "x"}, key="other")
        assert theirs.status == nobodys.status == 404
        assert theirs.code == nobodys.code
        assert theirs.json["detail"] == nobodys.json["detail"]


class TestAWorkerInTrouble:
    async def test_that_recovers_asks_to_come_back(self, api, desk):
        desk.recovering = True
        answer = await api.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (503, "not-serving")
        assert answer.headers["Retry-After"] == "1"

    async def test_that_does_not_know_the_outcome_never_says_failed(self, api, desk):
        desk.silent = True
        answer = await api.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (503, "outcome-unknown")
        desk.silent = False
        again = await api.command(INTENTS, INTENT)
        assert again.status == 201
        assert again.headers[REPLAYED] == "true"

    async def test_whose_handler_fails_says_no_more_than_that(self, api, desk, monkeypatch):
        def fail(*_):
            raise RuntimeError("secret")

        monkeypatch.setattr("agents.commands.payments.shown", fail)
        answer = await api.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (500, "internal")
        assert b"secret" not in answer.raw
