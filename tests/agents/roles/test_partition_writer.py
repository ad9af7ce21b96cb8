"""The writer's bounds: what it opens, how large its records are, and when it ends the process."""

import pytest
from structlog.testing import capture_logs

from agents.decide import FUTURE_MS, WINDOW_MS
from agents.parking import DEADLINE_MS
from agents.roles import opening
from agents.roles import writer as role
from agents.roles.writer import BadDeploy, Limits, RecordTooLarge
from agents.steps import STEPS_BYTES
from streams.inbound import MAX_ENVELOPES
from tests.agents.core import envelope
from tests.agents.roles.writing import writing

SALE = {"order_id": "o", "total_amount": 1}
LARGE = {**SALE, "padding": "x" * 880_000}
PRESSED = Limits(seen_ids=5)


def created(tenant_id: str) -> tuple[str, str, object]:
    return "auth.tenant.created", tenant_id, {}


class TestRecordsOfOtherProducers:
    async def test_with_too_many_envelopes_are_one_dead_letter_with_all_their_bytes(self):
        value = b"[" + b",".join([b"0"] * 490_000) + b"]"
        async with writing() as found:
            await found.put(value, ingress="kafka")
            await found.events(created("t"))
            await found.decided()
        first, second = found.journal.entries
        assert (first.status, first.reason, first.raw) == ("rejected", "too_many_envelopes", value)
        assert second.status == "applied"
        assert found.journal.replayed() is None

    async def test_with_as_many_as_may_be_are_decided_each(self):
        async with writing() as found:
            await found.put(b"[" + b",".join([b"0"] * MAX_ENVELOPES) + b"]", ingress="kafka")
            await found.decided()
        assert len(found.journal.entries) == MAX_ENVELOPES

    async def test_with_null_headers_or_nothing_at_all_end_nothing(self):
        async with writing() as found:
            mail = role.Mail(0, found.now_ms, [("treasury-ingress", None)], b"", lambda: None)
            await found.writer.put(mail)
            await found.writer.put(role.Mail(1, found.now_ms, (), b"[]", lambda: None))
            found._offset = 2
            await found.events(created("t"))
            await found.decided()
        assert [entry.reason for entry in found.journal.entries] == ["not_json", ""]

    async def test_are_opened_once_though_decided_in_many_batches(self, monkeypatch):
        opened = []
        check = opening.strict_json.check

        def counted(raw):
            opened.append(len(raw))
            return check(raw)

        monkeypatch.setattr(opening.strict_json, "check", counted)
        raws = [envelope("auth.tenant.created", f"t{n}", {}, event_id=f"e{n}") for n in range(200)]
        value = b"[" + b",".join(raws) + b"]"
        async with writing(Limits(batch_events=10)) as found:
            await found.put(value)
            await found.decided()
        assert opened == [len(value)]
        assert len(found.journal.batches) >= 20
        assert [e.event_id for e in found.journal.entries] == [f"e{n}" for n in range(200)]


class TestSizeOfRecords:
    async def test_is_bounded_though_large_events_come_and_go_together(self):
        async with writing() as found:
            await found.events(created("t"))
            await found.decided()
            for number in range(20):
                found.journal.free.clear()  # what comes meanwhile may go into one record
                await found.events(("cafe.order.created", f"u{number % 2}", LARGE))
                if number % 4 == 3:
                    found.journal.free.set()
                    await found.decided()
            await found.tick(DEADLINE_MS)
            await found.decided()
            while found.writer.fold.parking.more_to_do:
                await found.tick()
                await found.decided()
        sizes = [len(data) for data in found.journal.records]
        assert max(sizes) < STEPS_BYTES + 2_500_000
        statuses = [entry.status for entry in found.journal.entries]
        assert (statuses.count("parked"), statuses.count("rejected")) == (20, 20)
        assert found.journal.replayed() is None

    async def test_beyond_what_the_journal_takes_ends_the_process_before_the_append(
        self, monkeypatch
    ):
        monkeypatch.setattr(role, "JOURNAL_MAX_BYTES", role.KAFKAS_SHARE_BYTES + 1_000)
        async with writing() as found:
            await found.events(("cafe.order.created", "u", {**SALE, "padding": "x" * 2_000}))
            await found.decided()
        assert isinstance(found.ended, RecordTooLarge)
        assert found.journal.entries == []


@pytest.mark.usefixtures("test_handlers")
class TestHandlersThatRaise:
    async def test_for_several_tenants_end_the_process_before_the_append(self):
        async with writing() as found:
            await found.events(*(created(tenant) for tenant in "abc"))
            await found.decided()
            await found.events(*(("test.raises", tenant, {"text": "x"}) for tenant in "abc"))
            await found.decided()
        assert isinstance(found.ended, BadDeploy)
        assert [entry.event_type for entry in found.journal.entries] == ["auth.tenant.created"] * 3

    async def test_once_in_a_hundred_cost_their_own_event_and_no_other(self):
        said = ["x" if number == 42 else "well" for number in range(100)]
        async with writing(Limits(batch_events=7)) as found:
            await found.events(created("t"))
            for text in said:
                await found.events(("test.raises", "t", {"text": text}))
            await found.decided()
            assert found.writer.committed.next.offset == 101
        statuses = [entry.status for entry in found.journal.entries[1:]]
        assert statuses == ["rejected" if text == "x" else "applied" for text in said]
        assert found.journal.replayed() is None

    async def test_for_one_tenant_after_another_recovered_do_not(self):
        async with writing() as found:
            for tenant in "abcd":
                await found.events(created(tenant), ("test.raises", tenant, {"text": "x"}))
                await found.events(("test.raises", tenant, {"text": "well"}))
            await found.decided()
        assert found.ended is None

    async def test_leave_a_history_that_replays_whatever_processes_wrote_it(self):
        async with writing() as found:
            for tenant in "abcd":
                await found.events(created(tenant))
                await found.events(("test.raises", tenant, {"text": "x"}))
                await found.decided()
                found.writer.fold.failing.clear()  # as after a restart
        assert found.ended is None
        assert [e.reason for e in found.journal.entries if e.reason] == [
            "internal: RuntimeError"
        ] * 4
        assert found.journal.replayed() is None


class TestPressure:
    async def test_is_told_when_more_ids_are_remembered_than_may_be(self):
        async with writing(PRESSED) as found:
            await found.events(*(created(f"t{n}") for n in range(5)))
            await found.decided()
            assert not found.writer.pressed
            with capture_logs() as logs:
                await found.tick()
                await found.tick()
                await found.decided()
            assert found.writer.pressed
        assert [entry["event"] for entry in logs] == ["intake_must_stop"], "once a minute"

    async def test_ends_when_time_has_passed_which_goes_on(self):
        async with writing(PRESSED) as found:
            await found.events(*(created(f"t{n}") for n in range(6)))
            await found.decided()
            assert found.writer.pressed
            await found.tick(WINDOW_MS)
            await found.decided()
            assert found.writer.pressed, "the window is never shortened"
            await found.tick(FUTURE_MS + 1)
            await found.decided()
            assert not found.writer.pressed
