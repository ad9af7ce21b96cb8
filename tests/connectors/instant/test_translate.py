import pytest

from connectors.base import NOT_FOUND, Ambiguous, Asked, Refused, Result
from connectors.http import Answer
from connectors.instant.config import Config
from connectors.instant.connector import Instant
from connectors.instant.translate import to_gateway, to_result
from streams.money import BadAmount, UnknownAsset


class TestToGateway:
    @pytest.mark.parametrize(
        ("amount", "currency", "minor"),
        [("1500.00", "KES", 150_000), ("1500", "JPY", 1_500), ("1.234", "BHD", 1_234)],
    )
    def test_sends_minor_units_of_the_currency(self, amount, currency, minor):
        body = to_gateway("collect", f'{{"amount":"{amount}","currency":"{currency}"}}'.encode())
        assert f'"amount_minor":{minor}'.encode() in body

    def test_refuses_what_it_cannot_read_exactly(self):
        with pytest.raises(BadAmount):
            to_gateway("collect", b'{"amount":"1.001","currency":"KES"}')
        with pytest.raises(UnknownAsset):
            to_gateway("collect", b'{"amount":"1.00","currency":"???"}')

    async def test_unreadable_request_fails_without_being_sent(self):
        connector = Instant(client=None)
        result = await connector.perform(Asked("collect", "key", b'{"amount":1}'))
        assert (result.outcome, result.failure) == ("failed", "bad_request")


class TestToResult:
    def test_status_unknown_here_is_pending(self):
        result = to_result(Answer(200, b'{"status":"teleported","reference":"R"}'), "perform")
        assert result == Result("pending", "R")

    def test_404_is_not_found_only_for_a_query(self):
        assert to_result(Answer(404, b""), "query") == Result("unknown", detail=NOT_FOUND)
        with pytest.raises(Refused):
            to_result(Answer(404, b""), "perform")

    @pytest.mark.parametrize("status", [301, 400, 401, 403, 422])
    @pytest.mark.parametrize("verb", ["perform", "query"])
    def test_refusal_has_no_result(self, status, verb):
        with pytest.raises(Refused):
            to_result(Answer(status, b'{"status":"succeeded"}'), verb)

    @pytest.mark.parametrize("status", [408, 409, 425, 429])
    def test_not_now_is_ambiguous(self, status):
        with pytest.raises(Ambiguous):
            to_result(Answer(status, b""), "perform")

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status":1}', b'{"ok":true}'])
    def test_unreadable_answer_is_ambiguous(self, body):
        with pytest.raises(Ambiguous):
            to_result(Answer(200, body), "perform")


class TestConfig:
    def test_key_does_not_show(self):
        config = Config.read({"base_url": "http://127.0.0.1:1/", "api_key": "canary"})
        assert "canary" not in repr(config)
        assert config.base_url == "http://127.0.0.1:1"

    @pytest.mark.parametrize(
        "values", [{}, {"base_url": "ftp://x", "api_key": "k"}, {"base_url": "http://x"}]
    )
    def test_refuses_incomplete_settings(self, values):
        with pytest.raises(ValueError, match="instant"):
            Config.read(values)
