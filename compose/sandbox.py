"""The gateways of a local installation: the fakes of every provider, and a door to move them.

Their telephones, payers and banks do by themselves what their magic numbers say. What nobody does
by himself is made to happen here, for `treasury trigger`: a customer pays at the paybill, a card is
declined, a dispute is opened. Loopback only; nothing is kept beyond the process.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Self

import aiohttp
from aiohttp import web

from connectors.callback_tokens import Addresses
from connectors.instant.fake import FakeGateway
from connectors.mpesa.fake import FakeDaraja
from connectors.paypal.fake import FakePayPal
from connectors.stripe.fake import DECLINED, PAYS, FakeStripe
from streams.errors import TreasuryError, Unavailable


class NotTriggered(TreasuryError):
    """There is nothing that this could happen to."""


@dataclass(frozen=True)
class Trigger:
    """One thing that can be made to happen; `needs` are its parameters."""

    words: str
    needs: tuple[str, ...]
    happen: Callable[..., Awaitable[str]]


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
        self.url = ""
        self._addresses: Addresses | None = None
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for fake in (self.instant, self.mpesa, self.stripe, self.paypal):
            await self._exit.enter_async_context(fake)
        self._session = await self._exit.enter_async_context(aiohttp.ClientSession())
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
            "instant": self.instant.configuration,
            "mpesa": self.mpesa.configuration,
            "paypal": self.paypal.configuration,
            "stripe": self.stripe.configuration,
        }

    @property
    def secrets(self) -> list[str]:
        """Everything that connectors know of the fakes and nobody else may."""
        stripe = self.stripe
        return [
            *(self.mpesa.consumer_key, self.mpesa.consumer_secret, self.mpesa.passkey),
            *(self.mpesa.initiator_password, stripe.secret_key, *stripe.webhook_secrets),
            self.paypal.client_secret,
        ]

    def call_back_to(self, addresses: Addresses) -> None:
        """Where the tenants' addresses are, which providers know from their dashboards."""
        self._addresses = addresses

    # -- the door --------------------------------------------------------------------------------

    async def _trigger(self, request: web.Request) -> web.Response:
        trigger = self.triggers.get(request.match_info["name"])
        said = await request.json()
        if trigger is None or set(said) != set(trigger.needs):
            return web.json_response({"error": "unknown trigger or parameters"}, status=422)
        try:
            return web.json_response({"happened": await trigger.happen(**said)})
        except NotTriggered as error:
            return web.json_response({"error": str(error)}, status=409)

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        """Everything that can be made to happen, by name."""
        of_payment, of_tenant = ("tenant", "payment"), ("tenant", "amount", "reference", "phone")
        return {
            "mpesa.paybill": Trigger(
                "A customer pays whole shillings to the paybill, by hand.", of_tenant, self._paybill
            ),
            "mpesa.again": Trigger(
                "The callback of a payment's push comes once more.", of_payment, self._again
            ),
            "stripe.pay": Trigger(
                "A payer completes the page of a card payment.", of_payment, self._card_pays
            ),
            "stripe.decline": Trigger(
                "A payer's card is declined on that page.", of_payment, self._card_declined
            ),
            "stripe.dispute": Trigger(
                "The payer's bank takes the money of a card payment back.",
                of_payment,
                self._disputed,
            ),
            "stripe.dispute.won": Trigger("The dispute is won.", of_payment, self._dispute_won),
            "stripe.dispute.lost": Trigger("The dispute is lost.", of_payment, self._dispute_lost),
            "stripe.payout.paid": Trigger(
                "A payout arrives at the bank.", ("tenant", "payout"), self._payout_paid
            ),
            "stripe.payout.failed": Trigger(
                "A payout comes back from the bank.", ("tenant", "payout"), self._payout_failed
            ),
            "paypal.approve": Trigger(
                "A payer approves an order.", of_payment, self._order_approved
            ),
        }

    def _address(self, gateway: str, tenant: str, kind: str) -> str:
        if self._addresses is None:
            raise NotTriggered("the installation is not up yet")
        return f"{self._addresses.of(gateway, tenant)}/{kind}"

    # -- M-Pesa ----------------------------------------------------------------------------------

    async def _paybill(self, tenant: str, amount: str, reference: str, phone: str) -> str:
        if not (amount.isascii() and amount.isdigit() and int(amount)):
            raise NotTriggered("M-Pesa moves whole shillings")
        address = self._address("mpesa", tenant, "c2b-confirmation")
        receipt = await self.mpesa.pay(int(amount), reference, phone, tell=address)
        return f"receipt {receipt}"

    async def _again(self, tenant: str, payment: str) -> str:  # noqa: ARG002
        for push in self.mpesa.book.pushes.values():
            if payment in push.callback_url and push.result is not None:
                await self.mpesa.tell_again(push)
                return f"told {push.checkout_id} again"
        raise NotTriggered("no push of this call was answered (give the payment's call_id)")

    # -- Stripe ----------------------------------------------------------------------------------

    async def _card_pays(self, tenant: str, payment: str) -> str:
        return await self._on_page(tenant, payment, PAYS)

    async def _card_declined(self, tenant: str, payment: str) -> str:
        return await self._on_page(tenant, payment, DECLINED)

    async def _on_page(self, tenant: str, payment: str, method: str) -> str:
        intent = self._object("payment_intent", "payment_id", payment)
        self.stripe.pay(intent["id"], method)
        declined = intent["status"] == "requires_payment_method"
        await self._stripe(
            tenant, f"payment_intent.{'payment_failed' if declined else 'succeeded'}", intent
        )
        return f"{intent['id']} is {intent['status']}"

    async def _disputed(self, tenant: str, payment: str) -> str:
        intent = self._object("payment_intent", "payment_id", payment)
        dispute = self.stripe.dispute(intent["id"])
        await self._stripe(tenant, "charge.dispute.created", dispute)
        return f"{dispute['id']} over {intent['id']}"

    async def _dispute_won(self, tenant: str, payment: str) -> str:
        return await self._dispute_ends(tenant, payment, "won")

    async def _dispute_lost(self, tenant: str, payment: str) -> str:
        return await self._dispute_ends(tenant, payment, "lost")

    async def _dispute_ends(self, tenant: str, payment: str, status: str) -> str:
        intent = self._object("payment_intent", "payment_id", payment)
        dispute = self._object("dispute", "", intent["id"])
        dispute["status"] = status
        await self._stripe(tenant, "charge.dispute.closed", dispute)
        return f"{dispute['id']} is {status}"

    async def _payout_paid(self, tenant: str, payout: str) -> str:
        return await self._payout(tenant, payout, "paid")

    async def _payout_failed(self, tenant: str, payout: str) -> str:
        return await self._payout(tenant, payout, "failed")

    async def _payout(self, tenant: str, payout: str, status: str) -> str:
        found = self._object("payout", "payout_id", payout)
        found["status"] = status
        await self._stripe(tenant, f"payout.{status}", found)
        return f"{found['id']} is {status}"

    def _object(self, kind: str, member: str, value: str) -> dict[str, Any]:
        """The newest object of a kind whose metadata (or payment intent) says so."""
        for each in reversed(self.stripe.objects.values()):
            named = each.get("metadata", {}).get(member) if member else each.get("payment_intent")
            if each["object"] == kind and named == value:
                return each
        raise NotTriggered(f"Stripe has no {kind.replace('_', ' ')} of {value}")

    async def _stripe(self, tenant: str, event_type: str, about: dict[str, Any]) -> None:
        body, headers = self.stripe.event(event_type, about)
        await self._post(self._address("stripe", tenant, "events"), body, headers)

    # -- PayPal ----------------------------------------------------------------------------------

    async def _order_approved(self, tenant: str, payment: str) -> str:
        for order_id, order in self.paypal.orders.items():
            if order["purchase_units"][0].get("custom_id") == payment:
                self.paypal.approve(order_id)
                told = self.paypal.event("CHECKOUT.ORDER.APPROVED", "checkout-order", order)
                await self._post(self._address("paypal", tenant, "events"), *told)
                return f"{order_id} is approved"
        raise NotTriggered("PayPal has no order of this call (give the payment's call_id)")

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        async with self._session.post(url, data=body, headers=headers) as answer:
            if answer.status != 200:
                raise NotTriggered(f"the callback was answered {answer.status}")


async def trigger(sandbox_url: str, name: str, said: Mapping[str, str]) -> str:
    """Have something happen at a running installation's fakes; what did. Raises `NotTriggered`."""
    if not sandbox_url:
        raise NotTriggered("only a local installation (`treasury up`) has fakes")
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{sandbox_url}/trigger/{name}", json=dict(said)) as answer,
        ):
            told = await answer.json()
    except aiohttp.ClientError as error:
        raise Unavailable(f"the fakes do not answer: {type(error).__name__}") from error
    if "error" in told:
        raise NotTriggered(told["error"])
    return str(told["happened"])
