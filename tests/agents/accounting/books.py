"""A tenant's books on the pure core: events by their short names, commands, money, and the clock.

Whatever is said, the invariants are checked after it: balanced, control accounts tied, legal steps.
"""

import json
from typing import Any, TypeVar

from agents.audit.journal import Audit
from agents.commands import CONFIRM, CREATE_INTENT
from streams.journal import Entry
from streams.timestamps import parse_ms
from tables.balances import Balance
from tables.payments import GatewayCall
from tables.row import Row
from tests.agents.core import Core

R = TypeVar("R", bound=Row)
START = "2026-03-02T06:00:00Z"  # Monday, nine o'clock in Nairobi


class Books:
    """One tenant `t` in Nairobi, registered for tax unless it says otherwise."""

    def __init__(self, *, mode: str = "live", tenant: bool = True, **settings: Any) -> None:
        self.core = Core()
        self.core.now_ms = parse_ms(START)
        self._audit = Audit(0, 1)
        self._read = 0
        self._count = 0
        if tenant:
            self.event("auth.tenant.created", mode=mode, settings=settings)

    # -- saying -------------------------------------------------------------------------------

    def event(self, event_type: str, /, *, at: str = "", **data: Any) -> list[Entry]:
        """An event of a sister service, now or `at` a time; its entries."""
        timestamp_ms = parse_ms(at) if at else None
        entries = self.core.event(event_type, "t", data, timestamp_ms=timestamp_ms)
        self.check()
        return entries

    def applied(self, event_type: str, /, **data: Any) -> Entry:
        """An event that is applied; its entry."""
        entry = self.event(event_type, **data)[0]
        assert (entry.status, entry.reason) == ("applied", "")
        return entry

    def command(self, name: str, /, **data: Any) -> tuple[int, dict[str, Any]]:
        """A command by its short name: (HTTP status, answer)."""
        self._count += 1
        kind = name if name.startswith("treasury.") else f"treasury.command.{name}"
        data.setdefault("actor", "ann")
        key = f"command-{self._count}"
        [entry, *_] = self.core.event(kind, "t", data, event_id=key, ingress="http")
        self.check()
        assert entry.reply is not None, entry
        return entry.reply.status, json.loads(entry.reply.body)

    def done(self, name: str, /, **data: Any) -> dict[str, Any]:
        """A command that is carried out; its answer."""
        status, body = self.command(name, **data)
        assert status < 300, (status, body)
        return body

    def refused(self, name: str, /, **data: Any) -> str:
        """A command that is not; its reason."""
        status, body = self.command(name, **data)
        assert status >= 400, (status, body)
        return str(body["code"])

    def told(self, event_type: str, data: dict[str, Any]) -> Entry:
        """An internal event; its entry."""
        entry = self.core.event(event_type, "t", data, ingress="internal")[0]
        self.check()
        return entry

    # -- money --------------------------------------------------------------------------------

    def gateway(self, call_id: str, outcome: str = "succeeded", **more: Any) -> Entry:
        """The gateway's word on a call, which is granted first."""
        grant = {"call_id": call_id, "nonce": f"n-{call_id}", "valid_for_ms": 5_000}
        self.told("treasury.call.granted", grant)
        return self.answer(call_id, outcome, **more)

    def answer(self, call_id: str, outcome: str = "succeeded", **more: Any) -> Entry:
        """The gateway's word on a call that was granted."""
        said = {"call_id": call_id, "nonce": f"n-{call_id}", "outcome": outcome, **more}
        return self.told("treasury.call.completed", said)

    def intent(self, **wish: Any) -> str:
        """A payment that waits; its id."""
        return str(self.done(CREATE_INTENT, **wish)["payment_id"])

    def pay(self, outcome: str = "succeeded", **wish: Any) -> str:
        """A payment through the instant gateway; its id."""
        payment_id = self.intent(**wish)
        self.done(CONFIRM, payment_id=payment_id, method="instant")
        self.gateway(self.call_of(payment_id), outcome)
        return payment_id

    def call_of(self, subject_id: str) -> str:
        """The newest call about something."""
        return [row for row in self.rows(GatewayCall) if row.subject_id == subject_id][-1].call_id

    # -- time ---------------------------------------------------------------------------------

    def until(self, at: str) -> list[Entry]:
        """Log time passes; what is due on the way is done, tick by tick of an hour."""
        entries = []
        while self.core.now_ms < parse_ms(at):
            step = min(3_600_000, parse_ms(at) - self.core.now_ms)
            entries += self.core.tick(step)
            while self.core.fold.parking.more_to_do:
                entries += self.core.tick()
        self.check()
        return entries

    # -- looking ------------------------------------------------------------------------------

    def rows(self, kind: type[R]) -> list[R]:
        """All rows of a kind."""
        return self.core.rows(kind)

    def row(self, kind: type[R], *parts: str) -> R:
        """One row."""
        row = self.core.working.get(kind.key_of("t", *parts))
        assert isinstance(row, kind)
        return row

    @property
    def balances(self) -> dict[str, int]:
        """Debits less credits of every account that is not zero, in shillings or what it counts."""
        return {row.account: row.posted for row in self.rows(Balance) if row.posted}

    def emitted(self, event_type: str) -> list[dict[str, Any]]:
        """The data of all outbound events of a type, in order."""
        return [
            json.loads(item.body)["data"]
            for entry in self.core.entries
            for item in entry.emitted
            if item.event_type == f"treasury.{event_type}"
        ]

    def check(self) -> None:
        """The invariants, of all records since the last time."""
        records = self.core.journal()
        for record in records[self._read :]:
            self._audit.read(record)
        self._read = len(records)
        self._audit.money.tie()
        found = [str(violation) for violation in self._audit.findings.violations]
        assert not found, found
        failed = [entry for entry in self.core.entries if entry.reason.startswith("internal")]
        assert not failed, failed
