"""The sister services of a local installation, without the installation: NATS is enough."""

import asyncio
import json

import aiohttp
import nats
import pytest
import pytest_asyncio

from agents.roles.jetstream import REPORTS, ensure_stream, reports_stream
from compose.local.nats import NatsServer
from compose.sandbox import Sandbox
from compose.triggers import NotTriggered, trigger
from connectors.auth.client import AuthService
from connectors.http import open_session
from connectors.notifications.delivery import SUBJECT, delivery_of

MESSAGE = {
    "channel": "sms",
    "tenant": "shop",
    "template": "payment_receipt",
    "to": ["+254712345678"],
    "data": {},
    "metadata": {"source_service": "treasury", "reference_type": "payment", "reference_id": "p"},
}


@pytest_asyncio.fixture
async def sandbox():
    async with Sandbox() as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def server(tmp_path):
    server = NatsServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def send(sandbox, key="k"):
    fake = sandbox.notifications
    headers = {"X-API-Key": fake.api_key, "Idempotency-Key": key}
    async with aiohttp.ClientSession() as session:
        url = f"{fake.base_url}/v1/shop/notifications/messages"
        async with session.post(url, json=MESSAGE, headers=headers) as answer:
            assert answer.status == 202
            return (await answer.json())["requestId"]


class TestTheNotificationsService:
    async def test_reports_once_somebody_keeps_reports_and_again_when_asked(self, sandbox, server):
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        try:
            await sandbox.report_to(server.url)
            request_id = await send(sandbox)
            await asyncio.sleep(0.5)  # nobody keeps what it says
            await ensure_stream(jetstream, reports_stream(SUBJECT))
            heard = await jetstream.subscribe(SUBJECT, stream=REPORTS)
            first = delivery_of((await heard.next_msg(timeout=20)).data)
            assert (first.request_id, first.tenant_id, first.status) == (request_id, "shop", "sent")
            said = {"tenant": "shop", "request": request_id}
            await trigger(sandbox.url, "notifications.again", said)
            assert delivery_of((await heard.next_msg(timeout=20)).data) == first
            for nobodys in ({"request": "x"}, {"tenant": "other"}):
                with pytest.raises(NotTriggered):
                    await trigger(sandbox.url, "notifications.again", {**said, **nobodys})
        finally:
            await client.close()

    async def test_has_a_key_that_nobody_else_has(self, sandbox):
        assert sandbox.notifications.api_key in sandbox.secrets
        assert sandbox.auth.api_key in sandbox.secrets
        assert sandbox.notifications.api_key not in json.dumps(sandbox.configuration)


class TestTheAuthService:
    async def test_knows_a_tenant_once_it_is_told_of_one(self, sandbox):
        async with open_session() as session:
            auth = AuthService(session, sandbox.auth.base_url, sandbox.auth.api_key)
            assert await auth.tenant("newcomer") is None
            await trigger(sandbox.url, "auth.tenant", {"tenant": "newcomer", "name": "New"})
            assert (await auth.tenant("newcomer"))["name"] == "New"
