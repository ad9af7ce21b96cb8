"""What nobody does by himself at the fakes, made to happen: `treasury trigger NAME …`.

Each changes a fake's book, and has the fake tell of it at the tenant's address, in its own words
and under its own signature. A payment or payout is named by its id, or by its call's where the fake
knows no other.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from nats.aio.client import Client

from connectors.auth.fake import FakeAuthService
from connectors.buni.fake import FakeBuni
from connectors.callback_tokens import Addresses
from connectors.chain.fake import FakeNode
from connectors.jenga.fake import FakeJenga
from connectors.mpesa.fake import FakeDaraja
from connectors.notifications.fake import SUBJECT, FakeNotifications
from connectors.paypal.fake import FakePayPal
from connectors.stripe.fake import DECLINED, PAYS, FakeStripe
from streams.errors import TreasuryError, Unavailable

Object = dict[str, Any]
OLD_S = 3_600


class NotTriggered(TreasuryError):
    """There is nothing that this could happen to."""


@dataclass(frozen=True)
class Trigger:
    """One thing that can be made to happen; `needs` are its parameters."""

    words: str
    needs: tuple[str, ...]
    happen: Callable[..., Awaitable[str]]


@dataclass
class Triggers:
    """Everything that can happen at these fakes; `addresses` once tenants have some."""

    mpesa: FakeDaraja
    stripe: FakeStripe
    paypal: FakePayPal
    jenga: FakeJenga
    buni: FakeBuni
    chains: Mapping[str, FakeNode]
    notifications: FakeNotifications
    auth: FakeAuthService
    nats: Client | None = None
    session: aiohttp.ClientSession | None = None
    addresses: Addresses | None = None

    @property
    def all(self) -> Mapping[str, Trigger]:
        """By name."""
        payment, payout = ("tenant", "payment"), ("tenant", "payout")
        by_hand = ("tenant", "amount", "reference", "phone")
        stripe, paypal = self._stripe_disputed, self._paypal_disputed
        return {
            "mpesa.paybill": Trigger(
                "A customer pays whole shillings to the paybill, by hand.", by_hand, self._paybill
            ),
            "mpesa.again": Trigger(
                "What was told of a payment's push is told once more.", payment, self._push_again
            ),
            "mpesa.payout.again": Trigger(
                "What was told of a payout is told once more.", payout, self._payout_again
            ),
            "mpesa.payout.timeout": Trigger(
                "M-Pesa says that it did not take a payout in time.", payout, self._payout_timeout
            ),
            "stripe.pay": Trigger(
                "A payer completes the page of a card payment.",
                payment,
                partial(self._on_page, method=PAYS),
            ),
            "stripe.decline": Trigger(
                "A payer's card is declined on that page.",
                payment,
                partial(self._on_page, method=DECLINED),
            ),
            "stripe.old": Trigger(
                "An event of a card payment comes an hour late.", payment, self._old_event
            ),
            "stripe.dispute": Trigger(
                "The payer's bank takes a card payment back.", payment, partial(stripe, status="")
            ),
            "stripe.dispute.won": Trigger(
                "That dispute is won.", payment, partial(stripe, status="won")
            ),
            "stripe.dispute.lost": Trigger(
                "That dispute is lost.", payment, partial(stripe, status="lost")
            ),
            "stripe.payout.paid": Trigger(
                "A payout arrives at the bank.", payout, partial(self._stripe_payout, status="paid")
            ),
            "stripe.payout.failed": Trigger(
                "A payout comes back from the bank.",
                payout,
                partial(self._stripe_payout, status="failed"),
            ),
            "paypal.approve": Trigger("A payer approves an order.", payment, self._order_approved),
            "paypal.dispute": Trigger(
                "A payer takes a PayPal payment back.", payment, partial(paypal, outcome="")
            ),
            "paypal.dispute.won": Trigger(
                "That dispute is won.", payment, partial(paypal, outcome="RESOLVED_SELLER_FAVOUR")
            ),
            "paypal.dispute.lost": Trigger(
                "That dispute is lost.", payment, partial(paypal, outcome="RESOLVED_BUYER_FAVOUR")
            ),
            "jenga.deposit": Trigger(
                "Money comes to the account at Equity, which tells of it.",
                ("tenant", "amount", "reference"),
                self._deposited,
            ),
            "buni.deposit": Trigger(
                "Somebody pays whole shillings by KCB, with a reference.",
                ("tenant", "amount", "reference"),
                self._deposited_at_kcb,
            ),
            "buni.transfer": Trigger(
                "KCB tells how a payout ended (give its call_id).", payout, self._told_by_kcb
            ),
            "jenga.charge": Trigger(
                "Equity takes a fee, which only its statement shows.",
                ("tenant", "amount"),
                self._charged,
            ),
            "chain.transfer": Trigger(
                "A payer's wallet opens a payment's `next_action`, and pays just that.",
                ("tenant", "request"),
                self._transferred,
            ),
            "chain.reorg": Trigger(
                "The block of a transaction is replaced, and the transaction is gone.",
                ("tenant", "transaction"),
                partial(self._reorganised, again=False),
            ),
            "chain.reorg.again": Trigger(
                "The block of a transaction is replaced, and another has the transaction.",
                ("tenant", "transaction"),
                partial(self._reorganised, again=True),
            ),
            "notifications.again": Trigger(
                "What was reported of a message is reported once more (its request_id).",
                ("tenant", "request"),
                self._reported_again,
            ),
            "auth.tenant": Trigger(
                "The auth service knows a tenant that nobody has told us of.",
                ("tenant", "name"),
                self._known_tenant,
            ),
            "paypal.payout.returned": Trigger(
                "Nobody claims a payout, and it comes back.", payout, self._payout_returned
            ),
        }

    def _address(self, gateway: str, tenant: str, kind: str) -> str:
        if self.addresses is None:
            raise NotTriggered("the installation is not up yet")
        return f"{self.addresses.of(gateway, tenant)}/{kind}"

    async def _post(
        self,
        gateway: str,
        tenant: str,
        body: bytes,
        headers: Mapping[str, str],
        kind: str = "events",
    ) -> None:
        assert self.session is not None
        url = self._address(gateway, tenant, kind)
        async with self.session.post(url, data=body, headers=headers) as answer:
            if answer.status != 200:
                raise NotTriggered(f"the callback was answered {answer.status}")

    # -- M-Pesa ----------------------------------------------------------------------------------

    async def _paybill(self, tenant: str, amount: str, reference: str, phone: str) -> str:
        if not (amount.isascii() and amount.isdigit() and int(amount)):
            raise NotTriggered("M-Pesa moves whole shillings")
        address = self._address("mpesa", tenant, "c2b-confirmation")
        receipt = await self.mpesa.pay(int(amount), reference, phone, tell=address)
        return f"receipt {receipt}"

    async def _push_again(self, tenant: str, payment: str) -> str:  # noqa: ARG002
        for push in self.mpesa.book.pushes.values():
            if payment in push.callback_url and push.result is not None:
                await self.mpesa.tell_again(push)
                return f"told {push.checkout_id} again"
        raise NotTriggered("no push of this call was answered (give the payment's call_id)")

    async def _payout_again(self, tenant: str, payout: str) -> str:  # noqa: ARG002
        for each in self.mpesa.book.payouts.values():
            if payout in each.result_url:
                await self.mpesa.tell_of_payout(each)
                return f"told {each.conversation_id} again"
        raise NotTriggered("no payout of this call was made (give the payout's call_id)")

    async def _payout_timeout(self, tenant: str, payout: str) -> str:  # noqa: ARG002
        for each in self.mpesa.book.payouts.values():
            if payout in each.result_url:
                await self.mpesa.tell_of_timeout(each)
                return f"{each.conversation_id} was not taken in time, it says"
        raise NotTriggered("no payout of this call was made (give the payout's call_id)")

    # -- Stripe ----------------------------------------------------------------------------------

    async def _on_page(self, tenant: str, payment: str, *, method: str) -> str:
        intent = self._object("payment_intent", "payment_id", payment)
        self.stripe.pay(intent["id"], method)
        declined = intent["status"] == "requires_payment_method"
        end = "payment_failed" if declined else "succeeded"
        await self._stripe(tenant, f"payment_intent.{end}", intent)
        return f"{intent['id']} is {intent['status']}"

    async def _old_event(self, tenant: str, payment: str) -> str:
        intent = self._object("payment_intent", "payment_id", payment)
        body, headers = self.stripe.event("payment_intent.succeeded", intent, old_s=OLD_S)
        await self._post("stripe", tenant, body, headers)
        return f"an event of {intent['id']}, signed an hour ago"

    async def _stripe_disputed(self, tenant: str, payment: str, *, status: str) -> str:
        intent = self._object("payment_intent", "payment_id", payment)
        if not status:
            dispute = self.stripe.dispute(intent["id"])
            await self._stripe(tenant, "charge.dispute.created", dispute)
            return f"{dispute['id']} over {intent['id']}"
        dispute = self._object("dispute", "", intent["id"])
        dispute["status"] = status
        await self._stripe(tenant, "charge.dispute.closed", dispute)
        return f"{dispute['id']} is {status}"

    async def _stripe_payout(self, tenant: str, payout: str, *, status: str) -> str:
        found = self._object("payout", "payout_id", payout)
        found["status"] = status
        await self._stripe(tenant, f"payout.{status}", found)
        return f"{found['id']} is {status}"

    def _object(self, kind: str, member: str, value: str) -> Object:
        """The newest object of a kind whose metadata (or payment intent) says so."""
        for each in reversed(self.stripe.objects.values()):
            named = each.get("metadata", {}).get(member) if member else each.get("payment_intent")
            if each["object"] == kind and named == value:
                return each
        raise NotTriggered(f"Stripe has no {kind.replace('_', ' ')} of {value}")

    async def _stripe(self, tenant: str, event_type: str, about: Object) -> None:
        await self._post("stripe", tenant, *self.stripe.event(event_type, about))

    # -- PayPal ----------------------------------------------------------------------------------

    async def _order_approved(self, tenant: str, payment: str) -> str:
        order_id, order = self._order(payment)
        self.paypal.approve(order_id)
        told = self.paypal.event("CHECKOUT.ORDER.APPROVED", "checkout-order", order)
        await self._post("paypal", tenant, *told)
        return f"{order_id} is approved"

    async def _paypal_disputed(self, tenant: str, payment: str, *, outcome: str) -> str:
        order_id, order = self._order(payment)
        captures = order["purchase_units"][0]["payments"]["captures"]
        if not captures:
            raise NotTriggered(f"{order_id} was not captured")
        dispute: Object = {
            "dispute_id": f"PP-{order_id}",
            "disputed_transactions": [{"seller_transaction_id": captures[0]["id"]}],
            "reason": "UNAUTHORISED",
            "dispute_amount": captures[0]["amount"],
            "dispute_life_cycle_stage": "CHARGEBACK",
        }
        if outcome:
            dispute["dispute_outcome"] = {"outcome_code": outcome}
        event = "CUSTOMER.DISPUTE.RESOLVED" if outcome else "CUSTOMER.DISPUTE.CREATED"
        await self._post("paypal", tenant, *self.paypal.event(event, "dispute", dispute))
        return f"{dispute['dispute_id']} over {captures[0]['id']}"

    async def _payout_returned(self, tenant: str, payout: str) -> str:
        for item_id, item in self.paypal.items.items():
            if item["payout_item"]["sender_item_id"] == payout:
                item["transaction_status"] = "RETURNED"
                event = self.paypal.event("PAYMENT.PAYOUTS-ITEM.RETURNED", "payouts_item", item)
                await self._post("paypal", tenant, *event)
                return f"{item_id} is returned"
        raise NotTriggered("PayPal has no payout of this call (give the payout's call_id)")

    def _order(self, payment: str) -> tuple[str, Object]:
        for order_id, order in self.paypal.orders.items():
            if order["purchase_units"][0].get("custom_id") == payment:
                return order_id, order
        raise NotTriggered("PayPal has no order of this call (give the payment's call_id)")

    # -- sister services -------------------------------------------------------------------------

    async def _reported_again(self, tenant: str, request: str) -> str:
        message = self.notifications.messages.get(request)
        told = self.notifications.report(request) if message is not None else None
        if message is None or message.tenant != tenant or told is None or self.nats is None:
            raise NotTriggered("the notifications service has no such message of this tenant")
        await self.nats.jetstream().publish(SUBJECT, told)
        return f"{request} is reported again"

    async def _known_tenant(self, tenant: str, name: str) -> str:
        self.auth.add(tenant, name=name)
        return f"{tenant} is known; an event of it would have it looked up"

    # -- a bank ----------------------------------------------------------------------------------

    async def _deposited(self, tenant: str, amount: str, reference: str) -> str:
        booking = self.jenga.book(_cents(amount), "RTGS in", bill=reference, name="A customer")
        told = self.jenga.alert(booking)
        await self._post("jenga", tenant, told, self.jenga.alert_headers, "alert")
        return f"{booking['reference']} came"

    async def _deposited_at_kcb(self, tenant: str, amount: str, reference: str) -> str:
        told = self.buni.notice(_cents(amount), reference)
        await self._post("buni", tenant, told, {"signature": self.buni.signature(told)}, "ipn")
        return "it came"

    async def _told_by_kcb(self, tenant: str, payout: str) -> str:
        transfer = self.buni.transfers.get(payout)
        if transfer is None or not transfer.told:
            raise NotTriggered("KCB has no transfer of this call (give the payout's call_id)")
        await self._post("buni", tenant, transfer.told, {}, "transfer")
        return f"it is told of as {transfer.receipt or 'not paid'}"

    async def _charged(self, tenant: str, amount: str) -> str:  # noqa: ARG002
        booking = self.jenga.book(-_cents(amount), "LEDGER FEE")
        return f"{booking['reference']} was taken"

    # -- chains ----------------------------------------------------------------------------------

    async def _transferred(self, tenant: str, request: str) -> str:  # noqa: ARG002
        wish = _TOKENS(request) or _NATIVE(request)
        node = self._chain(int(wish["chain"])) if wish is not None else None
        if wish is None or node is None:
            raise NotTriggered("no request for payment on a chain that is here")
        token = wish.groupdict().get("token", "").lower()
        tx_hash = node.pay(wish["to"].lower(), int(wish["amount"]), token or None)
        return f"transaction {tx_hash}"

    async def _reorganised(self, tenant: str, transaction: str, *, again: bool) -> str:  # noqa: ARG002
        for node in self.chains.values():
            number = node.chain.block_of(transaction)
            if number is not None:
                depth = node.chain.head - number + 1
                node.reorg(depth, longer=1, without=() if again else (transaction,))
                return f"{depth} blocks were replaced"
        raise NotTriggered("no chain here has this transaction in a block")

    def _chain(self, chain_id: int) -> FakeNode | None:
        found = (each for each in self.chains.values() if each.chain.chain_id == chain_id)
        return next(found, None)


_ADDRESS = "0x[0-9a-fA-F]{40}"
_TOKENS = re.compile(
    rf"ethereum:(?P<token>{_ADDRESS})@(?P<chain>[0-9]{{1,9}})/transfer"
    rf"\?address=(?P<to>{_ADDRESS})&uint256=(?P<amount>[0-9]{{1,40}})"
).fullmatch
_NATIVE = re.compile(
    rf"ethereum:(?P<to>{_ADDRESS})@(?P<chain>[0-9]{{1,9}})\?value=(?P<amount>[0-9]{{1,40}})"
).fullmatch


def _cents(shillings: str) -> int:
    if not (shillings.isascii() and shillings.isdigit() and int(shillings)):
        raise NotTriggered("an amount here is in whole shillings")
    return int(shillings) * 100


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
