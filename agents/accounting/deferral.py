"""What is paid ahead for a period: deferred when it is invoiced, earned month by month.

deferred_revenue / revenue:subscription, in proportion to days. What is taken back of the invoice,
by a credit note, a refund or a void, is not there to be earned any more: as that takes it from
revenue, so much is released, and the days that are left share the rest. What a refund that fails
gives back is theirs again.
Guarantee: a period earns what its invoice is worth net of tax, and no day of it is below zero.
"""

from collections.abc import Iterator
from datetime import date

from agents.accounting import chart
from agents.accounting.crediting import note
from agents.effects import Effect, Effects, Post, Put, Schedule
from agents.registry import Event, View, when_due
from streams.journal import Posting
from streams.money import half_up
from streams.timestamps import instant_of, local_day, months_later
from tables.invoices import Invoice
from tables.memory import Due
from tables.subscriptions import Subscription

SOURCE = "subscription"


def begun(row: Subscription, invoice: Invoice) -> Subscription:
    """The subscription with all of this period's invoice to be earned."""
    net = _net(invoice)
    return row.replaced(
        deferred=net, deferred_total=net, deferred_invoice_id=invoice.invoice_id, earned=0
    )


def over(row: Subscription) -> Subscription:
    """The subscription without anything to be earned."""
    return row.replaced(deferred=0, deferred_total=0, deferred_invoice_id="", earned=0)


def next_release(row: Subscription, today: str, time_zone: str) -> Iterator[Schedule]:
    """When the first month of the period after `today` is over; nothing at the period's own end."""
    months = 1
    while months_later(row.period_from, months) <= today:
        months += 1
    next_month = months_later(row.period_from, months)
    if next_month < row.period_to:
        due_ms = instant_of(date.fromisoformat(next_month), time_zone)
        yield Schedule(due_ms, "release", row.subscription_id)


@when_due("release")
def release_due(event: Event[Due], view: View) -> Effects:
    """A month of a prepaid period is over: its share of days is earned."""
    row = view.row(Subscription, event.tenant_id, event.data.subject)
    if row is None or not (row.deferred_total or row.deferred_invoice_id):
        return
    time_zone = view.tenant(event.tenant_id).time_zone
    today = local_day(event.now_ms, time_zone)
    if not row.period_from < today < row.period_to:
        return
    since, until, now = map(date.fromisoformat, (row.period_from, row.period_to, today))
    due = half_up(row.deferred_total * (now - since).days, (until - since).days)
    amount = due - _earned(row)
    if amount > 0:
        yield released(row, amount)
        left, earned = row.deferred - amount, _earned(row) + amount
        yield Put(row.replaced(deferred=left, earned=earned, version=row.version + 1))
    yield from next_release(row, today, time_zone)


def followed(view: View, before: Invoice, after: Invoice) -> Iterator[Effect]:
    """Some of an invoice was taken from revenue, or given back to it: what is left to be earned."""
    if after.source != SOURCE:
        return
    row = view.row(Subscription, after.tenant_id, after.reference)
    if row is None or row.deferred_invoice_id != after.invoice_id:
        return
    # Never below nothing: a journal may have given back what notes then take again.
    total = max(row.deferred_total - (_net(before) - _net(after)), 0)
    deferred = max(total - _earned(row), 0)
    if deferred != row.deferred:
        yield released(row, row.deferred - deferred)
    if total != row.deferred_total:
        yield Put(row.replaced(deferred=deferred, deferred_total=total, version=row.version + 1))


def released(row: Subscription, amount: int) -> Post:
    """So much is revenue now; below zero it is not any more."""
    where = {"party": row.customer_id, "subscription": row.subscription_id}
    return Post(
        [
            Posting(chart.DEFERRED_REVENUE, row.asset, amount, where),
            Posting(chart.revenue(SOURCE), row.asset, -amount, where),
        ]
    )


def _earned(row: Subscription) -> int:
    """What was released of the period so far, which may be more than it is worth by now."""
    return row.earned if row.deferred_invoice_id else row.deferred_total - row.deferred


def _net(invoice: Invoice) -> int:
    """What the invoice is worth to us, without tax and levies, but for what notes took back."""
    if invoice.status == "void":
        return 0
    whole = invoice.total - invoice.tax - sum(invoice.levies.values())
    taken_back = dict(note(invoice.replaced(credited=0), invoice.credited))
    return whole - taken_back.get(chart.revenue(invoice.source), 0)
