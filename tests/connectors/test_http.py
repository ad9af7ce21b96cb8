import gzip

import pytest
import pytest_asyncio
from aiohttp import web

from connectors.base import Ambiguous, NotSent
from connectors.http import MAX_BODY_BYTES, TOO_LARGE, exchange, open_session


@pytest_asyncio.fixture
async def server():
    """A provider that misbehaves by path; yields its address."""

    async def answer(request: web.Request) -> web.StreamResponse:
        kind = request.path.strip("/")
        if kind == "redirect":
            return web.Response(status=302, headers={"Location": "/ok"})
        if kind == "bomb":
            body = gzip.compress(bytes(50 * MAX_BODY_BYTES))
            return web.Response(body=body, headers={"Content-Encoding": "gzip"})
        if kind == "block":
            return web.Response(body=bytes(2 * MAX_BODY_BYTES))
        if kind == "cut":
            request.transport.close()
        if kind == "patience":
            when = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
            return web.Response(text="fine", headers={"Retry-After": when})
        if kind == "cookie":
            seen = request.headers.get("Cookie", "none")
            return web.Response(text=seen, headers={"Set-Cookie": "a=b"})
        return web.Response(status=503 if kind == "broken" else 200, text="fine")

    application = web.Application()
    application.router.add_route("*", "/{kind}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


class TestExchange:
    async def get(self, address: str):
        async with open_session(total_s=2) as session:
            return await exchange(session, "POST", address, body=b"{}", headers={})

    async def test_returns_status_and_body(self, server):
        answer = await self.get(f"{server}/ok")
        assert (answer.status, answer.body) == (200, b"fine")

    async def test_a_time_that_is_none_asks_for_no_patience(self, server):
        assert (await self.get(f"{server}/patience")).retry_after_s == 0

    async def test_redirect_is_an_answer_and_not_followed(self, server):
        assert (await self.get(f"{server}/redirect")).status == 302

    @pytest.mark.parametrize("kind", ["bomb", "cut", "broken"])
    async def test_unusable_answer_is_ambiguous(self, server, kind):
        with pytest.raises(Ambiguous):
            await self.get(f"{server}/{kind}")

    async def test_larger_answers_are_taken_by_who_expects_them(self, server):
        size = 2 * MAX_BODY_BYTES
        async with open_session(total_s=2) as session:

            async def ask(most: int):
                url = f"{server}/block"
                return await exchange(session, "GET", url, headers={}, max_body_bytes=most)

            assert len((await ask(size)).body) == size
            with pytest.raises(Ambiguous, match=TOO_LARGE):
                await ask(size - 1)

    async def test_no_connection_is_not_sent(self):
        with pytest.raises(NotSent):
            await self.get("http://127.0.0.1:9/ok")

    async def test_proxy_of_the_machine_is_not_used(self, server, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert (await self.get(f"{server}/ok")).status == 200

    async def test_cookies_are_not_kept(self, server):
        async with open_session(total_s=2) as session:
            for _ in range(2):
                answer = await exchange(session, "GET", f"{server}/cookie", headers={})
                assert answer.body == b"none"
