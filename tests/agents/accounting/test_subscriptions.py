"""Periods by the tenant's calendar, across month ends and clock changes; uses; prepaid plans."""

import pytest

from tables.invoices import Invoice
from tables.subscriptions import Subscription
from tests.agents.accounting.books import Books

USED = "cafe.subscription.usage.metered"


def subscribed(books: Books, start: str = "2026-03-01", **plan) -> None:
    plan = {"name": "Deliveries", "price": "1000", **plan}
    plan.setdefault("meters", [{"name": "drops", "unit_price": "15.5", "included": 10}])
    books.done("plan.create", plan_id="p", **plan)
    said = {"subscription_id": "s", "plan_id": "p", "customer_id": "c", "start_date": start}
    books.done("subscription.create", **said)


def used(books: Books, quantity, at: str = "") -> None:
    books.applied(USED, at=at, subscription_id="s", meter="drops", quantity=quantity)


def lines(invoice: Invoice) -> list[tuple[str, str, int, bool]]:
    return [
        (line.description, line.quantity, line.net + line.tax, line.prior_period)
        for line in invoice.lines
    ]


class TestPeriods:
    def test_end_at_midnight_in_nairobi(self, books):
        subscribed(books)
        used(books, "12.5")
        books.until("2026-03-31T20:00:00Z")
        assert books.rows(Invoice) == []
        books.until("2026-03-31T21:00:00Z")
        [invoice] = books.rows(Invoice)
        assert lines(invoice) == [
            ("Deliveries", "1", 100_000, False),
            ("drops", "2.5", 3_875, False),
        ]
        assert (invoice.issued_date, invoice.total) == ("2026-04-01", 103_875)
        assert books.row(Subscription, "s").period_to == "2026-05-01"

    def test_follow_a_zone_whose_clock_goes_forward(self):
        books = Books(tenant=False)
        books.event("auth.tenant.created", time_zone="Europe/Berlin", currency="EUR", country="DE")
        subscribed(books)
        used(books, 20)
        books.until("2026-03-31T21:30:00Z")
        assert books.rows(Invoice) == []
        books.until("2026-03-31T22:00:00Z")  # midnight of summer time
        [invoice] = books.rows(Invoice)
        assert invoice.issued_date == "2026-04-01"

    def test_go_on_when_the_time_zone_changes(self, books):
        subscribed(books)
        books.applied("auth.tenant.updated", time_zone="Europe/London")
        books.until("2026-03-31T22:30:00Z")
        assert books.rows(Invoice) == []
        books.until("2026-03-31T23:00:00Z")  # midnight in London, in summer
        assert len(books.rows(Invoice)) == 1
        books.applied("auth.tenant.updated", time_zone="Asia/Tokyo")
        books.until("2026-05-31T23:00:00Z")
        assert len(books.rows(Invoice)) == 3
        assert books.row(Subscription, "s").period_to == "2026-07-01"

    def test_a_use_belongs_to_its_own_time(self, books):
        subscribed(books)
        books.until("2026-03-31T21:30:00Z")
        used(books, 30, at="2026-03-31T20:59:59Z")  # before midnight, told of after
        used(books, 11, at="2026-03-31T21:00:00Z")
        books.until("2026-04-30T21:00:00Z")
        _, april = sorted(books.rows(Invoice), key=lambda row: row.issued_date)
        assert lines(april) == [
            ("Deliveries", "1", 100_000, False),
            ("drops", "20", 31_000, True),  # March had used none of its ten
            ("drops", "1", 1_550, False),
        ]

    def test_a_use_of_the_next_period_waits_for_it(self, books):
        subscribed(books)
        books.core.now_ms += 29 * 24 * 3_600_000  # nobody told the time
        used(books, 11, at="2026-03-31T21:00:00Z")
        books.until("2026-04-01T06:00:00Z")
        assert [line[0] for line in lines(books.rows(Invoice)[0])] == ["Deliveries"]

    def test_months_that_are_short(self, books):
        books.core.now_ms -= 60 * 24 * 3_600_000
        books = Books(tenant=False)
        books.core.now_ms -= 30 * 24 * 3_600_000
        books.event("auth.tenant.created")
        subscribed(books, start="2026-01-31")
        assert books.row(Subscription, "s").period_to == "2026-02-28"
        books.until("2026-03-01T06:00:00Z")
        assert books.row(Subscription, "s").period_to == "2026-03-31"

    def test_prices_may_be_finer_than_a_cent(self, books):
        meters = [{"name": "drops", "unit_price": "0.0015"}]
        subscribed(books, price="0", meters=meters)
        used(books, 1001)
        books.until("2026-03-31T21:00:00Z")
        assert books.rows(Invoice)[0].total == 150

    def test_without_anything_to_bill_make_no_invoice(self, books):
        subscribed(books, price="0")
        books.until("2026-03-31T21:00:00Z")
        assert books.rows(Invoice) == []


class TestUses:
    def test_wait_for_their_subscription(self, books):
        [entry] = books.event(USED, subscription_id="s", meter="drops", quantity=20)
        assert (entry.status, entry.reason) == ("parked", "subscription_unknown")
        subscribed(books)
        books.until("2026-03-31T21:00:00Z")
        assert lines(books.rows(Invoice)[0])[1] == ("drops", "10", 15_500, False)

    def test_that_cannot_be_are_refused(self, books):
        subscribed(books)
        for said, reason in (
            ({"meter": "miles", "quantity": 1}, "meter_unknown"),
            ({"meter": "drops", "quantity": 0}, "quantity_not_positive"),
            ({"meter": "drops", "quantity": -1}, "quantity_not_positive"),
        ):
            [entry] = books.event(USED, subscription_id="s", **said)
            assert entry.reason.startswith(reason)

    def test_that_are_late_take_what_their_period_had_left(self, books):
        subscribed(books)
        used(books, 4)
        books.until("2026-04-02T06:00:00Z")
        used(books, 5, at="2026-03-30T06:00:00Z")
        used(books, 3, at="2026-03-31T06:00:00Z")  # two of them beyond the ten
        used(books, 11)
        books.until("2026-05-02T06:00:00Z")
        used(books, 7, at="2026-04-30T06:00:00Z")  # April had nothing left
        books.until("2026-06-02T06:00:00Z")
        _, april, may = sorted(books.rows(Invoice), key=lambda row: row.issued_date)
        assert lines(april)[1:] == [("drops", "2", 3_100, True), ("drops", "1", 1_550, False)]
        assert lines(may)[1:] == [("drops", "7", 10_850, True)]

    @pytest.mark.parametrize("at_once", [True, False])
    def test_of_the_next_period_are_billed_when_it_never_comes(self, books, at_once):
        subscribed(books, price="0")
        books.core.now_ms += 30 * 24 * 3_600_000 + 1  # nobody told the time
        used(books, 12)
        books.done("subscription.cancel", subscription_id="s", at_once=at_once)
        books.until("2026-06-01T06:00:00Z")
        [invoice] = books.rows(Invoice)
        assert lines(invoice) == [("drops", "2", 3_100, False)]


class TestPrepaid:
    def test_its_uses_are_billed_when_they_are_known(self):
        books = Books()
        subscribed(books, prepaid=True)
        used(books, 20)
        books.until("2026-03-31T21:00:00Z")
        totals = sorted(row.total for row in books.rows(Invoice))
        assert totals == [15_500, 100_000, 100_000]


class TestCancelling:
    def test_at_the_end_of_the_period(self, books):
        subscribed(books)
        books.done("subscription.cancel", subscription_id="s")
        used(books, 20)
        books.until("2026-05-01T06:00:00Z")
        assert [row.total for row in books.rows(Invoice)] == [115_500]
        [entry] = books.event(USED, subscription_id="s", meter="drops", quantity=1)
        assert entry.reason == "subscription_ended"

    def test_at_once_bills_the_days_that_were(self, books):
        subscribed(books)
        books.done("subscription.cancel", subscription_id="s", at_once=True)
        assert [row.total for row in books.rows(Invoice)] == [6_452]  # 2 of 31 days
        books.until("2026-05-01T06:00:00Z")
        assert len(books.rows(Invoice)) == 1
        assert books.refused("subscription.cancel", subscription_id="s") == "subscription_ended"
