"""Attacks on the door: forged, stale, foreign and misshapen tokens, and other tenants' paths."""

import time

import pytest

from tests.web import tokens
from tests.web.tokens import STRANGER, claims
from web import scopes
from web.problems import Problem
from web.routes import ROUTES

BALANCES = "/api/v1/alpha/balances"
FAR_OFF = 4_000_000_000
"""Seconds since 1970, in the year 2096: later than any run of these tests ends."""


@pytest.fixture
def header(issuer):
    return {"alg": "RS256", "kid": issuer.kid, "typ": "JWT"}


@pytest.fixture
def key(issuer):
    return issuer._key


async def refused(api, token):
    answer = await api.get(BALANCES, token=token)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert token not in answer.raw.decode()
    return answer.code


class TestSignatures:
    async def test_a_good_token_is_taken(self, api, key, header):
        token = tokens.signed(key, header, claims())
        assert (await api.get(BALANCES, token=token)).status == 200

    @pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
    async def test_alg_none_is_refused(self, api, header, alg):
        token = tokens.unsigned({**header, "alg": alg}, claims())
        assert await refused(api, token) == "invalid-token"

    async def test_hs256_with_the_public_key_as_its_secret_is_refused(self, api, key, header):
        secret = tokens.public_pem(key)
        token = tokens.hmac_signed(secret, {**header, "alg": "HS256"}, claims())
        assert await refused(api, token) == "invalid-token"

    async def test_hs256_that_calls_itself_rs256_is_refused(self, api, key, header):
        token = tokens.hmac_signed(tokens.public_pem(key), header, claims())
        assert await refused(api, token) == "invalid-token"

    async def test_a_strangers_signature_under_our_kid_is_refused(self, api, header):
        assert await refused(api, tokens.signed(STRANGER, header, claims())) == "invalid-token"

    async def test_an_embedded_key_is_ignored(self, api, header):
        own = {**header, "jwk": tokens.jwk_of(STRANGER, header["kid"])}
        await refused(api, tokens.signed(STRANGER, own, claims()))

    @pytest.mark.parametrize("name", ["jku", "x5u"])
    async def test_a_key_by_address_is_ignored(self, api, header, name):
        own = {**header, name: "https://keys.example/jwks.json"}
        await refused(api, tokens.signed(STRANGER, own, claims()))

    @pytest.mark.parametrize(
        "changes",
        [
            {"kid": None},
            {"kid": ""},
            {"kid": 7},
            {"kid": ["a"]},
            {"kid": "unknown"},
            {"kid": "../../etc/passwd"},
            {"alg": "RS512"},
            {"alg": "PS256"},
            {"alg": ["RS256"]},
            {"crit": ["exp"], "exp": 1},
            {"crit": ["b64"], "b64": False},
            {"typ": "id+jwt"},
            {"typ": 1},
        ],
    )
    async def test_other_headers_are_refused(self, api, key, header, changes):
        await refused(api, tokens.signed(key, {**header, **changes}, claims()))

    async def test_a_changed_claim_is_refused(self, api, key, header):
        first, _, third = tokens.signed(key, header, claims()).split(".")
        forged = f"{first}.{tokens.encoded(claims(tenant_id='beta'))}.{third}"
        await refused(api, forged)

    @pytest.mark.parametrize("text", ["a", "a.b", "a.b.c", "....", "é.é.é", "a" * 8000])
    async def test_what_is_no_token_is_refused(self, api, text):
        answer = await api.get(BALANCES, headers={"Authorization": f"Bearer {text}"})
        assert answer.status in {400, 401}

    async def test_a_huge_token_is_refused_before_it_is_read(self, issuer, key, header):
        token = tokens.signed(key, header, claims(padding="x" * 9_000))
        with pytest.raises(Problem) as caught:
            await issuer.verifier().verify(token)
        assert caught.value.detail == "The token is too long."


class TestClaims:
    @pytest.mark.parametrize(
        "changes",
        [
            {"exp": int(time.time()) - 3600},
            {"exp": None},
            {"exp": "soon"},
            {"exp": float("inf")},
            {"nbf": FAR_OFF},
            {"iat": FAR_OFF},
            {"iss": None},
            {"iss": "https://elsewhere.example"},
            {"iss": ["treasury-local"]},
            {"aud": None},
            {"aud": "another-service"},
            {"aud": []},
            {"aud": {"treasury": 1}},
            {"sub": None},
            {"sub": 7},
            {"tenant_id": None},
            {"tenant_id": ["alpha"]},
            {"tenant_id": ["alpha", "beta"]},
            {"tenant_id": {"alpha": 1}},
            {"tenant_id": 7},
            {"tenant_id": True},
            {"tenant_id": ""},
            {"tenant_id": "al\x00pha"},
            {"tenant_id": "~"},
            {"scope": 7},
            {"scope": {"balances:read": True}},
            {"scope": [["balances:read"]]},
        ],
    )
    async def test_missing_stale_or_misshapen_ones_are_401(self, api, key, header, changes):
        await refused(api, tokens.signed(key, header, claims(**changes)))

    async def test_a_payload_that_is_no_object_is_401(self, api, key, header):
        for payload in ([], "x", 1, None):
            await refused(api, tokens.signed(key, header, payload))

    async def test_of_the_auth_service_are_all_taken_and_scope_alone_opens_anything(
        self, api, key, header
    ):
        said = claims(
            tenant_slug="alpha-cafe",
            roles=["tenant_admin"],
            permissions=["invoices:read", "treasury.*"],
            outlet_id="westlands",
            is_service=True,
            service_name="pos",
            exp=time.time() + 600.5,
        )
        token = tokens.signed(key, header, said)
        assert (await api.get(BALANCES, token=token)).status == 200
        assert (await api.get("/api/v1/alpha/invoices", token=token)).code == "scope-missing"
        assert (await api.get("/api/v1/alpha-cafe/balances", token=token)).code == "wrong-tenant"

    async def test_one_audience_among_several_is_enough(self, api, key, header):
        token = tokens.signed(key, header, claims(aud=["other", "treasury"]))
        assert (await api.get(BALANCES, token=token)).status == 200

    async def test_scope_may_be_words_in_one_text(self, api, key, header):
        token = tokens.signed(key, header, claims(scope="entries:read balances:read"))
        assert (await api.get(BALANCES, token=token)).status == 200

    async def test_a_platform_token_is_a_tenants_token_like_any_other(self, api, key, header):
        token = tokens.signed(
            key, header, claims(platform=True, scope=["balances:read", "treasury:platform"])
        )
        assert (await api.get(BALANCES, token=token)).status == 200
        assert (await api.get("/api/v1/beta/balances", token=token)).status == 403


class TestTheAuthorizationHeader:
    @pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token x"])
    async def test_without_a_bearer_token_is_401(self, api, value):
        answer = await api.get(BALANCES, headers={"Authorization": value})
        assert (answer.status, answer.code) == (401, "token-missing")

    async def test_given_twice_is_401(self, api):
        lines = f"Authorization: Bearer {api.token()}\r\n" * 2
        request = f"GET {BALANCES} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
        answer = await api.raw(request.encode())
        assert b" 400 " in answer or b" 401 " in answer

    async def test_a_token_in_the_query_is_no_token(self, api):
        answer = await api.get(
            f"{BALANCES}?access_token={api.token()}", headers={"Authorization": None}
        )
        assert answer.status == 401


class TestAuthorisation:
    async def test_another_tenants_path_is_403_whether_it_exists_or_not(self, api):
        existing = await api.get("/api/v1/beta/balances")
        unknown = await api.get("/api/v1/nobody/balances")
        assert (existing.status, existing.code) == (403, "wrong-tenant")
        assert (unknown.status, unknown.code) == (403, "wrong-tenant")
        without = [{**answer.json, "request_id": ""} for answer in (existing, unknown)]
        assert without[0] == without[1]

    @pytest.mark.parametrize("tenant", ["ALPHA", "alpha%20", "%61lpha%00", "alph%C3%A4", "."])
    async def test_a_path_that_only_resembles_the_tenant_is_not_the_tenant(self, api, tenant):
        answer = await api.get(f"/api/v1/{tenant}/balances")
        assert answer.status in {403, 404}

    @pytest.mark.parametrize(
        "route", [route for route in ROUTES if route.scope], ids=lambda route: route.name
    )
    async def test_every_route_needs_its_scope(self, api, route):
        token = api.token(scope=set(scopes.ALL) - {route.scope})
        path = route.path.replace("{tenant}", "alpha").replace("{", "").replace("}", "")
        answer = await api.request(route.method, path, token=token)
        code = "scope-missing" if route.tier else "superuser-only"
        assert (answer.status, answer.code) == (403, code)

    @pytest.mark.parametrize(
        "route", [route for route in ROUTES if route.scope], ids=lambda route: route.name
    )
    async def test_every_route_needs_a_token(self, api, route):
        path = route.path.replace("{tenant}", "alpha").replace("{", "").replace("}", "")
        answer = await api.request(route.method, path, headers={"Authorization": None})
        assert answer.status == 401

    def test_only_these_are_open_to_all(self):
        opened = {route.path for route in ROUTES if route.scope is None}
        operations = {"/healthz", "/readyz", "/metrics", "/.well-known/jwks.json"}
        # Their addresses are their keys.
        addressed = {
            "/webhooks/{alias}/{tenant}/{token}/{kind}",
            "/pay/{token}",
            "/pay/{token}/invoice",
            "/pay/{token}/receipts/{payment_id}",
        }
        assert opened == operations | addressed | {
            "/openapi.json",
            "/asyncapi.json",
            "/docs",
            "/docs/connectors",
            "/docs/errors",
        }

    def test_whatever_moves_money_demands_a_key(self):
        changing = [route for route in ROUTES if route.method not in {"GET", "HEAD"}]
        moving = [route for route in changing if route.idempotent]
        assert all(route.model and route.method == "POST" for route in moving)
        # A callback's own id keeps it the only one; a page's form brings a key of its own.
        others = {r.path for r in changing if not r.idempotent and r.scope is not None}
        assert {path.split("/")[4].partition(":")[0] for path in others} == {
            "connectors",  # asks and registers, moves nothing of ours
            "configuration",  # rows that no decision reads
            "contacts",  # neither
            "messages",  # write to people, move nothing
            "events",  # each line has an id of its own
            "dead-letters",  # an event that was carried out is a duplicate
            "statements",  # each line has a key of its own
            "secrets",
            "api-keys",
            "webhook-endpoints",
        }
