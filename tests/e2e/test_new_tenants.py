"""Events of a tenant that nobody announced: looked up at the auth service, on a whole installation.

On the embedded stack; nothing about losing or doubling is claimed here.
"""

from pathlib import Path
from uuid import uuid4

import aiohttp
import nats
import pytest

from compose.calling import Accepted, Caller
from compose.local.accounts import temporary_folder
from compose.up import Local, Running
from connectors.auth.fake import FakeAuthService


@pytest.fixture
def home():
    with temporary_folder("treasury-new-") as folder:
        yield folder / "home"


@pytest.mark.timeout(420)
async def test_events_of_a_tenant_nobody_announced_are_decided(home: Path):
    tenant_id = f"tenant-{uuid4()}"
    async with FakeAuthService() as auth, aiohttp.ClientSession() as session:
        auth.add(tenant_id, name="New Café", currency="UGX", country="UG")
        environment = {"TREASURY_AUTH_URL": auth.base_url, "TREASURY_AUTH_API_KEY": auth.api_key}
        local = Local(home, "embedded", partitions=2, port=0, environment=environment)
        async with Running(local, print) as running:
            await running.ready()
            assert running.endpoints is not None
            client = await nats.connect(running.endpoints.nats)
            caller = Caller(
                session,
                client,
                running.urls[0],
                tenant_id,
                token=lambda _: running.token(tenant_id),
                accepted=Accepted(),
            )
            order = {"order_id": "o", "customer_id": "c", "total_amount": 5000}
            event_id = await caller.say("cafe.order.created", order)
            entries = await caller.entries_of(event_id, at_least=2)
            assert {entry["status"] for entry in entries} == {"parked", "applied"}
            assert await caller.balances() == {
                ("receivable", "UGX"): "5000",
                ("revenue:cafe", "UGX"): "5000",
            }
            assert auth.asked == {tenant_id: 1}
            told = await caller.event(
                "auth.tenant.created", name="Told", currency="UGX", country="UG"
            )
            assert told["status"] == "applied"
            await client.close()
