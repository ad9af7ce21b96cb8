"""Handlers that raise, and stores that do: what is a rejection, what freezes, what must exit."""

import pytest
from msgspec.structs import replace

from agents import registry
from agents.auth import THAW
from agents.judge import FAILURES_BEFORE_FREEZE
from agents.roles.verify import Replay
from streams.errors import TreasuryError
from tables.memory import TenantLoad
from tests.agents.core import Core
from tests.agents.handlers import tenant_of

pytestmark = pytest.mark.usefixtures("test_handlers")


def fail(core: Core, tenant_id: str, times: int = 1) -> None:
    for _ in range(times):
        core.event("test.raises", tenant_id, {"text": "badly"})


class TestAHandlerThatRaises:
    def test_rejects_its_event_without_the_errors_text(self, core):
        fail(core, "t")
        entry = core.entries[-1]
        assert (entry.status, entry.reason) == ("rejected", "internal: RuntimeError")
        assert entry.raw == core.arrivals[-1].raw

    def test_answers_a_command_that_waits(self, core):
        [entry] = core.event("test.raises", "t", {"text": "badly"}, ingress="http")
        assert (entry.status, entry.reply.status) == ("rejected", 500)
        assert b"RuntimeError" not in entry.reply.body

    def test_freezes_its_tenant_after_five_in_a_row(self, core):
        fail(core, "t", FAILURES_BEFORE_FREEZE - 1)
        assert tenant_of(core, "t").status == "active"
        fail(core, "t")
        assert tenant_of(core, "t").status == "frozen"
        assert core.order("t", "o")[0].status == "parked"

    def test_a_success_between_starts_the_count_again(self, core):
        fail(core, "t", FAILURES_BEFORE_FREEZE - 1)
        core.order("t", "o")
        assert core.rows(TenantLoad) == []
        fail(core, "t", FAILURES_BEFORE_FREEZE - 1)
        assert tenant_of(core, "t").status == "active"

    def test_the_count_survives_a_restart(self, core):
        fail(core, "t", FAILURES_BEFORE_FREEZE - 1)
        core = core.restarted()
        fail(core, "t")
        assert tenant_of(core, "t").status == "frozen"

    def test_what_waited_goes_on_when_the_tenant_is_active_again(self, core):
        fail(core, "t", FAILURES_BEFORE_FREEZE)
        core.order("t", "o")
        entries = core.event("test.thaws", "t")
        assert [entry.event_type for entry in entries] == ["test.thaws", "cafe.order.created"]

    def test_an_operator_ends_the_freeze_and_what_waited_goes_on(self, core):
        fail(core, "t", FAILURES_BEFORE_FREEZE)
        core.order("t", "o")
        entries = core.event(THAW, "t", ingress="internal")
        assert [entry.event_type for entry in entries] == [THAW, "cafe.order.created"]
        assert tenant_of(core, "t").status == "active"
        assert core.rows(TenantLoad) == []
        assert [entry.status for entry in core.event(THAW, "t", ingress="internal")] == ["applied"]

    def test_nobody_else_ends_it(self, core):
        fail(core, "t", FAILURES_BEFORE_FREEZE)
        for ingress in ("nats", "kafka", "http"):
            [entry] = core.event(THAW, "t", ingress=ingress)
            assert entry.reason == "ingress_not_allowed"
        [entry] = core.event(THAW, "stranger", ingress="internal")
        assert entry.reason == "tenant_unknown"
        assert tenant_of(core, "t").status == "frozen"

    def test_notes_its_tenant_until_a_handler_succeeds_for_it(self, core):
        for tenant_id in ("u", "v", "w"):
            core.tenant(tenant_id)
            fail(core, tenant_id)
        assert set(core.fold.failing) == {"u", "v", "w"}
        core.order("v", "o")
        assert set(core.fold.failing) == {"u", "w"}

    def test_is_decided_the_same_whatever_another_process_had_noted(self, core):
        for tenant_id in ("u", "v", "w"):
            core.tenant(tenant_id)
            fail(core, tenant_id)
        other = core.restarted()
        assert other.fold.failing == {}
        for each in (core, other):
            fail(each, "t")
        assert core.entries == other.entries
        assert core.images[-1] == other.images[-1]

    def test_is_believed_by_the_replay_of_a_better_release(self, core, monkeypatch):
        fail(core, "t", FAILURES_BEFORE_FREEZE)
        core.event(THAW, "t", ingress="internal")
        core.event("test.schedules", "t", {"text": "raise", "minor": 1})
        core.tick(pass_ms=1)
        assert core.entries[-1].reason == "internal: RuntimeError"
        mended = replace(registry.HANDLED["test.raises"], handler=lambda *_: [])
        monkeypatch.setitem(registry._handled, "test.raises", mended)
        monkeypatch.setitem(registry._due, "test", lambda *_: [])
        replay = Replay(0, 1)
        assert [replay.take(record) for record in core.journal()] == [None] * len(core.journal())


class TestAStoreThatFails:
    @pytest.mark.parametrize("error", [OSError("disk"), ValueError("corrupt")])
    def test_is_never_a_rejection(self, core, monkeypatch, error):
        def fails(_key: bytes) -> bytes:
            raise error

        monkeypatch.setattr(core.store, "get", fails)
        with pytest.raises(TreasuryError):
            core.order("t", "o")

    def test_nor_is_a_row_that_this_release_cannot_read(self, core):
        core.order("t", "o")
        core.checkpoint()
        key = next(key for key in core.store.rows if key.startswith(b"iv"))
        core.store.rows[key] = b"\x63" + core.store.rows[key][1:]
        core.working.known.clear()  # all of them are stored
        data = {"order_id": "o", "total_amount": 100}
        with pytest.raises(TreasuryError):
            core.event("pos.order.completed", "t", data)
