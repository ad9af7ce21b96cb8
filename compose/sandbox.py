"""The neighbours of a local installation: fakes of every provider and of two sister services, and a
door to move them.

Their telephones, payers and banks do by themselves what their magic numbers say; what nobody does
by himself is made to happen (triggers.py). Loopback only; nothing is kept beyond the process.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from secrets import token_hex
from typing import Self

import aiohttp
from aiohttp import web
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError

from compose.messaging import nats_client
from compose.triggers import NotTriggered, Triggers
from connectors.auth.fake import FakeAuthService
from connectors.buni.fake import FakeBuni
from connectors.callback_tokens import Addresses
from connectors.chain.fake import FakeNode
from connectors.chain.signing import address_of
from connectors.instant.fake import FakeGateway
from connectors.jenga.fake import FakeJenga
from connectors.kra.fake import FakeKra
from connectors.mpesa.fake import FakeDaraja
from connectors.notifications.fake import SUBJECT, FakeNotifications
from connectors.paypal.fake import FakePayPal
from connectors.stripe.fake import FakeStripe

BRANCHES = 100
CONFIRMATIONS, BLOCK_S = 3, 1.0
ETHER = 10**18
REPORT_EVERY_S = 0.2


class Sandbox:
    """All fakes of one installation; start with `async with`."""

    def __init__(self) -> None:
        self.instant = FakeGateway()
        # Secrets that are like no other text: whoever looks for them in a log finds them.
        self.mpesa = FakeDaraja(
            consumer_key=token_hex(16),
            consumer_secret=token_hex(16),
            passkey=token_hex(32),
            initiator_password=token_hex(16),
        )
        self.stripe = FakeStripe(
            secret_key=f"sk_test_{token_hex(16)}", webhook_secrets=[f"whsec_{token_hex(16)}"]
        )
        self.paypal = FakePayPal(client_secret=token_hex(16))
        self.jenga = FakeJenga(
            api_key=token_hex(16), consumer_secret=token_hex(16), alert_password=token_hex(16)
        )
        self.buni = FakeBuni(consumer_secret=token_hex(16))
        # A control unit for each branch: tenants without numbers of their own share a taxpayer.
        self.kra = FakeKra(serials={f"{n:02d}": f"dvc-{n:02d}" for n in range(BRANCHES)})
        self.chains = {
            "ethereum": FakeNode(chain_id=11_155_111, clock=_now_s),
            "polygon": FakeNode(chain_id=80_002, clock=_now_s),
        }
        self.chain_key = f"0x{token_hex(32)}"
        self.notifications = FakeNotifications(api_key=token_hex(16))
        self.auth = FakeAuthService(token_hex(16))
        self.url = ""
        self.triggers = Triggers(
            *(self.mpesa, self.stripe, self.paypal, self.jenga, self.buni),
            *(self.chains, self.notifications, self.auth),
        )
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for fake in (self.instant, self.mpesa, self.stripe, self.paypal):
            await self._exit.enter_async_context(fake)
        for other in (self.jenga, self.buni, self.kra):
            await self._exit.enter_async_context(other)
        for node in self.chains.values():
            await self._exit.enter_async_context(node)
            node.fund(address_of(self.chain_key), 100 * ETHER)
        mining = asyncio.create_task(self._mine())
        self._exit.callback(mining.cancel)
        for sister in (self.notifications, self.auth):
            await self._exit.enter_async_context(sister)
        self.triggers.session = await self._exit.enter_async_context(aiohttp.ClientSession())
        app = web.Application()
        app.router.add_post("/trigger/{name}", self._trigger)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    @property
    def configuration(self) -> dict[str, dict[str, str]]:
        """What connectors need to call the fakes, by gateway."""
        return {
            "buni": self.buni.configuration,
            "instant": self.instant.configuration,
            "jenga": self.jenga.configuration,
            "kra": self.kra.configuration,
            "mpesa": self.mpesa.configuration,
            "paypal": self.paypal.configuration,
            "stripe": self.stripe.configuration,
            **{name: self._chain(node) for name, node in self.chains.items()},
        }

    def _chain(self, node: FakeNode) -> dict[str, str]:
        own = {"confirmations": str(CONFIRMATIONS), "private_key": self.chain_key}
        return {**node.configuration, **own}

    async def _mine(self) -> None:
        """Blocks come when there is anything to be put into one, and then until it is deep enough;
        a chain that grew by itself would only cost memory.
        """
        while True:
            await asyncio.sleep(BLOCK_S)
            for node in self.chains.values():
                if node.chain.waits:
                    node.mine(CONFIRMATIONS + 1)

    @property
    def secrets(self) -> list[str]:
        """Everything that connectors know of the fakes and nobody else may."""
        stripe = self.stripe
        return [
            *(self.mpesa.consumer_key, self.mpesa.consumer_secret, self.mpesa.passkey),
            *(self.mpesa.initiator_password, stripe.secret_key, *stripe.webhook_secrets),
            *(self.paypal.client_secret, self.buni.consumer_secret, *self.kra.keys.values()),
            *(self.jenga.api_key, self.jenga.consumer_secret, self.jenga.alert_password),
            self.chain_key,
            *(self.notifications.api_key, self.auth.api_key),
        ]

    def call_back_to(self, addresses: Addresses) -> None:
        """Where the tenants' addresses are, which providers know from their dashboards."""
        self.triggers.addresses = addresses

    async def report_to(self, address: str) -> None:
        """Where the notifications service reports what became of each message: at this NATS."""
        client = await self._exit.enter_async_context(
            nats_client(address, max_reconnect_attempts=-1)
        )
        self.triggers.nats = client
        reporting = asyncio.create_task(self._report(client))
        self._exit.callback(reporting.cancel)

    async def _report(self, client: Client) -> None:
        """Each message once; one that NATS does not take waits, and those behind it with it."""
        reported = 0
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            for request_id in list(self.notifications.messages)[reported:]:
                told = self.notifications.report(request_id)
                try:
                    if told is not None:
                        await client.jetstream().publish(SUBJECT, told)
                except (NatsError, NoStreamResponseError, OSError):
                    break
                reported += 1

    async def _trigger(self, request: web.Request) -> web.Response:
        wanted = self.triggers.all.get(request.match_info["name"])
        said = await request.json()
        if wanted is None or set(said) != set(wanted.needs):
            return web.json_response({"error": "unknown trigger or parameters"}, status=422)
        try:
            return web.json_response({"happened": await wanted.happen(**said)})
        except NotTriggered as error:
            return web.json_response({"error": str(error)}, status=409)


def _now_s() -> int:
    return int(time.time())
