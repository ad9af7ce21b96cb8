"""The checker names what is wrong with a falsified journal, and finds nothing in a good one."""

from uuid import uuid4

import pytest
from msgspec.structs import replace

from agents.audit.invariants import SHOWN, Findings
from agents.audit.journal import Audit
from streams.journal import CODEC, Batch, Image, Position
from tables.balances import Balance
from tables.invoices import Invoice
from tables.payments import Case, Credit
from tables.row import encode
from tests.agents.audit.altered import (
    Records,
    broken,
    chained,
    decoded,
    entry_of,
    last_row,
    leg,
    of,
    violations,
    with_another,
    with_entry,
    with_row,
    without_row,
)
from tests.model.generator import generate
from tests.model.played import play

APPLIED = of(status="applied")


def moves(entry) -> bool:
    return len(entry.postings) == 2 and entry.ingress == "nats"


@pytest.fixture(scope="module")
def good() -> Records:
    """A journal of orders, sales, payments, repeats and poison."""
    load = generate(5, 800)
    return decoded(play(load, load.messages).cores[0].journal())


class TestAGoodJournal:
    def test_breaks_nothing_and_everything_was_looked_at(self, good):
        assert broken(good) == set()
        audited = {"I1", "I2", "I3", "I4", "I5", "I7", "I10", "I12", "I13"}
        assert violations(chained(good)) == []
        checked = _checked(good)
        assert {name for name, count in checked.items() if count > 3} == audited

    def test_altered_and_made_good_again_is_the_same(self, good):
        entry = entry_of(good, moves)
        assert chained(with_entry(good, entry, reason="")) == chained(good)


def _checked(records: Records):
    audit = Audit(0, 1)
    for data in chained(records):
        audit.read(data)
    return audit.finish().checked


def nothing_decided(records: Records, images: list[Image]) -> Batch:
    """A further record that only writes rows."""
    last = records[-1]
    after = replace(last.next, offset=last.next.offset + 1)
    return replace(last, seq=last.seq + 1, first=last.next, next=after, entries=[], images=images)


class TestPostings:
    def test_that_do_not_balance(self, good):
        entry = entry_of(good, moves)
        first, second = entry.postings
        legs = [leg(first, first.minor + 1), second]
        assert broken(with_entry(good, entry, postings=legs)) == {"I1", "I2", "I5"}

    def test_that_balance_only_over_several_assets(self, good):
        entry = entry_of(good, moves)
        first, second = entry.postings
        legs = [first, replace(second, asset="EUR")]
        assert {"I1", "I2"} <= broken(with_entry(good, entry, postings=legs))

    def test_of_one_leg(self, good):
        entry = entry_of(good, moves)
        alone = [leg(entry.postings[0], 0)]
        account = last_row(good, Balance, account=entry.postings[0].account)
        more = replace(entry_of(good, APPLIED), event_id="new", raw=b"new", postings=alone)
        records = with_another(good, replace(more, tenant_id=account.tenant_id, emitted=[]))
        assert "I2" in broken(records)


class TestBalances:
    def test_that_are_not_what_was_posted(self, good):
        row = last_row(good, Balance)
        off = row.replaced(debits=row.debits + 1, credits=row.credits + 1)
        assert broken(with_row(good, row, off)) == {"I5"}

    def test_that_were_not_written(self, good):
        assert broken(without_row(good, last_row(good, Balance))) == {"I5"}

    def test_that_are_gone(self, good):
        gone = [Image(last_row(good, Balance).key, None)]
        assert broken([*good, nothing_decided(good, gone)]) == {"I5", "I12"}

    def test_with_pending_amounts_that_nobody_holds(self, good):
        row = last_row(good, Balance)
        assert broken(with_row(good, row, row.replaced(pending_debits=7))) == {"I5"}

    @pytest.mark.parametrize(
        ("kind", "wanted", "changes"),
        [
            (Invoice, {"status": "open"}, {"status": "void"}),
            (Case, {"status": "open"}, {"status": "closed"}),
            (Credit, {}, {"amount": 1_000_000}),
        ],
    )
    def test_of_control_accounts_whose_items_changed_without_money(
        self, good, kind, wanted, changes
    ):
        row = last_row(good, kind, **wanted)
        if kind is Invoice:
            changes = {**changes, "version": row.version + 1}
        assert broken(with_row(good, row, row.replaced(**changes))) == {"I5"}


class TestDecisions:
    def test_that_apply_an_event_twice(self, good):
        entry = entry_of(good, of(event_type="auth.outlet.created", status="applied"))
        assert broken(with_another(good, entry)) == {"I3"}

    @pytest.mark.parametrize("status", ["rejected", "refused", "parked", "misrouted"])
    def test_that_come_after_another(self, good, status):
        entry = entry_of(good, of(event_type="auth.outlet.created", status="applied"))
        second = replace(entry, status=status, reason="whatever")
        assert broken(with_another(good, second)) == {"I3"}

    @pytest.mark.parametrize("reason", ["", "conflict"])
    def test_that_call_an_event_a_repeat_of_nothing(self, good, reason):
        status = "rejected" if reason else "duplicate"
        entry = entry_of(good, of(status="duplicate"))
        raw = entry.raw.replace(entry.event_id.encode(), b"lost")
        lost = replace(entry, event_id="lost", status=status, reason=reason, raw=raw)
        assert broken(with_another(good, lost)) == {"I3"}

    def test_that_move_money_and_are_none(self, good):
        entry = entry_of(good, moves)
        assert broken(with_entry(good, entry, status="rejected", reason="")) == {"I3"}

    def test_of_an_event_without_an_id_that_is_taken(self, good):
        entry = entry_of(good, of(event_id=""))
        assert broken(with_entry(good, entry, status="refused")) == {"I3"}

    def test_in_a_partition_that_is_not_the_tenants(self, good):
        found = violations(chained(good), partitions=3)
        assert {"I3"} == {violation.invariant for violation in found}
        entry = entry_of(good, of(event_type="auth.outlet.created", status="applied"))
        assert broken(with_entry(good, entry, status="misrouted")) == {"I3"}

    def test_that_release_what_never_waited(self, good):
        entry = entry_of(good, of(event_type="auth.outlet.created", status="applied"))
        names = {"event_id": "new", "raw": entry.raw.replace(entry.event_id.encode(), b"new")}
        trigger = replace(entry, **names)
        last = with_another(good, trigger)[-1]
        second = replace(last.entries[0], step=2, event_id="other", raw=b"other" + entry.raw)
        records = [*good, replace(last, entries=[*last.entries, second])]
        assert broken(records) == {"I3"}

    def test_of_a_waiting_event_that_nothing_released(self, good):
        waits = entry_of(good, of(status="parked"))
        assert broken(with_another(good, replace(waits, status="applied", reason=""))) == {"I3"}

    def test_without_bytes(self, good):
        assert broken(with_entry(good, entry_of(good, moves), raw=b"")) == {"I4"}

    @pytest.mark.parametrize("name", ["event_id", "tenant_id"])
    def test_of_other_bytes(self, good, name):
        entry = entry_of(good, of(event_type="auth.outlet.created", status="applied"))
        other = entry.raw.replace(getattr(entry, name).encode(), b"somebody")
        assert broken(with_entry(good, entry, raw=other)) == {"I4"}

    def test_whose_bytes_spell_the_id_with_escapes_are_fine(self, good):
        entry = entry_of(good, of(event_type="auth.outlet.created", status="applied"))
        same = entry.raw.replace(
            entry.event_id.encode(),
            rb"\u%04x" % ord(entry.event_id[0]) + entry.event_id[1:].encode(),
        )
        assert same != entry.raw
        assert broken(with_entry(good, entry, raw=same)) == set()


class TestIds:
    def test_that_were_drawn(self, good):
        entry = entry_of(good, lambda entry: len(entry.emitted) == 1)
        [event] = entry.emitted
        drawn = str(uuid4())
        body = event.body.replace(event.event_id.encode(), drawn.encode())
        emitted = [replace(event, event_id=drawn, body=body)]
        assert broken(with_entry(good, entry, emitted=emitted)) == {"I7"}

    def test_that_the_bytes_do_not_bear(self, good):
        entry = entry_of(good, lambda entry: len(entry.emitted) == 1)
        [event] = entry.emitted
        for old in (event.event_id, event.event_type, entry.tenant_id):
            body = event.body.replace(old.encode(), b"other", 1)
            emitted = [replace(event, body=body)]
            assert broken(with_entry(good, entry, emitted=emitted)) == {"I7"}

    def test_of_two_events_in_another_order(self, good):
        entry = entry_of(
            good,
            lambda entry: len({event.event_type for event in entry.emitted}) == 2,
        )
        one, two = entry.emitted
        same_kind = [replace(event, event_type=one.event_type) for event in (one, two)]
        assert broken(with_entry(good, entry, emitted=same_kind)) == {"I7"}

    def test_of_calls(self, good):
        entry = entry_of(good, lambda entry: bool(entry.calls))
        calls = [replace(entry.calls[0], call_id="mine")]
        assert broken(with_entry(good, entry, calls=calls)) == {"I7"}


class TestPlaces:
    def test_that_repeat(self, good):
        record = next(r for r in good if isinstance(r, Batch) and len(r.entries) > 2)
        first, second, *rest = record.entries
        again = replace(record, entries=[first, replace(second, offset=first.offset), *rest])
        assert broken([again if each is record else each for each in good]) == {"I10"}

    def test_that_go_back(self, good):
        record = next(r for r in good if isinstance(r, Batch) and len(r.entries) > 2)
        first, second, *rest = record.entries
        changed = replace(
            record,
            entries=[
                replace(first, offset=second.offset),
                replace(second, offset=first.offset),
                *rest,
            ],
        )
        assert broken([changed if each is record else each for each in good]) == {"I10"}

    def test_in_a_record_that_were_left_out(self, good):
        entry = entry_of(good, moves)
        assert broken(with_entry(good, entry, index=1)) == {"I10"}

    @pytest.mark.parametrize(("offset", "index"), [(-1, 0), (0, 2), (-1, 2)])
    def test_that_end_elsewhere_than_the_record(self, good, offset, index):
        at = max(n for n, r in enumerate(good) if isinstance(r, Batch) and len(r.entries) > 2)
        end = good[at].next
        elsewhere = replace(good[at], next=replace(end, offset=end.offset + offset, index=index))
        assert broken([*good[:at], elsewhere]) == {"I10"}

    def test_that_begin_elsewhere_than_the_record_before_ended(self, good):
        last = good[-1]
        gap = replace(last, first=replace(last.first, offset=last.first.offset - 1))
        assert broken([*good[:-1], gap]) == {"I10"}

    def test_of_another_log_without_a_genesis(self, good):
        last = good[-1]
        other = replace(last, next=Position(2, last.next.offset))
        assert broken([*good[:-1], other]) == {"I10"}

    def test_in_a_log_that_a_genesis_begins_again(self, good):
        last = good[-1]
        genesis = replace(good[0], seq=last.seq + 1, log=1, next=Position(1, 0))
        assert broken([*good, genesis]) == {"I10"}
        assert broken([*good, replace(genesis, log=2, next=Position(2, 0))]) == set()

    def test_before_the_time_of_those_before(self, good):
        last = good[-1].entries[-1]
        assert broken(with_entry(good, last, now_ms=1)) == {"I10"}


class TestRows:
    def test_that_take_a_step_back(self, good):
        paid = last_row(good, Invoice, status="paid")
        same = [Image(paid.key, encode(paid))]
        assert broken([*good, nothing_decided(good, same)]) == set()
        reopened = paid.replaced(status="draft", paid=0, version=paid.version + 1)
        back = [Image(paid.key, encode(reopened))]
        assert broken([*good, nothing_decided(good, back)]) == {"I12"}


class TestTheChain:
    def test_without_one_record(self, good):
        found = violations([*chained(good)[:3], *chained(good)[4:]])
        assert {"I13", "I10"} <= {violation.invariant for violation in found}
        assert found[0].seq == good[4].seq

    def test_with_a_record_that_was_altered_later(self, good):
        entry = entry_of(good[:-1], moves)
        data, falsified = chained(good), chained(with_entry(good, entry, reason="x"))
        at = next(
            at for at, both in enumerate(zip(data, falsified, strict=True)) if both[0] != both[1]
        )
        data[at] = falsified[at]
        assert {violation.invariant for violation in violations(data)} == {"I13"}

    def test_with_a_digest_that_is_not_that_of_the_rows(self, good):
        wrong = CODEC.decode(chained(good)[-1])
        data = [*chained(good)[:-1], CODEC.encode(replace(wrong, digest=bytes(16)))]
        assert {violation.invariant for violation in violations(data)} == {"I13"}

    def test_of_another_partition(self, good):
        assert broken([replace(good[0], partition=1), *good[1:]]) == {"I13"}


class TestFindings:
    def test_spell_out_some_and_count_the_rest(self):
        one, other = Findings(), Findings()
        for findings in (one, other):
            for number in range(SHOWN - 2):
                findings.breaks("I1", f"number {number}", 3, number)
        one.add(other)
        assert len(one.violations) == SHOWN
        assert one.broken == {"I1": 2 * SHOWN - 4}
        assert str(one.violations[0]) == "I1: number 0 (partition 3 seq 0)"
