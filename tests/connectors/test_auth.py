"""The auth service's word on a tenant, over its wire format: known, unknown, away, refusing."""

import json

import pytest
import pytest_asyncio

from connectors.auth.client import AuthService, tenant_of
from connectors.auth.fake import FakeAuthService
from connectors.http import open_session
from streams.errors import Misconfigured, Unavailable


@pytest_asyncio.fixture
async def fake():
    async with FakeAuthService() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=2) as session:
        yield session


@pytest.fixture
def auth(fake, session) -> AuthService:
    return AuthService(session, fake.base_url, fake.api_key)


class TestATenant:
    async def test_that_it_knows(self, auth, fake):
        fake.add("t", name="Café", country="UG", currency="UGX", timezone="Africa/Kampala")
        assert await auth.tenant("t") == {
            "name": "Café",
            "country": "UG",
            "currency": "UGX",
            "time_zone": "Africa/Kampala",
            "status": "active",
        }

    async def test_without_what_it_does_not_say(self, auth, fake):
        fake.add("t", name="Plain")
        assert await auth.tenant("t") == {"name": "Plain", "status": "active"}

    @pytest.mark.parametrize("status", ["suspended", "deleted", "pending", None, 7])
    async def test_in_any_other_status_is_suspended(self, auth, fake, status):
        fake.add("t", status=status)
        found = await auth.tenant("t")
        assert found is not None
        assert found["status"] == "suspended"

    async def test_that_it_does_not_know(self, auth):
        assert await auth.tenant("nobody") is None

    @pytest.mark.parametrize("tenant_id", ["a/b", "../admin", "a b", "ä?x=1#y"])
    async def test_is_one_part_of_the_path_whatever_its_id(self, auth, fake, tenant_id):
        fake.add(tenant_id)
        assert (await auth.tenant(tenant_id))["name"] == tenant_id
        assert list(fake.asked) == [tenant_id]

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("currency", "kes"),
            ("currency", 404),
            ("country", "Kenya"),
            ("name", "a\nb"),
            ("name", "x" * 201),
            ("time_zone", "../../etc/passwd\n"),
            ("mode", "trial"),
        ],
    )
    async def test_what_is_misshapen_is_not_taken(self, auth, fake, member, value):
        fake.add("t", **{member: value})
        assert member not in await auth.tenant("t")


class TestTheService:
    async def test_that_is_away_is_waited_for(self, auth, fake):
        fake.away = True
        with pytest.raises(Unavailable):
            await auth.tenant("t")

    async def test_that_refuses_us_is_misconfigured_and_the_key_is_not_told(self, fake, session):
        with pytest.raises(Misconfigured) as refused:
            await AuthService(session, fake.base_url, "canary-key").tenant("t")
        assert "canary-key" not in str(refused.value)

    @pytest.mark.parametrize("url", ["http://auth.example.com", "ftp://localhost", "auth"])
    def test_gets_our_key_over_https_only(self, session, url):
        with pytest.raises(Misconfigured, match="https"):
            AuthService(session, url, "key")

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b"{}", json.dumps({"id": "other"}).encode(), b'{"id": 1}']
    )
    def test_that_answers_of_another_or_none_is_misconfigured(self, body):
        with pytest.raises(Misconfigured):
            tenant_of(body, "t")
