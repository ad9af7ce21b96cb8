"""A request at the wrong worker: handed on once, whole, and judged again by the owner."""

import asyncio
import socket
from dataclasses import replace

import pytest
from aiohttp import web

from tests.web.conftest import Api
from tests.web.desk import MemoryDesk
from tests.web.tokens import STRANGER
from web.commands import REPLAYED
from web.forward import MARK
from web.local_issuer import LocalIssuer

INTENTS = "/payments/intents"
INTENT = {"amount": "1500.00"}


@pytest.fixture
async def other(serve, context, desk):
    """A worker that owns nothing and sends everybody to the owner of `desk`."""
    owner = await serve(context)
    elsewhere = MemoryDesk()
    elsewhere.owner_url = owner.url
    client = await serve(replace(context, desk=elsewhere))
    client.desk, client.owner = elsewhere, owner
    return client


@pytest.fixture
async def stand_in(monkeypatch):
    """An owner of any behaviour: `answer(request)`; remembers what it was sent.

    Its answers are in nobody's specification.
    """
    monkeypatch.setattr(Api, "told", False)

    class StandIn:
        answer = staticmethod(lambda _request: web.json_response({}))
        requests = ()

        async def handle(self, request):
            await request.read()
            self.requests = (*self.requests, request)
            answer = self.answer(request)
            return await answer if asyncio.iscoroutine(answer) else answer

    owner = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", owner.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    owner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield owner
    await runner.cleanup()


class TestForward:
    async def test_a_command_is_decided_by_the_owner_and_answered_here(self, other, desk):
        answer = await other.command(INTENTS, INTENT)
        assert answer.status == 201
        assert answer.json["amount"] == "1500.00"
        assert desk.batches[-1].entries[0].event_type.endswith("create")

    async def test_the_same_key_at_both_workers_is_the_same_command(self, other):
        first = await other.command(INTENTS, INTENT)
        again = await other.owner.command(INTENTS, INTENT)
        assert again.raw == first.raw
        assert (await other.command(INTENTS, INTENT)).headers[REPLAYED] == "true"

    async def test_a_query_is_answered_by_the_owner_with_its_parameters(self, other, desk):
        await desk.hear("cafe.order.created", order_id="o", total_amount="10.00")
        answer = await other.get("/api/v1/alpha/balances?account=receivable&currency=KES")
        assert [row["account"] for row in answer.json["data"]] == ["receivable"]

    async def test_problems_of_the_owner_pass_through_unchanged(self, other):
        answer = await other.command("/payments/confirm", {"payment_id": "x", "method": "instant"})
        assert (answer.status, answer.code) == (404, "payment_unknown")

    async def test_a_batch_is_handed_on_whole(self, other, desk):
        line = (
            b'{"event_id":"e1","event_type":"cafe.order.created","tenant_id":"alpha",'
            b'"timestamp":"2026-01-01T00:00:00Z","data":{"order_id":"o","total_amount":1.50}}'
        )
        answer = await other.request(
            "POST",
            "/api/v1/alpha/events:batch",
            data=line,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert [row["status"] for row in answer.json["data"]] == ["applied"]

    async def test_a_request_is_never_handed_on_twice(self, other, desk):
        desk.owner_url = other.url
        answer = await other.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (503, "not-serving")
        assert answer.headers["Retry-After"] == "1"

    async def test_a_marked_request_is_not_handed_on(self, other):
        answer = await other.command(INTENTS, INTENT, headers={MARK: "1"})
        assert (answer.status, answer.code) == (503, "not-serving")

    async def test_what_is_unauthorised_here_is_not_handed_on(self, other, stand_in):
        other.desk.owner_url = stand_in.url
        assert (await other.get("/api/v1/beta/balances")).status == 403
        assert (await other.get("/api/v1/alpha/balances", token="x")).status == 401
        assert stand_in.requests == ()

    async def test_the_owner_judges_the_token_itself(self, other, desk, serve, context):
        stranger = LocalIssuer(STRANGER)
        strict = await serve(replace(context, verifier=stranger.verifier()))
        other.desk.owner_url = strict.url
        assert (await other.command(INTENTS, INTENT)).status == 401

    async def test_headers_of_the_hop_stay_behind(self, other, stand_in):
        other.desk.owner_url = stand_in.url
        await other.command(
            INTENTS,
            INTENT,
            headers={
                "Connection": "X-Private",
                "X-Private": "1",
                "TE": "trailers",
                "Proxy-Authorization": "x",
                "X-Request-Id": "request-1",
                "X-Kept": "1",
            },
        )
        (request,) = stand_in.requests
        sent = {name.lower() for name in request.headers}
        assert not sent & {"x-private", "te", "proxy-authorization"}
        assert request.headers["X-Kept"] == "1"
        assert request.headers[MARK] == "1"
        assert request.headers["X-Request-Id"] == "request-1"
        assert request.headers["Idempotency-Key"] == "key-1"
        assert request.headers["Host"] == stand_in.url.removeprefix("http://")

    async def test_path_and_query_arrive_as_they_were_sent(self, other, stand_in):
        other.desk.owner_url = stand_in.url
        await other.get("/api/v1/alpha/accounts/cash:drawer%2Fa")
        await other.get("/api/v1/alpha/balances?account=a%2Bb%20c")
        assert [request.raw_path for request in stand_in.requests] == [
            "/api/v1/alpha/accounts/cash:drawer%2Fa",
            "/api/v1/alpha/balances?account=a%2Bb%20c",
        ]

    async def test_a_redirect_of_the_owner_is_passed_on_and_not_followed(self, other, stand_in):
        stand_in.answer = lambda _request: web.Response(status=307, headers={"Location": "/else"})
        other.desk.owner_url = stand_in.url
        assert (await other.get("/api/v1/alpha/balances")).status == 307
        assert len(stand_in.requests) == 1


class TestAnOwnerInTrouble:
    async def test_that_is_not_there_got_nothing(self, other):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        other.desk.owner_url = f"http://127.0.0.1:{port}"
        answer = await other.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (503, "not-serving")

    async def test_that_dies_over_a_command_leaves_its_outcome_unknown(self, other, stand_in):
        async def die(request):
            request.transport.abort()
            return web.Response()

        stand_in.answer = die
        other.desk.owner_url = stand_in.url
        answer = await other.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (503, "outcome-unknown")
        query = await other.get("/api/v1/alpha/balances")
        assert (query.status, query.code) == (503, "not-serving")

    async def test_that_is_silent_leaves_the_outcome_of_a_command_unknown(
        self, serve, context, stand_in
    ):
        async def wait(_request):
            await asyncio.sleep(2)
            return web.Response()

        stand_in.answer = wait
        elsewhere = MemoryDesk()
        elsewhere.owner_url = stand_in.url
        quick = replace(context.settings, forward_timeout_s=0.1)
        client = await serve(replace(context, desk=elsewhere, settings=quick))
        answer = await client.command(INTENTS, INTENT)
        assert (answer.status, answer.code) == (503, "outcome-unknown")
