"""Turns the effects of one event into row changes and the parts of its journal entry.

The rule of money is here: postings balance per asset or nothing of the event happens.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from agents.effects import (
    Answer,
    CallGateway,
    Delete,
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
)
from agents.registry import Event
from streams.journal import Call, Emitted, Posting, Reply
from streams.timestamps import format_ms
from tables import balances
from tables.balances import Balance
from tables.memory import Due
from tables.payments import GatewayCall
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
) -> Refuse | Park | None:
    """Apply all effects; a `Refuse` or `Park` among them is returned and the rest is void."""
    for effect in effects:
        kind = type(effect)
        if kind is Put:
            overlay.put(effect.row)  # type: ignore[union-attr]
        elif kind is Post:
            _post(event.tenant_id, effect.postings, overlay, draft)  # type: ignore[union-attr]
        elif kind is Emit:
            _emit(event, effect, draft)  # type: ignore[arg-type]
        elif kind is Refuse or kind is Park:
            return effect  # type: ignore[return-value]
        else:
            _OTHERS[kind](event, effect, overlay, draft)
    return None


def _post(tenant_id: str, postings: list[Posting], overlay: Overlay, draft: Draft) -> None:
    if len(postings) < 2:
        raise ValueError("an entry needs at least two postings")
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.asset] = sums.get(posting.asset, 0) + posting.minor
    if any(sums.values()):
        raise ValueError(f"postings do not balance: {sums}")
    for posting in postings:
        _move(tenant_id, posting, overlay)
    draft.post(postings)


def _move(tenant_id: str, posting: Posting, overlay: Overlay) -> None:
    account, asset, minor = posting.account, posting.asset, posting.minor
    key = f"ba\x00{tenant_id}\x00{account}\x00{asset}".encode()  # as Balance.key, made once
    row = overlay.get(key)
    if not isinstance(row, Balance):
        row = Balance(tenant_id, account, asset)
    overlay.changes[key] = Balance(
        tenant_id,
        account,
        asset,
        row.debits + minor if minor > 0 else row.debits,
        row.credits - minor if minor < 0 else row.credits,
        row.pending_debits,
        row.pending_credits,
        row.version + 1,
    )


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
        )
    )
    overlay.put(Due(effect.deadline_ms, "call", event.tenant_id, effect.call_id))
    request = _to_json(effect.request)
    draft.call(Call(effect.call_id, effect.gateway, effect.operation, request, effect.deadline_ms))


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
    overlay.put(Due(effect.expires_ms, "hold", event.tenant_id, effect.hold_id))
    _reserve(row, 1, overlay)


def _end_hold(event: Event[Any], effect: EndHold, overlay: Overlay, _draft: Draft) -> None:
    row = overlay.get(balances.Hold.key_of(event.tenant_id, effect.hold_id))
    if not isinstance(row, balances.Hold) or row.status != "held":
        raise ValueError("only a hold that stands can end")
    if not 0 <= effect.captured <= abs(row.minor):
        raise ValueError("more cannot be captured than was held")
    status = "expired" if effect.expired else "captured" if effect.captured else "released"
    overlay.put(row.replaced(status=status, captured=effect.captured))
    overlay.delete(Due(row.expires_ms, "hold", event.tenant_id, row.hold_id).key)
    _reserve(row, -1, overlay)


def _reserve(hold: balances.Hold, sign: int, overlay: Overlay) -> None:
    row = overlay.get(Balance.key_of(hold.tenant_id, hold.account, hold.asset))
    if not isinstance(row, Balance):
        row = Balance(hold.tenant_id, hold.account, hold.asset)
    minor = sign * abs(hold.minor)
    side = "pending_debits" if hold.minor > 0 else "pending_credits"
    overlay.put(row.replaced(**{side: getattr(row, side) + minor, "version": row.version + 1}))


def _schedule(event: Event[Any], effect: Schedule, overlay: Overlay, _draft: Draft) -> None:
    overlay.put(Due(effect.at_ms, effect.kind, event.tenant_id, effect.subject))


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
    Redrive: _redrive,
    Answer: _answer,
}
