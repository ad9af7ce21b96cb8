"""The fold's own rules: doors, duplicates, conflicts, time, and the order of its refusals."""

import json

import pytest

from agents.decide import FUTURE_MS, WINDOW_MS
from streams.journal import Entry
from tables.memory import Looked, SeenSegment, StoredReply
from tables.tenants import Outlet
from tests.agents.core import Core, envelope

ORDER = {"order_id": "o", "total_amount": 100}
INTERNAL = (
    ("treasury.call.granted", {"call_id": "c", "nonce": "n", "valid_for_ms": 1}),
    ("treasury.call.completed", {"call_id": "c", "nonce": "n", "outcome": "succeeded"}),
    ("treasury.clock.ticked", {}),
    ("treasury.lookup.answered", {"event_id": "e", "seen": False}),
    ("treasury.redrive.requested", {"event_id": "e", "attempt": 1, "ingress": "nats", "raw": ""}),
)


def verdict(entries: list[Entry]) -> tuple[str, str]:
    [entry] = entries
    return entry.status, entry.reason.partition(":")[0]


class TestDoors:
    @pytest.mark.parametrize(("event_type", "data"), INTERNAL)
    @pytest.mark.parametrize("ingress", ["nats", "http", "webhook", "file", "kafka"])
    def test_internal_events_come_through_our_own_producer_only(
        self, core, event_type, data, ingress
    ):
        entries = core.event(event_type, "t", data, ingress=ingress)
        assert verdict(entries) == ("rejected", "ingress_not_allowed")
        assert entries[0].raw == core.arrivals[-1].raw

    def test_a_tenants_lifecycle_does_not_come_over_http(self, core):
        entries = core.event("auth.tenant.created", "u", ingress="http")
        assert verdict(entries) == ("rejected", "ingress_not_allowed")

    def test_commands_do_not_come_over_nats(self, core):
        entries = core.event("treasury.command.payment.confirm", "t", {"payment_id": "p"})
        assert verdict(entries) == ("rejected", "ingress_not_allowed")

    def test_no_customer_may_bear_the_system_tenants_name(self, core):
        entries = core.event("auth.tenant.created", "treasury")
        assert verdict(entries) == ("rejected", "reserved_tenant")

    def test_a_tenant_of_another_partition_is_misrouted(self):
        cores = [Core(partition=number, partitions=2) for number in range(2)]
        statuses = [core.event("auth.tenant.created", "t")[0].status for core in cores]
        assert sorted(statuses) == ["applied", "misrouted"]


class TestDuplicates:
    def test_decides_an_event_once(self, core):
        first = core.order("t", "o")
        again = core.send(core.arrivals[-1].raw)
        assert verdict(first) == ("applied", "")
        assert verdict(again) == ("duplicate", "")
        assert (again[0].postings, again[0].emitted) == ([], [])

    def test_within_one_record_too(self, core):
        raw = envelope("cafe.order.created", "t", ORDER, event_id="e")
        entries = core.batch([core.arrival(raw), core.arrival(raw)])
        assert [entry.status for entry in entries] == ["applied", "duplicate"]

    def test_after_a_restart_too(self, core):
        core.order("t", "o")
        raw = core.arrivals[-1].raw
        assert verdict(core.restarted().send(raw)) == ("duplicate", "")

    def test_two_tenants_may_use_the_same_id(self, core):
        core.tenant("u")
        for tenant_id in ("t", "u"):
            raw = envelope("cafe.order.created", tenant_id, ORDER, event_id="same")
            assert verdict(core.send(raw)) == ("applied", "")

    def test_the_same_id_with_another_payload_is_a_conflict(self, core):
        core.event("cafe.order.created", "t", ORDER, event_id="e")
        before = core.working.digest
        entries = core.event("cafe.order.created", "t", {**ORDER, "total_amount": 1}, event_id="e")
        assert verdict(entries) == ("rejected", "conflict")
        assert core.working.digest == before

    def test_the_same_id_with_another_type_is_a_conflict(self, core):
        core.event("cafe.order.created", "t", ORDER, event_id="e")
        entries = core.event("pos.order.completed", "t", ORDER, event_id="e")
        assert verdict(entries) == ("rejected", "conflict")

    def test_a_conflict_does_not_make_the_first_payload_forgotten(self, core):
        core.event("cafe.order.created", "t", ORDER, event_id="e")
        core.event("cafe.order.created", "t", {**ORDER, "total_amount": 1}, event_id="e")
        assert verdict(core.event("cafe.order.created", "t", ORDER, event_id="e"))[0] == "duplicate"

    def test_a_retried_command_gets_the_first_answer(self, core):
        data = {"amount": "5.00"}
        kind = "treasury.command.payment_intent.create"
        [first] = core.event(kind, "t", data, event_id="e", ingress="http")
        [again] = core.event(kind, "t", data, event_id="e", ingress="http")
        assert first.reply is not None
        assert (again.status, again.reply) == ("duplicate", first.reply)

    def test_a_retried_refusal_gets_the_first_answer(self, core):
        kind, data = "treasury.command.payment.confirm", {"payment_id": "p", "method": "cash"}
        [first] = core.event(kind, "t", data, event_id="e", ingress="http")
        [again] = core.event(kind, "t", data, event_id="e", ingress="http")
        assert (first.status, first.reply.status) == ("refused", 404)
        assert (again.status, again.reply) == ("duplicate", first.reply)

    def test_ids_are_forgotten_after_the_window_with_their_answers(self, core):
        kind = "treasury.command.payment_intent.create"
        core.event(kind, "t", {"amount": "5.00"}, event_id="e", ingress="http")
        assert core.rows(StoredReply)
        core.now_ms += WINDOW_MS + FUTURE_MS + 1
        core.order("t", "o")
        assert len(core.rows(SeenSegment)) == 1
        assert core.rows(StoredReply) == []
        assert len(core.seen) == 1

    def test_ids_are_remembered_up_to_the_window(self, core):
        core.order("t", "o")
        raw = core.arrivals[-1].raw
        core.now_ms += WINDOW_MS
        core.order("t", "p")
        assert verdict(core.send(raw))[0] == "duplicate"

    @pytest.mark.parametrize("ahead_ms", [3 * 3_600_000, FUTURE_MS])
    def test_an_event_dated_ahead_is_remembered_until_its_own_time_is_out_of_the_window(
        self, core, ahead_ms
    ):
        at_ms = core.now_ms + ahead_ms
        data = {"order_id": "o", "total_amount": 100}
        first = core.event("pos.order.completed", "t", data, event_id="e", timestamp_ms=at_ms)
        raw = core.arrivals[-1].raw
        core.now_ms = at_ms + WINDOW_MS
        core.tick()
        assert [verdict(first)[0], verdict(core.send(raw))[0]] == ["applied", "duplicate"]
        core.now_ms += FUTURE_MS + 1
        core.tick()
        assert verdict(core.send(raw)) == ("parked", "awaiting_archive")


class TestTime:
    def test_more_than_a_day_ahead_is_refused(self, core):
        at_ms = core.now_ms + FUTURE_MS + 1
        entries = core.event("cafe.order.created", "t", ORDER, timestamp_ms=at_ms)
        assert verdict(entries) == ("rejected", "future")

    def test_a_day_ahead_is_taken(self, core):
        at_ms = core.now_ms + FUTURE_MS
        entries = core.event("cafe.order.created", "t", ORDER, timestamp_ms=at_ms)
        assert verdict(entries) == ("applied", "")

    def test_log_time_never_goes_back(self, core):
        core.order("t", "o")
        core.now_ms -= 5_000
        assert core.order("t", "p")[0].now_ms == core.now_ms + 5_000

    def test_an_event_older_than_the_window_waits_for_the_archive(self, core):
        at_ms = core.now_ms - WINDOW_MS - 1
        [entry] = core.event("cafe.order.created", "t", ORDER, timestamp_ms=at_ms, event_id="old")
        assert (entry.status, entry.reason) == ("parked", "awaiting_archive")
        [call] = entry.calls
        assert (call.gateway, call.operation) == ("archive", "seen")
        assert json.loads(call.request) == {"event_id": "old"}

    @pytest.mark.parametrize(("seen", "status"), [(True, "duplicate"), (False, "applied")])
    def test_the_archives_answer_decides_it(self, core, seen, status):
        at_ms = core.now_ms - WINDOW_MS - 1
        core.event("cafe.order.created", "t", ORDER, timestamp_ms=at_ms, event_id="old")
        answer = {"event_id": "old", "seen": seen}
        entries = core.event("treasury.lookup.answered", "t", answer, ingress="internal")
        assert [entry.status for entry in entries] == ["applied", status]
        assert core.rows(Looked) == []

    def test_an_event_of_the_windows_age_is_taken_at_once(self, core):
        at_ms = core.now_ms - WINDOW_MS
        entries = core.event("cafe.order.created", "t", ORDER, timestamp_ms=at_ms)
        assert verdict(entries) == ("applied", "")

    @pytest.mark.usefixtures("test_handlers")
    def test_the_archive_is_asked_once_though_the_event_waits_again(self, core):
        at_ms = core.now_ms - WINDOW_MS - 1
        core.event("test.waits", "t", {"text": "bar"}, timestamp_ms=at_ms, event_id="old")
        answer = {"event_id": "old", "seen": False}
        core.event("treasury.lookup.answered", "t", answer, ingress="internal")
        assert core.entries[-1].reason == "outlet_unknown"
        entries = core.event("auth.outlet.created", "t", {"outlet_id": "bar"})
        assert [entry.status for entry in entries] == ["applied", "applied"]
        assert sum(len(entry.calls) for entry in core.entries) == 1
        assert core.rows(Looked) == []


class TestOrderOfRefusals:
    """Each event has every later fault too; the first in the documented order is named."""

    def test_what_the_door_said_comes_first(self, core):
        entries = core.send(b"{", refused="subject_mismatch")
        assert verdict(entries) == ("rejected", "subject_mismatch")

    def test_then_the_json(self, core):
        assert verdict(core.send(b'{"event_id":1,"event_id":2}')) == ("rejected", "duplicate_key")

    def test_then_the_envelope(self, core):
        raw = envelope("no.such", "t", {}, event_id="bad id")
        assert verdict(core.send(raw)) == ("rejected", "bad_event_id")

    def test_then_the_type_before_the_ingress(self, core):
        assert verdict(core.event("no.such", "t", ingress="webhook"))[1] == "unknown_type"

    def test_then_the_ingress_before_the_partition(self):
        core = Core(partition=0, partitions=1_000_000)
        entries = core.event("treasury.call.granted", "t", {})
        assert verdict(entries)[1] == "ingress_not_allowed"

    def test_then_the_partition_before_the_time(self):
        core = Core(partition=0, partitions=1_000_000)
        at_ms = core.now_ms + 2 * FUTURE_MS
        assert verdict(core.event("cafe.order.created", "t", {}, timestamp_ms=at_ms)) == (
            "misrouted",
            "",
        )

    def test_a_conflict_comes_before_the_time(self, core):
        core.event("cafe.order.created", "t", ORDER, event_id="e")
        at_ms = core.now_ms + 2 * FUTURE_MS
        entries = core.event("cafe.order.created", "t", {}, event_id="e", timestamp_ms=at_ms)
        assert verdict(entries)[1] == "conflict"

    def test_then_the_time_before_the_tenant(self, core):
        at_ms = core.now_ms + 2 * FUTURE_MS
        entries = core.event("cafe.order.created", "unknown", {}, timestamp_ms=at_ms)
        assert verdict(entries)[1] == "future"

    def test_then_the_tenant_before_the_body(self, core):
        entries = core.event("cafe.order.created", "unknown", {})
        assert verdict(entries) == ("parked", "tenant_unknown_or_frozen")

    def test_then_the_body_before_the_handler(self, core):
        entries = core.event("cafe.order.created", "t", {"order_id": ""})
        assert verdict(entries) == ("rejected", "malformed")


class TestHandlers:
    def test_a_command_with_a_malformed_body_is_answered_not_dead_lettered(self, core):
        kind = "treasury.command.payment_intent.create"
        [entry] = core.event(kind, "t", {"amuont": "5"}, ingress="http")
        assert (entry.status, entry.reason) == ("refused", "malformed")
        assert entry.reply.status == 422
        assert "amuont" in json.loads(entry.reply.body)["detail"]

    @pytest.mark.usefixtures("test_handlers")
    def test_a_refusal_leaves_nothing_behind(self, core):
        [entry] = core.event("test.refuses", "t")
        assert (entry.status, entry.reason) == ("rejected", "no: not today")
        assert core.rows(Outlet) == []

    @pytest.mark.usefixtures("test_handlers")
    def test_over_http_a_refusal_is_an_answer(self, core):
        [entry] = core.event("test.refuses", "t", ingress="http")
        assert (entry.status, entry.reason, entry.reply.status) == ("refused", "no", 418)
        assert json.loads(entry.reply.body) == {"code": "no", "detail": "not today"}

    @pytest.mark.usefixtures("test_handlers")
    def test_postings_that_do_not_balance_void_the_event(self, core):
        [entry] = core.event("test.unbalanced", "t")
        assert (entry.status, entry.reason) == ("rejected", "internal: ValueError")
        assert entry.postings == []
        assert core.rows(Outlet) == []

    @pytest.mark.usefixtures("test_handlers")
    @pytest.mark.parametrize("amount", ["1.001", "1_000", "NaN", "", "1e3", "٥", "+1", " 1"])
    def test_an_amount_that_is_not_exact_is_refused(self, core, amount):
        entries = core.event("test.amount", "t", {"amount": amount})
        assert verdict(entries) == ("rejected", "bad_amount")

    @pytest.mark.usefixtures("test_handlers")
    def test_an_entry_too_large_for_a_record_is_refused(self, core):
        assert verdict(core.event("test.huge", "t")) == ("rejected", "too_large")
