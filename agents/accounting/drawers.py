"""Cash over or short: what a drawer should hold against what was counted, whatever comes late.

expected = float + cash that moved by our books + paid in - paid out - drops. A closing posts the
difference to cash:over_short, its deposit and drops to cash:in_transit. Cash that belongs to a
closed session and is told of later makes that session's difference anew; so does a closing that
comes after a later one. Cash counts until the second of the closing.
"""

from collections.abc import Iterator
from typing import Any

from agents.accounting import chart, settlements
from agents.effects import Delete, Effect, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from streams.timestamps import local_day
from tables.drawers import CashMoves, Drawer, DrawerClosing, DrawerSession, moves_key, session_key
from tables.settlements import Settlement

KEPT_MS = 35 * 24 * 3600 * 1000
"""Minutes of cash older than this are no longer told apart: no closing comes so late."""
_DROPS_EVERY, _DROPPED_AT_ONCE = 16, 64
"""Old minutes go some at a time, when one in so many begins: looking costs more than keeping."""
_SCANNED = 60 * 24 * 40


def moved(
    event: Event[Any], view: View, outlet_id: str, asset: str, minor: int, *, at_ms: int = 0
) -> Iterator[Effect]:
    """Cash came into the drawer of an outlet, or left it (below zero), at a time (milliseconds).

    By default that is the event's own. Once in an event: a session that it has recounted is not
    found again.
    """
    outlet, second = outlet_id or "main", (at_ms or event.timestamp_ms) // 1000
    key = moves_key(event.tenant_id, outlet, asset, second // 60)
    row = view.get(key)
    if isinstance(row, CashMoves):
        yield Put(row.replaced(moves=_added(row.moves, second % 60, minor)))
    else:
        moves = ((second % 60, minor),)
        yield Put(CashMoves(event.tenant_id, outlet, asset, second // 60, moves))
        if second // 60 % _DROPS_EVERY == 0:
            yield from _forget_old(event, view, outlet, asset)
    drawer = view.row(Drawer, event.tenant_id, outlet, asset)
    if drawer is not None and second <= drawer.closed_ms // 1000:
        session = _session_of(event, view, outlet, asset, second)
        if session is not None:
            yield from _recounted(session, session.replaced(moved=session.moved + minor))


def _added(
    moves: tuple[tuple[int, int], ...], second: int, minor: int
) -> tuple[tuple[int, int], ...]:
    """The minute's moves with this one; mostly it belongs to the last second that is there."""
    last = moves[-1]
    if last[0] == second:
        return (*moves[:-1], (second, last[1] + minor))
    if last[0] < second:
        return (*moves, (second, minor))
    by_second = dict(moves)
    by_second[second] = by_second.get(second, 0) + minor
    return tuple(sorted(by_second.items()))


def _forget_old(event: Event[Any], view: View, outlet: str, asset: str) -> Iterator[Effect]:
    """Old cash is in a closing that nothing parts any more; what is in none stays, as one sum."""
    before = (event.now_ms - KEPT_MS) // 60_000
    prefix = CashMoves.prefix_of(event.tenant_id, outlet, asset)
    closed: int | None = 0
    at = total = 0
    for row in view.scan(prefix, _DROPPED_AT_ONCE):
        assert isinstance(row, CashMoves)
        if row.minute >= before:
            break
        for second, minor in row.moves:
            moved_at = row.minute * 60 + second
            if closed is not None and moved_at > closed:
                session = _session_of(event, view, outlet, asset, moved_at)
                closed = session.closed_ms // 1000 if session else None
            if closed is None or closed >= before * 60:
                at, total = moved_at, total + minor
        yield Delete(row.key)
    if total:
        yield Put(CashMoves(event.tenant_id, outlet, asset, at // 60, ((at % 60, total),)))


def _session_of(
    event: Event[Any], view: View, outlet: str, asset: str, second: int
) -> DrawerSession | None:
    """The session that was open in this second: the first one closed in it or later."""
    start = session_key(event.tenant_id, outlet, asset, second * 1000)
    found = view.scan(DrawerSession.prefix_of(event.tenant_id, outlet, asset), 1, start)
    return found[0] if found else None  # type: ignore[return-value]


def close(
    event: Event[Any], view: View, session: DrawerSession, *, named: bool
) -> Iterator[Effect]:
    """A closing, wherever it stands among those that are known; `named` by the till itself."""
    before = _before(view, session)
    since = before.closed_ms // 1000 if before else -1
    moved_ours = _moved_between(view, session, since, session.closed_ms // 1000)
    counted = session.replaced(moved=moved_ours, carried=before.left if before else 0)
    yield from _posted(counted, _legs(counted))
    yield Put(counted)
    if named:
        about = (session.tenant_id, session.outlet_id, session.asset, session.session_id)
        yield Put(DrawerClosing(*about, session.closed_ms))
    drawer = view.row(Drawer, session.tenant_id, session.outlet_id, session.asset)
    drawer = drawer or Drawer(session.tenant_id, session.outlet_id, session.asset)
    yield Put(drawer.replaced(closed_ms=max(drawer.closed_ms, session.closed_ms)))
    yield from _settled(event, view, counted)
    after = _after(view, session)
    if after is not None:
        rest = after.moved - moved_ours  # what was thought to be all its own
        yield from _recounted(after, after.replaced(moved=rest, carried=counted.left))


def _before(view: View, session: DrawerSession) -> DrawerSession | None:
    """The closing before this one: mostly the newest of all, else one of those not long before."""
    drawer = view.row(Drawer, session.tenant_id, session.outlet_id, session.asset)
    if drawer is None:
        return None
    if drawer.closed_ms < session.closed_ms:
        about = (session.tenant_id, session.outlet_id, session.asset)
        newest = view.get(session_key(*about, drawer.closed_ms))
        return newest if isinstance(newest, DrawerSession) else None
    prefix = DrawerSession.prefix_of(session.tenant_id, session.outlet_id, session.asset)
    horizon = session_key(
        session.tenant_id, session.outlet_id, session.asset, max(session.closed_ms - KEPT_MS, 0)
    )
    known = [row for row in view.scan(prefix, _SCANNED, horizon) if row.key < session.key]
    return known[-1] if known else None  # type: ignore[return-value]


def _after(view: View, session: DrawerSession) -> DrawerSession | None:
    prefix = DrawerSession.prefix_of(session.tenant_id, session.outlet_id, session.asset)
    found = [row for row in view.scan(prefix, 2, session.key) if row.key > session.key]
    return found[0] if found else None  # type: ignore[return-value]


def _moved_between(view: View, session: DrawerSession, after: int, until: int) -> int:
    """Cash that moved in seconds after `after`, up to and with `until`."""
    prefix = CashMoves.prefix_of(session.tenant_id, session.outlet_id, session.asset)
    start = moves_key(session.tenant_id, session.outlet_id, session.asset, max(after, 0) // 60)
    total = 0
    for row in view.scan(prefix, _SCANNED, start):
        assert isinstance(row, CashMoves)
        if row.minute > until // 60:
            break
        for second, minor in row.moves:
            if after < row.minute * 60 + second <= until:
                total += minor
    return total


def _recounted(before: DrawerSession, after: DrawerSession) -> Iterator[Effect]:
    """Post what another closing, or late cash, changes in a session."""
    if before.moved == after.moved and before.carried == after.carried:
        return
    legs = _legs(after)
    for account, minor in _legs(before).items():
        legs[account] = legs.get(account, 0) - minor
    yield from _posted(after, legs)
    yield Put(after.replaced(version=before.version + 1))


def _legs(session: DrawerSession) -> dict[str, int]:
    """What a session has posted in all, by account, from float to deposit."""
    brought = session.begun_with - session.carried
    out = session.deposit + session.drops - brought
    over = session.counted - session.expected
    drawer = over - out + session.paid_in - session.paid_out
    return {
        chart.drawer(session.outlet_id): drawer,
        chart.IN_TRANSIT: out,
        chart.OVER_SHORT: -over,
        chart.SUSPENSE_OUT: session.paid_out - session.paid_in,
    }


def _posted(session: DrawerSession, legs: dict[str, int]) -> Iterator[Effect]:
    where = {"outlet": session.outlet_id, "drawer_session": session.session_id}
    postings = [Posting(account, session.asset, minor, where) for account, minor in legs.items()]
    postings = [posting for posting in postings if posting.minor]
    if postings:
        yield Post(postings)


def _settled(event: Event[Any], view: View, session: DrawerSession) -> Iterator[Effect]:
    """A closing is the settlement of its cash."""
    day = local_day(session.closed_ms, view.tenant(event.tenant_id).time_zone)
    row = Settlement(
        event.tenant_id,
        event.derive("settlement"),
        "cash",
        chart.drawer(session.outlet_id),
        session.asset,
        day,
        gross=session.deposit,
        items=1,
        status="expected",
        expected_date=day,
        created_ms=event.now_ms,
    )
    yield Put(row)
    yield from settlements.awaited(row)
    yield from settlements.generated(row)
