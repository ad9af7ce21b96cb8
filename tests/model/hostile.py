"""What careless or hostile senders make of a load: copies without end, stolen ids, wrong dates.

Independent of the product, as the generator is; each message says what must become of it.
"""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from tests.model.generator import PUBLISHERS, Load, Message
from tests.model.poison import exact_again, spoil
from tests.model.wire import from_json, to_json

OVERSIZE_BYTES: Final = 950_000
"""More than an envelope may have, less than NATS takes."""

CONFLICT: Final = 11
"""The kind of poison that says something else under a known id."""

MOST_COPIES: Final = 5
ORDERS: Final = ("cafe.order.created", "pos.order.completed")


@dataclass(frozen=True)
class Shares:
    """How many of each kind there are, as shares of the load's orders; `oversize` is a number."""

    conflicts: float = 0.01
    stolen_ids: float = 0.01
    future: float = 0.01
    old: float = 0.02
    oversize: int = 2


class Hostile:
    """Makes a hostile stream of a load; the same seed and load give the same."""

    def __init__(self, load: Load, seed: int, *, old_ms: int, shares: Shares | None = None) -> None:
        # Not the stream of the load itself: the same ids would come out of it again.
        self._dice = random.Random(f"hostile {seed}")
        self._load, self._old_ms = load, old_ms
        self._shares = shares or Shares()
        self._number = len(load.messages)

    def stream(self) -> list[Message]:
        """The load and what was added, each good message one to five times, in any order.

        A conflict follows the message it contradicts; poison comes once.
        """
        messages = [self._dated_back(message) for message in self._load.messages]
        orders = [each for each in messages if not each.reason and each.subject in ORDERS]
        messages += self._some(orders, self._shares.stolen_ids, self._under_a_stolen_id)
        added = [
            *self._some(orders, self._shares.conflicts, self._contradiction),
            *self._some(orders, self._shares.future, self._of_2099),
            *(self._oversize(each) for each in self._dice.sample(orders, self._shares.oversize)),
        ]
        copies = [copy for message in messages for copy in self._copies(message)]
        stream = [*copies, *added]
        self._dice.shuffle(stream)
        return stream

    def _some(self, orders, share, make) -> list[Message]:
        found = self._dice.sample(orders, max(1, int(len(orders) * share)))
        return [made for made in map(make, found) if made is not None]

    def _copies(self, message: Message) -> list[Message]:
        if message.reason:
            return [message]
        dice = self._dice
        times = dice.randint(1, MOST_COPIES)
        return [replace(message, publisher=dice.randrange(PUBLISHERS)) for _ in range(times)]

    def _new(self, message: Message, raw: bytes, reason: str = "", **other: object) -> Message:
        self._number += 1
        publisher = self._dice.randrange(PUBLISHERS)
        made = Message(self._number, message.subject, raw, publisher, message.tenant_id, reason)
        return replace(made, **other)

    def _dated_back(self, message: Message) -> Message:
        """Now and then a till was offline for very long, and sends its sale only now."""
        till = message.subject == "pos.order.completed" and not message.reason
        if not till or self._dice.random() >= self._shares.old:
            return message
        return replace(message, raw=dated(message.raw, self._old_ms))

    def _under_a_stolen_id(self, message: Message) -> Message | None:
        """Another tenant of the same currency says something under the same id: its own matter."""
        mine = next(t for t in self._load.tenants if t.tenant_id == message.tenant_id)
        others = [
            tenant
            for tenant in self._load.tenants
            if tenant.currency == mine.currency and tenant is not mine
        ]
        if not others:
            return None
        other = self._dice.choice(others)
        raw = to_json(_body(message) | {"tenant_id": other.tenant_id})
        for outlet, own in zip(mine.outlets, other.outlets, strict=True):
            raw = raw.replace(outlet.encode(), own.encode())
        return self._new(message, raw, tenant_id=other.tenant_id)

    def _contradiction(self, message: Message) -> Message:
        spoiled = spoil(CONFLICT, message.subject, message.raw, self._dice)
        assert spoiled.reason == "conflict"
        return self._new(message, spoiled.raw, "conflict", after=message.number)

    def _of_2099(self, message: Message) -> Message:
        far_ms = int(datetime(2099, 1, 1, tzinfo=UTC).timestamp() * 1_000)
        return self._new(message, dated(self._renamed(message), far_ms), "future")

    def _oversize(self, message: Message) -> Message:
        body = _body(message)
        body["data"]["padding"] = "x" * OVERSIZE_BYTES
        return self._new(message, to_json(body | {"event_id": self._new_id()}), "too_large")

    def _renamed(self, message: Message) -> bytes:
        return to_json(_body(message) | {"event_id": self._new_id()})

    def _new_id(self) -> str:
        return str(UUID(int=self._dice.getrandbits(128), version=4))


def dated(raw: bytes, ms: int) -> bytes:
    """The same event under another time."""
    moment = datetime.fromtimestamp(ms / 1_000, UTC)
    return to_json(exact_again(from_json(raw)) | {"timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}Z"})


def _body(message: Message) -> dict:
    return exact_again(from_json(message.raw))
