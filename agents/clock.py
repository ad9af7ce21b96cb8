"""Facts the partition tells itself: ticks, the archive's answers, re-drives. All internal."""

import msgspec

from agents.effects import Effects, Put, Redrive, Refuse
from agents.parking import wait_key
from agents.registry import INTERNAL, Event, View, handles
from streams.inbound import INGRESSES
from tables.memory import Looked, Parked

TICKED = "treasury.clock.ticked"
REDRIVE = "treasury.redrive.requested"


class Ticked(msgspec.Struct, frozen=True):
    """Time passes; what is due is looked at in the same place (agents/decide.py)."""


class LookupAnswered(msgspec.Struct, frozen=True):
    """Whether the archive holds an earlier decision about an event older than the window.

    `redriven` repeats from the question which decisions it counted.
    """

    event_id: str
    seen: bool
    redriven: bool = False


class RedriveRequested(msgspec.Struct, frozen=True):
    """Decide the named rejected event again, from the raw bytes the archive kept."""

    event_id: str
    attempt: int
    ingress: str
    raw: bytes


@handles(TICKED, Ticked, ingress=INTERNAL, needs_tenant=False)
def ticked(_event: Event[Ticked], _view: View) -> Effects:
    """Nothing by itself."""
    return []


@handles("treasury.lookup.answered", LookupAnswered, ingress=INTERNAL, needs_tenant=False)
def lookup_answered(event: Event[LookupAnswered], view: View) -> Effects:
    """Writing the answer wakes the event that waits for it.

    An answer nobody waits for (a question may be asked twice) is void: kept, it would one day speak
    for the event as if nothing had been decided since.
    """
    answer = Looked(event.tenant_id, event.data.event_id, event.data.seen)
    waiting = view.scan(Parked.prefix_of(event.tenant_id, wait_key(answer.key)), 1)
    asked = [row for row in waiting if isinstance(row, Parked)]
    if not any(row.redriven == event.data.redriven for row in asked):
        return []
    return [Put(answer)]


@handles(REDRIVE, RedriveRequested, ingress=INTERNAL, needs_tenant=False)
def redrive_requested(event: Event[RedriveRequested], _view: View) -> Effects:
    """Hand the raw bytes back to the fold."""
    if event.data.ingress not in INGRESSES:
        return [Refuse("ingress_unknown")]
    return [Redrive(event.data.raw, event.data.ingress)]
