"""The auth service's word on tenants, outlets and people, over its wire format."""

import json

import pytest
import pytest_asyncio

from connectors.auth.client import AuthService, Outlet, outlets_of, tenant_of
from connectors.auth.fake import FakeAuthService, Fault
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
            "slug": "t",
        }

    async def test_without_what_it_does_not_say(self, auth, fake):
        fake.add("t", name="Plain")
        assert await auth.tenant("t") == {"name": "Plain", "status": "active", "slug": "t"}

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


LISTED = b"""[
  {"id": "o-1", "tenant_id": "t", "code": "MAIN", "name": "Main / HQ", "use_case": "hospitality",
   "applicable_services": ["pos"], "timezone": "Africa/Nairobi", "is_hq": true, "status": "active",
   "created_at": "2026-03-01T06:30:05Z", "updated_at": "2026-03-01T06:30:05Z"},
  {"id": "o-2", "tenant_id": "t", "code": "W", "name": "Westlands", "use_case": "hospitality",
   "applicable_services": ["pos"], "is_hq": false, "status": "archived"}
]"""
"""By hand, after the service's outlet handler ("GET tenants/{slug}/outlets")."""
HQ = Outlet("o-1", "Main / HQ", "active", "MAIN", "Africa/Nairobi")
WESTLANDS = Outlet("o-2", "Westlands", "closed", "W")


class TestOutlets:
    def test_are_read_with_their_states(self):
        assert outlets_of(LISTED, "t", 1) == ([HQ, WESTLANDS], {})

    @pytest.mark.parametrize(
        ("page", "then"),
        [
            (b'{"data": %s, "total": 3, "limit": 2, "page": 1, "hasMore": true}', {"page": "2"}),
            (b'{"data": %s, "total": 2, "limit": 2, "page": 1, "hasMore": false}', {}),
            (b'{"data": %s, "next_cursor": "abc", "has_more": true}', {"cursor": "abc"}),
            (b'{"outlets": %s}', {}),
            (b'{"items": %s, "hasMore": "true"}', {}),
        ],
    )
    def test_are_read_in_pages_of_either_kind(self, page, then):
        assert outlets_of(page % LISTED, "t", 1) == ([HQ, WESTLANDS], then)

    @pytest.mark.parametrize("paging", ["", "page", "cursor"])
    @pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
    async def test_are_all_there_however_they_are_listed(self, auth, fake, paging, count):
        fake.add("t", slug="cafe-t")
        fake.add("other")
        fake.add_outlet("other", "not-ours")
        for number in range(count):
            fake.add_outlet("t", f"o-{number}", status="active" if number % 2 else "archived")
        fake.paging = paging
        found = await auth.outlets("t", slug="cafe-t")
        assert [outlet.outlet_id for outlet in found] == [f"o-{n}" for n in range(count)]
        assert {outlet.status for outlet in found[:2]} <= {"active", "closed"}
        assert fake.served["outlets"] == (max(1, -(-count // 50)) if paging else 1)

    async def test_are_found_by_the_tenant_alone(self, auth, fake):
        fake.add("t", slug="cafe-t")
        fake.add_outlet("t", "o-1")
        assert [outlet.outlet_id for outlet in await auth.outlets("t")] == ["o-1"]
        assert fake.asked == {"t": 1}

    async def test_of_a_tenant_that_it_does_not_know_are_none(self, auth):
        assert await auth.outlets("nobody") is None
        assert await auth.outlets("nobody", slug="nobody") is None

    async def test_of_another_tenant_under_our_slug_are_not_taken(self, auth, fake):
        fake.add("other", slug="cafe-t")
        fake.add_outlet("other", "o-1")
        with pytest.raises(Misconfigured, match="another tenant"):
            await auth.outlets("t", slug="cafe-t")

    async def test_in_a_list_without_end_are_not_waited_for(self, auth, fake):
        fake.add("t")
        page = b'{"data": %s, "hasMore": true}' % LISTED
        fake.faults["outlets"].extend(Fault(body=page) for _ in range(9))
        with pytest.raises(Misconfigured, match="does not end"):
            await auth.outlets("t", slug="t")
        assert fake.served["outlets"] == 2

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"[" * 50_000,
            b"{}",
            b'{"data": {}}',
            b"[7]",
            b'[{"name": "no id"}]',
            b'[{"id": 7}]',
            b'[{"id": "o 1"}]',
            b'[{"id": "o-1", "tenant_id": "other"}]',
            b'[{"id": "o-1", "tenant_id": null}]',
        ],
    )
    def test_that_are_none_or_not_its_own_are_misconfigured(self, body):
        with pytest.raises(Misconfigured):
            outlets_of(body, "t", 1)

    def test_are_taken_without_what_is_misshapen(self):
        body = b'[{"id": "o-1", "name": "a\\nb", "code": 7, "timezone": "../etc", "status": 7}]'
        assert outlets_of(body, "t", 1).outlets == [Outlet("o-1", "", "closed")]


class TestTheService:
    async def test_that_is_away_is_waited_for(self, auth, fake):
        fake.away = True
        for asked in (auth.tenant("t"), auth.outlets("t", slug="t")):
            with pytest.raises(Unavailable):
                await asked

    @pytest.mark.parametrize("status", [408, 425, 429, 500])
    async def test_that_has_no_time_is_waited_for(self, auth, fake, status):
        fake.faults["tenants"].append(Fault(status=status))
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
        "body",
        [
            b"",
            b"<html>",
            b"[]",
            b"{}",
            json.dumps({"id": "other"}).encode(),
            b'{"id": 1}',
            b"[" * 50_000,
        ],
    )
    def test_that_answers_of_another_or_none_is_misconfigured(self, body):
        with pytest.raises(Misconfigured):
            tenant_of(body, "t")
