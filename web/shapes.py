"""How rows look in answers: amounts as decimal text beside their currency, never floats."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import asyncpg
import msgspec

from agents.accounting import chart
from streams import strict_json
from streams.money import exponent_of, format_minor
from streams.timestamps import format_ms
from tables.balances import Balance
from tables.postgres.lists import microseconds_of


def money(minor: int, asset: str) -> dict[str, str]:
    """An amount with its currency."""
    return {"amount": format_minor(minor, exponent_of(asset)), "currency": asset}


def balance(row: Balance) -> dict[str, Any]:
    """A balance on the account's normal side.

    `available` leaves out what holds may still take away: pending amounts of the other side.
    """
    side = chart.normal_side(row.account)
    posted = row.posted if side == chart.DEBIT else -row.posted
    leaving = row.pending_credits if side == chart.DEBIT else row.pending_debits
    return {
        "account": row.account,
        "currency": row.asset,
        "normal_side": side,
        "debits": money(row.debits, row.asset),
        "credits": money(row.credits, row.asset),
        "balance": money(posted, row.asset),
        "pending_debits": money(row.pending_debits, row.asset),
        "pending_credits": money(row.pending_credits, row.asset),
        "available": money(posted - leaving, row.asset),
        "version": row.version,
    }


def past_balance(row: Balance) -> dict[str, Any]:
    """A balance as it once was: what was pending then is not kept."""
    now = balance(row)
    gone = {"pending_debits", "pending_credits", "available", "version"}
    return {name: value for name, value in now.items() if name not in gone}


def account(name: str, rows: Iterable[Balance]) -> dict[str, Any]:
    """An account with its balance in every currency it was used in."""
    return {
        "account": name,
        "normal_side": chart.normal_side(name),
        "balances": [balance(row) for row in rows],
    }


def entry(row: asyncpg.Record, legs: Iterable[asyncpg.Record]) -> dict[str, Any]:
    """An entry with its postings; `position` is its place in the inbound log."""
    return {
        "partition": row["partition"],
        "seq": row["seq"],
        "ordinal": row["ordinal"],
        "position": {
            "log": row["log"],
            "offset": row["log_offset"],
            "index": row["log_index"],
            "step": row["step"],
        },
        "event_id": row["event_id"],
        "event_type": row["event_type"],
        "ingress": row["ingress"],
        "status": row["status"],
        "reason": row["reason"],
        "decided_at": instant(row["decided_at"]),
        "postings": [posting(leg) for leg in legs],
    }


def posting(row: Mapping[str, Any] | asyncpg.Record) -> dict[str, Any]:
    """One leg of an entry, by its side."""
    minor = int(row["minor"])
    return {
        "account": row["account"],
        "side": chart.DEBIT if minor >= 0 else chart.CREDIT,
        **money(abs(minor), row["asset"]),
        "dimensions": msgspec.Raw(row["dimensions"].encode()),
        "booked_on": _day(row["booked_on"]),
        "effective_on": _day(row["effective_on"]),
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def instant(at: Any) -> str:
    """RFC 3339 in UTC."""
    return format_ms(microseconds_of(at) // 1000)


def raw_json(stored: bytes) -> msgspec.Raw | None:
    """Stored bytes as they are if they are JSON, else None: some events were none."""
    return msgspec.Raw(stored) if strict_json.check(stored) is None else None
