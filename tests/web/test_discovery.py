"""An issuer by its address alone: found, believed or not, rotating its keys, and failing."""

import asyncio
import json
import time

import pytest

from compose.container import Worker
from compose.settings import Settings, new_master_key
from connectors.auth.fake import FakeAuthService, Fault
from streams.errors import Misconfigured, Unavailable
from tests.web import tokens
from web.auth import Verifier
from web.discovery import Discovery, keys_address_of
from web.jwks import RemoteKeys
from web.problems import Problem

PATIENT_S = 60
NEVER = Fault(delay_s=3_600)


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
async def issuer():
    async with FakeAuthService() as issuer:
        yield issuer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def discovery(issuer, clock):
    return Discovery(issuer.issuer, timeout_s=PATIENT_S, monotonic_s=clock)


@pytest.fixture
async def keys(discovery, clock):
    keys = RemoteKeys(discovery, timeout_s=PATIENT_S, monotonic_s=clock)
    yield keys
    await keys.close()


@pytest.fixture
def verifier(issuer, keys):
    return Verifier(keys, issuer=issuer.issuer, audience="treasury")


async def refused(verifier, token, status=401):
    with pytest.raises(Problem) as caught:
        await verifier.verify(token)
    assert caught.value.status == status


class TestKeys:
    async def test_are_found_by_the_issuers_address_alone(self, issuer, verifier):
        claims = await verifier.verify(issuer.token(tenant_id="alpha", scope=["balances:read"]))
        assert (claims.tenant_id, claims.scopes) == ("alpha", {"balances:read"})
        assert (issuer.served["discovery"], issuer.served["keys"]) == (1, 1)

    async def test_that_were_rotated_cost_one_fetch_and_the_first_token_passes(
        self, issuer, verifier, clock
    ):
        await verifier.verify(issuer.token())
        issuer.rotate()
        clock.now_s += 31
        rotated = [issuer.token(sub=f"user-{number}") for number in range(20)]
        claims = await asyncio.gather(*(verifier.verify(token) for token in rotated))
        assert [each.subject for each in claims] == [f"user-{number}" for number in range(20)]
        assert issuer.served["keys"] == 2

    async def test_are_told_apart_by_their_ids(self, issuer, verifier):
        before, current = issuer.rotate(), issuer.rotate()
        for key in (before, current):
            await verifier.verify(issuer.token(key=key))
        await refused(verifier, current.sign({}, kid=before.kid))
        assert issuer.served["keys"] == 1

    async def test_that_the_issuer_has_dropped_are_good_no_more(self, issuer, verifier, clock):
        old = issuer.key
        await verifier.verify(issuer.token(key=old))
        issuer.rotate()
        clock.now_s += 31
        await verifier.verify(issuer.token())
        await verifier.verify(issuer.token(key=old))
        issuer.rotate()
        clock.now_s += 31
        await verifier.verify(issuer.token())
        await refused(verifier, issuer.token(key=old))

    async def test_that_are_shown_late_are_found_once_they_are(self, issuer, verifier, clock):
        await verifier.verify(issuer.token())
        issuer.hidden.add(issuer.rotate().kid)
        clock.now_s += 31
        await refused(verifier, issuer.token())
        issuer.hidden.clear()
        await refused(verifier, issuer.token())
        clock.now_s += 31
        await verifier.verify(issuer.token())
        assert issuer.served["keys"] == 3

    async def test_that_never_come_are_not_waited_for(self, issuer, keys):
        keys._timeout_s = 0.05
        issuer.faults["keys"].append(NEVER)
        async with asyncio.timeout(PATIENT_S):
            with pytest.raises(Unavailable):
                await keys.find(issuer.key.kid)

    async def test_of_another_kind_are_left_and_do_not_spoil_the_others(
        self, issuer, verifier, clock
    ):
        rsa = issuer.key
        issuer.rotate("ES256")
        await verifier.verify(issuer.token(key=rsa))
        await refused(verifier, issuer.token())

    async def test_are_not_asked_for_by_a_flood_of_unknown_ids(self, issuer, keys, clock):
        known = issuer.key.kid
        await keys.find(known)
        for second in range(90):
            clock.now_s += 1
            await asyncio.gather(*(keys.find(f"kid-{second}-{n}") for n in range(20)))
        assert (issuer.served["discovery"], issuer.served["keys"]) == (1, 1 + 3)
        assert await keys.find(known) is not None


class TestForgery:
    @pytest.mark.parametrize("alg", ["HS256", "RS256"])
    async def test_with_the_public_key_as_a_secret_is_refused(self, issuer, verifier, alg):
        header = {"alg": alg, "kid": issuer.key.kid, "typ": "JWT"}
        claims = tokens.claims(iss=issuer.issuer)
        await refused(verifier, tokens.hmac_signed(issuer.key.public_pem, header, claims))

    @pytest.mark.parametrize("alg", ["none", "None", ""])
    async def test_without_a_signature_is_refused(self, issuer, verifier, alg):
        header = {"alg": alg, "kid": issuer.key.kid}
        await refused(verifier, tokens.unsigned(header, tokens.claims(iss=issuer.issuer)))

    @pytest.mark.parametrize("header", [{"typ": "id+jwt"}, {"crit": ["exp"]}, {"alg": "PS256"}])
    async def test_by_another_header_is_refused(self, issuer, verifier, header):
        await refused(verifier, issuer.key.sign(tokens.claims(iss=issuer.issuer), **header))


class TestClocks:
    async def test_that_are_half_a_minute_apart_are_forgiven(self, issuer, verifier):
        now_s = int(time.time())
        await verifier.verify(issuer.token(iat=now_s + 30, nbf=now_s + 30))

    @pytest.mark.parametrize("claim", ["iat", "nbf"])
    async def test_that_are_minutes_apart_are_not(self, issuer, verifier, claim):
        await refused(verifier, issuer.token(**{claim: int(time.time()) + 300}))


class TestDiscovery:
    @pytest.mark.parametrize(
        "changes",
        [
            {"issuer_said": "https://elsewhere.example"},
            {"keys_address": "http://keys.example/jwks.json"},
            {"keys_address": "ftp://127.0.0.1/jwks.json"},
            {"keys_address": "file:///etc/passwd"},
        ],
    )
    async def test_of_another_issuer_or_unsafe_keys_is_refused(self, issuer, keys, changes):
        for name, value in changes.items():
            setattr(issuer, name, value)
        with pytest.raises(Unavailable):
            await keys.find(issuer.key.kid)
        assert (issuer.served["discovery"], issuer.served["keys"]) == (1, 0)

    async def test_that_is_refused_makes_tokens_unverified_and_not_wrong(self, issuer, verifier):
        token = issuer.token()
        issuer.issuer_said = "https://elsewhere.example"
        await refused(verifier, token, status=503)

    async def test_is_remembered_for_an_hour(self, issuer, keys, clock):
        kid = issuer.key.kid
        for minute in range(120):
            await keys.find(kid)
            await asyncio.gather(*filter(None, [keys._fetching]))
            clock.now_s += 60
            assert issuer.served["discovery"] == 1 + minute // 66, minute
        assert issuer.served["keys"] == 20

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=500),
            Fault(status=302),
            Fault(body=b"<html>"),
            Fault(body=b"[]"),
            Fault(body=b"[" * 200_000),
            Fault(body=b" " * 300_000),
            Fault(body=b'{"issuer": "https://elsewhere.example", "jwks_uri": "https://e.example"}'),
        ],
    )
    async def test_that_fails_leaves_the_address_until_that_is_too_old(
        self, issuer, keys, clock, fault
    ):
        kid = issuer.key.kid
        await keys.find(kid)
        clock.now_s += 3_700
        issuer.faults["discovery"].append(fault)
        assert await keys.find(kid) is not None
        assert (issuer.served["discovery"], issuer.served["keys"]) == (2, 2)
        clock.now_s += 25 * 3_600
        issuer.faults["discovery"].append(fault)
        with pytest.raises(Unavailable):
            await keys.find(kid)
        assert issuer.served["keys"] == 2
        clock.now_s += 31
        assert await keys.find(kid) is not None

    async def test_that_is_slow_leaves_time_for_the_keys(self, issuer, discovery, keys, clock):
        kid = issuer.key.kid
        await keys.find(kid)
        clock.now_s += 3_700
        discovery._timeout_s = 0.01
        issuer.faults["discovery"].append(NEVER)
        assert await keys.find(kid) is not None
        assert issuer.served["keys"] == 2

    async def test_is_asked_again_where_the_keys_have_moved(self, issuer, keys, clock):
        kid = issuer.key.kid
        await keys.find(kid)
        async with FakeAuthService() as elsewhere:
            elsewhere.keys = issuer.keys
            issuer.keys_address = f"{elsewhere.base_url}/api/v1/.well-known/jwks.json"
            issuer.faults["keys"].append(Fault(status=404))
            for _ in range(2):
                clock.now_s += 301
                assert await keys.find(kid) is not None
                await keys._fetching
            assert (issuer.served["keys"], elsewhere.served["keys"]) == (2, 1)
            assert issuer.served["discovery"] == 2

    async def test_of_an_issuer_that_is_away_is_tried_again_soon(self, issuer, keys, clock):
        kid = issuer.key.kid
        issuer.away = True
        with pytest.raises(Unavailable):
            await keys.find(kid)
        issuer.away = False
        clock.now_s += 3
        assert await keys.find(kid) is not None

    async def test_of_an_issuer_whose_name_ends_in_a_slash_is_below_it(self, issuer, clock):
        issuer.issuer_said = f"{issuer.base_url}/"
        discovery = Discovery(issuer.issuer_said, timeout_s=PATIENT_S, monotonic_s=clock)
        keys = RemoteKeys(discovery, timeout_s=PATIENT_S, monotonic_s=clock)
        verifier = Verifier(keys, issuer=issuer.issuer_said, audience="treasury")
        await verifier.verify(issuer.token())

    @pytest.mark.parametrize(
        "address",
        [
            "http://auth.example",
            "https://user:password@auth.example",
            "https://auth.example/?x=1",
            "https://auth.example#x",
            "ftp://127.0.0.1",
            "https:///",
            "https://[::1",
            "treasury-local",
            "",
        ],
    )
    def test_of_an_address_that_could_be_anybodys_is_refused_at_start(self, address):
        with pytest.raises(Misconfigured):
            Discovery(address)


class TestADocument:
    """OpenID Connect Discovery 1.0, 4.2 and 4.3."""

    ISSUER = "https://auth.example/t"

    def document(self, **changes):
        said = {"issuer": self.ISSUER, "jwks_uri": "https://keys.example/jwks", **changes}
        return json.dumps(said).encode()

    def test_says_where_the_keys_are(self):
        assert keys_address_of(self.document(), self.ISSUER) == "https://keys.example/jwks"

    @pytest.mark.parametrize(
        "changes",
        [
            {"issuer": "https://auth.example/t/"},
            {"issuer": "https://auth.example"},
            {"issuer": "HTTPS://AUTH.EXAMPLE/t"},
            {"issuer": ["https://auth.example/t"]},
            {"issuer": None},
            {"jwks_uri": None},
            {"jwks_uri": 7},
            {"jwks_uri": ""},
            {"jwks_uri": "/jwks"},
            {"jwks_uri": "http://keys.example/jwks"},
            {"jwks_uri": "https://user@keys.example/jwks"},
            {"jwks_uri": "http://127.0.0.1/jwks"},
        ],
    )
    def test_of_another_or_without_a_safe_address_is_refused(self, changes):
        with pytest.raises(ValueError):  # noqa: PT011
            keys_address_of(self.document(**changes), self.ISSUER)

    @pytest.mark.parametrize("body", [b"", b"[]", b"7", b"null", b'"x"'])
    def test_that_is_none_is_refused(self, body):
        with pytest.raises(ValueError):  # noqa: PT011
            keys_address_of(body, self.ISSUER)


class TestAWorker:
    def verifier(self, **settings):
        verifier = Worker(Settings(master_key=new_master_key(), **settings))._verifier()
        for waits in (verifier._keys, verifier._keys._place):
            waits._timeout_s = PATIENT_S
        return verifier

    async def test_finds_the_keys_of_an_issuer_that_is_an_address(self, issuer):
        verifier = self.verifier(issuer=issuer.issuer)
        assert (await verifier.verify(issuer.token(tenant_id="alpha"))).tenant_id == "alpha"

    async def test_believes_the_address_of_keys_that_it_was_given(self, issuer):
        jwks_url = f"{issuer.base_url}/api/v1/.well-known/jwks.json"
        await self.verifier(issuer=issuer.issuer, jwks_url=jwks_url).verify(issuer.token())
        assert issuer.served["discovery"] == 0

    async def test_does_not_start_without_either(self):
        with pytest.raises(Misconfigured, match="TREASURY_ISSUER"):
            self.verifier(issuer="somebody")
