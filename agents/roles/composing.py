"""What is said to a payer when a message is sent: looked up then, because much may have changed.

Whoever has paid meanwhile is not reminded, and an address that was changed or erased is not written
to. Reads rows of the read models and the contact; sends nothing.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from connectors.notifications.translate import (
    CHANNELS,
    Contact,
    Message,
    for_people,
    key_of,
    messages_of,
)
from connectors.reading import Unreadable
from streams.money import exponent_of, format_minor
from tables.invoices import Invoice
from tables.payments import Payment
from tables.postgres.contacts import ContactRow, contacts_of
from tables.postgres.documents import row_of
from tables.postgres.messages import Due
from tables.tenants import Tenant

ASKING = frozenset({"payment_reminder", "dunning"})
"""Templates that ask for money: of no use once nothing is owed."""
_NOT_ASKED_FOR = frozenset({"draft", "void", "credited"})


@dataclass(frozen=True, slots=True)
class Unsent:
    """Why a message is not to be sent: it is parked, or there is nothing left to say."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about, as it is now."""

    tenant: Tenant
    invoice: Invoice | None
    payment: Payment | None


async def compose(connection: asyncpg.Connection, due: Due, pages: str) -> Message | Unsent:
    """The message as it is to be sent now; `pages` is where payers reach us."""
    subject = await _subject(connection, due)
    if _is_over(due, subject):
        return Unsent("withdrawn", "nothing_left_to_say")
    customer = due.tenant_id, due.customer_id
    contact = (await contacts_of(connection, [customer])).get(customer)
    if contact is None:
        return Unsent("parked", "no_contact")
    return _message(due, contact, {**_about(subject, pages), "customer_name": contact.name})


def contact_of(row: ContactRow) -> Contact:
    """Whom to write to, by which channels. Raises ValueError for an invalid address."""
    wanted = tuple(channel for channel in CHANNELS if channel in row.channels)
    return Contact(row.email, row.phone, wanted)


def _message(due: Due, row: ContactRow, about: Mapping[str, str]) -> Message | Unsent:
    try:
        found = messages_of(due.body, [contact_of(row)], about)
    except (ValueError, Unreadable):  # without the text, which may be an address
        return Unsent("parked", "cannot_be_written")
    message = next((each for each in found if each.channel == due.channel), None)
    if message is None:
        return Unsent("parked", "no_address")
    if not due.round:
        return message
    key = f"{key_of(due.event_id, message.channel)}.{due.round}"
    return dataclasses.replace(message, key=key)


async def _subject(connection: asyncpg.Connection, due: Due) -> Subject:
    tenant_id = due.tenant_id
    tenant = await row_of(connection, Tenant, tenant_id, tenant_id) or Tenant(tenant_id, tenant_id)
    if due.reference_type == "invoice":
        invoice = await row_of(connection, Invoice, tenant_id, due.reference_id)
        return Subject(tenant, invoice, None)
    payment = await row_of(connection, Payment, tenant_id, due.reference_id)
    if payment is None:
        return Subject(tenant, None, None)
    paid = [each.subject for each in payment.placements if each.kind in {"invoice", "quoted"}]
    invoice_id = next(iter(paid), payment.invoice_id)
    invoice = await row_of(connection, Invoice, tenant_id, invoice_id) if invoice_id else None
    return Subject(tenant, invoice, payment)


def _is_over(due: Due, subject: Subject) -> bool:
    """Whether what the event said is no longer to be said."""
    invoice, payment = subject.invoice, subject.payment
    if due.template == "payment_failed":
        return payment is not None and payment.status == "succeeded" and not _is_undone(payment)
    if due.template == "payment_receipt":
        return payment is not None and _is_undone(payment)
    if due.template in ASKING:
        return invoice is None or invoice.disputed or not invoice.outstanding
    if due.template == "invoice_created":
        return invoice is None or invoice.status in _NOT_ASKED_FOR
    return False


def _is_undone(payment: Payment) -> bool:
    """Whether a chain has taken back all that had come; it stays `succeeded` all the same."""
    return 0 < payment.received <= payment.taken_back


def _about(subject: Subject, pages: str) -> dict[str, str]:
    """What templates may show besides: who asks, what it is called, where its pages are."""
    about = {"seller": subject.tenant.name}
    invoice, payment = subject.invoice, subject.payment
    if invoice is None:
        return about
    about["number"] = invoice.reference or invoice.order_id or invoice.invoice_id
    outstanding = format_minor(invoice.outstanding, exponent_of(invoice.asset))
    about["outstanding"] = outstanding
    about["outstanding_text"] = for_people(outstanding, invoice.asset)
    if invoice.link_token:
        link = f"{pages}/pay/{invoice.link_token}"
        about |= {"pay_url": link, "invoice_url": f"{link}/invoice"}
        if payment is not None and payment.received > payment.taken_back:
            about["receipt_url"] = f"{link}/receipts/{payment.payment_id}"
    return about
