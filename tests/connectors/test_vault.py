"""Keys and passwords from Vault, over its wire format; what it refuses or lacks is said plainly."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.http import open_session
from connectors.vault.client import Vault
from connectors.vault.fake import FakeVault
from streams.errors import Misconfigured, Unavailable


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeVault]:
    fake = FakeVault("hvs.token")
    await fake.start()
    fake.put("treasury/prod", app_password="one", number=7)
    yield fake
    await fake.close()


@pytest_asyncio.fixture
async def session():
    async with open_session() as session:
        yield session


@pytest.fixture
def vault(fake, session) -> Vault:
    return Vault(session, fake.base_url, "secret/treasury/prod", lambda: "hvs.token")


class TestASecret:
    async def test_is_read_with_its_text_members(self, vault):
        assert await vault.read() == {"app_password": "one"}

    async def test_is_read_in_its_newest_version(self, vault, fake):
        fake.put("treasury/prod", app_password="two")
        assert await vault.read() == {"app_password": "two"}

    async def test_that_was_deleted_or_never_was_is_misconfigured(self, vault, fake, session):
        fake.delete("treasury/prod")
        with pytest.raises(Misconfigured, match="no such secret"):
            await vault.read()
        with pytest.raises(Misconfigured, match="no such secret"):
            await Vault(session, fake.base_url, "secret/other", lambda: "hvs.token").read()

    async def test_is_refused_to_another_token_which_is_asked_for_each_time(self, fake, session):
        tokens = iter(["hvs.token", "stale"])
        vault = Vault(session, fake.base_url, "secret/treasury/prod", lambda: next(tokens))
        await vault.read()
        with pytest.raises(Misconfigured, match="refuses our token"):
            await vault.read()


class TestVault:
    async def test_that_is_sealed_is_waited_for(self, vault, fake):
        fake.sealed = True
        with pytest.raises(Unavailable):
            await vault.read()

    async def test_that_is_gone_is_waited_for(self, vault, fake):
        await fake.stop()
        with pytest.raises(Unavailable, match="does not answer"):
            await vault.read()

    @pytest.mark.parametrize("url", ["http://vault.example.com", "ftp://127.0.0.1", "vault"])
    async def test_is_reached_safely_or_not_at_all(self, session, url):
        with pytest.raises(Misconfigured, match="https"):
            Vault(session, url, "secret/treasury", str)

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, b"<html>login</html>"),
            (200, b'{"data": {"app_password": "of version 1"}}'),
            (200, b'{"data": null}'),
            (302, b""),
        ],
    )
    async def test_answers_that_are_no_secret_are_told_apart(self, session, status, body):
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers={"Location": "/login"})

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        async with TestServer(app) as server:
            vault = Vault(session, str(server.make_url("")), "secret/treasury", str)
            with pytest.raises(Misconfigured, match="no secret of KV version 2"):
                await vault.read()
