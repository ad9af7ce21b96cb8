"""When an invoice is due, overdue and asked for again: tenant-local, each step once.

Steps count days from the due date (at nine in the morning); overdue it is from the day after. After
downtime only the latest step is said. A reminder asks for what is outstanding then. It stops when
nothing is, and rests while a payment of the invoice is disputed.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from agents.effects import Effect, Effects, Emit, Put, Schedule
from agents.registry import Event, View, when_due
from streams.money import json_number
from streams.timestamps import instant_of
from tables.invoices import Invoice
from tables.memory import Due
from tables.tenants import Tenant

REMINDS_AT_MINUTES = 9 * 60
UNDUNNED = frozenset({"pos"})
"""Sources whose customer stands at the till: nobody is to be reminded."""

Moment = tuple[int, int | None]
"""(milliseconds, step); step None: from now on it is overdue."""


@lru_cache(maxsize=8192)
def calendar(due_date: str, time_zone: str, steps: tuple[int, ...]) -> tuple[Moment, ...]:
    """All moments of an invoice, in order."""
    due = date.fromisoformat(due_date)
    found: list[Moment] = [(instant_of(due + timedelta(days=1), time_zone), None)]
    for step in steps:
        day = due + timedelta(days=step)
        found.append((instant_of(day, time_zone, REMINDS_AT_MINUTES), step))
    return tuple(sorted(found, key=lambda moment: moment[0]))


def next_moment(invoice: Invoice, tenant: Tenant, after_ms: int) -> Iterator[Effect]:
    """To be looked at again at the first moment that is still to come."""
    if invoice.source in UNDUNNED or not invoice.due_date:
        return
    moments = calendar(invoice.due_date, tenant.time_zone, tenant.settings.dunning_days)
    for at_ms, _ in moments:
        if at_ms > after_ms:
            yield Schedule(at_ms, "invoice", invoice.invoice_id)
            return
    if invoice.dunned is None and not invoice.overdue:  # it came when all of them were over
        yield Schedule(after_ms + 1, "invoice", invoice.invoice_id)


def reopened(invoice: Invoice, after_ms: int) -> Iterator[Effect]:
    """Something is outstanding again: to be looked at now, for what came while nothing was."""
    if invoice.source not in UNDUNNED and invoice.due_date:
        yield Schedule(after_ms + 1, "invoice", invoice.invoice_id)


@when_due("invoice")
def invoice_due(event: Event[Due], view: View) -> Effects:
    """Say what is to be said by now, and remember when to look again."""
    tenant = view.tenant(event.tenant_id)
    invoice = view.row(Invoice, event.tenant_id, event.data.subject)
    if invoice is None or not invoice.outstanding:
        return
    yield from next_moment(invoice.replaced(overdue=True), tenant, event.now_ms)
    if invoice.disputed:
        return
    moments = calendar(invoice.due_date, tenant.time_zone, tenant.settings.dunning_days)
    over = [step for at_ms, step in moments if at_ms <= event.now_ms]
    steps = [step for step in over if step is not None]
    latest = steps[-1] if steps else None
    overdue = invoice.overdue or None in over
    told = latest is not None and (invoice.dunned is None or latest > invoice.dunned)
    if not told and overdue == invoice.overdue:
        return
    dunned = latest if told else invoice.dunned
    after = invoice.replaced(overdue=overdue, dunned=dunned, version=invoice.version + 1)
    yield Put(after)
    if told and latest is not None:
        yield from _remind(after, tenant, latest)


def _remind(invoice: Invoice, tenant: Tenant, step: int) -> Iterator[Effect]:
    final = step == max(tenant.settings.dunning_days)
    yield Emit("treasury.invoice.due", {**_said(invoice), "step_days": step, "final": final})
    if final:
        said = {"kind": "write_off_proposed", **_said(invoice)}
        yield Emit("treasury.reconciliation.exception", said)


def _said(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoice_id": invoice.invoice_id,
        "customer_id": invoice.customer_id,
        "amount": json_number(invoice.outstanding, invoice.asset),
        "due_date": invoice.due_date,
        "currency": invoice.asset,
        "order_id": invoice.order_id,
        "overdue": invoice.overdue,
        "sequence": invoice.version,
    }
