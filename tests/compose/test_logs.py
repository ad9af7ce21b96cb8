"""Secrets never reach a log line, by name or by look, at any depth."""

import pytest

from compose.logs import REDACTED, redact

CANARY = "c4n4ry-s3cr3t"
NAMES = [
    "authorization",
    "Secret",
    "passkey",
    "api_password",
    "private_key",
    "master_key",
    "signature",
    "access_token",
    "msisdn",
    "pan",
    "postgres_dsn",
    "consumer_key",
]


def redacted(**event: object) -> str:
    return str(redact(None, "info", event))


class TestRedact:
    @pytest.mark.parametrize("name", NAMES)
    def test_hides_values_of_secret_names(self, name):
        assert CANARY not in redacted(**{name: CANARY})
        assert CANARY not in redacted(outer={"inner": [{name: CANARY}]})

    @pytest.mark.parametrize(
        "text",
        [
            f"Authorization: Bearer {CANARY}",
            f"cannot reach postgresql://treasury:{CANARY}@127.0.0.1:5432/treasury",
            f"token eyJhbGciOi.eyJzdWIiOi.{CANARY}",
        ],
    )
    def test_hides_what_looks_like_a_secret(self, text):
        assert CANARY not in redacted(error=text)
        assert REDACTED in redacted(error=[text])

    def test_never_prints_bytes(self):
        assert redacted(raw=CANARY.encode()) == str({"raw": f"{len(CANARY)} bytes"})

    def test_leaves_the_rest_alone(self):
        assert redact(None, "info", {"seq": 5, "event": "taken"}) == {"seq": 5, "event": "taken"}
