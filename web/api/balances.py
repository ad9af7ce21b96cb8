"""Balances and accounts, from the working set of the tenant's owner: as committed now."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from streams.partitioner import partition_of
from tables.balances import Balance
from tables.postgres.lists import balances_at
from web import shapes
from web.call import Call
from web.lists import format_of, json_response, moment_of, parameters, reading
from web.problems import Problem, not_found
from web.tables import csv_response

BALANCES_MAX = 1_000
"""More than this is narrowed by account; `has_more` says that it happened."""
COLUMNS = (
    *("account", "currency", "normal_side", "debits", "credits", "balance"),
    *("pending_debits", "pending_credits", "available"),
)
"""Of a CSV; what was pending at a moment of the past is empty."""


async def list_balances(call: Call) -> web.StreamResponse:
    """Balances by account and currency; `account` is a prefix. JSON or CSV."""
    given = parameters(call)
    wanted = format_of(given)
    if "at" in given:
        return await _past_balances(call, given)
    rows, position, has_more = await read_balances(call, given.get("account", ""))
    currency = given.get("currency")
    shown = [shapes.balance(row) for row in rows if currency in {None, row.asset}]
    if wanted == "csv":
        if has_more:
            raise Problem(422, "too-many-lines", f"More than {BALANCES_MAX}: narrow by account.")
        return _table(shown)
    return json_response({"data": shown, "has_more": has_more, "position": position})


def _table(shown: Sequence[Mapping[str, Any]]) -> web.Response:
    """A line for each balance; its amounts are of its one currency."""
    lines = [
        {name: value["amount"] if isinstance(value, dict) else value for name, value in row.items()}
        for row in shown
    ]
    return csv_response(COLUMNS, lines)


async def _past_balances(call: Call, given: dict[str, str]) -> web.StreamResponse:
    """As decided until a moment of log time, from the archive; nothing was pending then."""
    at = moment_of("at", given["at"])
    async with reading(call) as connection:
        found = await balances_at(connection, call.tenant_id, at)
    rows = [
        Balance(
            call.tenant_id, row["account"], row["asset"], int(row["debits"]), int(row["credits"])
        )
        for row in found
    ]
    prefix, currency = given.get("account", ""), given.get("currency")
    shown = [
        shapes.past_balance(row)
        for row in rows
        if row.account.startswith(prefix) and currency in {None, row.asset}
    ]
    if format_of(given) == "csv":
        return _table(shown)
    return json_response({"data": shown, "has_more": False, "at": given["at"]})


async def list_accounts(call: Call) -> web.StreamResponse:
    """Accounts that were ever used; `account` is a prefix."""
    rows, position, has_more = await read_balances(call, parameters(call).get("account", ""))
    by_name: dict[str, list[Balance]] = {}
    for row in rows:
        by_name.setdefault(row.account, []).append(row)
    shown = [shapes.account(name, found) for name, found in by_name.items()]
    return json_response({"data": shown, "has_more": has_more, "position": position})


async def get_account(call: Call) -> web.StreamResponse:
    """One account with all its currencies."""
    name = call.request.match_info["account"]
    rows, position, _ = await read_balances(call, name)
    mine = [row for row in rows if row.account == name]
    if not mine:
        raise not_found()
    return json_response({**shapes.account(name, mine), "position": position})


async def read_balances(call: Call, prefix: str) -> tuple[list[Balance], dict[str, int], bool]:
    """(balances of accounts that begin so, a position they are at least as new as, more?)."""
    desk, tenant_id = call.context.desk, call.tenant_id
    async with desk.view(tenant_id) as view:
        position = _position(call)
        found = view.scan(Balance.prefix_of(tenant_id) + prefix.encode(), BALANCES_MAX + 1)
    rows = [row for row in found[:BALANCES_MAX] if isinstance(row, Balance)]
    return rows, position, len(found) > BALANCES_MAX


def _position(call: Call) -> dict[str, int]:
    desk = call.context.desk
    partition = partition_of(call.tenant_id, desk.partitions)
    seq = next(s.seq for s in desk.statuses() if s.partition == partition)
    return {"partition": partition, "seq": seq}
