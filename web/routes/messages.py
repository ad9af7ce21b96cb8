"""Lines of the route table for what payers are told: whom to write to, and what was written."""

from web import answers, scopes
from web.api import contacts, messages
from web.call import Route
from web.lines import TENANT
from web.schemas import paged

MESSAGES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{TENANT}/contacts",
        contacts.put,
        scopes.CONTACTS_WRITE,
        model=contacts.ContactBody,
        summary="Say who a customer is and how to write to them, in place of what was said before.",
        shows=answers.CONTACT,
    ),
    Route(
        "GET",
        f"{TENANT}/contacts",
        contacts.list_all,
        scopes.CONTACTS_READ,
        summary="List customers who can be written to, those written last first.",
        shows=paged(answers.CONTACT),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/contacts/{{customer_id}}",
        contacts.get,
        scopes.CONTACTS_READ,
        summary="Get how to write to a customer.",
        shows=answers.CONTACT,
    ),
    Route(
        "DELETE",
        f"{TENANT}/contacts/{{customer_id}}",
        contacts.remove,
        scopes.CONTACTS_WRITE,
        summary="Erase a customer's name and addresses.",
        shows=answers.ERASED,
    ),
    Route(
        "GET",
        f"{TENANT}/messages",
        messages.list_all,
        scopes.MESSAGES_READ,
        summary="List messages to payers and what became of each, newest first.",
        shows=paged(answers.MESSAGE),
        filters=messages.FILTERS,
        paged=True,
        tier=1,
    ),
    Route(
        "GET",
        f"{TENANT}/messages/{{message_id}}",
        messages.get,
        scopes.MESSAGES_READ,
        summary="Get a message to a payer.",
        shows=answers.MESSAGE,
        tier=1,
    ),
    Route(
        "POST",
        f"{TENANT}/messages/{{message_id}}/send-again",
        messages.send_again,
        scopes.MESSAGES_WRITE,
        summary="Send a message that is parked, or that the service could not deliver.",
        shows=answers.MESSAGE,
    ),
)
