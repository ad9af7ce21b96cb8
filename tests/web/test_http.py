"""The wire: smuggling, half a head, unknown paths; what every answer carries, what no log does."""

import re

import pytest
from structlog.testing import capture_logs

from web.middleware import SECURITY_HEADERS
from web.routes import ROUTES

BALANCES = "/api/v1/alpha/balances"


def post(*lines, body=b""):
    first = ("POST /api/v1/payments/intents HTTP/1.1",)
    return "\r\n".join((*first, *lines, "", "")).encode("latin-1") + body


class TestMalformedRequests:
    @pytest.mark.parametrize(
        "request_",
        [
            post(
                "Host: x",
                "Content-Length: 4",
                "Transfer-Encoding: chunked",
                body=b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            ),
            post("Host: x", "Content-Length: 4", "Content-Length: 5", body=b"{}  "),
            post("Host: x", "Content-Length: +4", body=b"{}  "),
            post("Host: x", "Content-Length: 4, 4", body=b"{}  "),
            post("Host: x", "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
            post("Host: x", "X-A: b\rc", "Content-Length: 0"),
            post("Host: x", "X-A: b\x00c", "Content-Length: 0"),
            post("Host: x", "X A: b", "Content-Length: 0"),
            post("Host: x", "X-A: b\r\n folded", "Content-Length: 0"),
            post("Host: x", "Host: y", "Content-Length: 2", body=b"{}"),
            b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over tls\r\n\r\n",
            b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            post("Host: x", "X-A: " + "a" * 10_000, "Content-Length: 0"),
            post("Host: x", *(f"X-{n}: a" for n in range(200)), "Content-Length: 0"),
        ],
    )
    async def test_are_400_problems_and_end_the_connection(self, api, desk, request_):
        decided = len(desk.batches)
        answer = await api.raw(request_)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
        assert b"application/problem+json" in answer
        assert answer.count(b"HTTP/1.") == 1
        assert len(desk.batches) == decided

    async def test_their_bytes_do_not_reach_the_log(self, api):
        with capture_logs() as logs:
            await api.raw(b"GET /healthz HTTP/1.1\r\nAuthorization Bearer canary-1\r\n\r\n")
        assert "canary" not in repr(logs)

    async def test_half_a_head_is_cut_off(self, hasty):
        assert await hasty.raw(b"GET /healthz HTTP/1.1\r\nHost:") == b""

    async def test_a_silent_connection_is_cut_off(self, hasty):
        assert await hasty.raw(b"") == b""


class TestProblems:
    @pytest.mark.parametrize("path", ["/", "/api", "/api/v1/alpha/nothing", "/docs/../etc"])
    async def test_an_unknown_path_is_404(self, api, path):
        answer = await api.get(path)
        assert (answer.status, answer.code) == (404, "not-found")

    async def test_another_method_is_405_and_names_those_allowed(self, api):
        answer = await api.request("DELETE", "/api/v1/payments/intents")
        assert (answer.status, answer.code) == (405, "method-not-allowed")
        assert answer.headers["Allow"] == "POST"

    @pytest.mark.parametrize("path", ["/healthz", "/api/v1/alpha/balances"])
    async def test_head_is_get_without_the_body(self, api, path):
        answer = await api.request("HEAD", path)
        assert (answer.status, answer.raw) == (200, b"")
        assert answer.headers["Content-Type"].startswith("application/json")

    async def test_have_the_members_of_the_standard(self, api):
        answer = await api.get("/nothing")
        assert set(answer.json) == {"type", "title", "status", "detail", "code", "request_id"}
        assert answer.json["type"] == "/docs/errors#not-found"

    async def test_of_another_tenants_resource_are_those_of_an_unknown_one(self, listed, desk):
        made = await listed.command("/payments/intents", {"amount": "1"})
        payment_id = made.json["payment_id"]
        path = "/api/v1/beta/payments/intents/"
        theirs = await listed.get(path + payment_id, token=listed.token("beta"))
        nobodys = await listed.get(path + "nothing", token=listed.token("beta"))
        assert theirs.status == nobodys.status == 404
        without = [{**answer.json, "request_id": ""} for answer in (theirs, nobodys)]
        assert without[0] == without[1]

    async def test_a_fault_of_ours_tells_nothing(self, api, desk, monkeypatch):
        monkeypatch.setattr(desk.working, "scan", lambda *_: 1 / 0)
        with capture_logs() as logs:
            answer = await api.get(BALANCES)
        assert (answer.status, answer.code) == (500, "internal")
        assert b"Zero" not in answer.raw
        failed = [line for line in logs if line["event"] == "request failed"]
        assert [line["request_id"] for line in failed] == [answer.json["request_id"]]


class TestEveryAnswer:
    @pytest.mark.parametrize("path", ["/healthz", "/nothing", BALANCES, "/api/v1/beta/balances"])
    async def test_bears_the_security_headers(self, api, path):
        answer = await api.get(path)
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS

    async def test_bears_the_callers_request_id(self, api):
        answer = await api.get("/healthz", headers={"X-Request-Id": "a-caller-s.id_1"})
        assert answer.headers["X-Request-Id"] == "a-caller-s.id_1"

    @pytest.mark.parametrize("given", ["short", "x" * 65, "with space", 'quote"inside', None])
    async def test_bears_an_id_of_ours_for_one_that_is_unfit(self, api, given):
        answer = await api.get("/healthz", headers={"X-Request-Id": given})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


class TestTheLog:
    async def test_knows_route_tenant_and_status(self, api):
        with capture_logs() as logs:
            await api.get(BALANCES)
        line = next(line for line in logs if line["event"] == "request")
        assert line["route"] == "/api/v1/{tenant}/balances"
        assert (line["status"], line["tenant_id"], line["subject"]) == (200, "alpha", "local")

    async def test_never_holds_tokens_queries_paths_or_bodies(self, api):
        token = api.token()
        with capture_logs() as logs:
            await api.get(f"{BALANCES}?account=canary-1", token=token)
            await api.get("/canary-2/path?x=canary-3")
            await api.command("/payments/intents", {"amount": "1", "order_id": "canary-4"})
            await api.command("/payments/intents", {"amount": "canary-5"}, key="canary-6")
            await api.request("CANARY", "/healthz", headers={"Cookie": "canary-7"})
        text = repr(logs)
        assert token not in text
        assert token.split(".")[2] not in text
        assert "canary" not in text.lower()


class TestMetrics:
    async def test_count_by_route_template_and_status_class(self, api):
        await api.get(BALANCES)
        await api.get("/api/v1/beta/balances")
        await api.get("/random-1")
        await api.request("DELETE", "/random-2")
        text = (await api.get("/metrics")).raw.decode()
        name = "treasury_http_request_duration_seconds_count"
        route = 'method="GET",route="/api/v1/{tenant}/balances"'
        assert f'{name}{{{route},status="2xx"}} 1.0' in text
        assert f'{name}{{{route},status="4xx"}} 1.0' in text
        assert f'{name}{{method="any",route="unmatched",status="4xx"}} 2.0' in text
        assert "beta" not in text
        assert "random" not in text


class TestATenantWeHaveNotHeardOf:
    @pytest.mark.parametrize(
        "route", [r for r in ROUTES if r.scope and r.method == "GET"], ids=lambda route: route.name
    )
    async def test_is_answered_as_told(self, listed, route):
        path = re.sub(r"\{(\w+)\}", lambda m: "gamma" if m[1] == "tenant" else "x-1", route.path)
        answer = await listed.get(path, token=listed.token("gamma", roles=["superuser"]))
        assert answer.status in {200, 404}, answer.raw
