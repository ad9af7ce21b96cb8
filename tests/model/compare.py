"""The model's books against what a product shows: plain data in, named differences out.

Used by the core's test, by the demo and by the tests on the real stack.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tests.model.ledger import Books, Invoice, Outbound

Key = TypeVar("Key", bound=Hashable)

SHOWN = 20
"""Differences of one kind that are spelled out; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Published:
    """An outbound event as it was seen; `amount` is its decimal text, empty when it has none."""

    event_id: str
    event_type: str
    tenant_id: str
    order_id: str
    amount: str


@dataclass
class Shown:
    """What a product shows when everything is settled, in the model's own terms.

    `balances` are debits less credits; `invoices` leave out void ones; `suspense` is the sum of
    open cases; `published` may hold repeats. `at_least_once` tells that repeats of the transport
    may add duplicates, which the model cannot know.
    """

    balances: Mapping[tuple[str, str, str], int]
    invoices: Mapping[tuple[str, str], Invoice]
    credits: Mapping[tuple[str, str, str], int]
    suspense: Mapping[tuple[str, str], int]
    published: list[Published]
    applied: frozenset[tuple[str, str]]
    duplicates: int
    dead_letters: Counter[str] = field(default_factory=Counter)
    at_least_once: bool = False


def differences(books: Books, shown: Shown) -> list[str]:
    """Every difference as one line; empty when the product is right."""
    return [
        *_mappings("balance", books.balances, {k: v for k, v in shown.balances.items() if v}),
        *_mappings("invoice", books.invoices, shown.invoices),
        *_mappings("credit", books.credits, shown.credits),
        *_mappings("suspense", books.suspense, shown.suspense),
        *_mappings("dead letters", books.dead_letters, shown.dead_letters),
        *_short("event not applied", books.applied - shown.applied),
        *_short("event applied unasked", shown.applied - books.applied),
        *_duplicates(books.duplicates, shown),
        *_outbound(books, shown.published),
        *unbalanced(shown),
    ]


def unbalanced(shown: Shown) -> list[str]:
    """What contradicts itself, whatever the model says: sums of zero and control accounts."""
    sums: Counter[tuple[str, str]] = Counter()
    for (tenant_id, _, asset), minor in shown.balances.items():
        sums[tenant_id, asset] += minor
    found = [f"{key}: all accounts sum to {minor}" for key, minor in sums.items() if minor]
    open_claims: Counter[tuple[str, str]] = Counter()
    assets = {tenant_id: asset for tenant_id, _, asset in shown.balances}
    for (tenant_id, _), invoice in shown.invoices.items():
        open_claims[tenant_id, assets.get(tenant_id, "")] += invoice.total - invoice.paid
    owed: Counter[tuple[str, str]] = Counter()
    for (tenant_id, _, asset), minor in shown.credits.items():
        owed[tenant_id, asset] -= minor
    cases = {key: -minor for key, minor in shown.suspense.items()}
    for account, items in (
        ("receivable", open_claims),
        ("customer:credit", owed),
        ("suspense", cases),
    ):
        found += _control(account, shown.balances, items)
    return found


def _control(
    account: str,
    balances: Mapping[tuple[str, str, str], int],
    items: Mapping[tuple[str, str], int],
) -> Iterable[str]:
    keys = {(tenant, asset) for tenant, name, asset in balances if name == account} | set(items)
    for tenant, asset in sorted(keys):
        minor = balances.get((tenant, account, asset), 0)
        if minor != items.get((tenant, asset), 0):
            sum_of_items = items.get((tenant, asset), 0)
            yield f"{account} of {tenant} in {asset}: {minor}, its items {sum_of_items}"


def _mappings(
    name: str, wanted: Mapping[Key, object], found: Mapping[Key, object]
) -> Iterable[str]:
    wrong = [
        f"{name} {key}: expected {wanted.get(key)}, found {found.get(key)}"
        for key in {**wanted, **found}
        if wanted.get(key) != found.get(key)
    ]
    return _cut(name, wrong)


def _short(name: str, items: Iterable[object]) -> Iterable[str]:
    return _cut(name, [f"{name}: {item}" for item in items])


def _cut(name: str, lines: list[str]) -> list[str]:
    if len(lines) <= SHOWN:
        return lines
    return [*lines[:SHOWN], f"{name}: {len(lines) - SHOWN} more differences"]


def _duplicates(wanted: int, shown: Shown) -> Iterable[str]:
    fine = shown.duplicates >= wanted if shown.at_least_once else shown.duplicates == wanted
    if not fine:
        yield f"duplicates: expected {wanted}, found {shown.duplicates}"


def _outbound(books: Books, published: list[Published]) -> Iterable[str]:
    """Each event wanted was published under one of its ids; nothing else was, and no id twice
    with another content.
    """
    by_id: dict[str, Published] = {}
    twofold = [
        f"outbound {event.event_id}: one id, two contents"
        for event in published
        if by_id.setdefault(event.event_id, event) != event
    ]
    left: defaultdict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for event in by_id.values():
        if event.event_id not in books.optional:
            left[_content(event)].append(event.event_id)
    missing = [
        f"outbound missing: {wanted}"
        # Those whose id is known choose first.
        for wanted in sorted(books.outbound, key=lambda wanted: not wanted.ids)
        if not _take(left[_content(wanted)], wanted.ids)
    ]
    unasked = [f"outbound unasked: {key} {ids}" for key, ids in left.items() if ids]
    return [*twofold, *_cut("outbound", missing), *_cut("outbound", unasked)]


def _content(event: Published | Outbound) -> tuple[str, str, str, str]:
    return event.event_type, event.tenant_id, event.order_id, event.amount


def _take(ids: list[str], allowed: frozenset[str]) -> bool:
    for event_id in ids:
        if not allowed or event_id in allowed:
            ids.remove(event_id)
            return True
    return False
