"""Moments to come: by log time, or by the own clock of a sandbox tenant."""

from typing import Any

from agents.effects import AdvanceClock, Schedule, Unschedule
from agents.registry import Event
from tables.memory import ClockAdvance, ClockDue, Due
from tables.tenants import Tenant
from tables.working_set import Overlay

CLOCK = "clock"
"""The kind of moment at which a sandbox tenant's own clock is looked at."""


def schedule(event: Event[Any], effect: Schedule, overlay: Overlay) -> None:
    """Remember to look again."""
    if effect.log_time or not _has_own_clock(event.tenant_id, overlay):
        overlay.put(Due(effect.at_ms, effect.kind, event.tenant_id, effect.subject))
        return
    overlay.put(ClockDue(event.tenant_id, effect.at_ms, effect.kind, effect.subject))
    ahead_ms = event.now_ms - event.log_ms
    overlay.put(Due(max(effect.at_ms - ahead_ms, event.log_ms), CLOCK, event.tenant_id, ""))


def unschedule(event: Event[Any], effect: Unschedule, overlay: Overlay) -> None:
    """Forget to look again."""
    if effect.log_time or not _has_own_clock(event.tenant_id, overlay):
        row: Due | ClockDue = Due(effect.at_ms, effect.kind, event.tenant_id, effect.subject)
    else:
        row = ClockDue(event.tenant_id, effect.at_ms, effect.kind, effect.subject)
    overlay.delete(row.key)


def advance(event: Event[Any], effect: AdvanceClock, overlay: Overlay) -> None:
    """Let the clock run to a moment; agents/steps.py stops it at each that is due before."""
    overlay.put(ClockAdvance(event.tenant_id, effect.until_ms))
    overlay.put(Due(event.log_ms, CLOCK, event.tenant_id, ""))


def _has_own_clock(tenant_id: str, overlay: Overlay) -> bool:
    tenant = overlay.get(b"tn\x00" + tenant_id.encode())
    return isinstance(tenant, Tenant) and tenant.sandbox
