"""Settlements' ledger side: a gateway account's day is summed up, and then it is expected.

cash:in_transit / gateway for the day's net, when the tenant's day ends; bank / cash:in_transit when
a bank's statement shows it. Every item joins the one settlement that is collecting when it happens.
An account that only pays out has no days: its float is funded, and stays until it is used up.
"""

from collections.abc import Generator, Iterator
from datetime import date, timedelta
from typing import Any

from agents.accounting import chart, methods
from agents.effects import Delete, Effect, Effects, Emit, Post, Put, Schedule
from agents.registry import Event, View, when_due
from streams.ids import derive
from streams.journal import Posting
from streams.money import json_number
from streams.timestamps import instant_of, local_day
from tables.memory import Due
from tables.payments import Refund
from tables.payouts import Payout
from tables.settlements import Settlement
from tables.statements import Awaited, Leaving, StatementLine

EXPECTED_AFTER_DAYS = 1


def collect(
    event: Event[Any], view: View, *, provider: str, account: str, asset: str, **items: int
) -> Generator[Effect, None, str]:
    """Add items (gross, refunds, fees, payouts, disputes) to the day that collects now; its id.

    What is at a bank, or in a wallet of ours, has arrived, and a float stays: nothing is settled
    of it.
    """
    if account.startswith((chart.BANK, chart.CRYPTO)) or account in methods.FLOATS:
        return ""
    tenant = view.tenant(event.tenant_id)
    cut_off = tenant.settings.cut_off_minutes
    day = local_day(event.now_ms - cut_off * 60_000, tenant.time_zone)
    settlement_id, row = _of_day(view, event.tenant_id, account, asset, day)
    while row is not None and row.status != "collecting":
        # A later cut-off, or a zone further west, tells a day once more that is over.
        day = _next(day).isoformat()
        settlement_id, row = _of_day(view, event.tenant_id, account, asset, day)
    if row is None:
        row = Settlement(
            event.tenant_id,
            settlement_id,
            provider,
            account,
            asset,
            day,
            created_ms=event.now_ms,
            version=0,
        )
        at_ms = instant_of(_next(day), tenant.time_zone, cut_off)
        yield Schedule(at_ms, "settlement", settlement_id)
    changes = {name: getattr(row, name) + minor for name, minor in items.items()}
    yield Put(row.replaced(**changes, items=row.items + 1, version=row.version + 1))
    return settlement_id


def _of_day(
    view: View, tenant_id: str, account: str, asset: str, day: str
) -> tuple[str, Settlement | None]:
    """The id of an account's settlement of a day, and the settlement if it has begun."""
    settlement_id = derive(tenant_id, f"{account}/{asset}/{day}", "settlement", 0)
    return settlement_id, view.row(Settlement, tenant_id, settlement_id)


def _next(day: str) -> date:
    return date.fromisoformat(day) + timedelta(days=1)


@when_due("settlement")
def cut_off(event: Event[Due], view: View) -> Effects:
    """The day is over: its net is on its way to the bank."""
    row = view.row(Settlement, event.tenant_id, event.data.subject)
    if row is None or row.status != "collecting" or row.account in methods.FLOATS:
        return
    expected = date.fromisoformat(row.day) + timedelta(days=EXPECTED_AFTER_DAYS)
    after = row.replaced(
        status="expected", expected_date=expected.isoformat(), version=row.version + 1
    )
    if row.net:
        where = {"settlement": row.settlement_id}
        yield Post(
            [
                Posting(chart.IN_TRANSIT, row.asset, row.net, where),
                Posting(row.account, row.asset, -row.net, where),
            ]
        )
    yield Put(after)
    yield from awaited(after)
    if row.net:
        about = row.account, row.asset, str(row.net), row.settlement_id
        yield Put(Leaving(row.tenant_id, *about))
    yield from generated(after)


def awaited(row: Settlement) -> Iterator[Effect]:
    """It is looked for on statements, as money that comes or (a day of refunds) that goes."""
    if row.net:
        yield Put(Awaited(row.tenant_id, row.asset, str(row.net), row.settlement_id))


def left(row: Settlement) -> Iterator[Effect]:
    """Its gateway's own statement shows it as gone (below zero: as come); nothing moves."""
    about = row.account, row.asset, str(row.net), row.settlement_id
    yield Delete(Leaving.key_of(row.tenant_id, *about))
    yield Put(row.replaced(line_out="shown", version=row.version + 1))


def cost(row: Settlement, fee: int, where: dict[str, str]) -> Iterator[Effect]:
    """A fee of a day that is on its way is told: so much less is on its way.

    Gateway / cash:in_transit, for what was posted against the gateway meanwhile.
    """
    yield Post(
        [
            Posting(row.account, row.asset, fee, where),
            Posting(chart.IN_TRANSIT, row.asset, -fee, where),
        ]
    )
    after = row.replaced(fees=row.fees + fee, items=row.items + 1, version=row.version + 1)
    yield Delete(Awaited.key_of(row.tenant_id, row.asset, str(row.net), row.settlement_id))
    yield Put(after)
    yield from awaited(after)
    yield from _leaves(row, after)


def settle(row: Settlement, line: StatementLine, source: str, *, less: int = 0) -> Iterator[Effect]:
    """The bank has it: `source` (a bank account, or suspense) / cash:in_transit, `less` what its
    provider kept of it as a fee.
    """
    where = {"settlement": row.settlement_id, "line": line.line_id}
    legs = [
        Posting(source, row.asset, row.net - less, where),
        Posting(chart.fees(row.provider), row.asset, less, where),
        Posting(chart.IN_TRANSIT, row.asset, -row.net, where),
    ]
    yield Post([leg for leg in legs if leg.minor])
    yield Delete(Awaited.key_of(row.tenant_id, row.asset, str(row.net), row.settlement_id))
    after = row.replaced(
        status="settled",
        settled_day=line.day,
        line_id=line.line_id,
        fees=row.fees + less,
        short=less,
        version=row.version + 1,
    )
    yield Put(after)
    yield from _leaves(row, after)


def _leaves(before: Settlement, after: Settlement) -> Iterator[Effect]:
    """What its gateway's statement will show as gone, once that is another amount."""
    if before.net == after.net or before.line_out:
        return
    about = before.tenant_id, before.account, before.asset
    yield Delete(Leaving.key_of(*about, str(before.net), before.settlement_id))
    if after.net:
        yield Put(Leaving(*about, str(after.net), after.settlement_id))


def generated(row: Settlement) -> Iterator[Effect]:
    """The event of a settlement."""
    said = {
        "settlement_id": row.settlement_id,
        "provider": row.provider,
        "account": row.account,
        "day": row.day,
        "amount": json_number(row.net, row.asset),
        "currency": row.asset,
        "gross": json_number(row.gross, row.asset),
        "refunds": json_number(row.refunds, row.asset),
        "fees": json_number(row.fees, row.asset),
        "payouts": json_number(row.payouts, row.asset),
        "disputes": json_number(row.disputes, row.asset),
        "items": row.items,
        "expected_date": row.expected_date,
        "sequence": row.version,
    }
    yield Emit("treasury.settlement.generated", said)


def unexplained_loss(
    event: Event[Any],
    view: View,
    row: Payout | Refund,
    account: str,
    *,
    kind: str,
    subject_id: str,
    **items: int,
) -> Iterator[Effect]:
    """Money left an account although we had given it up: suspense:out / account, for a person; or,
    of items below zero, it is back.

    Truth first: the account shows what the provider has, and so does its day's settlement.
    """
    where, minor = {"subject": subject_id}, sum(items.values())
    yield Post(
        [
            Posting(chart.SUSPENSE_OUT, row.asset, minor, where),
            Posting(account, row.asset, -minor, where),
        ]
    )
    yield from collect(
        event, view, provider=row.provider, account=account, asset=row.asset, **items
    )
    said = {
        "kind": kind,
        "subject_id": subject_id,
        "amount": json_number(row.amount, row.asset),
        "currency": row.asset,
    }
    yield Emit("treasury.reconciliation.exception", said)
