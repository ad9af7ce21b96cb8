"""What `treasury send` publishes and refuses, and how `tail` waits, against a real NATS server."""

import asyncio
import io
import json
import os
import sys

import nats
import pytest

from agents.roles.jetstream import ensure_stream, inbound_stream, outbound_stream
from compose.inspect import send_lines, tail_events
from compose.settings import Settings, new_master_key


def line(event_type: str, **changes: object) -> str:
    envelope = {
        "event_id": "e-1",
        "event_type": event_type,
        "tenant_id": "alpha",
        "timestamp": "2026-11-25T10:00:00Z",
        "data": {},
    }
    return json.dumps({**envelope, **changes})


@pytest.fixture
async def settings(tmp_path):
    """Settings that point at a NATS server of the test's own, with our streams."""
    from compose.local.nats import NatsServer

    server = NatsServer(tmp_path / "nats")
    url = await server.start()
    client = await nats.connect(url)
    await ensure_stream(client.jetstream(), inbound_stream())
    await ensure_stream(client.jetstream(), outbound_stream())
    await client.close()
    yield Settings(nats=url, master_key=new_master_key())
    await server.stop()


async def treasury(settings: Settings, *arguments: str, given: bytes = b"") -> tuple[int, bytes]:
    """Exit code and output of the command line, run as its users do."""
    here = {
        "TREASURY_NATS": settings.nats,
        "TREASURY_MASTER_KEY": settings.master_key.get_secret_value(),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from compose.cli import main; main()",
        *arguments,
        env=os.environ | here,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate(given)
    return process.returncode or 0, said


class TestSend:
    async def test_sends_the_good_lines_and_tells_of_every_other_why(self, settings):
        lines = [
            line("pos.order.completed"),
            "",
            "junk",
            line("treasury.payment.success"),
            line("unknown.thing"),
            line("cafe.order.created", tenant_id=""),
            line("cafe.order.created"),
        ]
        result = await send_lines(settings, "\n".join(lines).encode().splitlines())
        assert result["sent"] == 2
        assert [each["line"] for each in result["refused"]] == [3, 4, 5, 6]
        reasons = [each["reason"] for each in result["refused"]]
        assert reasons[1:3] == [
            "no service publishes treasury.payment.success",
            "no service publishes unknown.thing",
        ]
        assert all(reasons)

    async def test_reads_a_file_or_standard_input(self, settings, tmp_path):
        file = tmp_path / "events"
        file.write_text(line("pos.order.completed"))
        for argument, given in ((str(file), b""), ("-", file.read_bytes())):
            code, said = await treasury(settings, "send", argument, "--json", given=given)
            assert (code, json.loads(said)) == (0, {"sent": 1, "refused": []})
        code, _ = await treasury(settings, "send", str(tmp_path / "missing"))
        assert code == 2


class TestTail:
    async def test_of_a_silent_stream_ends_in_good_order(self, settings):
        shown = io.StringIO()
        await tail_events(settings, 100, 5.0, shown)
        assert shown.getvalue() == ""
