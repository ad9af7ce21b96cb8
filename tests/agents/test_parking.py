"""Events that cannot be decided yet: they wait in order, within bounds, and not for ever."""

import pytest

from agents.decide import FUTURE_MS, WINDOW_MS
from agents.parking import DEADLINE_MS, MAX_BYTES_PER_TENANT
from agents.steps import STEPS_PER_EVENT
from tables.invoices import Order
from tables.memory import Due, Parked, Release, StoredReply, TenantLoad
from tests.agents.core import Core
from tests.agents.handlers import tenant_of

pytestmark = pytest.mark.usefixtures("test_handlers")


def outcomes(entries) -> list[tuple[str, str]]:
    return [(entry.event_id, entry.status) for entry in entries]


class TestAnUnknownTenant:
    def test_holds_its_events_until_it_is_created(self, core):
        [entry] = core.order("u", "o")
        assert (entry.status, entry.reason) == ("parked", "tenant_unknown_or_frozen")
        assert [entry.status for entry in core.tenant("u")] == ["applied", "applied"]
        assert core.rows(Parked) == []

    def test_three_thousand_events_are_released_in_order_a_bounded_number_at_a_time(self, core):
        for number in range(3_000):
            core.order("u", f"o{number}")
        first = core.tenant("u")
        assert 100 < len(first) <= 1 + STEPS_PER_EVENT
        assert core.fold.parking.more_to_do
        late = core.order("u", "late")
        assert late[0].status == "parked", "it would overtake those that wait"
        while core.fold.parking.more_to_do:
            core.tick()
        applied = [
            entry.event_id
            for entry in core.entries
            if entry.status == "applied" and entry.event_type == "cafe.order.created"
        ]
        parked = [entry.event_id for entry in core.entries if entry.status == "parked"]
        assert applied == parked
        assert len(applied) == 3_001
        assert core.rows(Parked) + core.rows(Release) == []
        assert [row for row in core.rows(Due) if row.kind == "parked"] == []
        assert core.rows(TenantLoad) == []

    def test_a_release_survives_a_checkpoint_and_a_restart_half_way(self, core):
        for number in range(STEPS_PER_EVENT + 500):
            core.order("u", f"o{number}")
        core.checkpoint()
        core.tenant("u")
        core = core.restarted()
        assert core.fold.parking.more_to_do
        while core.fold.parking.more_to_do:
            core.tick()
        assert len(core.rows(Order)) == STEPS_PER_EVENT + 500

    def test_steps_tell_released_entries_of_one_place_apart(self, core):
        core.order("u", "o")
        core.order("u", "p")
        entries = core.tenant("u")
        places = {(entry.offset, entry.index, entry.step) for entry in entries}
        assert len(places) == 3
        assert {(entry.offset, entry.index) for entry in entries} == {(entries[0].offset, 0)}

    def test_a_copy_of_a_waiting_event_is_a_duplicate(self, core):
        core.order("u", "o")
        [entry] = core.send(core.arrivals[-1].raw)
        assert entry.status == "duplicate"
        assert len(core.tenant("u")) == 2

    def test_other_tenants_do_not_wait_with_it(self, core):
        core.order("u", "o")
        assert core.order("t", "o")[0].status == "applied"

    def test_a_released_event_is_judged_like_any_other(self, core):
        core.event("cafe.order.created", "u", {"order_id": "o", "total_amount": "-1"})
        entries = core.tenant("u")
        assert (entries[1].status, entries[1].reason) == ("rejected", "amount_not_positive")

    def test_a_command_is_told_that_it_waits_and_its_retry_is_told_the_end(self, core):
        kind, data = "treasury.command.payment_intent.create", {"amount": "5"}
        [entry] = core.event(kind, "u", data, event_id="e", ingress="http")
        assert entry.reply.status == 202
        core.tenant("u")
        [again] = core.event(kind, "u", data, event_id="e", ingress="http")
        assert again.reply.status == 201


class TestDeadline:
    def test_a_waiting_event_becomes_a_dead_letter_at_its_deadline(self, core):
        core.order("u", "o")
        assert core.tick(DEADLINE_MS - 1)[0].event_type == "treasury.clock.ticked"
        assert core.rows(Parked) != []
        entries = core.tick(1)
        assert (entries[1].status, entries[1].reason.partition(":")[0]) == ("rejected", "deadline")
        assert entries[1].raw == core.arrivals[1].raw
        assert core.rows(Parked) == []
        assert core.rows(TenantLoad) == []

    def test_a_waiting_command_is_answered_at_its_deadline(self, core):
        kind, data = "treasury.command.payment_intent.create", {"amount": "5"}
        core.event(kind, "u", data, event_id="e", ingress="http")
        entries = core.tick(DEADLINE_MS)
        assert (entries[1].status, entries[1].reason) == ("refused", "deadline")
        [again] = core.event(kind, "u", data, event_id="e", ingress="http")
        assert (again.status, again.reply) == ("duplicate", entries[1].reply)

    def test_nothing_is_due_for_an_event_that_was_released(self, core):
        core.order("u", "o")
        core.tenant("u")
        assert [entry.reason for entry in core.tick(DEADLINE_MS) if entry.reason] == []

    def test_many_deadlines_are_worked_off_over_several_ticks(self, core):
        core.batch([_order(core, "u", number) for number in range(STEPS_PER_EVENT)])
        first = core.tick(DEADLINE_MS)
        assert len(first) == 1 + STEPS_PER_EVENT // 2
        assert core.fold.parking.more_to_do
        core.tick()
        core.tick()
        assert core.rows(Parked) == []
        assert not core.fold.parking.more_to_do


def _order(core: Core, tenant_id: str, number: int):
    from tests.agents.core import envelope

    data = {"order_id": f"o{number}", "total_amount": 1}
    return core.arrival(envelope("cafe.order.created", tenant_id, data, event_id=f"many-{number}"))


class TestTheWaitingRoom:
    def test_is_bounded_and_a_full_one_refuses_by_name(self, core):
        name = "x" * 128
        big = {"order_id": "o", "total_amount": 1, "padding": "x" * 500_000, "customer_id": name}
        statuses = []
        for number in range(25):
            entries = core.event("cafe.order.created", "u", {**big, "order_id": str(number)})
            statuses.append((entries[0].status, entries[0].reason))
        parked = statuses.count(("parked", "tenant_unknown_or_frozen"))
        assert parked == MAX_BYTES_PER_TENANT // len(core.arrivals[-1].raw)
        assert set(statuses[parked:]) == {("rejected", "parking_full")}
        assert core.entries[-1].raw == core.arrivals[-1].raw

    def test_a_command_that_finds_it_full_may_come_again_with_the_same_key(self, core):
        kind, wish = "treasury.command.payment_intent.create", {"amount": "5"}
        big = {"order_id": "o", "total_amount": 1, "padding": "x" * 872_000}
        for number in range(12):
            core.event("cafe.order.created", "u", {**big, "order_id": str(number)})
        large = {**wish, "metadata": {str(number): "x" * 500 for number in range(50)}}
        [first] = core.event(kind, "u", large, event_id="e", ingress="http")
        assert (first.status, first.reason, first.reply.status) == ("refused", "parking_full", 503)
        assert core.rows(StoredReply) == []
        [again] = core.event(kind, "u", large, event_id="e", ingress="http")
        assert (again.status, again.reply.status) == ("refused", 503)
        core.tenant("u")
        while core.fold.parking.more_to_do:
            core.tick()
        [taken] = core.event(kind, "u", large, event_id="e", ingress="http")
        assert (taken.status, taken.reply.status) == ("applied", 201)

    def test_is_each_tenants_own(self, core):
        big = {"order_id": "o", "total_amount": 1, "padding": "x" * 900_000}
        for number in range(15):
            core.event("cafe.order.created", "u", {**big, "order_id": str(number)})
        assert core.order("v", "o")[0].status == "parked"


class TestAFrozenTenant:
    def test_holds_its_events_and_lets_its_lifecycle_pass(self, core):
        core.event("test.freezes", "t")
        assert core.order("t", "o")[0].status == "parked"
        entries = core.event("test.thaws", "t")
        assert [entry.status for entry in entries] == ["applied", "applied"]
        assert tenant_of(core, "t").status == "active"

    def test_stops_a_release_that_freezes_it_again(self, core):
        core.event("test.freezes", "t", event_id="a")
        core.event("test.freezes", "t", event_id="b")
        core.order("t", "o")
        entries = core.event("test.thaws", "t", event_id="c")
        assert outcomes(entries) == [("c", "applied"), ("b", "applied")]
        assert len(core.rows(Parked)) == 1
        entries = core.event("test.thaws", "t", event_id="d")
        assert [entry.event_type for entry in entries] == ["test.thaws", "cafe.order.created"]


class TestANamedKey:
    def test_releases_what_waits_for_it_and_nothing_else(self, core):
        core.event("test.waits", "t", {"text": "bar"}, event_id="a")
        core.event("test.waits", "t", {"text": "shop"}, event_id="b")
        entries = core.event("auth.outlet.created", "t", {"outlet_id": "bar"}, event_id="c")
        assert outcomes(entries) == [("c", "applied"), ("a", "applied")]
        assert [row.event_id for row in core.rows(Parked)] == ["b"]

    def test_does_not_hold_the_rest_of_the_tenant(self, core):
        core.event("test.waits", "t", {"text": "bar"})
        assert core.order("t", "o")[0].status == "applied"

    def test_releases_in_the_order_of_arrival(self, core):
        for event_id in "cab":
            core.event("test.waits", "t", {"text": "bar"}, event_id=event_id)
        entries = core.event("auth.outlet.created", "t", {"outlet_id": "bar"})
        assert [entry.event_id for entry in entries[1:]] == ["c", "a", "b"]

    def test_is_each_tenants_own(self, core):
        core.tenant("u")
        core.event("test.waits", "t", {"text": "bar"})
        assert len(core.event("auth.outlet.created", "u", {"outlet_id": "bar"})) == 1


class TestAnswersOfWaitingCommands:
    def test_leave_with_the_window_though_the_event_was_decided_twice(self, core):
        kind, data = "treasury.command.payment_intent.create", {"amount": "5"}
        core.event(kind, "u", data, event_id="e", ingress="http")
        core.tenant("u")
        assert len(core.rows(StoredReply)) == 1
        core.tick(WINDOW_MS + FUTURE_MS + 1)
        assert core.rows(StoredReply) == []
