"""The issuer's keys: floods, outages, rotation, redirects, and sets that are no good."""

import asyncio
import json

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.errors import Misconfigured, Unavailable
from tests.web import tokens
from tests.web.tokens import STRANGER, claims, jwk_of
from web.auth import Verifier
from web.jwks import RemoteKeys, read_key_set
from web.local_issuer import AUDIENCE, ISSUER
from web.problems import Problem

PADDED = json.dumps({"keys": [jwk_of(STRANGER, "unknown")]}).encode() + b" " * 300_000
"""A good set that is larger than any honest one."""


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


class Issuer:
    """An auth service: serves `answer`, counts fetches."""

    def __init__(self):
        self.fetches = 0
        self.serve(jwk_of(STRANGER, "one"))

    def serve(self, *keys):
        self.answer = lambda: web.json_response({"keys": list(keys)})

    async def handle(self, _request):
        self.fetches += 1
        await asyncio.sleep(0.01)
        return self.answer()


@pytest.fixture
async def issuer_site():
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/{any}", issuer.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
    yield issuer
    await runner.cleanup()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def keys(issuer_site, clock):
    keys = RemoteKeys(issuer_site.url, monotonic_s=clock)
    yield keys
    await keys.close()


class TestFetching:
    async def test_many_at_once_make_one_fetch(self, keys, issuer_site):
        found = await asyncio.gather(*(keys.find("one") for _ in range(50)))
        assert all(found)
        assert issuer_site.fetches == 1

    async def test_a_flood_of_unknown_kids_makes_one_fetch_in_thirty_seconds(
        self, keys, issuer_site, clock
    ):
        await keys.find("one")
        for second in range(90):
            clock.now_s += 1
            await asyncio.gather(*(keys.find(f"kid-{second}-{n}") for n in range(20)))
        assert issuer_site.fetches == 1 + 3

    async def test_a_kid_that_is_new_is_found_after_the_cooldown(self, keys, issuer_site, clock):
        await keys.find("one")
        issuer_site.serve(jwk_of(STRANGER, "two"))
        assert await keys.find("two") is None
        clock.now_s += 31
        assert await keys.find("two") is not None

    async def test_a_removed_key_is_gone_after_the_next_fetch(self, keys, issuer_site, clock):
        await keys.find("one")
        issuer_site.serve(jwk_of(STRANGER, "two"))
        clock.now_s += 301
        assert await keys.find("one") is not None  # fetches behind this answer
        await keys._fetching
        assert await keys.find("one") is None

    async def test_a_replaced_key_under_the_same_kid_is_taken(self, keys, issuer_site, clock):
        fresh = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        verifier = Verifier(keys, issuer=ISSUER, audience=AUDIENCE)
        await verifier.verify(tokens.signed(STRANGER, {"alg": "RS256", "kid": "one"}, claims()))
        issuer_site.serve(jwk_of(fresh, "one"))
        token = tokens.signed(fresh, {"alg": "RS256", "kid": "one"}, claims())
        with pytest.raises(Problem):
            await verifier.verify(token)
        clock.now_s += 31
        assert (await verifier.verify(token)).tenant_id == "alpha"

    @pytest.mark.parametrize(
        "answer",
        [
            lambda: web.Response(status=500),
            lambda: web.Response(status=404),
            lambda: web.Response(text="<html>", content_type="text/html"),
            lambda: web.json_response({"keys": []}),
            lambda: web.json_response([]),
            lambda: web.Response(body=PADDED),
            lambda: web.Response(body=b"[" * 200_000),
            lambda: web.HTTPFound("/other"),
        ],
    )
    async def test_a_failing_issuer_leaves_the_last_good_set_until_it_is_too_old(
        self, keys, issuer_site, clock, answer
    ):
        await keys.find("one")
        issuer_site.answer = answer
        clock.now_s += 3500
        assert await keys.find("one") is not None
        assert await keys.find("unknown") is None
        clock.now_s += 101
        with pytest.raises(Unavailable):
            await keys.find("one")

    async def test_a_redirect_is_not_followed(self, keys, issuer_site):
        def redirect():
            issuer_site.serve(jwk_of(STRANGER, "one"))
            raise web.HTTPFound("/other")

        issuer_site.answer = redirect
        with pytest.raises(Unavailable):
            await keys.find("one")
        assert issuer_site.fetches == 1

    async def test_without_any_set_verification_is_503_and_not_401(self, clock):
        keys = RemoteKeys("http://127.0.0.1:1/jwks.json", monotonic_s=clock)
        verifier = Verifier(keys, issuer=ISSUER, audience=AUDIENCE)
        token = tokens.signed(STRANGER, {"alg": "RS256", "kid": "one"}, claims())
        with pytest.raises(Problem) as caught:
            await verifier.verify(token)
        assert (caught.value.status, caught.value.code) == (503, "keys-unavailable")

    @pytest.mark.parametrize(
        "url",
        [
            "http://keys.example/jwks.json",
            "ftp://127.0.0.1/jwks.json",
            "file:///etc/passwd",
            "https://user:password@keys.example/",
            "https:///jwks.json",
            "jwks.json",
        ],
    )
    def test_an_unsafe_address_is_refused_at_start(self, url):
        with pytest.raises(Misconfigured):
            RemoteKeys(url)


class TestReadKeySet:
    @pytest.mark.parametrize(
        "changes",
        [
            {"kid": ""},
            {"kid": 1},
            {"kty": "oct"},
            {"use": "enc"},
            {"alg": "RS512"},
            {"alg": "HS256"},
        ],
    )
    def test_keys_for_something_else_are_left_out(self, changes):
        keys = [jwk_of(STRANGER, "one"), {**jwk_of(STRANGER, "two"), **changes}]
        assert set(read_key_set(json.dumps({"keys": keys}).encode())) == {"one"}

    def test_a_short_key_is_left_out(self):
        short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        keys = [jwk_of(STRANGER, "one"), jwk_of(short, "two")]
        assert set(read_key_set(json.dumps({"keys": keys}).encode())) == {"one"}

    @pytest.mark.parametrize(
        "document",
        [
            {"keys": [jwk_of(STRANGER, "one"), jwk_of(STRANGER, "one")]},
            {"keys": [{**jwk_of(STRANGER, "one"), "d": "AQAB"}]},
            {"keys": [{**jwk_of(STRANGER, "one"), "n": "!"}]},
            {"keys": [{"kty": "RSA", "kid": "one"}]},
            {"keys": {"one": jwk_of(STRANGER, "one")}},
            {"keys": [jwk_of(STRANGER, str(n)) for n in range(101)]},
            {"keys": [None]},
            {},
        ],
    )
    def test_a_set_that_cannot_be_trusted_is_refused_whole(self, document):
        with pytest.raises(ValueError):  # noqa: PT011
            read_key_set(json.dumps(document).encode())
