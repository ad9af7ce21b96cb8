"""Tokens of providers: shared, renewed in time, and never a reason to think that money moved."""

import asyncio

import pytest

from connectors.base import Ambiguous, NotSent, Refused
from connectors.http import Answer
from connectors.tokens import Tokens, basic, bearing


class Provider:
    """Answers requests for a token with what it has, the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def good(token="t1", lives='"3599"') -> Answer:
    return Answer(200, f'{{"access_token": "{token}", "expires_in": {lives}}}'.encode())


class TestATokenIsShared:
    async def test_by_all_who_ask_at_once(self):
        provider = Provider(good())
        tokens = Tokens(provider)
        found = await asyncio.gather(*(tokens.bearer() for _ in range(50)))
        assert set(found) == {("t1", 1)}
        assert provider.asked == 1

    async def test_and_renewed_once_by_all_whom_it_was_refused_to(self):
        provider = Provider(good("t1"), good("t2"))
        tokens = Tokens(provider)
        _, count = await tokens.bearer()
        found = await asyncio.gather(*(tokens.bearer(after=count) for _ in range(50)))
        assert set(found) == {("t2", 2)}
        assert provider.asked == 2

    @pytest.mark.parametrize("lives", ["10", "-5", "60"])
    async def test_but_not_when_it_hardly_lives(self, lives):
        provider = Provider(good("t1", lives), good("t2", lives))
        tokens = Tokens(provider)
        assert [(await tokens.bearer())[0] for _ in range(2)] == ["t1", "t2"]


class TestWithoutAToken:
    @pytest.mark.parametrize(
        "answer",
        [
            Ambiguous("timeout"),
            NotSent("no connection"),
            Answer(429, b""),
            Answer(200, b""),
            Answer(200, b"[]"),
            Answer(200, b'{"access_token": "", "expires_in": 5}'),
            Answer(200, b'{"access_token": "a\\nb", "expires_in": 5}'),
            Answer(200, b'{"access_token": 7, "expires_in": 5}'),
            Answer(200, b'{"access_token": "a", "expires_in": "soon"}'),
            Answer(200, b'{"access_token": "a"}'),
        ],
    )
    async def test_nothing_was_sent(self, answer):
        with pytest.raises(NotSent):
            await Tokens(Provider(answer)).bearer()

    @pytest.mark.parametrize("status", [400, 401, 403, 302])
    async def test_because_we_are_refused_is_an_error_of_configuration(self, status):
        with pytest.raises(Refused):
            await Tokens(Provider(Answer(status, b"canary"))).bearer()

    async def test_it_is_asked_for_again_the_next_time(self):
        tokens = Tokens(Provider(Answer(503, b""), good()))
        with pytest.raises(Refused):
            await tokens.bearer()
        assert (await tokens.bearer())[0] == "t1"


def test_headers_are_those_of_the_standards():
    assert bearing("t") == {"Authorization": "Bearer t"}
    assert basic("Aladdin", "open sesame") == {
        "Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    }
