"""Where an event is added: `@handles(type, model, ingress)` above its handler, in
agents/<service>.py. Catalog, specs and the writer read this table and nothing else.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from agents.effects import Effects
from agents.words import refuse_control_characters
from streams.ids import derive
from streams.money import decoder
from tables.row import Row
from tables.tenants import Tenant

RULES_VERSION = 1
"""The version of everything that decides; a record of another version is refused, not guessed."""

SERVICES = frozenset({"nats", "kafka", "http"})
"""Doors of sister services (http: POST events:batch under the tenant's own token)."""
PLATFORM = frozenset({"nats", "kafka"})
"""Doors of what only the platform itself may say, such as a tenant's lifecycle."""
INTERNAL = frozenset({"internal"})
"""Our own producer alone: a posted "success" must not be money."""
WEBHOOK = frozenset({"webhook"})
"""Callbacks of gateways, verified by our web layer; nobody else may say what they say."""
COMMANDS = frozenset({"http"})
"""Commands of our own HTTP layer, whose caller waits for the answer."""

M = TypeVar("M")


class Event(msgspec.Struct, Generic[M], frozen=True, gc=False):
    """What a handler sees of one event. `now_ms` is the tenant's clock, the only one there is.

    It is log time (`log_ms`), or ahead of it for a sandbox tenant; so is the event's own time.
    """

    event_id: str
    event_type: str
    tenant_id: str
    timestamp_ms: int
    now_ms: int
    data: M
    log_ms: int

    def derive(self, kind: str, ordinal: int = 0) -> str:
        """A deterministic id for the `ordinal`-th thing of this kind that the event makes."""
        return derive(self.tenant_id, self.event_id, kind, ordinal)


class Rows(Protocol):
    """Where rows are read: a working set, or one with an event's changes on top of it."""

    def get(self, key: bytes) -> Row | None:
        """The row under `key`, or None."""

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> list[Row]:
        """At most `limit` rows whose keys begin with `prefix`, in key order, from `start` on."""


class View:
    """Typed reads of the rows as the event sees them. Reads only; effects write."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> list[Row]:
        """At most `limit` rows whose keys begin with `prefix`, in key order, from `start` on.

        A handler sees those that were there before its event.
        """
        return self._rows.scan(prefix, limit, start)

    def get(self, key: bytes) -> Row | None:
        """The row under `key`, or None."""
        return self._rows.get(key)

    def row(self, kind: type["R"], tenant_id: str, *parts: str) -> "R | None":
        """The row of this kind with these identifying members, or None."""
        key = "\x00".join((kind.KIND, tenant_id, *parts)).encode()  # as key_of, one call less
        return self._rows.get(key)  # type: ignore[return-value]

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant of the event; the core parks events of unknown tenants before handlers."""
        tenant = self._rows.get(b"tn\x00" + tenant_id.encode())
        assert isinstance(tenant, Tenant)
        return tenant


R = TypeVar("R", bound=Row)
Handler = Callable[[Event[Any], View], Effects]


class Handled(msgspec.Struct, frozen=True, gc=False):
    """One inbound event type: its model, its doors, its handler.

    `needs_tenant` is False for what must pass even while a tenant is unknown or frozen: its own
    lifecycle, results of calls, ticks.
    """

    event_type: str
    model: type[Any]
    handler: Handler
    ingress: frozenset[str]
    needs_tenant: bool
    decode: Callable[[bytes], Any]


_handled: dict[str, Handled] = {}
HANDLED = MappingProxyType(_handled)
"""Every inbound event type known, by name."""

_due: dict[str, Handler] = {}
DUE = MappingProxyType(_due)
"""What happens when a scheduled moment has come, by kind; the event's data is the `Due` row."""


def handles(
    event_type: str,
    model: type[M],
    *,
    ingress: frozenset[str] = SERVICES,
    needs_tenant: bool = True,
) -> Callable[[Callable[[Event[M], View], Effects]], Callable[[Event[M], View], Effects]]:
    """Register the decorated function as the one handler of `event_type`."""

    def add(handler: Callable[[Event[M], View], Effects]) -> Callable[[Event[M], View], Effects]:
        if event_type in _handled:
            raise ValueError(f"two handlers for {event_type}")
        read = _reader(model)
        _handled[event_type] = Handled(event_type, model, handler, ingress, needs_tenant, read)
        return handler

    return add


def _reader(model: type[Any]) -> Callable[[bytes], Any]:
    decode = decoder(model).decode  # type: ignore[arg-type]

    def read(data: bytes) -> Any:
        value = decode(data)
        # JSON writes U+0000 to U+001F as escapes only.
        if b"\\" in data or b"\x7f" in data:
            refuse_control_characters(value)
        return value

    return read


def when_due(kind: str) -> Callable[[Handler], Handler]:
    """Register the decorated function for scheduled moments of this kind."""

    def add(handler: Handler) -> Handler:
        if kind in _due:
            raise ValueError(f"two handlers for moments of kind {kind}")
        _due[kind] = handler
        return handler

    return add


def model_error(error: Exception) -> str:
    """The reason text of a body that does not fit its model, without the body's own bytes."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)[:300]
    return type(error).__name__
