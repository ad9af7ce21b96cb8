"""Turns the effects of one event into row changes and the parts of its journal entry.

All of them happen, or none: the rule of money itself is in agents/posting.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from agents.accounting import chart
from agents.effects import (
    AdvanceClock,
    Answer,
    CallGateway,
    Delete,
    DryRun,
    Effects,
    Emit,
    EndHold,
    Hold,
    Park,
    Post,
    Put,
    Redrive,
    Refuse,
    Schedule,
    Unschedule,
)
from agents.moments import advance, schedule, unschedule
from agents.posting import balanced, crossed, days_of, move, note_item
from agents.registry import Event
from streams.journal import Call, Emitted, Posting, Reply
from streams.money import json_number
from streams.timestamps import format_ms
from tables import balances
from tables.balances import Balance
from tables.memory import Due
from tables.payments import GatewayCall
from tables.tenants import Tenant
from tables.working_set import Overlay

_to_json = msgspec.json.Encoder(decimal_format="number").encode


class _Outbound(msgspec.Struct, gc=False):
    """An event as it leaves; the order of the members is the order in its JSON."""

    event_id: str
    event_type: str
    tenant_id: str
    timestamp: str
    data: Mapping[str, Any]


class Draft(msgspec.Struct, gc=False):
    """An entry in the making; `size_bytes` is about what it adds to a record."""

    postings: list[Posting] = []
    emitted: list[Emitted] = []
    calls: list[Call] = []
    reply: Reply | None = None
    redrive: Redrive | None = None
    ordinals: dict[str, int] = {}
    size_bytes: int = 0
    day: str = ""
    booked: str = ""
    advances: bool = False

    def post(self, postings: list[Posting]) -> None:
        """Add postings, which balance."""
        self.postings += postings
        self.size_bytes += 80 * len(postings)

    def emit(self, emitted: Emitted) -> None:
        """Add an outbound event."""
        self.emitted.append(emitted)
        self.size_bytes += 100 + len(emitted.body)

    def call(self, call: Call) -> None:
        """Add a wish to call a gateway."""
        self.calls.append(call)
        self.size_bytes += 150 + len(call.request)

    def answer(self, reply: Reply) -> None:
        """Set the reply."""
        self.reply = reply
        self.size_bytes += len(reply.body)


def apply(
    event: Event[Any], effects: Effects, overlay: Overlay, draft: Draft
) -> Refuse | Park | DryRun | None:
    """Apply all effects; a `Refuse`, `Park` or `DryRun` is returned, and the rest is void."""
    for effect in effects:
        kind = type(effect)
        if kind is Put:
            overlay.put(effect.row)  # type: ignore[union-attr]
        elif kind is Post:
            _post(event, effect, overlay, draft)  # type: ignore[arg-type]
        elif kind is Emit:
            _emit(event, effect, draft)  # type: ignore[arg-type]
        elif kind is Refuse or kind is Park or kind is DryRun:
            return effect  # type: ignore[return-value]
        else:
            _OTHERS[kind](event, effect, overlay, draft)
    return None


def _post(event: Event[Any], effect: Post, overlay: Overlay, draft: Draft) -> None:
    postings, tenant_id = effect.postings, event.tenant_id
    balanced(postings)
    tenant = overlay.get(b"tn\x00" + tenant_id.encode())
    assert isinstance(tenant, Tenant)
    day, booked = days_of(event, effect, tenant)
    if draft.day not in {"", day}:
        raise ValueError("all postings of an entry are of one day")
    draft.day, draft.booked = day, booked
    for posting in postings:
        move(tenant_id, posting, overlay)
        if posting.account.startswith(chart.BANK):
            ordinal = draft.ordinals.get("bank_item", 0)
            draft.ordinals["bank_item"] = ordinal + 1
            note_item(event, posting, day, overlay, ordinal)
    draft.post(postings)
    if tenant.watched:
        _watch(event, tenant, postings, overlay, draft)


def _watch(
    event: Event[Any], tenant: Tenant, postings: list[Posting], overlay: Overlay, draft: Draft
) -> None:
    """Tell of thresholds that were passed."""
    for account, asset in dict.fromkeys((leg.account, leg.asset) for leg in postings):
        if account in tenant.watched:
            row = crossed(tenant.tenant_id, account, asset, overlay)
            if row is not None:
                said = {
                    "account": account,
                    "currency": asset,
                    "amount": json_number(row.minor, asset),
                    "passed": "below" if row.below else "above",
                    "sequence": row.version,
                }
                _emit(event, Emit("treasury.balance.threshold", said), draft)


def _emit(event: Event[Any], effect: Emit, draft: Draft) -> None:
    kind = effect.event_type
    ordinal = draft.ordinals.get(kind, 0)
    draft.ordinals[kind] = ordinal + 1
    event_id = event.derive(kind, ordinal)
    said = _Outbound(event_id, kind, event.tenant_id, format_ms(event.now_ms), effect.data)
    body = _to_json(said)
    draft.emit(Emitted(event_id, kind, body))


def _delete(_event: Event[Any], effect: Delete, overlay: Overlay, _draft: Draft) -> None:
    overlay.delete(effect.key)


def _call(event: Event[Any], effect: CallGateway, overlay: Overlay, draft: Draft) -> None:
    overlay.put(
        GatewayCall(
            event.tenant_id,
            effect.call_id,
            effect.gateway,
            effect.operation,
            effect.subject_id,
            deadline_ms=effect.deadline_ms,
            created_ms=event.now_ms,
            gateways=effect.gateways,
            code=effect.code,
        )
    )
    overlay.put(Due(effect.deadline_ms, "call", event.tenant_id, effect.call_id))
    request = _to_json(effect.request)
    about = effect.call_id, effect.gateway, effect.operation, request, effect.deadline_ms
    draft.call(Call(*about, list(effect.gateways)))


def _hold(event: Event[Any], effect: Hold, overlay: Overlay, _draft: Draft) -> None:
    row = balances.Hold(
        event.tenant_id,
        effect.hold_id,
        effect.account,
        effect.asset,
        effect.minor,
        expires_ms=effect.expires_ms,
    )
    if effect.minor == 0 or overlay.get(row.key) is not None:
        raise ValueError("a hold is for an amount and has an id of its own")
    overlay.put(row)
    schedule(event, Schedule(effect.expires_ms, "hold", effect.hold_id), overlay)
    _reserve(row, 1, overlay)


def _end_hold(event: Event[Any], effect: EndHold, overlay: Overlay, _draft: Draft) -> None:
    row = overlay.get(balances.Hold.key_of(event.tenant_id, effect.hold_id))
    if not isinstance(row, balances.Hold) or row.status != "held":
        raise ValueError("only a hold that stands can end")
    if not 0 <= effect.captured <= abs(row.minor):
        raise ValueError("more cannot be captured than was held")
    status = "expired" if effect.expired else "captured" if effect.captured else "released"
    overlay.put(row.replaced(status=status, captured=effect.captured))
    unschedule(event, Unschedule(row.expires_ms, "hold", row.hold_id), overlay)
    _reserve(row, -1, overlay)


def _reserve(hold: balances.Hold, sign: int, overlay: Overlay) -> None:
    row = overlay.get(Balance.key_of(hold.tenant_id, hold.account, hold.asset))
    if not isinstance(row, Balance):
        row = Balance(hold.tenant_id, hold.account, hold.asset)
    minor = sign * abs(hold.minor)
    side = "pending_debits" if hold.minor > 0 else "pending_credits"
    overlay.put(row.replaced(**{side: getattr(row, side) + minor, "version": row.version + 1}))


def _schedule(event: Event[Any], effect: Schedule, overlay: Overlay, _draft: Draft) -> None:
    schedule(event, effect, overlay)


def _unschedule(event: Event[Any], effect: Unschedule, overlay: Overlay, _draft: Draft) -> None:
    unschedule(event, effect, overlay)


def _advance(event: Event[Any], effect: AdvanceClock, overlay: Overlay, draft: Draft) -> None:
    advance(event, effect, overlay)
    draft.advances = True


def _redrive(_event: Event[Any], effect: Redrive, _overlay: Overlay, draft: Draft) -> None:
    draft.redrive = effect


def _answer(_event: Event[Any], effect: Answer, _overlay: Overlay, draft: Draft) -> None:
    draft.answer(json_reply(effect.status, effect.body))


def json_reply(status: int, body: Mapping[str, Any]) -> Reply:
    """A reply with these members as JSON."""
    return Reply(status, _to_json(body))


_OTHERS: Mapping[type, Any] = {
    Delete: _delete,
    CallGateway: _call,
    Hold: _hold,
    EndHold: _end_hold,
    Schedule: _schedule,
    Unschedule: _unschedule,
    AdvanceClock: _advance,
    Redrive: _redrive,
    Answer: _answer,
}
