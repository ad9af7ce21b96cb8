"""Plans, subscriptions to them, and what their meters counted.

States of a subscription: active → cancelled (its running period is billed at its end) → ended.
Guarantees: every use is billed once; a use that comes after its period was billed is on the next
invoice, marked as of a prior period. Constraints: periods are months of the tenant's time zone,
from the day it started; a plan never changes, subscribers move to another.
"""

import msgspec

from tables.row import Row, register


class Meter(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A meter of a plan: `price` is decimal text for one unit, finer than minor units if need be.

    The first `included` units of a period (millionths) cost nothing.
    """

    name: str
    price: str
    included: int = 0


@register
class Plan(Row, frozen=True):
    """What a period costs: `price` minor units, and what its meters count besides."""

    KIND = "pn"
    KEY = ("tenant_id", "plan_id")

    tenant_id: str
    plan_id: str
    name: str
    asset: str
    price: int
    months: int = 1
    prepaid: bool = False
    meters: tuple[Meter, ...] = ()
    created_ms: int = 0
    version: int = 1
    status: str = "active"
    metadata: dict[str, str] = {}


@register
class Subscription(Row, frozen=True):
    """One customer's subscription; `period` counts from 0, `began` is its first day (ISO).

    Of `deferred_total`, what the invoice `deferred_invoice_id` of a prepaid period is worth net of
    tax by now, `deferred` is yet to be earned, and `earned` was.

    `link_seed` makes the payment links of its invoices hard to guess; nobody is shown it.
    """

    KIND = "su"
    KEY = ("tenant_id", "subscription_id")

    tenant_id: str
    subscription_id: str
    plan_id: str
    customer_id: str
    asset: str
    began: str
    period: int = 0
    period_from: str = ""
    period_to: str = ""
    status: str = "active"
    ends: str = ""
    deferred: int = 0
    deferred_total: int = 0
    created_ms: int = 0
    version: int = 1
    metadata: dict[str, str] = {}
    link_seed: str = ""
    deferred_invoice_id: str = ""
    earned: int = 0


@register
class Usage(Row, frozen=True):
    """What one meter counted in one period, in millionths; `late` came after it was billed.

    `unused` is what the period before has left of what it includes, for uses of it that come late.
    """

    KIND = "us"
    KEY = ("tenant_id", "subscription_id", "meter")

    tenant_id: str
    subscription_id: str
    meter: str
    now: int = 0
    next: int = 0
    late: int = 0
    unused: int = 0
