"""A token that was verified is believed again, for as long as its key and its life last."""

import jwt
import pytest

from tests.web import tokens
from tests.web.tokens import STRANGER, claims
from web import auth
from web.auth import Verifier
from web.jwks import FixedKeys
from web.local_issuer import AUDIENCE, ISSUER
from web.problems import Problem

HEADER = {"alg": "RS256", "kid": "k", "typ": "JWT"}


class Door:
    """A verifier whose signatures checked are counted, and whose clock and keys can be turned."""

    def __init__(self, monkeypatch, now_s: float) -> None:
        self.keys, self.now_s, self.checked = {"k": STRANGER.public_key()}, now_s, 0
        found = {"issuer": ISSUER, "audience": AUDIENCE, "now_s": lambda: self.now_s}
        self.verifier = Verifier(FixedKeys(self.keys), **found)
        decode = jwt.decode

        def counted(*given, **how):
            self.checked += 1
            return decode(*given, **how)

        monkeypatch.setattr(auth.jwt, "decode", counted)

    async def ask(self, token):
        return await self.verifier.verify(token)


@pytest.fixture
def said():
    return claims()


@pytest.fixture
def door(monkeypatch, said):
    return Door(monkeypatch, said["iat"])


async def test_its_signature_is_checked_once(door, said):
    token = tokens.signed(STRANGER, HEADER, said)
    first, again = await door.ask(token), await door.ask(token)
    assert (first, door.checked) == (again, 1)
    other = await door.ask(tokens.signed(STRANGER, HEADER, {**said, "tenant_id": "beta"}))
    assert (other.tenant_id, door.checked) == ("beta", 2)


async def test_one_that_was_refused_is_not_believed(door, said):
    token = tokens.signed(STRANGER, HEADER, {**said, "tenant_id": ""})
    for count in (1, 2):
        with pytest.raises(Problem):
            await door.ask(token)
        assert door.checked == count


async def test_a_changed_signature_is_another_token(door, said):
    token = tokens.signed(STRANGER, HEADER, said)
    await door.ask(token)
    head, body, signature = token.split(".")
    with pytest.raises(Problem):
        await door.ask(f"{head}.{body}.{signature[:-4]}AAAA")


async def test_it_is_checked_again_once_it_ends(door, said, monkeypatch):
    token = tokens.signed(STRANGER, HEADER, said)
    await door.ask(token)
    door.now_s = said["exp"]

    def ended(*_given, **_how):
        raise jwt.ExpiredSignatureError

    monkeypatch.setattr(auth.jwt, "decode", ended)
    with pytest.raises(Problem, match="invalid-token"):
        await door.ask(token)


async def test_it_is_checked_again_under_another_key_and_refused_without_one(door, said):
    token = tokens.signed(STRANGER, HEADER, said)
    await door.ask(token)
    door.keys["k"] = STRANGER.public_key()  # as a key set that is read again has it
    await door.ask(token)
    assert door.checked == 2
    del door.keys["k"]
    with pytest.raises(Problem, match="invalid-token"):
        await door.ask(token)


async def test_of_too_many_the_oldest_is_forgotten(door, said, monkeypatch):
    monkeypatch.setattr(auth, "REMEMBERED_MAX", 2)
    one, two, three = (
        tokens.signed(STRANGER, HEADER, {**said, "sub": subject}) for subject in ("1", "2", "3")
    )
    for token in (one, two, three, two, three):
        await door.ask(token)
    assert door.checked == 3
    await door.ask(one)
    assert door.checked == 4
