"""Balances as they change: everything first, then each change once, in an end that is told."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from tests.web.conftest import Api
from tests.web.desk import MemoryDesk
from web.api import live
from web.server import Server

LIVE = "/api/v1/alpha/balances/live"


class Reader:
    """One reader of a stream: its events, in order."""

    def __init__(self, response):
        self.response = response
        self._rest = b""

    async def event(self):
        """The next event as (name, data); comments are ("", text). None at the end."""
        while b"\n\n" not in self._rest:
            async with asyncio.timeout(10):
                piece = await self.response.content.readany()
            if not piece:
                return None
            self._rest += piece
        block, _, self._rest = self._rest.partition(b"\n\n")
        lines = block.decode().split("\n")
        if lines[0].startswith("event: "):
            data = lines[1].removeprefix("data: ")
            return lines[0].removeprefix("event: "), json.loads(data, parse_float=pytest.fail)
        return "", lines[0]

    async def until_synced(self):
        """The balances before it, by account."""
        found = {}
        while True:
            name, data = await self.event()
            if name == "balance":
                found[data["account"]] = data["balance"]["amount"]
            elif name == "synced":
                return found


@asynccontextmanager
async def reading(api, path=LIVE):
    headers = {"Authorization": f"Bearer {api.token()}"}
    async with api.session.get(api.url + path, headers=headers) as response:
        assert response.status == 200
        yield Reader(response)


async def sell(desk, number, tenant_id="alpha", **more):
    order = {"order_id": f"o{number}", "total_amount": "10.00", **more}
    await desk.hear("cafe.order.created", tenant_id, **order)


class TestStream:
    async def test_begins_with_all_and_goes_on_with_changes(self, api, desk):
        await sell(desk, 1)
        async with reading(api) as reader:
            assert reader.response.headers["Content-Type"] == "text/event-stream"
            assert reader.response.headers["Cache-Control"] == "no-store"
            assert await reader.until_synced() == {"receivable": "10.00", "revenue:cafe": "10.00"}
            await sell(desk, 2)
            changes = {}
            for _ in range(2):
                name, data = await reader.event()
                assert name == "balance"
                changes[data["account"]] = data["balance"]["amount"]
            assert changes == {"receivable": "20.00", "revenue:cafe": "20.00"}

    async def test_narrows_to_accounts_and_a_currency(self, api, desk):
        path = f"{LIVE}?account=receivable&currency=USD"
        async with reading(api, path) as reader:
            assert await reader.until_synced() == {}
            await sell(desk, 1)
            await sell(desk, 2, currency="USD")
            _, data = await reader.event()
            assert (data["account"], data["currency"]) == ("receivable", "USD")

    async def test_tells_nothing_of_another_tenant(self, api, desk, monkeypatch):
        monkeypatch.setattr(live, "HEARTBEAT_S", 0.2)
        async with reading(api) as reader:
            await reader.until_synced()
            await sell(desk, 1, "beta")
            assert await reader.event() == ("", ": still here")

    async def test_ends_after_its_time(self, api, desk, monkeypatch):
        monkeypatch.setattr(live, "LIVE_FOR_S", 0.3)
        async with reading(api) as reader:
            await reader.until_synced()
            assert (await reader.event())[0] == ""
            assert await reader.event() is None

    async def test_ends_when_the_partition_moves(self, api, desk):
        async with reading(api) as reader:
            await reader.until_synced()
            desk.watching.end()
            assert await reader.event() is None
        assert not desk.watching.any

    async def test_ends_at_once_when_the_worker_stops(self, context, desk, session, issuer):
        server = Server(context, host="127.0.0.1", port=0)
        await server.start()
        async with reading(Api(server.url, session, issuer)) as reader:
            await reader.until_synced()
            async with asyncio.timeout(5):  # the server would wait 15 seconds for a request
                await server.stop()
            assert await reader.event() is None

    async def test_is_counted_off_when_its_reader_is_gone(self, api, desk, monkeypatch):
        monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {api.token()}"}
            response = await session.get(api.url + LIVE, headers=headers)
            await Reader(response).until_synced()
            response.close()
        async with asyncio.timeout(10):
            while desk.watching.any:
                await asyncio.sleep(0.02)

    async def test_has_bounds(self, api, desk, monkeypatch):
        monkeypatch.setattr(live, "STREAMS_OF_TENANT_MAX", 1)
        async with reading(api) as reader:
            await reader.until_synced()
            answer = await api.get(LIVE)
            assert (answer.status, answer.code) == (429, "too-many-streams")
            assert answer.headers["Retry-After"] == "5"

    async def test_of_too_many_accounts_is_refused(self, api, desk, monkeypatch):
        monkeypatch.setattr("web.api.balances.BALANCES_MAX", 1)
        await sell(desk, 1)
        answer = await api.get(LIVE)
        assert (answer.status, answer.code) == (422, "too-many-accounts")

    async def test_that_cannot_begin_in_time_is_503(self, hasty, desk):
        desk.stuck = True
        answer = await hasty.get(LIVE)
        assert (answer.status, answer.code) == (503, "not-serving")
        assert not desk.watching.any

    async def test_needs_its_scope_and_its_own_tenant(self, api):
        assert (await api.get(LIVE, token=api.token(scope=()))).status == 403
        assert (await api.get("/api/v1/beta/balances/live")).status == 403

    async def test_can_be_asked_for_by_head(self, api, desk):
        answer = await api.request("HEAD", LIVE)
        assert (answer.status, answer.raw) == (200, b"")
        assert not desk.watching.any


class TestForwarded:
    async def test_piece_by_piece_from_the_owner(self, serve, context, desk):
        owner = await serve(context)
        elsewhere = MemoryDesk()
        elsewhere.owner_url = owner.url
        other = await serve(replace(context, desk=elsewhere))
        async with reading(other) as reader:
            assert await reader.until_synced() == {}
            await sell(desk, 1)
            assert (await reader.event())[1]["balance"]["amount"] == "10.00"
            await reader.event()
            desk.watching.end()
            assert await reader.event() is None
