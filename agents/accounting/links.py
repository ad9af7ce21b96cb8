"""Payment links: a public page for an invoice, if its tenant wants one."""

import hashlib
from collections.abc import Iterator
from typing import Any

from agents.accounting.codes import code_of
from agents.effects import Effect, Emit, Put
from agents.registry import Event
from streams.money import json_number
from tables.invoices import Invoice, PaymentLink
from tables.payments import PayCode
from tables.tenants import Tenant


def token_of(event: Event[Any], invoice_id: str, seed: str = "") -> str:
    """The token of the link to an invoice of this event: as hard to guess as the event's id.

    The id of a moment in time is no secret (who knows the tenant, the subscription and the day can
    reckon it): `seed` is of the event that made the subscription, and as hard to guess as its id,
    which is that of the caller's idempotency key. Subscriptions from before there were seeds have
    none.
    """
    words = f"{event.derive('payment_link')}/{invoice_id}/{seed}"
    return hashlib.sha256(words.encode()).hexdigest()[:40]


def link(event: Event[Any], tenant: Tenant, invoice: Invoice) -> Iterator[Effect]:
    """A link to the invoice, which bears its token already; nothing if it bears none.

    Its code is what a payer writes as the account at a paybill.
    """
    if not invoice.link_token:
        return
    row = PaymentLink(event.tenant_id, invoice.link_token, invoice.invoice_id, event.now_ms)
    yield Put(row)
    code = code_of(event.tenant_id, invoice.invoice_id)
    yield Put(PayCode(event.tenant_id, code, invoice.invoice_id))
    said = {
        "invoice_id": invoice.invoice_id,
        "order_id": invoice.order_id,
        "customer_id": invoice.customer_id,
        "amount": json_number(invoice.total, invoice.asset),
        "currency": invoice.asset,
        "path": f"/pay/{row.token}",
        "pay_code": code,
        "expires": "with the invoice",
        "country": tenant.country,
        "sequence": invoice.version,
    }
    yield Emit("treasury.payment_link.generated", said)
