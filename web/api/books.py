"""The books as a whole: the trial balance, statements of payees, the tenant's clock."""

from collections import Counter
from datetime import date
from typing import Any

import asyncpg
import msgspec
from aiohttp import web

from agents.accounting import chart
from agents.shown import shown
from streams.money import exponent_of, format_minor, plain
from streams.timestamps import format_ms
from tables.balances import Balance
from tables.earnings import Earnings
from tables.payouts import Payout
from tables.postgres.lists import (
    Period,
    ResourceFilter,
    opening,
    resources,
    statement,
    trial_balance,
)
from tables.row import restored
from web.call import Call
from web.lists import bad_parameter, format_of, json_response, parameters, reading
from web.problems import Problem, not_found
from web.tables import csv_response
from web.tenants import tenant_of

ACCOUNTS_MAX = LINES_MAX = 10_000
PERIODS_MAX, PAYOUTS_MAX = 1_000, 1_000


async def get_trial_balance(call: Call) -> web.StreamResponse:
    """All accounts with their debits and credits: as committed now, or `through` a day's end.

    JSON, or CSV without the totals.
    """
    wanted, given = format_of(parameters(call)), parameters(call).get("through")
    if given is None:
        async with call.context.desk.view(call.tenant_id) as view:
            found = view.scan(Balance.prefix_of(call.tenant_id), ACCOUNTS_MAX)
        rows = [
            (row.account, row.asset, row.debits, row.credits)
            for row in found
            if isinstance(row, Balance)
        ]
    else:
        async with reading(call) as connection:
            records = await trial_balance(connection, call.tenant_id, _day("through", given))
        rows = [(r["account"], r["asset"], int(r["debits"]), int(r["credits"])) for r in records]
    if wanted == "csv":
        columns = ("account", "currency", "normal_side", "debit", "credit")
        return csv_response(columns, [_line(*row) for row in rows])
    debits, credits_ = Counter[str](), Counter[str]()
    for _, asset, debit, credit in rows:
        posted = debit - credit
        debits[asset] += max(posted, 0)
        credits_[asset] += max(-posted, 0)
    totals = [
        {
            "currency": asset,
            "debit": _text(debits[asset], asset),
            "credit": _text(credits_[asset], asset),
            "ties": debits[asset] == credits_[asset],
        }
        for asset in sorted({asset for _, asset, _, _ in rows})
    ]
    return json_response(
        {"data": [_line(*row) for row in rows], "totals": totals, "through": given}
    )


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise bad_parameter(name, "a date like 2026-01-31") from None


def _line(account: str, asset: str, debits: int, credits_: int) -> dict[str, Any]:
    posted = debits - credits_
    return {
        "account": account,
        "currency": asset,
        "normal_side": chart.normal_side(account),
        "debit": _text(max(posted, 0), asset),
        "credit": _text(max(-posted, 0), asset),
    }


def _text(minor: int, asset: str) -> str:
    return format_minor(minor, exponent_of(asset))


async def get_account_statement(call: Call) -> web.StreamResponse:
    """An account's legs between two booked days, with the balance after each; JSON or CSV."""
    given, name = parameters(call), call.request.match_info["account"]
    wanted = format_of(given)
    async with call.context.desk.view(call.tenant_id) as view:
        asset = given.get("currency") or tenant_of(view, call).currency
    period = Period(*(_day(end, given[end]) if end in given else None for end in ("from", "to")))
    async with reading(call) as connection:
        before = await opening(connection, call.tenant_id, name, asset, period.since)
        rows = await statement(
            connection, call.tenant_id, name, asset, period=period, limit=LINES_MAX + 1
        )
    if len(rows) > LINES_MAX:
        raise Problem(422, "too-many-lines", f"More than {LINES_MAX} lines: narrow the days.")
    sign = 1 if chart.normal_side(name) == chart.DEBIT else -1
    lines, balance = [], before
    for row in rows:
        balance += int(row["minor"])
        lines.append(_statement_line(row, asset, sign * balance))
    if wanted == "csv":
        return csv_response(
            ("booked_on", "effective_on", "event_type", "event_id", "debit", "credit", "balance"),
            lines,
        )
    return json_response(
        {
            "account": name,
            "currency": asset,
            "normal_side": chart.normal_side(name),
            "opening": _text(sign * before, asset),
            "closing": _text(sign * balance, asset),
            "data": lines,
        }
    )


def _statement_line(row: asyncpg.Record, asset: str, balance: int) -> dict[str, Any]:
    minor = int(row["minor"])
    return {
        "booked_on": row["booked_on"].isoformat(),
        "effective_on": row["effective_on"].isoformat(),
        "event_type": row["event_type"],
        "event_id": row["event_id"],
        "debit": _text(max(minor, 0), asset),
        "credit": _text(max(-minor, 0), asset),
        "balance": _text(balance, asset),
        "dimensions": msgspec.Raw(row["dimensions"].encode()),
    }


async def get_statement(call: Call) -> web.StreamResponse:
    """What a payee earned, what was kept back and paid, and what is owed; JSON or CSV."""
    payee_id, wanted = call.request.match_info["payee_id"], format_of(parameters(call))
    tenant_id, owed = call.tenant_id, chart.earnings(payee_id)
    async with call.context.desk.view(tenant_id) as view:
        periods = view.scan(Earnings.prefix_of(tenant_id, payee_id), PERIODS_MAX)
        balances = view.scan(Balance.prefix_of(tenant_id, owed), PERIODS_MAX)
    if not periods:
        raise not_found()
    paid = await _payouts(call, payee_id)
    earned = [shown(row) for row in periods]
    left = [
        {"currency": row.asset, "balance": _text(-row.posted, row.asset)}
        for row in balances
        if isinstance(row, Balance)
    ]
    if wanted == "csv":
        return _csv(payee_id, earned, paid, left)
    return json_response(
        {"payee_id": payee_id, "periods": earned, "payouts": paid, "balances": left}
    )


async def _payouts(call: Call, payee_id: str) -> list[dict[str, Any]]:
    async with reading(call) as connection:
        rows = await resources(
            connection,
            call.tenant_id,
            Payout.KIND,
            ResourceFilter(customer_id=payee_id),
            after=None,
            limit=PAYOUTS_MAX,
        )
    return [shown(restored(Payout, plain(row["body"]))) for row in rows]


def _csv(
    payee_id: str,
    earned: list[dict[str, Any]],
    paid: list[dict[str, Any]],
    left: list[dict[str, str]],
) -> web.StreamResponse:
    """One line per gross amount, deduction and payout, and what is owed of each currency."""
    columns = ("payee_id", "period", "kind", "amount", "currency", "status", "reference")
    rows = []
    for row in earned:
        about = (payee_id, row["period"])
        rows.append((*about, "gross", row["gross"], row["currency"], "", ""))
        for deduction in row["deductions"]:
            kind, amount = deduction["kind"], deduction["amount"]
            rows.append((*about, kind, f"-{amount}", row["currency"], "", ""))
    for row in paid:
        sent = (f"-{row['amount']}", row["currency"], row["status"], row["provider_reference"])
        rows.append((payee_id, "", "payout", *sent))
    rows += [(payee_id, "", "balance", row["balance"], row["currency"], "", "") for row in left]
    return csv_response(columns, [dict(zip(columns, row, strict=True)) for row in rows])


async def get_clock(call: Call) -> web.StreamResponse:
    """The tenant's clock, and whether it can be moved."""
    async with call.context.desk.view(call.tenant_id) as view:
        tenant = tenant_of(view, call)
    now_ms = call.context.clock_ms() + tenant.ahead_ms
    return json_response(
        {
            "now": format_ms(now_ms),
            "sandbox": tenant.sandbox,
            "time_zone": tenant.time_zone,
            "closed_through": tenant.closed_through,
        }
    )
