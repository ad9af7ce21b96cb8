"""A seeded, believable load: what sister services publish, with the faults such streams have.

Independent of the product: nothing of its code is imported, so that both cannot be wrong alike.
The same arguments give the same bytes.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_DNS, UUID, uuid5

from tests.model.poison import spoil
from tests.model.wire import Exact, to_json

START_MS: Final = 1_772_409_600_000
"""2026-03-02T00:00:00Z; callers who publish to a live service pass the present instead."""

PUBLISHERS: Final = 4
MAGIC: Final = frozenset({13, 27, 31})
"""Last two digits of minor units to which the instant gateway answers otherwise than "done"."""

EXPONENTS: Final = {"KES": 2, "UGX": 0, "KWD": 3}


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer of the platform and its share of the load (a weight)."""

    tenant_id: str
    currency: str
    country: str
    time_zone: str
    tax_registered: bool
    weight: float
    outlets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One publication. `reason` is why it must become a dead letter, empty when it must not.

    `publisher` sends it; between publishers there is no order, except that a message is sent
    only when the one whose number is `after` was decided.
    """

    number: int
    subject: str
    raw: bytes
    publisher: int
    tenant_id: str
    reason: str = ""
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One payment over HTTP, to be played when all messages are decided.

    `amount` is decimal text, None for what the order's invoice has outstanding. `declined` says
    what the gateway must answer. `retried` sends each request twice under its key; `doubled`
    confirms once more under another key, which must not pay twice.
    """

    tenant_id: str
    order_id: str
    currency: str
    amount: str | None
    declined: bool
    retried: bool
    doubled: bool


@dataclass(frozen=True)
class Load:
    """Everything one run publishes and plays, in publishing order."""

    seed: int
    tenants: tuple[Tenant, ...]
    messages: tuple[Message, ...]
    stories: tuple[Story, ...]

    @property
    def canaries(self) -> dict[str, str]:
        """The tenant of each UUID that belongs to one tenant and must never show elsewhere."""
        return {
            uuid: tenant.tenant_id
            for tenant in self.tenants
            for uuid in (tenant.tenant_id, *tenant.outlets)
        }

    @property
    def kinds(self) -> Counter[str]:
        """Messages by subject, poison under its reason."""
        return Counter(message.reason or message.subject for message in self.messages)


@dataclass(slots=True, eq=False)
class _Draft:
    """A message before its place in the stream is known."""

    subject: str
    raw: bytes
    tenant_id: str
    reason: str = ""
    original: "_Draft | None" = None


@dataclass
class _Maker:
    """Random choices and running numbers of one load."""

    dice: random.Random
    start_ms: int
    count: int = 0
    stories: list[Story] = field(default_factory=list)

    def new_id(self, kind: str) -> str:
        """A random UUID that the seed decides."""
        self.count += 1
        return str(uuid5(NAMESPACE_DNS, f"{kind}.{self.count}.{self.dice.getrandbits(64):x}"))

    def event(self, subject: str, tenant_id: str, data: dict[str, object]) -> _Draft:
        """The next event in time."""
        self.count += 1
        body = {
            "event_id": str(UUID(int=self.dice.getrandbits(128), version=4)),
            "event_type": subject,
            "tenant_id": tenant_id,
            "timestamp": _timestamp(self.start_ms + 7 * self.count),
            "data": data,
        }
        return _Draft(subject, to_json(body), tenant_id)


def generate(
    seed: int,
    events: int,
    *,
    tenants: int = 5,
    hot_share: float = 0.2,
    start_ms: int = START_MS,
    duplicates: float = 0.02,
    late: float = 0.01,
    poison: float = 0.005,
) -> Load:
    """A load of exactly `events` messages (at least 8 for each tenant) and its payment stories.

    The first tenant has `hot_share` of the load, the others the rest in equal parts.
    """
    if tenants < 3 or events < 8 * tenants:
        raise ValueError("at least three tenants, and eight events for each")
    if not 0 < hot_share < 1:
        raise ValueError("the first tenant's share of the load is between 0 and 1")
    maker = _Maker(random.Random(seed), start_ms)
    people = _tenants(maker, tenants, hot_share)
    duplicated, spoiled = int(events * duplicates), int(events * poison)
    drafts = _business(maker, people, events - duplicated - spoiled)
    _move_late(maker.dice, drafts, people, late)
    _spoil(maker.dice, drafts, spoiled)
    _duplicate(maker.dice, drafts, duplicated)
    stories = maker.stories[: min(200, max(events // 100, 1))]
    return Load(seed, people, _number(drafts), tuple(stories))


def shuffled(messages: Sequence[Message], seed: int) -> list[Message]:
    """Any other order of arrival; only a conflict stays behind the message it contradicts."""
    order = list(messages)
    random.Random(seed).shuffle(order)
    followers: dict[int, list[Message]] = {}
    for message in order:
        if message.after is not None:
            followers.setdefault(message.after, []).append(message)
    leaders = [message for message in order if message.after is None]
    return [each for leader in leaders for each in (leader, *followers.get(leader.number, ()))]


def _tenants(maker: _Maker, count: int, hot_share: float) -> tuple[Tenant, ...]:
    """The first is the hot one; one counts in whole shillings, one in fils."""
    places = [("KES", "KE", "Africa/Nairobi", True), ("UGX", "UG", "Africa/Kampala", False)]
    places.append(("KWD", "KW", "Asia/Kuwait", False))
    places += [("KES", "KE", "Africa/Nairobi", index % 2 == 0) for index in range(count - 3)]
    return tuple(
        Tenant(
            maker.new_id("tenant"),
            currency,
            country,
            zone,
            registered,
            hot_share if index == 0 else (1 - hot_share) / (count - 1),
            tuple(maker.new_id("outlet") for _ in range(2)),
        )
        for index, (currency, country, zone, registered) in enumerate(places)
    )


# -- what happens -----------------------------------------------------------------------------


def _business(maker: _Maker, people: tuple[Tenant, ...], count: int) -> list[_Draft]:
    drafts = [_created(maker, tenant) for tenant in people]
    drafts += [_outlet(maker, tenant, outlet) for tenant in people for outlet in tenant.outlets]
    weights = [tenant.weight for tenant in people]
    while len(drafts) < count:
        tenant = maker.dice.choices(people, weights)[0]
        drafts += _order(maker, tenant, room=count - len(drafts))
    return drafts


def _created(maker: _Maker, tenant: Tenant) -> _Draft:
    data: dict[str, object] = {
        "name": f"Café {tenant.currency}",
        "country": tenant.country,
        "currency": tenant.currency,
        "time_zone": tenant.time_zone,
        "settings": {"tax_registered": tenant.tax_registered},
    }
    return maker.event("auth.tenant.created", tenant.tenant_id, data)


def _outlet(maker: _Maker, tenant: Tenant, outlet: str) -> _Draft:
    data: dict[str, object] = {"outlet_id": outlet, "name": "Counter"}
    return maker.event("auth.outlet.created", tenant.tenant_id, data)


def _order(maker: _Maker, tenant: Tenant, room: int) -> list[_Draft]:
    """One order: from the café, from a till, or from both in either sequence."""
    dice = maker.dice
    kinds = ("cafe", "cash", "change", "electronic", "mixed", "both")
    kind = dice.choices(kinds, (35, 22, 10, 10, 8, 15))[0]
    order_id = maker.new_id("order")
    customer = maker.new_id("customer") if dice.random() < 0.6 else ""
    total = _total(dice, tenant.currency)
    if kind == "cafe" or (kind == "both" and room < 2):
        _tell_story(maker, tenant, order_id, total)
        return [_cafe(maker, tenant, order_id, customer, total)]
    if kind != "both":
        if kind == "electronic":
            _tell_story(maker, tenant, order_id, total)
        return [_pos(maker, tenant, order_id, customer, total, kind)]
    paid = dice.choice(("cash", "change", "electronic", "mixed"))
    # Now and then the till took more, or less, than the café asked for.
    at_till = total if dice.random() < 0.8 else _total(dice, tenant.currency)
    pair = [
        _cafe(maker, tenant, order_id, customer, total),
        _pos(maker, tenant, order_id, customer, at_till, paid),
    ]
    return pair if dice.random() < 0.5 else pair[::-1]


def _total(dice: random.Random, currency: str) -> int:
    """Minor units of a bill, never one that means something to the instant gateway."""
    units = dice.randint(50, 9_000)
    minor = units * {"KES": 50, "UGX": 500, "KWD": 5}[currency] + dice.choice((0, 0, 0, 1, 99))
    return minor + 2 if minor % 100 in MAGIC else minor


def _cafe(maker: _Maker, tenant: Tenant, order_id: str, customer: str, total: int) -> _Draft:
    data: dict[str, object] = {
        "order_id": order_id,
        "customer_id": customer,
        "total_amount": _exact(total, tenant.currency),
    }
    if maker.dice.random() < 0.5:
        data["currency"] = tenant.currency
    return maker.event("cafe.order.created", tenant.tenant_id, data)


def _pos(
    maker: _Maker, tenant: Tenant, order_id: str, customer: str, total: int, paid: str
) -> _Draft:
    dice, currency = maker.dice, tenant.currency
    data: dict[str, object] = {
        "order_id": order_id,
        "total_amount": _exact(total, currency),
        "outlet_id": dice.choice((*tenant.outlets, "")),
    }
    if customer:
        data["customer_id"] = customer
    if paid == "change":
        tip, change = dice.choice((0, total // 10)), dice.randint(0, total)
        data["tenders"] = [_tender("cash", total + change + tip, currency)]
        data["change"] = _exact(change, currency)
        if tip:
            data["tip"] = _exact(tip, currency)
    elif paid == "electronic":
        data["tenders"] = [_tender(dice.choice(("mpesa", "card")), total, currency)]
    elif paid == "mixed":
        cash = dice.randint(1, total - 1)
        data["tenders"] = [
            _tender("cash", cash, currency),
            _tender("mpesa", total - cash, currency),
        ]
    return maker.event("pos.order.completed", tenant.tenant_id, data)


def _tender(method: str, minor: int, currency: str) -> dict[str, object]:
    return {"method": method, "amount": _exact(minor, currency)}


def _tell_story(maker: _Maker, tenant: Tenant, order_id: str, total: int) -> None:
    """Perhaps this order's invoice will be paid over HTTP; in whole, in part, or too much."""
    dice = maker.dice
    if len(maker.stories) >= 200 or dice.random() > 0.25:
        return
    amount = dice.choice((total, total, total, max(total // 2, 1), total + total // 3 + 1))
    declined = dice.random() < 0.2
    if declined:
        amount = amount // 100 * 100 + 13
    elif amount % 100 in MAGIC:
        amount += 1
    outstanding = amount == total
    maker.stories.append(
        Story(
            tenant.tenant_id,
            order_id,
            tenant.currency,
            None if outstanding else _exact(amount, tenant.currency).text,
            declined,
            retried=dice.random() < 0.3,
            # A declined payment may be confirmed again, and would be declined twice.
            doubled=not declined and dice.random() < 0.3,
        )
    )


# -- what goes wrong --------------------------------------------------------------------------


def _move_late(
    dice: random.Random, drafts: list[_Draft], people: tuple[Tenant, ...], share: float
) -> None:
    """Move some messages to a later place; the last tenant is announced late in any case."""
    reach = max(min(300, len(drafts) // 4), 2)
    late = {index for index in range(len(drafts)) if dice.random() < share}
    late.add(len(people) - 1)
    moved = [
        (index + dice.randint(reach // 2, reach) + 0.5 if index in late else index, draft)
        for index, draft in enumerate(drafts)
    ]
    drafts[:] = [draft for _, draft in sorted(moved, key=lambda pair: pair[0])]


def _spoil(dice: random.Random, drafts: list[_Draft], count: int) -> None:
    """Add poison made from good messages, each under an id of its own but for conflicts."""
    good = [draft for draft in drafts if draft.subject.endswith(("order.created", "completed"))]
    for number in range(count):
        original = dice.choice(good)
        spoiled = spoil(number, original.subject, original.raw, dice)
        conflict = spoiled.reason == "conflict"
        draft = _Draft(
            spoiled.subject,
            spoiled.raw,
            original.tenant_id,
            spoiled.reason,
            original if conflict else None,
        )
        first = drafts.index(original) + 1 if conflict else 0
        drafts.insert(dice.randint(first, len(drafts)), draft)


def _duplicate(dice: random.Random, drafts: list[_Draft], count: int) -> None:
    good = [(index, draft) for index, draft in enumerate(drafts) if not draft.reason]
    copies = []
    for index, draft in dice.choices(good, k=count):
        place = dice.randint(index, len(drafts)) + 0.5
        copies.append((place, _Draft(draft.subject, draft.raw, draft.tenant_id)))
    places = [*((float(index), draft) for index, draft in enumerate(drafts)), *copies]
    drafts[:] = [draft for _, draft in sorted(places, key=lambda pair: pair[0])]


def _number(drafts: list[_Draft]) -> tuple[Message, ...]:
    numbers = {id(draft): number for number, draft in enumerate(drafts)}
    return tuple(
        Message(
            number,
            draft.subject,
            draft.raw,
            number % PUBLISHERS,
            draft.tenant_id,
            draft.reason,
            None if draft.original is None else numbers[id(draft.original)],
        )
        for number, draft in enumerate(drafts)
    )


def _exact(minor: int, currency: str) -> Exact:
    exponent = EXPONENTS[currency]
    if not exponent:
        return Exact(str(minor))
    whole, part = divmod(minor, 10**exponent)
    return Exact(f"{whole}.{part:0{exponent}d}")


def _timestamp(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
