"""Facts the partition tells itself: ticks, the archive's answers, re-drives. All internal."""

import msgspec

from agents.effects import Effects, Put, Redrive, Refuse
from agents.registry import INTERNAL, Event, View, handles
from streams.inbound import INGRESSES
from tables.memory import Looked

TICKED = "treasury.clock.ticked"


class Ticked(msgspec.Struct, frozen=True):
    """Time passes; what is due is looked at in the same place (agents/decide.py)."""


class LookupAnswered(msgspec.Struct, frozen=True):
    """Whether the archive holds an earlier decision about an event older than the window."""

    event_id: str
    seen: bool


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
def lookup_answered(event: Event[LookupAnswered], _view: View) -> Effects:
    """Writing the answer wakes the event that waits for it."""
    return [Put(Looked(event.tenant_id, event.data.event_id, event.data.seen))]


@handles("treasury.redrive.requested", RedriveRequested, ingress=INTERNAL, needs_tenant=False)
def redrive_requested(event: Event[RedriveRequested], _view: View) -> Effects:
    """Hand the raw bytes back to the fold."""
    if event.data.ingress not in INGRESSES:
        return [Refuse("ingress_unknown")]
    return [Redrive(event.data.raw, event.data.ingress)]
