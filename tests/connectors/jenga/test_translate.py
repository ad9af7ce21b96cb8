"""What Jenga's answers say, from bytes written by hand."""

from datetime import UTC, datetime

import pytest

from connectors.callbacks import Funds
from connectors.jenga import translate
from connectors.reading import Unreadable
from tests.connectors.jenga.wire import BALANCE, TOKEN, TOKEN_UNTIL


class TestATokensLife:
    @pytest.mark.parametrize(
        "body", [TOKEN, TOKEN_UNTIL, TOKEN.replace(b'"900"', b"900")], ids=["text", "end", "number"]
    )
    def test_is_obeyed_as_seconds_or_as_the_instant_of_its_end(self, body):
        assert translate.token_of(body) == ("eyJ.a.b", 900)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b'{"expiresIn":900}',
            b'{"accessToken":"t"}',
            b'{"accessToken":"t","expiresIn":"soon","issuedAt":"now"}',
            b'{"accessToken":"t","expiresIn":"2026-03-01T06:45:00Z"}',
            (
                b'{"accessToken":"t","expiresIn":"2026-03-01T06:45:00Z",'
                b'"issuedAt":"2026-03-01T06:45:00"}'
            ),
        ],
    )
    def test_that_is_not_told_is_never_guessed(self, body):
        with pytest.raises(Unreadable):
            translate.token_of(body)


class TestABalance:
    def test_is_what_there_is_and_what_is_free_in_minor_units(self):
        assert translate.funds_of(BALANCE, "001") == Funds("001", "KES", 100_050, 90_000)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (b'"status":true', b'"status":false'),
            (b'"status":true', b'"status":"true"'),
            (b'"code":0', b'"code":1'),
            (b'"type":"Available"', b'"type":"Other"'),
            (b'"currency":"KES"', b'"currency":"XYZ"'),
            (b'"900.00"', b'"900.001"'),
            (b'"900.00"', b'"9e2"'),
            (b'"900.00"', b"true"),
            (b'"balances"', b'"other"'),
        ],
    )
    def test_of_which_a_part_cannot_be_read_is_none(self, before, after):
        with pytest.raises(Unreadable):
            translate.funds_of(BALANCE.replace(before, after), "001")

    def test_may_be_below_zero(self):
        funds = translate.funds_of(BALANCE.replace(b'"900.00"', b"-0.5"), "001")
        assert funds.available_minor == -50


class TestARefusal:
    def test_has_its_code_and_words(self):
        said = b'{"status":false,"code":404101,"message":"No account"}'
        assert translate.refusal_of(said) == "404101: No account"

    @pytest.mark.parametrize("body", [BALANCE, b"", b"<html>", b"{}"])
    def test_is_not_in_what_says_yes_or_nothing(self, body):
        assert translate.refusal_of(body) == ""


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01 09:30:05", datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)),
        ("2026-03-01 00:00:00.0", datetime(2026, 2, 28, 21, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_are_of_east_africas_clock(text, at, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    assert translate.moment_of(text) == at
