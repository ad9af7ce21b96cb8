"""Lines of the route table for accounts, balances, entries and events."""

from tables.accounts import AccountRule
from tables.balances import Hold
from web import answers, schemas, scopes
from web.api import balances, books, entries, events, letters, live
from web.call import Route
from web.lines import TENANT, act, collection, resource
from web.schemas import paged, ref

LEDGER: tuple[Route, ...] = (
    act("/accounts", "account.set", scopes.BOOKS_WRITE, "Say whether an account may be overdrawn."),
    collection("/account-rules", AccountRule, scopes.BOOKS_READ),
    act("/holds", "hold.create", scopes.BOOKS_WRITE, "Set money of an account aside."),
    *resource("/holds", Hold, "hold_id", scopes.BOOKS_READ),
    act("/holds/{hold_id}/capture", "hold.capture", scopes.BOOKS_WRITE, "Move what was held."),
    act("/holds/{hold_id}/release", "hold.release", scopes.BOOKS_WRITE, "Free what was held."),
    Route(
        "GET",
        f"{TENANT}/balances",
        balances.list_balances,
        scopes.BALANCES_READ,
        summary="List balances by account and currency, as committed now or decided `at` a moment.",
        shows=answers.BALANCES,
        filters=("account", "currency", "at", "format"),
    ),
    Route(
        "GET",
        f"{TENANT}/balances/live",
        live.stream_balances,
        scopes.BALANCES_READ,
        summary="Balances now and whenever they change, as server-sent events.",
        filters=("account", "currency"),
        live=True,
    ),
    Route(
        "GET",
        f"{TENANT}/accounts",
        balances.list_accounts,
        scopes.BALANCES_READ,
        summary="List accounts with their balances.",
        shows=answers.ACCOUNTS,
        filters=("account",),
    ),
    Route(
        "GET",
        f"{TENANT}/accounts/{{account}}",
        balances.get_account,
        scopes.BALANCES_READ,
        summary="Get an account with its balances.",
        shows={"allOf": [ref("AccountShown"), schemas.record({"position": answers.POSITION})]},
    ),
    Route(
        "GET",
        f"{TENANT}/accounts/{{account}}/statement",
        books.get_account_statement,
        scopes.BALANCES_READ,
        summary="An account's statement with running balance (format=json or csv).",
        shows=answers.STATEMENT,
        filters=("currency", "from", "to", "format"),
    ),
    Route(
        "GET",
        f"{TENANT}/entries",
        entries.list_entries,
        scopes.ENTRIES_READ,
        summary="List ledger entries with their postings, newest first, or events that wait.",
        shows=paged(ref("EntryShown")),
        filters=("account", "event_type", "status", "waiting", "from", "to"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/entries/{{event_id}}",
        entries.get_entries_of_event,
        scopes.ENTRIES_READ,
        summary="Get the entries of one event.",
        shows=schemas.listed(ref("EntryShown")),
    ),
    Route(
        "GET",
        f"{TENANT}/events/{{event_id}}",
        events.get_event,
        scopes.EVENTS_READ,
        summary="Get the life story of one event.",
        shows=answers.LIFE,
    ),
    Route(
        "GET",
        f"{TENANT}/dead-letters",
        letters.list_letters,
        scopes.EVENTS_READ,
        summary="List events that were refused for good, newest first.",
        shows=paged(answers.LETTER),
        filters=("reason", "event_type", "from", "to"),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/dead-letters/{{letter_id}}",
        letters.get_letter,
        scopes.EVENTS_READ,
        summary="Get a dead letter with its event.",
        shows=answers.WHOLE_LETTER,
        filters=("min_position",),
    ),
    Route(
        "POST",
        f"{TENANT}/dead-letters/{{letter_id}}/redrive",
        letters.redrive,
        scopes.EVENTS_WRITE,
        summary="Have a rejected event decided once more; what was carried out is not again.",
        shows=answers.REDRIVEN,
    ),
    Route(
        "POST",
        f"{TENANT}/events:batch",
        events.post_events,
        scopes.EVENTS_WRITE,
        summary="Hand in events, one JSON envelope a line.",
        shows=schemas.listed(answers.LINE),
        media_type="application/x-ndjson",
    ),
)
