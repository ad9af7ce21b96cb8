"""Plans, and subscriptions to them: create, cancel at the end of the period or at once."""

from datetime import date
from fractions import Fraction

import msgspec

from agents.accounting import metering
from agents.accounting.lines import quantity_of
from agents.commands.base import Command, answered, not_below_zero, same, unknown
from agents.effects import Effects, Put, Refuse, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Code, Day, Id, OptionalId, Text
from streams.money import Amount, parse_minor
from streams.timestamps import local_day, parse_day
from tables.subscriptions import Meter, Plan, Subscription

CREATE_PLAN = "treasury.command.plan.create"
CREATE = "treasury.command.subscription.create"
CANCEL = "treasury.command.subscription.cancel"
METERS_MAX, MONTHS_MAX, BACK_DAYS_MAX = 20, 12, 62
PRICE_DECIMALS = 9


class MeterGiven(msgspec.Struct, frozen=True, gc=False):
    """A meter: its price for one (nine decimals at most), and what a period includes."""

    name: Text
    unit_price: Amount
    included: Amount = Amount("0")


class CreatePlan(Command, frozen=True):
    """A price per period of `months`, and meters. Prices contain the tax, as all totals do."""

    name: Text
    price: Amount
    plan_id: OptionalId = ""
    currency: Code = ""
    months: int = 1
    prepaid: bool = False
    meters: list[MeterGiven] = []


class CreateSubscription(Command, frozen=True):
    """A customer takes a plan from a day on, by default today."""

    plan_id: Id
    customer_id: Id
    subscription_id: OptionalId = ""
    start_date: Day | None = None


class CancelSubscription(Command, frozen=True):
    """At the end of the period, or at once: then its price counts by days."""

    subscription_id: Id
    at_once: bool = False


@handles(CREATE_PLAN, CreatePlan, ingress=COMMANDS)
def create_plan(event: Event[CreatePlan], view: View) -> Effects:
    """Plans never change: make another, and move subscribers."""
    data = event.data
    asset = data.currency or view.tenant(event.tenant_id).currency
    plan_id = data.plan_id or event.derive("plan")
    if view.row(Plan, event.tenant_id, plan_id) is not None:
        yield Refuse("plan_exists")
        return
    if not 1 <= data.months <= MONTHS_MAX or len(data.meters) > METERS_MAX:
        yield Refuse("plan_out_of_bounds", f"1 to {MONTHS_MAX} months", 422)
        return
    meters = tuple(_meter(meter) for meter in data.meters)
    if len({meter.name for meter in meters}) < len(meters):
        yield Refuse("meter_twice", http_status=422)
        return
    row = Plan(
        event.tenant_id,
        plan_id,
        data.name,
        asset,
        not_below_zero(data.price, asset),
        data.months,
        data.prepaid,
        meters,
        event.now_ms,
    )
    yield Put(row)
    yield from answered(row, 201)


def _meter(given: MeterGiven) -> Meter:
    included = quantity_of(given.included)
    if parse_minor(given.unit_price.text, PRICE_DECIMALS) < 0 or included < 0 or not given.name:
        raise Unfit("amount_not_positive", "a meter has a name, a price and what is included")
    return Meter(given.name, given.unit_price.text, included)


@handles(CREATE, CreateSubscription, ingress=COMMANDS)
def create(event: Event[CreateSubscription], view: View) -> Effects:
    """Its first period begins; uses that came before it are counted now."""
    data = event.data
    plan = view.row(Plan, event.tenant_id, data.plan_id)
    subscription_id = data.subscription_id or event.derive("subscription")
    if plan is None:
        yield unknown("plan")
        return
    if view.row(Subscription, event.tenant_id, subscription_id) is not None:
        yield Refuse("subscription_exists")
        return
    today = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    began = data.start_date or today
    if abs((parse_day(began) - parse_day(today)).days) > BACK_DAYS_MAX:
        yield Refuse("start_out_of_bounds", f"within {BACK_DAYS_MAX} days", 422)
        return
    row = Subscription(
        event.tenant_id,
        subscription_id,
        plan.plan_id,
        data.customer_id,
        plan.asset,
        began,
        created_ms=event.now_ms,
    )
    yield from metering.begin_period(event, view, row, plan)
    yield from answered(same(view, Subscription, event.tenant_id, subscription_id), 201)


@handles(CANCEL, CancelSubscription, ingress=COMMANDS)
def cancel(event: Event[CancelSubscription], view: View) -> Effects:
    """The running period is billed in any case: at its end, or now."""
    data = event.data
    row = view.row(Subscription, event.tenant_id, data.subscription_id)
    if row is None:
        yield unknown("subscription")
        return
    if row.status == "ended" or (row.status == "cancelled" and not data.at_once):
        yield Refuse(f"subscription_{row.status}")
        return
    today = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    after = row.replaced(status="cancelled", ends=row.period_to, version=row.version + 1)
    if data.at_once:
        plan = same(view, Plan, event.tenant_id, row.plan_id)
        yield from metering.bill(event, view, row, plan, share=_share(row, today))
        after = after.replaced(
            status="ended", ends=today, period_from="", period_to="", deferred=0, deferred_total=0
        )
    yield Put(after)
    yield from answered(after)


def _share(row: Subscription, today: str) -> Fraction:
    """How much of the period is over, today included."""
    since, until, now = map(date.fromisoformat, (row.period_from, row.period_to, today))
    days = min(max((now - since).days + 1, 0), (until - since).days)
    return Fraction(days, (until - since).days)
