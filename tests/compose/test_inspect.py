"""What `treasury send` publishes and refuses, and how `tail` waits, against a real NATS server."""

import io
import json

import nats
import pytest

from agents.roles.jetstream import ensure_stream, inbound_stream, outbound_stream
from compose.inspect import send_file, tail_events
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


class TestSend:
    async def test_sends_the_good_lines_and_tells_of_every_other_why(self, settings, tmp_path):
        file = tmp_path / "events"
        lines = [
            line("pos.order.completed"),
            "",
            "junk",
            line("treasury.payment.success"),
            line("unknown.thing"),
            line("cafe.order.created", tenant_id=""),
            line("cafe.order.created"),
        ]
        file.write_text("\n".join(lines))
        result = await send_file(settings, file)
        assert result["sent"] == 2
        assert [each["line"] for each in result["refused"]] == [3, 4, 5, 6]
        reasons = [each["reason"] for each in result["refused"]]
        assert reasons[1:3] == [
            "no service publishes treasury.payment.success",
            "no service publishes unknown.thing",
        ]
        assert all(reasons)


class TestTail:
    async def test_of_a_silent_stream_ends_in_good_order(self, settings):
        shown = io.StringIO()
        await tail_events(settings, 100, 5.0, shown)
        assert shown.getvalue() == ""
