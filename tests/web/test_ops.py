"""Health, readiness, keys."""

import asyncio
from dataclasses import replace

from tests.web.conftest import Api
from web.jwks import read_key_set
from web.server import Server


class TestReadiness:
    async def test_while_partitions_serve_is_200_with_their_lag(self, api):
        answer = await api.get("/readyz", headers={"Authorization": None})
        assert answer.status == 200
        (partition,) = answer.json["partitions"]
        assert (partition["partition"], partition["state"], partition["lag"]) == (0, "serving", 0)

    async def test_while_one_recovers_is_503(self, api, desk):
        desk.recovering = True
        answer = await api.get("/readyz")
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.json["partitions"][0]["state"] == "recovering"

    async def test_before_any_partition_is_assigned_is_503(self, api, desk, monkeypatch):
        monkeypatch.setattr(desk, "statuses", list)
        assert (await api.get("/readyz")).status == 503

    async def test_tells_that_lists_are_away_and_stays_ready(self, api):
        answer = await api.get("/readyz")
        assert answer.json["lists"].startswith("unavailable")
        assert answer.status == 200

    async def test_tells_that_lists_can_be_read(self, listed):
        assert (await listed.get("/readyz")).json["lists"] == "ok"


class TestHealth:
    async def test_is_ok_even_while_recovering(self, api, desk):
        desk.recovering = True
        assert (await api.get("/healthz")).status == 200


class TestKeySet:
    async def test_is_the_local_issuers(self, api, issuer):
        answer = await api.get("/.well-known/jwks.json", headers={"Authorization": None})
        assert set(read_key_set(answer.raw)) == {issuer.kid}

    async def test_is_not_shown_where_the_auth_service_has_its_own(self, serve, context):
        other = await serve(replace(context, key_set=None))
        assert (await other.get("/.well-known/jwks.json")).status == 404


class TestStopping:
    async def test_lets_a_request_under_way_finish(self, context, session, issuer, desk):
        server = Server(context, host="127.0.0.1", port=0)
        await server.start()
        api = Api(server.url, session, issuer)
        entered, go_on = asyncio.Event(), asyncio.Event()
        decide = desk.decide

        async def slowly(*given, **named):
            entered.set()
            await go_on.wait()
            return await decide(*given, **named)

        desk.decide = slowly
        request = asyncio.create_task(api.command("/payments/intents", {"amount": "1"}))
        await entered.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        go_on.set()
        assert (await request).status == 201
        await stopping
