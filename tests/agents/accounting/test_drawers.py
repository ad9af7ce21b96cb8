"""Cash over and short, whatever comes late or in another order; and gateway settlements."""

import itertools

import pytest

from tables.drawers import CashMoves, DrawerSession
from tables.settlements import Settlement
from tests.agents.accounting.books import Books
from tests.agents.accounting.test_books import legs

SALE, CLOSED = "pos.order.completed", "pos.cash.drawer.closed"
DAY = "2026-03-02"


def at(clock: str) -> str:
    return f"{DAY}T{clock}Z"


def sale(books: Books, order_id: str, clock: str, amount: int, **more) -> None:
    books.applied(SALE, at=at(clock), order_id=order_id, outlet_id="w", total_amount=amount, **more)


@pytest.fixture
def till() -> Books:
    books = Books()
    books.core.now_ms += 12 * 3_600_000
    return books


class TestClosing:
    def test_short_and_over(self, till):
        sale(till, "a", "08:00:00", 1000, tip=50, tenders=[{"method": "cash", "amount": 1050}])
        sale(till, "b", "09:00:00", 500, tenders=[{"method": "card", "amount": 500}])
        said = {"outlet_id": "w", "opening_float": 200, "counted_amount": 1230, "deposit": 1000}
        till.applied(CLOSED, at=at("10:00:00"), **said)
        assert till.balances["cash:over_short"] == 2_000
        assert till.balances["cash:drawer:w"] == 23_000
        assert till.balances["cash:in_transit"] == 100_000 - 20_000
        sale(till, "c", "11:00:00", 100)
        said = {"outlet_id": "w", "counted_amount": 335}
        till.applied(CLOSED, at=at("12:00:00"), **said)
        assert till.balances["cash:over_short"] == 2_000 - 500
        assert till.balances["cash:drawer:w"] == 33_500

    def test_counts_what_was_paid_in_out_and_dropped(self, till):
        sale(till, "a", "08:00:00", 1000)
        said = {"paid_in": 100, "paid_out": 40, "drops": 700, "counted_amount": 360}
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", **said)
        assert till.balances == {
            "revenue:pos": -100_000,
            "cash:drawer:w": 36_000,
            "cash:in_transit": 70_000,
            "suspense:out": -6_000,
        }

    def test_late_cash_makes_the_difference_anew(self, till):
        sale(till, "a", "08:00:00", 1000)
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", counted_amount=1300)
        assert till.balances["cash:over_short"] == -30_000
        sale(till, "b", "09:59:59", 300)
        assert "cash:over_short" not in till.balances
        sale(till, "c", "10:00:01", 77)
        assert "cash:over_short" not in till.balances

    def test_of_other_outlets_is_not_ours(self, till):
        till.applied(SALE, at=at("08:00:00"), order_id="x", outlet_id="e", total_amount=9)
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", counted_amount=0)
        assert "cash:over_short" not in till.balances

    def test_comes_once(self, till):
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", counted_amount=0)
        [entry] = till.event(CLOSED, at=at("10:00:00"), outlet_id="w", counted_amount=1)
        assert entry.reason == "drawer_already_closed"

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ({"counted_amount": 5, "deposit": 6}, "deposit_exceeds_count"),
            ({"counted_amount": -5}, "amount_not_positive"),
            ({"counted_amount": 5, "closed_at": at("23:00:00")}, "closing_out_of_bounds"),
            ({"counted_amount": 5, "closed_at": "today"}, "bad_date"),
        ],
    )
    def test_that_cannot_be_is_refused(self, till, said, reason):
        [entry] = till.event(CLOSED, at=at("10:00:00"), outlet_id="w", **said)
        assert entry.reason.startswith(reason)

    def test_any_order_of_sales_and_closings_ends_the_same(self):
        facts = [
            (SALE, "08:00:00", {"order_id": "a", "total_amount": 1000}),
            (CLOSED, "10:00:00", {"counted_amount": 1300, "deposit": 1200, "opening_float": 250}),
            (SALE, "10:30:00", {"order_id": "b", "total_amount": 70}),
            (CLOSED, "12:00:00", {"counted_amount": 180, "deposit": 80}),
            (CLOSED, "14:00:00", {"counted_amount": 100}),
        ]
        ends = set()
        for order in itertools.permutations(facts):
            books = Books()
            books.core.now_ms += 12 * 3_600_000
            for event_type, clock, data in order:
                books.applied(event_type, at=at(clock), outlet_id="w", **data)
            sessions = tuple(
                row.replaced(version=1, session_id="") for row in books.rows(DrawerSession)
            )
            ends.add((tuple(sorted(books.balances.items())), sessions))
        assert len(ends) == 1

    def test_long_after_the_one_before_still_knows_what_it_left(self, till):
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", opening_float=9, counted_amount=9)
        till.until("2026-05-08T06:00:00Z")
        till.applied(CLOSED, outlet_id="w", counted_amount=9)
        assert "cash:over_short" not in till.balances

    def test_told_again_under_its_own_id_counts_once(self, till):
        sale(till, "a", "08:00:00", 1000)
        said = {"counted_amount": 1000, "deposit": 1000, "session_id": "S1"}
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", **said)
        [entry] = till.event(CLOSED, at=at("10:00:05"), outlet_id="w", **said)
        assert entry.reason.startswith("drawer_already_closed")
        assert till.balances == {"revenue:pos": -100_000, "cash:in_transit": 100_000}
        assert len(till.rows(Settlement)) == 1
        till.applied(CLOSED, at=at("10:00:05"), outlet_id="e", **{**said, "deposit": 0})

    def test_an_expense_counts_when_it_was_spent_not_when_it_was_approved(self):
        till = Books()
        till.core.now_ms += 12 * 3_600_000
        sale(till, "a", "08:00:00", 5000)
        spent = {"expense_id": "e", "amount": 2000, "category": "fuel", "paid_by": "cash"}
        till.event("logistics.expense.created", at=at("09:00:00"), outlet_id="w", **spent)
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", counted_amount=3000)
        till.done("expense.approve", expense_id="e")
        till.applied(CLOSED, outlet_id="w", counted_amount=3000)
        assert "cash:over_short" not in till.balances
        assert [row.moved for row in till.rows(DrawerSession)] == [300_000, 0]


class TestJournals:
    """A till's clock is ahead: it has closed a session that the journal's moment is in."""

    LEGS = legs(("expense:fuel", 30), ("cash:drawer:w", -10), ("cash:drawer:w", -20))

    @pytest.mark.parametrize("day", [DAY, "2026-03-01"])
    def test_each_leg_counts_in_the_session_on_the_journals_day(self, day):
        till = Books()
        till.applied(SALE, order_id="a", outlet_id="w", total_amount=1000)
        till.event(CLOSED, at=at("06:00:40"), outlet_id="w", counted_amount=970)
        assert till.balances["cash:over_short"] == 3_000
        till.done("journal.post", legs=self.LEGS, effective_date=day)
        [session] = till.rows(DrawerSession)
        assert (session.moved, session.expected) == (97_000, 97_000)
        assert "cash:over_short" not in till.balances
        assert till.balances["cash:drawer:w"] == 97_000

    def test_so_do_those_of_a_batch(self):
        till = Books()
        till.applied(SALE, order_id="a", outlet_id="w", total_amount=1000)
        till.event(CLOSED, at=at("06:00:40"), outlet_id="w", counted_amount=940)
        till.event(CLOSED, at=at("06:00:50"), outlet_id="w", counted_amount=940)
        till.done("journal.batch", journals=[{"legs": self.LEGS}] * 2)
        assert [row.moved for row in till.rows(DrawerSession)] == [94_000, 0]
        assert "cash:over_short" not in till.balances


class TestOldMinutes:
    def sell(self, till, moment: str, amount: int = 1000) -> None:
        """A sale in a minute that looks for old ones."""
        till.until(moment)
        till.core.now_ms += 16 * 60_000 - till.core.now_ms % (16 * 60_000)
        till.applied(SALE, order_id=moment, outlet_id="w", total_amount=amount)

    def test_are_forgotten_once_they_are_in_a_closing(self, till):
        sale(till, "a", "08:00:00", 1000)
        till.applied(CLOSED, at=at("10:00:00"), outlet_id="w", counted_amount=1000)
        self.sell(till, "2026-04-08T06:00:00Z", 5)
        assert len(till.rows(CashMoves)) == 1

    def test_are_one_sum_until_the_drawer_is_closed(self, till):
        for month, day in ((3, 3), (3, 4), (3, 5), (4, 9), (4, 12), (4, 20), (4, 25)):
            self.sell(till, f"2026-{month:02}-{day:02}T06:00:00Z")
        assert len(till.rows(CashMoves)) == 5
        till.core.now_ms += 60_000
        till.applied(CLOSED, outlet_id="w", counted_amount=7000, deposit=7000)
        assert till.balances == {"revenue:pos": -700_000, "cash:in_transit": 700_000}

    def test_after_the_last_closing_are_not_counted_with_those_before(self, till):
        sale(till, "a", "08:00:00", 300)
        sale(till, "b", "10:00:20", 70)
        till.applied(CLOSED, at=at("10:00:10"), outlet_id="w", counted_amount=300)
        for day in (3, 28):
            self.sell(till, f"2026-04-{day:02}T06:00:00Z")
        self.sell(till, "2026-05-09T06:00:00Z")
        till.core.now_ms += 60_000
        till.applied(CLOSED, outlet_id="w", counted_amount=3370)
        assert "cash:over_short" not in till.balances

    def test_a_late_closing_still_takes_its_part(self, till):
        sale(till, "a", "08:00:00", 1000)
        self.sell(till, "2026-03-20T06:00:00Z")
        till.until("2026-04-05T06:00:00Z")
        till.applied(CLOSED, outlet_id="w", counted_amount=3000)
        self.sell(till, "2026-04-08T06:00:00Z", 5)
        assert len(till.rows(CashMoves)) == 3
        till.event(CLOSED, closed_at="2026-03-10T06:00:00Z", outlet_id="w", counted_amount=1000)
        first, second = till.rows(DrawerSession)
        assert (first.moved, second.moved) == (100_000, 100_000)
        assert till.balances["cash:over_short"] == -100_000


class TestSettlements:
    def test_a_gateways_day_is_on_its_way_after_its_cut_off(self, books):
        books.pay(amount="100")
        books.pay(amount="50")
        books.until("2026-03-02T21:00:00Z")
        [row] = books.rows(Settlement)
        assert (row.status, row.net, row.items, row.day) == ("expected", 15_000, 2, "2026-03-02")
        assert books.balances["cash:in_transit"] == 15_000
        assert "gateway:instant:collection" not in books.balances
        [said] = books.emitted("settlement.generated")
        assert (said["amount"], said["expected_date"]) == (150.0, "2026-03-03")

    def test_what_comes_later_is_the_next_days(self, books):
        payment_id = books.pay(amount="100")
        books.until("2026-03-02T22:00:00Z")
        answer = books.done("payment.refund", payment_id=payment_id)
        books.gateway(books.call_of(answer["refund_id"]))
        first, second = sorted(books.rows(Settlement), key=lambda row: row.day)
        assert (first.net, second.net, second.refunds) == (10_000, -10_000, 10_000)

    def test_the_cut_off_is_the_tenants(self):
        books = Books(cut_off="02:00")
        books.pay(amount="100")
        books.until("2026-03-02T22:59:00Z")
        books.pay(amount="10")
        books.until("2026-03-02T23:00:00Z")
        [row] = books.rows(Settlement)
        assert (row.status, row.net) == ("expected", 11_000)
