"""Hostile bodies: sizes, encodings, slowness, JSON at its edges, members that do not belong."""

import gzip
import json

import pytest

INTENTS = "/payments/intents"
GOOD = '{"amount": "1.00"}'


def head(api, *lines):
    return "\r\n".join(
        (
            "POST /api/v1/payments/intents HTTP/1.1",
            "Host: treasury",
            f"Authorization: Bearer {api.token()}",
            "Idempotency-Key: key",
            "Content-Type: application/json",
            *lines,
            "",
            "",
        )
    ).encode()


class TestSize:
    async def test_over_the_limit_is_refused_before_it_is_read(self, api):
        answer = await api.raw(head(api, "Content-Length: 1048577"))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"body-too-large" in answer

    async def test_over_the_limit_in_chunks_is_refused(self, api):
        async def chunks():
            for _ in range(17):
                yield b" " * 65_536

        answer = await api.request(
            "POST",
            f"/api/v1{INTENTS}",
            data=chunks(),
            headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
        )
        assert (answer.status, answer.code) == (413, "body-too-large")

    async def test_at_the_limit_is_read(self, api):
        body = GOOD + " " * (1_048_576 - len(GOOD))
        assert (await api.command(INTENTS, body)).status == 201


class TestMediaType:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "application/json; charset=utf-16"},
            {"Content-Encoding": "br"},
        ],
    )
    async def test_other_than_json_in_utf8_is_415(self, api, headers):
        answer = await api.command(INTENTS, GOOD, headers=headers)
        assert (answer.status, answer.code) == (415, "unsupported-media-type")

    async def test_a_compressed_body_is_never_unpacked(self, api):
        bomb = gzip.compress(b" " * 50_000_000)
        assert len(bomb) < 1_048_576
        answer = await api.command(INTENTS, bomb, headers={"Content-Encoding": "gzip"})
        assert answer.status == 415


class TestTime:
    async def test_a_body_that_does_not_come_is_408(self, hasty):
        answer = await hasty.raw(head(hasty, "Content-Length: 100") + b'{"amount')
        assert answer.startswith(b"HTTP/1.1 408 ")

    async def test_a_body_that_breaks_off_is_never_decided(self, hasty, desk):
        decided = len(desk.batches)
        answer = await hasty.raw(head(hasty, "Content-Length: 100") + b'{"amount', close=True)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
        assert len(desk.batches) == decided


class TestJson:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ('{"amount": "1", "amount": "1000000"}', "duplicate_key"),
            ('{"amount": NaN}', "not_json"),
            ('{"amount": Infinity}', "not_json"),
            ('{"amount": 1E+999999999999}', "bad_number"),
            ('{"amount": ' + "9" * 5000 + "}", "bad_number"),
            ('{"a":' * 1000 + "1" + "}" * 1000, "too_deep"),
            ('{"order_id": "\\ud800"}', "not_utf8"),
            ('{"order_id": "a\\u0000b"}', "nul_character"),
            ("\ufeff{}", "not_json"),
            ("", "not_json"),
            ("{", "not_json"),
            (b'{"order_id": "\xff"}', "not_utf8"),
        ],
    )
    async def test_at_its_edges_is_400(self, api, body, reason):
        answer = await api.command(INTENTS, body)
        assert (answer.status, answer.code) == (400, "malformed-json")
        assert reason in answer.json["detail"] or reason == "not_json"

    @pytest.mark.parametrize("body", ["[]", '"text"', "1", "null", "true"])
    async def test_that_is_no_object_is_422(self, api, body):
        answer = await api.command(INTENTS, body)
        assert (answer.status, answer.code) == (422, "malformed")

    @pytest.mark.parametrize(
        "amount",
        [
            '"NaN"', '"sNaN"', '"1_000"', '" 1 "', '"١"', '"1e3"', "1E3", '"-1"', "-1",
            '"01"', '"1."', '".5"', "true", "[]", "{}", '"' + "1" * 35 + '"',
        ],
    )  # fmt: skip
    async def test_an_amount_in_any_other_grammar_is_422(self, api, amount):
        answer = await api.command(INTENTS, f'{{"amount": {amount}}}')
        assert (answer.status, answer.code) == (422, "malformed")
        assert answer.json["errors"][0]["pointer"] == "/amount"

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"amount": "1", "paid": True}, "/paid"),
            ({"amount": "1", "tenant_id": "beta"}, "/tenant_id"),
            ({"amount": "1", "order_id": 7}, "/order_id"),
            ({"amount": "1", "order_id": ""}, "/order_id"),
            ({"amount": "1", "order_id": "o" * 129}, "/order_id"),
            ({"amount": "1", "currency": "kes"}, "/currency"),
            ({"amount": "1", "metadata": {"a": 1}}, "/metadata/a"),
            ({"amount": "1", "metadata": {str(n): "" for n in range(51)}}, "/metadata"),
            ({"amount": "1", "a/b~c": 1}, "/a~1b~0c"),
        ],
    )
    async def test_names_the_member_that_is_wrong_and_not_its_value(self, api, body, pointer):
        answer = await api.command(INTENTS, body)
        assert (answer.status, answer.code) == (422, "malformed")
        assert pointer in [error["pointer"] for error in answer.json["errors"]]

    async def test_errors_do_not_repeat_what_was_sent(self, api):
        answer = await api.command(INTENTS, json.dumps({"amount": "hunter2", "order_id": "x\ny"}))
        assert b"hunter2" not in answer.raw

    async def test_a_malformed_body_does_not_use_up_its_key(self, api):
        await api.command(INTENTS, '{"amount": "x"}')
        assert (await api.command(INTENTS, GOOD)).status == 201
