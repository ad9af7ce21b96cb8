"""Subscriptions: periods of the tenant's calendar, what their meters counted, their invoices.

At the end of a period one invoice: the fixed price and quantity × price, each rounded once. A use
belongs to the period of its own time; if that was billed already it is on the next invoice, as of
a prior period, unless the period before had so much left of what it includes. Prepaid: the price
is invoiced when the period begins, and earned as it goes by (deferral.py). A change of plan takes
effect with the next period: nothing is prorated but a period that ends early (cancelled at once),
whose price counts by days. A prepaid one that does is earned at once; what is to be given back of
it is a credit note.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any

from agents.accounting import chart, deferral
from agents.accounting.invoicing import Claim, raise_invoice
from agents.accounting.lines import MILLIONTHS, quantity_text
from agents.accounting.tax import Parts, of_gross, rates_of, treated
from agents.effects import Effect, Effects, Put, Schedule
from agents.registry import Event, View, when_due
from streams.money import exponent_of, half_up
from streams.timestamps import instant_of, local_day, months_later
from tables.invoices import Invoice, Line
from tables.memory import Due
from tables.subscriptions import Meter, Plan, Subscription, Usage

Priced = tuple[Line, Parts]


def begin_period(event: Event[Any], view: View, row: Subscription, plan: Plan) -> Iterator[Effect]:
    """The next period of a subscription begins; what is prepaid is invoiced now."""
    time_zone = view.tenant(event.tenant_id).time_zone
    since = months_later(row.began, row.period * plan.months)
    until = months_later(row.began, (row.period + 1) * plan.months)
    row = row.replaced(period_from=since, period_to=until)
    yield Schedule(_instant(until, time_zone), "period", row.subscription_id)
    if not plan.prepaid or not plan.price:
        yield Put(row)
        return
    lines = [_line(event, view, plan.name, "1", plan.price)]
    invoice, effects = _invoice(event, view, row, plan, lines=lines, income=chart.DEFERRED_REVENUE)
    yield Put(deferral.begun(row, invoice))
    yield from effects
    yield from deferral.next_release(row, since, time_zone)


def _instant(day: str, time_zone: str) -> int:
    return instant_of(date.fromisoformat(day), time_zone)


@when_due("period")
def period_due(event: Event[Due], view: View) -> Effects:
    """A period is over: bill what it used (and cost, unless prepaid), begin the next."""
    row = view.row(Subscription, event.tenant_id, event.data.subject)
    if row is None or not row.period_to or row.status == "ended":
        return
    ends_ms = _instant(row.period_to, view.tenant(event.tenant_id).time_zone)
    if event.now_ms < ends_ms:  # the time zone changed: midnight is later now
        yield Schedule(ends_ms, "period", row.subscription_id)
        return
    plan = view.row(Plan, event.tenant_id, row.plan_id)
    assert plan is not None
    last = row.status == "cancelled"
    yield from bill(event, view, row, plan, share=Fraction(1), last=last)
    row = deferral.over(row).replaced(period=row.period + 1, version=row.version + 1)
    if last:
        yield Put(row.replaced(status="ended", period_from="", period_to=""))
    else:
        yield from begin_period(event, view, row, plan)


def bill(
    event: Event[Any],
    view: View,
    row: Subscription,
    plan: Plan,
    *,
    share: Fraction,
    last: bool = False,
) -> Iterator[Effect]:
    """The period's invoice; `share` of its price counts. What was deferred is earned.

    The `last` one has the uses from after the period as well: no other will.
    """
    if row.deferred:
        yield deferral.released(row, row.deferred)
    lines: list[Priced] = []
    if plan.price and not plan.prepaid:
        price = half_up(plan.price * share.numerator, share.denominator)
        lines.append(_line(event, view, plan.name, "1", price))
    for meter in plan.meters:
        usage = view.row(Usage, event.tenant_id, row.subscription_id, meter.name)
        if usage is None:
            continue
        for quantity, included, late in (
            (usage.late, 0, True),
            (usage.now, meter.included, False),
            (usage.next if last else 0, meter.included, False),
        ):
            charged = max(quantity - included, 0)
            if charged:
                amount = _metered(meter, charged, plan.asset)
                metered = (meter.name, quantity_text(charged), amount)
                lines.append(_line(event, view, *metered, late=late))
        unused = max(meter.included - usage.now, 0)
        now = 0 if last else usage.next
        yield Put(usage.replaced(late=0, now=now, next=0, unused=unused))
    if any(parts.net for _, parts in lines):
        _, effects = _invoice(event, view, row, plan, lines=lines)
        yield from effects


def _metered(meter: Meter, millionths: int, asset: str) -> int:
    """Quantity × price in minor units, rounded half up once; prices may be finer than those."""
    exact = Fraction(millionths, 10**MILLIONTHS) * Fraction(meter.price) * 10 ** exponent_of(asset)
    return half_up(exact.numerator, exact.denominator)


def _line(
    event: Event[Any],
    view: View,
    description: str,
    quantity: str,
    gross: int,
    *,
    late: bool = False,
) -> Priced:
    tenant = view.tenant(event.tenant_id)
    rates = rates_of(tenant, local_day(event.timestamp_ms, tenant.time_zone))
    parts = of_gross(rates, gross)
    line = Line(
        description,
        quantity,
        parts.net,
        parts.vat,
        treated("standard", registered=rates.registered),
        prior_period=late,
        charge=parts.charge,
    )
    return line, parts


def _invoice(
    event: Event[Any],
    view: View,
    row: Subscription,
    plan: Plan,
    *,
    lines: list[Priced],
    income: str = "",
) -> tuple[Invoice, Iterator[Effect]]:
    levies: Counter[str] = Counter()
    for _, parts in lines:
        levies.update(parts.levies)
    net, tax = sum(parts.net for _, parts in lines), sum(parts.vat for _, parts in lines)
    claim = Claim(
        "",
        row.customer_id,
        "",
        deferral.SOURCE,
        plan.asset,
        net + tax + levies.total(),
        parts=Parts(net, tax, dict(levies)),
        lines=tuple(line for line, _ in lines),
        reference=row.subscription_id,
        income=income,
        link_seed=row.link_seed,
    )
    # A period's last invoice and the next one's first can be of one event.
    tenant = view.tenant(event.tenant_id)
    return raise_invoice(event, view, tenant, claim, int(bool(income)))


def count(
    event: Event[Any],
    view: View,
    row: Subscription,
    plan: Plan,
    *,
    meter: Meter,
    quantity: int,
) -> Iterator[Effect]:
    """A meter counted so much (millionths) at the event's own time.

    A late use takes first what the period before had left of what it includes.
    """
    day = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    usage = view.row(Usage, event.tenant_id, row.subscription_id, meter.name)
    if usage is None:
        unused = meter.included if row.period else 0
        usage = Usage(event.tenant_id, row.subscription_id, meter.name, unused=unused)
    if day < row.period_from:
        is_of_last = day >= months_later(row.began, (row.period - 1) * plan.months)
        free = min(quantity, usage.unused) if is_of_last else 0
        yield Put(usage.replaced(late=usage.late + quantity - free, unused=usage.unused - free))
    elif day < row.period_to:
        yield Put(usage.replaced(now=usage.now + quantity))
    else:
        yield Put(usage.replaced(next=usage.next + quantity))
