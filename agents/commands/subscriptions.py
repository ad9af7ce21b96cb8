"""Plans, and subscriptions to them: create, cancel at the end of the period or at once."""

from datetime import date
from fractions import Fraction

import msgspec

from agents.accounting import deferral, metering
from agents.accounting.lines import quantity_of
from agents.commands.base import Command, answered, demand, found, not_below_zero, same
from agents.effects import Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Code, Day, Id, Metadata, OptionalId, Text
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
    metadata: Metadata = {}


class CreateSubscription(Command, frozen=True):
    """A customer takes a plan from a day on, by default today."""

    plan_id: Id
    customer_id: Id
    subscription_id: OptionalId = ""
    start_date: Day | None = None
    metadata: Metadata = {}


class CancelSubscription(Command, frozen=True):
    """At the end of the period, or at once: then its price counts by days; what was prepaid is
    earned, and given back by a credit note if it is to be.
    """

    subscription_id: Id
    at_once: bool = False


@handles(CREATE_PLAN, CreatePlan, ingress=COMMANDS)
def create_plan(event: Event[CreatePlan], view: View) -> Effects:
    """Plans never change: make another, and move subscribers."""
    data = event.data
    asset = data.currency or view.tenant(event.tenant_id).currency
    plan_id = data.plan_id or event.derive("plan")
    demand(view.row(Plan, event.tenant_id, plan_id) is None, "plan_exists")
    fits = 1 <= data.months <= MONTHS_MAX and len(data.meters) <= METERS_MAX
    demand(fits, "plan_out_of_bounds", f"1 to {MONTHS_MAX} months", 422)
    meters = tuple(_meter(meter) for meter in data.meters)
    each_once = len({meter.name for meter in meters}) == len(meters)
    demand(each_once, "meter_twice", http_status=422)
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
        metadata=data.metadata,
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
    plan = found(view, Plan, event.tenant_id, data.plan_id)
    subscription_id = data.subscription_id or event.derive("subscription")
    known = view.row(Subscription, event.tenant_id, subscription_id)
    demand(known is None, "subscription_exists")
    today = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    began = data.start_date or today
    away = abs((parse_day(began) - parse_day(today)).days)
    demand(away <= BACK_DAYS_MAX, "start_out_of_bounds", f"within {BACK_DAYS_MAX} days", 422)
    row = Subscription(
        event.tenant_id,
        subscription_id,
        plan.plan_id,
        data.customer_id,
        plan.asset,
        began,
        created_ms=event.now_ms,
        metadata=data.metadata,
        link_seed=event.derive("link_seed"),
    )
    yield from metering.begin_period(event, view, row, plan)
    yield from answered(same(view, Subscription, event.tenant_id, subscription_id), 201)


@handles(CANCEL, CancelSubscription, ingress=COMMANDS)
def cancel(event: Event[CancelSubscription], view: View) -> Effects:
    """The running period is billed in any case: at its end, or now."""
    data = event.data
    row = found(view, Subscription, event.tenant_id, data.subscription_id)
    over = row.status == "ended" or (row.status == "cancelled" and not data.at_once)
    demand(not over, f"subscription_{row.status}")
    today = local_day(event.timestamp_ms, view.tenant(event.tenant_id).time_zone)
    after = row.replaced(status="cancelled", ends=row.period_to, version=row.version + 1)
    if data.at_once:
        plan = same(view, Plan, event.tenant_id, row.plan_id)
        yield from metering.bill(event, view, row, plan, share=_share(row, today), last=True)
        after = deferral.over(after).replaced(
            status="ended", ends=today, period_from="", period_to=""
        )
    yield Put(after)
    yield from answered(after)


def _share(row: Subscription, today: str) -> Fraction:
    """How much of the period is over, today included."""
    since, until, now = map(date.fromisoformat, (row.period_from, row.period_to, today))
    days = min(max((now - since).days + 1, 0), (until - since).days)
    return Fraction(days, (until - since).days)
