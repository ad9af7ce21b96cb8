"""The page of a payment link: what is owed, how to pay it, and how that goes. Public.

Its token is all that a payer has. It pays one invoice and nothing else; whoever pays it again
overpays, and that is kept as the customer's credit.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from agents.accounting.codes import code_of
from agents.commands.payments import CANCEL, CONFIRM, CREATE_INTENT
from agents.registry import View
from agents.roles.gateways import Gateway
from connectors.http import require_safe
from connectors.mpesa.words import LEAST_SHILLINGS, MOST_SHILLINGS
from streams.errors import Misconfigured, Unreadable
from streams.ids import http_event_id
from streams.money import exponent_of, format_minor, plain
from tables.invoices import Invoice, PaymentLink
from tables.payments import OpenIntent, Payment
from tables.tenants import Tenant
from web.api_keys import AWAY
from web.bodies import read_any
from web.call import Call
from web.commands import decided
from web.documents import text
from web.limits import RATES
from web.pages import page
from web.problems import of_status, unavailable

FORM_BYTES_MAX = 4 * 1024
ATTEMPTS_MAX = 10
"""Of one payment by this page: a telephone is not rung without end."""
REFRESH_S = 3
_KES_MINOR = 100
is_token = re.compile(r"[0-9a-f]{40}").fullmatch
"""Whether a text may be the token of a link."""
_once = re.compile(r"[0-9a-f]{32}").fullmatch
_WORDS: Mapping[str, str] = {
    "phone_unfit": "This is no Kenyan mobile number. Write it like 0712 345 678.",
    "insufficient_funds": "There was not enough money on the telephone. Try again.",
    "cancelled_by_payer": "It was cancelled on the telephone. Try again if you like.",
    "cancelled": "It was cancelled. Try again if you like.",
    "wrong_pin": "The PIN was wrong. Try again.",
    "too_many_attempts": "It was tried too often. Ask who sent you here.",
    "expired": "Nobody answered on the telephone in time. Try again.",
}
_ANY_FAILURE = "It did not work. Nothing was taken; try again, or in another way."


@dataclass(frozen=True)
class Method:
    """A way to pay on the page: its amount may differ from what is owed, and `note` says why."""

    name: str
    title: str
    minor: int
    amount: str
    note: str = ""


@dataclass(frozen=True)
class Shown:
    """What a link is about, as committed now."""

    tenant: Tenant
    invoice: Invoice
    payment: Payment | None

    @property
    def state(self) -> str:
        """open, waiting, paid or closed."""
        if self.invoice.status == "paid":
            return "paid"
        if not self.invoice.outstanding:
            return "closed"
        waits = self.payment is not None and self.payment.status == "processing"
        return "waiting" if waits else "open"


async def show(call: Call) -> web.StreamResponse:
    """The page as it is now; while a payer is waited for, it comes again by itself."""
    found = await _found(call)
    return _gone() if found is None else await _page(call, found)


async def pay(call: Call) -> web.StreamResponse:
    """The form was sent: an attempt begins, and the page shows it. Sent twice, it begins once."""
    found = await _found(call)
    if found is None:
        return _gone()
    form = await _form(call)
    once, phone = form.get("once", ""), re.sub(r"[\s()-]", "", form.get("phone", ""))
    offered = _methods(await _usable(call, found), found.invoice)
    method = {method.name: method for method in offered}.get(form.get("method", ""))
    if found.state != "open" or method is None or not _once(once):
        return await _page(call, found)
    failure = await _attempt(call, found, method, phone[:16], once)
    if failure:
        return await _page(call, found, failure)
    # RFC 9110, 15.4.4: a page that is loaded again does not send the form again.
    return web.Response(status=303, headers={"Location": call.request.path})


async def _found(call: Call) -> Shown | None:
    """What the link is about; None for none. Raises `Elsewhere` for the owner of its tenant."""
    token = call.request.match_info["token"]
    try:
        tenant_id = await call.context.tenant_of_link(token) if is_token(token) else None
    except AWAY as error:
        raise unavailable("lists-unavailable", "Try again in a moment.") from error
    if tenant_id is None:
        return None
    call.request.app[RATES].take(tenant_id)
    async with call.context.desk.view(tenant_id) as view:
        link = view.row(PaymentLink, tenant_id, token)
        invoice = view.row(Invoice, tenant_id, link.invoice_id) if link else None
        if invoice is None:
            return None
        return Shown(view.tenant(tenant_id), invoice, _newest(view, invoice))


def _newest(view: View, invoice: Invoice) -> Payment | None:
    about = invoice.order_id, "" if invoice.order_id else invoice.invoice_id
    mark = view.row(OpenIntent, invoice.tenant_id, *about)
    return view.row(Payment, invoice.tenant_id, mark.payment_id) if mark else None


async def _usable(call: Call, found: Shown) -> Mapping[str, Gateway]:
    """Gateways the tenant can be paid by, that need no more than this page."""
    gateways, usable = call.context.callbacks.gateways, {}
    for name in filter(gateways.knows, ("mpesa", "paypal")):
        try:
            made = await gateways.of(found.tenant.tenant_id, name)
        except (*AWAY, Misconfigured, Unreadable):
            continue
        if made.gateway.can("collect", found.invoice.asset):
            usable[name] = made.gateway
    return usable


def _methods(usable: Mapping[str, Gateway], invoice: Invoice) -> list[Method]:
    methods = []
    if "mpesa" in usable:
        methods.append(_by_mpesa(invoice))
    if "paypal" in usable:
        amount = text(invoice.outstanding, invoice.asset)
        methods.append(Method("paypal", "PayPal", invoice.outstanding, amount))
    return methods


def _by_mpesa(invoice: Invoice) -> Method:
    """Whole shillings: cents are rounded up, and what is too much is the customer's credit."""
    whole = max(-(-invoice.outstanding // _KES_MINOR), LEAST_SHILLINGS)
    minor, note = min(whole, MOST_SHILLINGS) * _KES_MINOR, ""
    if minor > invoice.outstanding:
        kept = text(minor - invoice.outstanding, invoice.asset)
        note = f"M-Pesa takes whole shillings: {kept} of it is kept as your credit."
    elif minor < invoice.outstanding:
        note = "M-Pesa takes no more than this at a time. Pay the rest after it."
    return Method("mpesa", "M-Pesa", minor, text(minor, invoice.asset), note)


async def _attempt(call: Call, found: Shown, method: Method, phone: str, once: str) -> str:
    """Have the payer asked; a reason if that was refused."""
    tenant_id, payment = found.tenant.tenant_id, found.payment
    payment_id = ""
    if payment is not None and payment.status == "requires_action":
        if payment.attempt >= ATTEMPTS_MAX:
            return "too_many_attempts"
        payment_id = payment.payment_id
        if not _is_offered(payment, method, found.invoice):
            wish = {"payment_id": payment_id}
            status, answer = await _say(call, tenant_id, CANCEL, f"{once}/cancel", wish)
            if status >= 400:
                return str(answer["code"])
            payment_id = ""
    if not payment_id:
        asked = format_minor(method.minor, exponent_of(found.invoice.asset))
        wish = {"invoice_id": found.invoice.invoice_id, "amount": asked}
        status, answer = await _say(call, tenant_id, CREATE_INTENT, f"{once}/intent", wish)
        if status >= 400:
            return str(answer["code"])
        payment_id = str(answer["payment_id"])
    told = {"phone": phone} if method.name == "mpesa" else {}
    wish = {"payment_id": payment_id, "method": method.name, **told}
    status, answer = await _say(call, tenant_id, CONFIRM, f"{once}/{payment_id}", wish)
    return str(answer["code"]) if status >= 400 else ""


def _is_offered(payment: Payment, method: Method, invoice: Invoice) -> bool:
    """Whether an intent that waits is what the page shows: else its payer is asked for another
    amount than that.
    """
    asked = payment.amount, payment.asset, payment.capture_method
    return asked == (method.minor, invoice.asset, "automatic")


async def _say(
    call: Call, tenant_id: str, event_type: str, key: str, data: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    event_id = http_event_id(tenant_id, call.route.name, key)
    said = {**data, "actor": "payer"}
    decision = await decided(call.context, tenant_id, event_type, event_id, said)
    reply = decision.entry.reply
    if reply is None:
        return 409, {"code": decision.entry.reason.partition(":")[0]}
    return reply.status, plain(reply.body)


async def _page(call: Call, found: Shown, failure: str = "") -> web.Response:
    payment, invoice, state = found.payment, found.invoice, found.state
    if not failure and payment is not None and payment.status == "requires_action":
        failure = payment.failure
    action = payment.next_action if payment is not None and state == "waiting" else ""
    usable = await _usable(call, found) if state == "open" else {}
    return page(
        "pay",
        status=422 if failure and call.request.method == "POST" else 200,
        refresh_s=REFRESH_S if state == "waiting" else 0,
        token=call.request.match_info["token"],
        once=secrets.token_hex(16),
        tenant=found.tenant,
        invoice=invoice,
        state=state,
        outstanding=text(invoice.outstanding, invoice.asset),
        total=text(invoice.total, invoice.asset),
        methods=_methods(usable, invoice),
        action_url=action if _is_address(action) else "",
        failure=_WORDS.get(failure, _ANY_FAILURE) if failure else "",
        paybill=usable["mpesa"].public if "mpesa" in usable else None,
        code=code_of(found.tenant.tenant_id, invoice.invoice_id),
    )


def _is_address(action: str) -> bool:
    """Whether it is a page of a provider: over https, or a fake on this machine."""
    try:
        require_safe(action, "a payer's page")
    except Misconfigured:
        return False
    return True


async def _form(call: Call) -> Mapping[str, str]:
    """The members of a form. Raises `Problem` 413, 415, 408 or 400."""
    request = call.request
    if request.content_type != "application/x-www-form-urlencoded":
        raise of_status(415)
    timeout_s = call.context.settings.body_timeout_s
    body = await read_any(request, bytes_max=FORM_BYTES_MAX, timeout_s=timeout_s)
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=16))
    except ValueError as error:
        raise of_status(400) from error


def _gone() -> web.Response:
    return page("gone", status=404)
