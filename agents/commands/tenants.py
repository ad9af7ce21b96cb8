"""What a tenant says of itself: closed books, thresholds, budgets, and a sandbox's clock."""

from agents.accounting import budgets
from agents.accounting.settings import SettingsGiven, chosen, told
from agents.commands.base import Command, answered, not_below_zero, same
from agents.effects import AdvanceClock, Answer, Effects, Put, Refuse
from agents.posting import crossed_now
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Account, Code, Day, Id, Text
from streams.money import Amount
from streams.timestamps import format_ms, local_day, parse_day, parse_ms
from tables.budgets import Budget
from tables.tenants import Tenant, Threshold

CLOSE = "treasury.command.period.close"
THRESHOLD = "treasury.command.threshold.set"
CHANGE = "treasury.command.settings.change"
BUDGET = "treasury.command.budget.set"
ADVANCE = "treasury.command.clock.advance"
DAY_MS = 24 * 3600 * 1000
YEAR_MS = 366 * DAY_MS
WATCHED_MAX = 50
ASSETS_MAX = 200


class ClosePeriod(Command, frozen=True):
    """Close the books through a day that is over; never back."""

    through: Day


class SetThreshold(Command, frozen=True):
    """Tell when a balance, on its normal side, passes an amount: `below` or above it.

    No more once `watching` is false.
    """

    account: Account
    amount: Amount
    currency: Code = ""
    below: bool = True
    watching: bool = True


class SetBudget(Command, frozen=True):
    """What a project may spend in a category; `*` is all of them."""

    project_id: Id
    amount: Amount
    category: Text = budgets.ALL
    currency: Code = ""


class Advance(Command, frozen=True):
    """Put a sandbox tenant's clock forward: to a moment (RFC 3339) or by days, a year at most."""

    to: Text = ""
    days: int | None = None


class ChangeSettings(Command, frozen=True):
    """Change the tenant's choices; what is not said stays."""

    settings: SettingsGiven


@handles(CHANGE, ChangeSettings, ingress=COMMANDS)
def change(event: Event[ChangeSettings], view: View) -> Effects:
    """They count for what is decided from now on."""
    tenant = view.tenant(event.tenant_id)
    after = chosen(tenant, event.data.settings).replaced(version=tenant.version + 1)
    yield Put(after)
    yield Answer(200, told(after))


@handles(CLOSE, ClosePeriod, ingress=COMMANDS)
def close(event: Event[ClosePeriod], view: View) -> Effects:
    """Whatever comes for a closed day counts in the first open one, and keeps its own date."""
    tenant, through = view.tenant(event.tenant_id), event.data.through
    today = local_day(event.timestamp_ms, tenant.time_zone)
    parse_day(through)
    if through >= today:
        return [Refuse("period_not_over", f"today is {today}", 422)]
    if through < tenant.closed_through:
        return [Refuse("period_closed", f"closed through {tenant.closed_through}")]
    after = tenant.replaced(closed_through=through, version=tenant.version + 1)
    return [Put(after), Answer(200, {"closed_through": through, "version": after.version})]


@handles(THRESHOLD, SetThreshold, ingress=COMMANDS)
def threshold(event: Event[SetThreshold], view: View) -> Effects:
    """Watched from now on; it tells when the line is crossed the next time."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    asset = data.currency or tenant.currency
    watched = {*tenant.watched, data.account}
    if not (data.watching or _watched_besides(view, event.tenant_id, data.account, asset)):
        watched.remove(data.account)
    if len(watched) > WATCHED_MAX:
        yield Refuse("too_many_thresholds", f"at most {WATCHED_MAX} accounts", 422)
        return
    before = view.row(Threshold, event.tenant_id, data.account, asset)
    row = Threshold(
        event.tenant_id,
        data.account,
        asset,
        data.amount.minor(asset),
        data.below,
        version=before.version + 1 if before else 1,
        watching=data.watching,
    )
    row = row.replaced(passed=data.watching and crossed_now(row, view))
    if watched != {*tenant.watched}:
        yield Put(tenant.replaced(watched=tuple(sorted(watched)), version=tenant.version + 1))
    yield Put(row)
    yield from answered(row, 200)


def _watched_besides(view: View, tenant_id: str, account: str, asset: str) -> bool:
    """Whether the account is watched in another currency."""
    return any(
        isinstance(row, Threshold) and row.watching and row.asset != asset
        for row in view.scan(Threshold.prefix_of(tenant_id, account), ASSETS_MAX)
    )


@handles(BUDGET, SetBudget, ingress=COMMANDS)
def budget(event: Event[SetBudget], view: View) -> Effects:
    """What was counted before stays counted."""
    data = event.data
    asset = data.currency or view.tenant(event.tenant_id).currency
    known = view.row(Budget, event.tenant_id, data.project_id, data.category, asset)
    row = known or Budget(event.tenant_id, data.project_id, data.category, asset, version=0)
    amount = not_below_zero(data.amount, asset)
    yield from budgets.judged(row.replaced(amount=amount, version=row.version + 1))
    yield from answered(same(view, Budget, event.tenant_id, data.project_id, data.category, asset))


@handles(ADVANCE, Advance, ingress=COMMANDS)
def advance(event: Event[Advance], view: View) -> Effects:
    """Every moment on the way is lived through, in its order, at its own time."""
    tenant: Tenant = view.tenant(event.tenant_id)
    data = event.data
    if bool(data.to) == (data.days is not None):
        return [Refuse("to_or_days", "say one of them", 422)]
    to_ms = parse_ms(data.to) if data.days is None else event.now_ms + data.days * DAY_MS
    if not tenant.sandbox:
        return [Refuse("not_a_sandbox", "only a sandbox tenant's clock can be moved", 422)]
    if not event.now_ms < to_ms <= event.now_ms + YEAR_MS:
        return [Refuse("clock_out_of_bounds", f"it is {format_ms(event.now_ms)}", 422)]
    said = {"now": format_ms(event.now_ms), "to": format_ms(to_ms)}
    return [AdvanceClock(to_ms), Answer(202, said)]
