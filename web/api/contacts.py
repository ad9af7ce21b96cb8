"""A tenant's customers as they are to be written to: personal data, in no log and no audit line."""

from typing import Annotated, Any, Literal

import asyncpg
from aiohttp import web
from pydantic import Field, StringConstraints, field_validator

from tables.postgres import contacts as rows
from tables.postgres.contacts import ContactRow
from web.bodies import Body, NoControls
from web.call import Call
from web.configuring import configuring
from web.lists import json_response, keyset_response, read_page, reading
from web.problems import not_found
from web.shapes import instant

CUSTOMER_CHARS_MAX = 128
Email = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,189})?$",
        max_length=254,
    ),
]
"""Empty, or an address as HTML's own inputs take it (html.spec.whatwg.org, "valid e-mail")."""
Phone = Annotated[str, StringConstraints(pattern=r"^(\+?[1-9][0-9]{7,14})?$")]
"""Empty, or international (E.164)."""


class ContactBody(Body):
    """One customer, under the id that orders and invoices know them by."""

    customer_id: Annotated[NoControls, Field(min_length=1, max_length=CUSTOMER_CHARS_MAX)]
    name: Annotated[NoControls, Field(max_length=200)] = ""
    email: Email = ""
    phone: Phone = ""
    channels: Annotated[list[Literal["email", "sms", "whatsapp"]], Field(max_length=3)] = [
        "email",
        "sms",
    ]

    @field_validator("channels")
    @classmethod
    def _differ(cls, channels: list[str]) -> list[str]:
        if len(set(channels)) != len(channels):
            raise ValueError("each channel is named once")
        return channels


async def put(call: Call) -> web.StreamResponse:
    """Keep a customer's name and addresses, in place of those before."""
    model = call.model
    assert isinstance(model, ContactBody)
    contact = ContactRow(
        call.tenant_id, model.customer_id, model.name, model.email, model.phone, model.channels
    )
    async with configuring(call) as change:
        row = await rows.put_contact(change.connection, contact, by=change.actor, now=change.now)
        detail = {"version": row["version"], "channels": row["channels"]}
        await change.note("contact.put", model.customer_id, detail)
    return json_response(shown(row))


async def remove(call: Call) -> web.StreamResponse:
    """Erase a customer's name and addresses; nobody writes to them any more."""
    customer_id = call.request.match_info["customer_id"]
    async with configuring(call) as change:
        if not await rows.remove_contact(change.connection, call.tenant_id, customer_id):
            raise not_found()
        await change.note("contact.remove", customer_id)
    return json_response({"customer_id": customer_id, "state": "erased"})


async def get(call: Call) -> web.StreamResponse:
    """One customer's name and addresses."""
    async with reading(call) as connection:
        row = await rows.get_contact(
            connection, call.tenant_id, call.request.match_info["customer_id"]
        )
    if row is None:
        raise not_found()
    return json_response(shown(row))


async def list_all(call: Call) -> web.StreamResponse:
    """Customers with a name or addresses, those written last first."""
    page = read_page(call)
    async with reading(call) as connection:
        found = await rows.list_contacts(
            connection, call.tenant_id, after=page.behind, limit=page.limit + 1
        )
    return keyset_response(call, page, found, ("written_at", "customer_id"), shown)


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """A contact as its tenant sees it."""
    return {
        "customer_id": row["customer_id"],
        "name": row["name"],
        "email": row["email"],
        "phone": row["phone"],
        "channels": row["channels"],
        "version": row["version"],
        "written_at": instant(row["written_at"]),
        "written_by": row["written_by"],
    }
