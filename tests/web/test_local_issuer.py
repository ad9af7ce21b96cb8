"""The key of the local stack: kept private, made once, shown as a key set."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.errors import Misconfigured
from web.jwks import read_key_set
from web.local_issuer import LocalIssuer
from web.problems import Problem


class TestLocalIssuer:
    def test_keeps_its_key_from_others(self, tmp_path):
        LocalIssuer.open(tmp_path / "keys")
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "keys" / "issuer.pem").stat().st_mode) == 0o600

    def test_refuses_a_key_that_others_may_read(self, tmp_path):
        LocalIssuer.open(tmp_path)
        (tmp_path / "issuer.pem").chmod(0o640)
        with pytest.raises(Misconfigured):
            LocalIssuer.open(tmp_path)

    def test_has_the_same_key_every_time(self, tmp_path):
        assert LocalIssuer.open(tmp_path).jwks() == LocalIssuer.open(tmp_path).jwks()

    def test_that_starts_twice_at_once_makes_one_key(self, tmp_path):
        with ThreadPoolExecutor(4) as pool:
            issuers = list(pool.map(lambda _: LocalIssuer.open(tmp_path), range(4)))
        assert len({issuer.kid for issuer in issuers}) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["issuer.pem", "jwks.json"]

    def test_shows_the_public_key_alone(self, tmp_path):
        issuer = LocalIssuer.open(tmp_path)
        shown = (tmp_path / "jwks.json").read_bytes()
        assert set(read_key_set(shown)) == {issuer.kid}
        assert b'"d"' not in shown

    async def test_verifies_its_own_tokens_and_nobody_elses(self, tmp_path):
        issuer, other = LocalIssuer.open(tmp_path / "a"), LocalIssuer.open(tmp_path / "b")
        claims = await issuer.verifier().verify(issuer.mint("alpha", ["payments:read"]))
        assert (claims.tenant_id, claims.scopes) == ("alpha", {"payments:read"})
        with pytest.raises(Problem):
            await other.verifier().verify(issuer.mint("alpha", ["payments:read"]))
