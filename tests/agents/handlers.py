"""Event types that exist in tests only, for what the services' own handlers never do."""

from typing import Any

import msgspec
import pytest

from agents import registry
from agents.effects import Answer, Emit, EndHold, Hold, Park, Post, Put, Refuse, Schedule
from agents.registry import SERVICES, Event, Handled, View
from streams.journal import Posting
from streams.money import Amount, decoder
from tables.balances import Hold as HoldRow
from tables.tenants import Outlet, Tenant


class Said(msgspec.Struct, frozen=True):
    """Whatever a test wants to say."""

    text: str = ""
    minor: int = 0
    amount: Amount | None = None


def raises(event: Event[Said], view: View) -> Any:
    if event.data.text == "well":
        return [Emit("treasury.test.done", {"text": "well"})]
    raise RuntimeError(event.data.text)


def thaws(event: Event[Said], view: View) -> Any:
    tenant = view.tenant(event.tenant_id)
    return [Put(tenant.replaced(status="active"))]


def freezes(event: Event[Said], view: View) -> Any:
    return [Put(view.tenant(event.tenant_id).replaced(status="frozen"))]


def unbalanced(event: Event[Said], view: View) -> Any:
    return [
        Put(Outlet(event.tenant_id, "half-done", "")),
        Post([Posting("cash", "KES", 5), Posting("sales", "KES", -4)]),
    ]


def huge(event: Event[Said], view: View) -> Any:
    return [Emit("treasury.test.huge", {"text": "x" * 5_000_000})]


def stores(event: Event[Said], view: View) -> Any:
    return [Put(Outlet(event.tenant_id, "large", event.data.text))]


def reads_amount(event: Event[Said], view: View) -> Any:
    assert event.data.amount is not None
    return [Answer(200, {"minor": event.data.amount.minor("KES")})]


def waits(event: Event[Said], view: View) -> Any:
    """Waits for an outlet, then tells of it."""
    key = Outlet.key_of(event.tenant_id, event.data.text)
    if view.row(Outlet, event.tenant_id, event.data.text) is None:
        return [Park(key, "outlet_unknown")]
    return [Emit("treasury.test.done", {"text": event.data.text})]


def refuses(event: Event[Said], view: View) -> Any:
    return [Put(Outlet(event.tenant_id, "half-done", "")), Refuse("no", "not today", 418)]


def holds(event: Event[Said], view: View) -> Any:
    until = event.now_ms + 60_000
    return [Hold(event.data.text, "cash", "KES", event.data.minor, until)]


def ends(event: Event[Said], view: View) -> Any:
    hold = view.row(HoldRow, event.tenant_id, event.data.text)
    assert hold is not None
    minor = event.data.minor
    posted = [Post([Posting("spent", "KES", minor), Posting("cash", "KES", -minor)])]
    return [EndHold(event.data.text, minor), *(posted if minor else [])]


def schedules(event: Event[Said], view: View) -> Any:
    return [Schedule(event.now_ms + event.data.minor, "test", event.data.text)]


def due(event: Event[Any], view: View) -> Any:
    if event.data.subject == "raise":
        raise RuntimeError("late")
    return [Emit("treasury.test.due", {"subject": event.data.subject})]


ALL = {
    "test.raises": raises,
    "test.thaws": thaws,
    "test.freezes": freezes,
    "test.unbalanced": unbalanced,
    "test.huge": huge,
    "test.stores": stores,
    "test.amount": reads_amount,
    "test.waits": waits,
    "test.refuses": refuses,
    "test.holds": holds,
    "test.ends": ends,
    "test.schedules": schedules,
}
_PASS_ALWAYS = {"test.thaws"}


@pytest.fixture
def test_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds these types to the registry for one test."""
    for name, handler in ALL.items():
        handled = Handled(
            name, Said, handler, SERVICES, name not in _PASS_ALWAYS, decoder(Said).decode
        )
        monkeypatch.setitem(registry._handled, name, handled)
    monkeypatch.setitem(registry._due, "test", due)


def tenant_of(core: Any, tenant_id: str) -> Tenant:
    """The tenant's row."""
    row = core.working.get(Tenant.key_of(tenant_id))
    assert isinstance(row, Tenant)
    return row
