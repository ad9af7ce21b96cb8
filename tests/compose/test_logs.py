"""Secrets never reach a log line, by name or by look, at any depth."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compose.logs import REDACTED, redact

ROOT = Path(__file__).parents[2]
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
    "api_key",
    "X-API-Key",
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
            f"key trs_live_0123456789abcdef.YWxwaGE.{CANARY}",
        ],
    )
    def test_hides_what_looks_like_a_secret(self, text):
        assert CANARY not in redacted(error=text)
        assert REDACTED in redacted(error=[text])

    def test_hides_the_secret_of_an_endpoint(self):
        assert redacted(error="whsec_c2VjcmV0/+==.") == str({"error": f"whsec_{REDACTED}."})

    def test_never_prints_bytes(self):
        assert redacted(raw=CANARY.encode()) == str({"raw": f"{len(CANARY)} bytes"})

    def test_leaves_the_rest_alone(self):
        assert redact(None, "info", {"seq": 5, "event": "taken"}) == {"seq": 5, "event": "taken"}


PROGRAM = """
import logging, structlog
from compose.logs import configure_logs

configure_logs("debug")

def fails(password):
    raise ValueError(f"refused: Bearer {password}")

try:
    fails("CANARY")
except ValueError:
    structlog.get_logger("ours").exception("failed", headers={"Authorization": "CANARY"})
    logging.getLogger("theirs").exception("failed: postgresql://u:%s@h/d", "CANARY")
for name in ("faust", "aiokafka", "nats", "mode", "aiohttp.access"):
    logging.getLogger(name).info("payload CANARY")
logging.getLogger("theirs").error("sent", extra={"api_key": "CANARY"})
"""


def test_a_process_writes_none_whoever_logs():
    """With exceptions, their arguments and local variables, and what libraries say of payloads."""
    program = PROGRAM.replace("CANARY", CANARY)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines if line["logger"] == "ours"] == ["failed"]
    assert len([line for line in lines if line["logger"] == "theirs"]) == 2
    assert CANARY not in done.stderr + done.stdout
    assert "password" not in done.stderr.replace('"name": "fails"', "")
