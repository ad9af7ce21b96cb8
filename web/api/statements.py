"""Statements of banks and gateways: a file is read here, and its lines are decided some at a time.

A file is refused as a whole, with the line that is wrong, before anything of it enters the log. Who
sends it again, or another one that overlaps it, changes nothing: every line has a key of its own.
"""

import asyncio
import hashlib
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from agents.accounting.chart import BANK
from agents.commands.statements import IMPORT, LINES_MAX
from agents.shown import shown
from connectors.callbacks import Rows
from connectors.statements.base import BadStatement, Line, Statement, keys_of
from connectors.statements.reading import read
from connectors.statements.rows import Columns
from streams.ids import derive, http_event_id
from streams.journal import Entry
from streams.money import UnknownAsset, exponent_of, format_minor, plain
from tables import statements as rows
from tables.postgres.configuration import read_values
from tables.postgres.suggestions import suggestions
from web.api.resources import one
from web.bodies import read_any
from web.call import Call
from web.commands import ACTOR_CHARS_MAX, decided
from web.lists import bad_parameter, json_response, parameters, reading
from web.problems import Problem
from web.tenants import tenant_of

FILE_BYTES_MAX = 48 * 1024 * 1024
READ_TIMEOUT_S = 120.0
AT_ONCE = 16
"""Events of one file that wait for their decisions together."""
COLUMNS = (
    *("day", "value_day", "amount", "debit", "credit", "reference", "receipt", "text", "party"),
    *("balance", "bank_reference", "day_format", "delimiter", "decimal_mark", "encoding"),
)
PARAMETERS = ("account", "kind", "currency", *COLUMNS)
"""Of the query: whose statement it is, what it is in, and the columns of a CSV."""


async def upload(call: Call) -> web.StreamResponse:
    """Each statement of the file, once all its lines were decided."""
    given = parameters(call)
    account = given.get("account", "")
    if not account:
        raise bad_parameter("account", "an account of the ledger, like bank:kcb")
    async with call.context.desk.view(call.tenant_id) as view:
        tenant = tenant_of(view, call)  # another worker's is forwarded before its file is read
    body = await read_any(call.request, bytes_max=FILE_BYTES_MAX, timeout_s=READ_TIMEOUT_S)
    file = hashlib.sha256(body).hexdigest()
    found = await asyncio.to_thread(_read, body, {"currency": tenant.currency, **given})
    await _must_be_of(call, account, found)
    wishes = _wishes(found, account, file)
    await _all_decided(call, wishes)
    return json_response({"data": await _now(call, wishes)})


async def read_in(call: Call, account: str, statement: Statement) -> None:
    """Have the lines of a statement decided that a bank's API told."""
    if statement.lines:
        told = hashlib.sha256(msgspec.json.encode(statement)).hexdigest()
        await _all_decided(call, _wishes((statement,), account, told))


def statement_of(heard: Rows) -> Statement:
    """What a bank's API told, as a statement."""
    return Statement(
        account=heard.account,
        asset=heard.asset,
        number=f"{heard.from_day} to {heard.to_day}",
        from_day=heard.from_day,
        to_day=heard.to_day,
        opening=heard.opening_minor,
        closing=heard.closing_minor,
        lines=tuple(
            Line(
                day=row.day,
                value_day=row.value_day,
                minor=row.minor,
                bank_reference=row.receipt or row.bank_reference,  # as its alert names it
                receipt="",
                reference=row.reference,
                party=row.party,
                text=row.text,
            )
            for row in heard.rows
        ),
    )


def _read(body: bytes, given: Mapping[str, str]) -> tuple[Statement, ...]:
    """The statements of a file. Raises `Problem` 422 that names the line."""
    named = {name: given[name] for name in COLUMNS if name in given}
    columns = None
    if named:
        if "day" not in named:
            raise bad_parameter("day", "the column of a CSV that has the day")
        about = {"account": given["account"], "asset": given["currency"]}
        columns = msgspec.convert({**about, **named}, Columns)
    try:
        return read(body, kind=given.get("kind", ""), columns=columns)
    except BadStatement as error:
        raise Problem(422, "statement-refused", str(error)[:300]) from None


async def _must_be_of(call: Call, account: str, found: tuple[Statement, ...]) -> None:
    """Raise `Problem` 422 for a statement of another bank account than the tenant said it has
    under this name.
    """
    async with reading(call) as connection:
        configured = await read_values(connection, call.tenant_id, "bank_accounts")
    ours = plain(configured[0]["value"].encode())["accounts"] if configured else []
    number = next((each["number"] for each in ours if f"bank:{each['account']}" == account), "")
    for statement in found:
        said = "".join(char for char in statement.account.upper() if char.isalnum())
        if statement.account == account:  # a CSV names none
            continue
        if number and said and not (said.endswith(number) or number.endswith(said)):
            raise Problem(422, "statement-of-another", "It is of another account than this one.")


def _wishes(found: tuple[Statement, ...], account: str, file: str) -> list[dict[str, Any]]:
    """What is asked of the log. Equal lines are counted over the whole file, under our own name of
    the account: whatever names a file gives it, a line has one key.
    """
    lines = tuple(line for statement in found for line in statement.lines)
    keys = iter(keys_of(msgspec.structs.replace(found[0], account=account, lines=lines)))
    wishes: list[dict[str, Any]] = []
    for number, statement in enumerate(found):
        own = [next(keys) for _ in statement.lines]
        wishes += _of_statement(statement, own, account, f"{file}/{number}")
    return wishes


def _of_statement(
    statement: Statement, keys: list[str], account: str, named: str
) -> Iterator[dict[str, Any]]:
    """Lines of one day, at most so many at once; one for no lines."""
    try:
        exponent = exponent_of(statement.asset)
    except UnknownAsset:
        raise Problem(422, "statement-refused", "Its currency is not known here.") from None
    of_bank = account.startswith(BANK)
    days: dict[str, list[dict[str, Any]]] = {}
    for line, key in zip(statement.lines, keys, strict=True):
        if line.minor:
            said = _said(line, key, exponent, of_bank=of_bank)
            days.setdefault(line.day, []).append(said)
    since, until = statement.from_day or min(days, default=""), statement.to_day
    until = until or max(days, default="")
    if not until:
        raise Problem(422, "statement-refused", "It has no lines and names no days.")
    about = {
        "key": hashlib.sha256(named.encode()).hexdigest(),
        "account": account,
        "currency": statement.asset,
        "count": sum(map(len, days.values())),
        "from_day": since or until,
        "to_day": until,
        "number": statement.number[:200],
        "file": named.partition("/")[0],
        "opening": _text(statement.opening, exponent),
        "closing": _text(statement.closing, exponent),
    }
    for day, of_day in sorted(days.items()) or [(until, [])]:
        some = sorted(of_day, key=lambda said: said["amount"].startswith("-"))
        for first in range(0, max(len(some), 1), LINES_MAX):
            yield {**about, "day": day, "lines": some[first : first + LINES_MAX]}


def _text(minor: int | None, exponent: int) -> str:
    return "" if minor is None else format_minor(minor, exponent)


def _said(line: Line, key: str, exponent: int, *, of_bank: bool) -> dict[str, Any]:
    """A line as the command has it; long words are cut, its key is of the whole.

    A bank's receipt is its own reference; what a payer named it on its way is among its words.
    """
    told = of_bank and line.bank_reference
    receipt = line.bank_reference if told else "" if of_bank else line.receipt
    text = f"{line.text} {line.receipt}" if of_bank and line.receipt not in line.text else line.text
    return {
        "key": key,
        "amount": format_minor(line.minor, exponent),
        "value_day": line.value_day,
        "receipt": _plain(receipt, 128),
        "reference": _plain(line.reference, 200),
        "party": _plain(line.party, 200),
        "text": _plain(text, 200),
    }


def _plain(text: str, chars: int) -> str:
    """Without control characters, which no word in the log has."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:chars]


async def _all_decided(call: Call, wishes: list[dict[str, Any]]) -> None:
    """Have all of it decided, some at once. Raises what the first one that failed raises."""
    assert call.claims is not None
    actor = call.claims.subject[:ACTOR_CHARS_MAX]
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: str, wish: Mapping[str, Any]) -> None:
        key = f"{actor}/{wish['account']}/{wish['key']}/{number}"
        event_id = http_event_id(call.tenant_id, call.route.name, key)
        async with slots:
            decision = await decided(
                call.context, call.tenant_id, IMPORT, event_id, {**wish, "actor": actor}
            )
        refusal = _refusal(decision.entry)
        if refusal is not None and refusal.code == "too_large" and len(wish["lines"]) > 1:
            half = len(wish["lines"]) // 2
            await one(f"{number}.1", {**wish, "lines": wish["lines"][:half]})
            await one(f"{number}.2", {**wish, "lines": wish["lines"][half:]})
        elif refusal is not None:
            raise refusal

    # What came before what left: a cost may stand above the payment that it is of.
    for leaves in (False, True):
        some = [(number, wish) for number, wish in enumerate(wishes) if _leaves(wish) is leaves]
        await _all_of(one(str(number), wish) for number, wish in some)


def _leaves(wish: Mapping[str, Any]) -> bool:
    return any(said["amount"].startswith("-") for said in wish["lines"])


async def _all_of(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _refusal(entry: Entry) -> Problem | None:
    """Why some lines were not taken; None if they were, now or by the same person before."""
    if entry.reply is None:
        if entry.status in {"applied", "duplicate"}:
            return None
        reason, _, detail = entry.reason.partition(": ")
        return Problem(413 if reason == "too_large" else 500, reason or "internal", detail)
    if entry.reply.status < 400:
        return None
    said = plain(entry.reply.body)
    return Problem(entry.reply.status, said["code"], said.get("detail", ""))


async def suggest(call: Call) -> web.StreamResponse:
    """What a line may be, by amount, day and party: to look at. Nothing is matched by it."""
    parameters(call)
    line = await one(call, rows.StatementLine, call.request.match_info["line_id"])
    async with reading(call) as connection:
        found = await suggestions(connection, call.tenant_id, line)
    exponent = exponent_of(line.asset)
    said = [
        {
            "kind": row["kind"],
            "id": row["id"],
            "party": row["party"],
            "amount": _text(int(row["minor"]), exponent),
            "currency": line.asset,
            "day": row["day"].isoformat(),
            "because": ["amount", f"{row['days']} days apart", *(["party"] * row["is_named"])],
        }
        for row in found
    ]
    return json_response({"data": said})


async def _now(call: Call, wishes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements as they are now, each once."""
    keys = dict.fromkeys(f"{wish['account']}/{wish['key']}" for wish in wishes)
    found = []
    async with call.context.desk.view(call.tenant_id) as view:
        for key in keys:
            statement_id = derive(call.tenant_id, key, "statement", 0)
            row = view.row(rows.Statement, call.tenant_id, statement_id)
            if row is not None:
                found.append(shown(row))
    return found
