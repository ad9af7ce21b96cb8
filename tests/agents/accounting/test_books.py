"""Journals, closed books, conversions, thresholds, and the clock of a sandbox."""

import pytest

from streams.timestamps import parse_ms
from tables.balances import Balance
from tables.invoices import Invoice
from tables.journals import Journal
from tables.memory import ClockAdvance, ClockDue
from tables.payments import Case, Payment
from tables.tenants import Outlet, Tenant
from tests.agents.accounting.books import Books


def legs(*given) -> list[dict]:
    """(account, amount) pairs, debit above zero, with an item perhaps."""
    return [
        {
            "account": account,
            "side": "debit" if amount > 0 else "credit",
            "amount": str(abs(amount)),
            **({"item": item[0]} if item else {}),
        }
        for account, amount, *item in given
    ]


OPENING = legs(("bank:kcb", 100), ("opening", -100))


class TestJournals:
    def test_post_and_answer_the_balances_after_them(self, books):
        body = books.done("journal.post", legs=OPENING, reference="x")
        assert [(b["account"], b["balance"], b["version"]) for b in body["balances"]] == [
            ("bank:kcb", "100.00", 1),
            ("opening", "100.00", 1),
        ]

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            (legs(("a", 1), ("b", -2)), "unbalanced"),
            (legs(("a", 1)), "legs_out_of_bounds"),
            (legs(("grni", 1), ("b", -1)), "control_account"),
            (legs(("receivable", 1), ("b", -1)), "item_missing"),
            (legs(("receivable", 1, "nobody"), ("b", -1)), "item_unknown"),
            (legs(("payable", 1, "nobody"), ("b", -1)), "item_unknown"),
            (legs(("suspense", 1, "nobody"), ("b", -1)), "item_unknown"),
            (legs(("customer:credit", 1, "c"), ("b", -1)), "item_too_small"),
        ],
    )
    def test_that_cannot_be_are_refused(self, books, given, reason):
        assert books.refused("journal.post", legs=given) == reason
        assert books.balances == {}

    def test_move_the_items_of_control_accounts(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=116)
        [invoice] = books.rows(Invoice)
        given = legs(("expense:goodwill", 16), ("receivable", -16, invoice.invoice_id))
        journal = books.done("journal.post", legs=given)
        assert books.row(Invoice, invoice.invoice_id).outstanding == 10_000
        books.done("journal.reverse", journal_id=journal["journal_id"])
        assert books.row(Invoice, invoice.invoice_id).outstanding == 11_600
        bill = {"supplier_id": "s", "number": "1", "category": "rent", "amount": "50"}
        bill_id = books.done("bill.create", **bill)["bill_id"]
        books.done("journal.post", legs=legs(("payable", 20, bill_id), ("bank:kcb", -20)))
        books.done("journal.post", legs=legs(("bank:kcb", 5), ("customer:credit", -5, "c")))
        books.pay(amount="9")
        [case] = books.rows(Case)
        books.done("journal.post", legs=legs(("suspense", 9, case.case_id), ("revenue:other", -9)))
        assert books.balances["payable"] == -3_000

    def test_that_pay_an_invoice_say_so(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1000)
        [invoice] = books.rows(Invoice)
        books.pay(order_id="o", amount="600")
        given = legs(("bank:kcb", 400), ("receivable", -400, invoice.invoice_id))
        books.done("journal.post", legs=given)
        [said] = books.emitted("invoice.paid")
        assert (said["invoice_id"], said["amount"]) == (invoice.invoice_id, 1000.0)

    def test_that_open_an_invoice_again_have_it_asked_for(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1000)
        [invoice] = books.rows(Invoice)
        given = legs(("bank:kcb", 1000), ("receivable", -1000, invoice.invoice_id))
        journal = books.done("journal.post", legs=given)
        assert books.emitted("invoice.paid") == []  # by no payment: credited
        books.until("2026-04-20T00:00:00Z")
        assert books.emitted("invoice.due") == []
        books.done("journal.reverse", journal_id=journal["journal_id"])
        books.until("2026-04-21T00:00:00Z")
        assert books.row(Invoice, invoice.invoice_id).overdue
        assert len(books.emitted("invoice.due")) == 1

    def test_open_no_case_again_whose_money_is_elsewhere(self, books):
        payment_id = books.pay(order_id="zz", amount="500")
        [case] = books.rows(Case)
        back = legs(("bank:x", 500), ("suspense", -500, case.case_id))
        there = legs(("suspense", 500, case.case_id), ("revenue:other", -500))
        journal = books.done("journal.post", legs=there)
        assert books.refused("journal.post", legs=back) == "case_closed"
        books.done("journal.reverse", journal_id=journal["journal_id"])
        books.done("case.resolve", case_id=case.case_id, customer_id="c")
        assert books.refused("journal.post", legs=back) == "case_closed"
        [placed] = books.row(Payment, payment_id).placements
        assert (placed.kind, placed.amount) == ("credit", 50_000)

    def test_reversed_late_open_no_case_that_was_resolved_meanwhile(self, books):
        books.pay(order_id="zz", amount="500")
        [case] = books.rows(Case)
        part = legs(("suspense", 200, case.case_id), ("revenue:other", -200))
        journal = books.done("journal.post", legs=part)
        books.done("case.resolve", case_id=case.case_id, customer_id="c")
        said = {"journal_id": journal["journal_id"]}
        assert books.refused("journal.reverse", **said) == "case_closed"

    def test_hold_to_their_conditions(self, books):
        books.done("journal.post", legs=OPENING)
        spend = legs(("expense:rent", 60), ("bank:kcb", -60))
        account = {"account": "bank:kcb"}
        ok = [{**account, "if_version": 1, "min_balance": "40"}]
        assert (
            books.refused("journal.post", legs=spend, conditions=[{**account, "if_version": 2}])
            == "version_differs"
        )
        assert (
            books.refused(
                "journal.post", legs=spend, conditions=[{**account, "min_balance": "40.01"}]
            )
            == "balance_too_low"
        )
        books.done("journal.post", legs=spend, conditions=ok)

    def test_a_dry_run_leaves_nothing_behind(self, books):
        status, body = books.command("journal.post", legs=OPENING, dry_run=True)
        assert (status, body["balances"][0]["balance"]) == (200, "100.00")
        assert (books.balances, books.rows(Journal)) == ({}, [])

    def test_a_batch_is_whole_or_not_at_all(self, books):
        good, bad = {"legs": OPENING}, {"legs": legs(("a", 1), ("b", -2))}
        assert books.refused("journal.batch", journals=[good, bad]) == "unbalanced"
        assert books.balances == {}
        body = books.done("journal.batch", journals=[good, good])
        assert len(body["journals"]) == 2
        assert books.balances["bank:kcb"] == 20_000

    def test_are_reversed_once(self, books):
        first = books.done("journal.post", legs=OPENING)["journal_id"]
        second = books.done("journal.reverse", journal_id=first)["journal_id"]
        assert books.balances == {}
        assert books.refused("journal.reverse", journal_id=first) == "journal_reversed"
        assert books.refused("journal.reverse", journal_id=second) == "journal_posted"


class TestClosedBooks:
    def test_late_facts_count_in_the_open_period_and_keep_their_day(self, books):
        books.until("2026-03-03T06:00:00Z")
        books.done("period.close", through="2026-03-02")
        data = {"order_id": "o", "total_amount": 116}
        entry = books.applied("cafe.order.created", at="2026-03-02T08:00:00Z", **data)
        assert (entry.day, entry.booked) == ("2026-03-02", "2026-03-03")

    def test_a_reversal_into_them_counts_after_them(self, books):
        first = books.done("journal.post", legs=OPENING)["journal_id"]
        books.until("2026-03-05T06:00:00Z")
        books.done("period.close", through="2026-03-03")
        books.done("journal.reverse", journal_id=first)
        entry = books.core.entries[-1]
        assert (entry.day, entry.booked) == ("2026-03-02", "2026-03-04")

    def test_close_forward_only_and_what_is_over(self, books):
        assert books.refused("period.close", through="2026-03-02") == "period_not_over"
        books.done("period.close", through="2026-03-01")
        assert books.refused("period.close", through="2026-02-28") == "period_closed"
        assert books.refused("period.close", through="2026-02-30") == "bad_date"


class TestConversions:
    QUOTE = {
        "from_account": "bank:kcb",
        "from_currency": "KES",
        "from_amount": "1300",
        "to_account": "bank:usd",
        "to_currency": "USD",
        "to_amount": "10.00",
    }

    def test_balance_each_currency_and_post_what_the_quote_missed(self, books):
        books.done("journal.post", legs=legs(("bank:kcb", 2000), ("opening", -2000)))
        quote = books.done("conversion.create", **self.QUOTE)["conversion_id"]
        books.done("conversion.complete", conversion_id=quote, to_amount="9.90", reference="r")
        found = {(row.account, row.asset): row.posted for row in books.rows(Balance)}
        assert found["bank:kcb", "KES"] == 70_000
        assert found["fx:clearing", "KES"] == 130_000
        assert found["fx:clearing", "USD"] == -1_000
        assert found["bank:usd", "USD"] == 990
        assert found["fx:gain_loss", "USD"] == 10
        refused = books.refused("conversion.cancel", conversion_id=quote)
        assert refused == "conversion_completed"

    def test_never_more_than_there_is(self, books):
        assert books.refused("conversion.create", **self.QUOTE) == "insufficient_balance"


class TestThresholds:
    def test_tell_once_each_time_the_line_is_crossed(self, books):
        books.done("journal.post", legs=OPENING)
        books.done("threshold.set", account="bank:kcb", amount="50")
        down, up = (legs(("bank:kcb", sign * 60), ("x", -sign * 60)) for sign in (-1, 1))
        for given in (down, down, up, up, down):
            books.done("journal.post", legs=given)
        said = books.emitted("balance.threshold")
        assert [(s["account"], s["passed"]) for s in said] == [("bank:kcb", "below")] * 2
        books.done("journal.post", legs=down)
        assert len(books.emitted("balance.threshold")) == 2

    def test_tell_no_more_once_nobody_watches(self, books):
        books.done("journal.post", legs=OPENING)
        for currency in ("KES", "USD"):
            about = {"account": "bank:kcb", "amount": "50", "currency": currency}
            books.done("threshold.set", **about)
        for currency, left in (("USD", ("bank:kcb",)), ("KES", ())):
            stop = {"account": "bank:kcb", "amount": "50", "currency": currency}
            assert books.done("threshold.set", **stop, watching=False)["passed"] is False
            assert books.rows(Tenant)[0].watched == left
        books.done("journal.post", legs=legs(("bank:kcb", -90), ("x", 90)))
        assert books.emitted("balance.threshold") == []
        assert books.done("threshold.set", account="bank:kcb", amount="50")["passed"] is True


class TestUpdates:
    def test_of_a_tenant_wait_for_it_and_the_newest_counts(self):
        books = Books(tenant=False)
        said = {"settings": {"payment_terms_days": 7}}
        books.event("auth.tenant.updated", at="2026-03-02T05:00:00Z", name="New", **said)
        books.event("auth.tenant.created", at="2026-03-02T04:00:00Z", name="Old")
        books.event("auth.tenant.updated", at="2026-03-02T04:30:00Z", name="Between")
        [tenant] = books.rows(Tenant)
        assert (tenant.name, tenant.payment_terms_days) == ("New", 7)

    def test_of_a_tenant_never_change_its_currency(self, books):
        [entry] = books.event("auth.tenant.updated", currency="USD")
        assert entry.reason.startswith("currency_never_changes")

    def test_a_suspended_tenants_events_wait(self, books):
        books.applied("auth.tenant.updated", status="suspended")
        assert books.event("cafe.order.created", order_id="o", total_amount=5)[0].status == "parked"
        books.applied("auth.tenant.updated", status="active")
        assert len(books.rows(Invoice)) == 1

    def test_of_an_outlet_wait_for_it(self, books):
        books.event("auth.outlet.updated", outlet_id="w", name="West")
        books.event("auth.outlet.created", outlet_id="w", at="2026-03-02T05:00:00Z")
        assert books.row(Outlet, "w").name == "West"

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"payment_terms_days": 367}, "payment_terms_out_of_bounds"),
            ({"taxes": ["wealth"]}, "unknown_tax"),
            ({"service_charge_percent": "101"}, "percent_out_of_bounds"),
            ({"dunning_days": [400]}, "dunning_days_out_of_bounds"),
            ({"expense_limit": "-1"}, "amount_not_positive"),
            ({"cut_off": "25:00"}, "bad_cut_off"),
        ],
    )
    def test_with_settings_that_cannot_be_are_refused(self, books, settings, reason):
        [entry] = books.event("auth.tenant.updated", settings=settings)
        assert entry.reason.startswith(reason)


class TestSandboxClock:
    def test_lives_through_every_moment_in_order(self):
        books = Books(mode="sandbox", payment_terms_days=5)
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=100)
        books.done("clock.advance", to="2026-04-07T09:00:00Z")
        assert [said["step_days"] for said in books.emitted("invoice.due")] == [
            *(-3, 0, 3, 7, 14, 30)
        ]
        assert books.rows(ClockAdvance) == []
        assert books.row(Tenant).ahead_ms == parse_ms("2026-04-07T09:00:00Z") - books.core.now_ms

    def test_takes_its_events_and_payments_along(self):
        books = Books(mode="sandbox")
        books.done("clock.advance", to="2026-04-01T06:00:00Z")
        entry = books.applied("cafe.order.created", order_id="o", total_amount=100)
        assert entry.day == "2026-04-01"
        payment_id = books.intent(order_id="o")
        books.done("clock.advance", to="2026-04-02T06:00:00Z")
        assert books.row(Payment, payment_id).status == "expired"

    def test_goes_on_by_itself_with_log_time(self):
        books = Books(mode="sandbox")
        books.done("clock.advance", to="2026-04-01T06:00:00Z")
        payment_id = books.intent(amount="5")
        books.until("2026-03-03T06:00:01Z")
        assert books.row(Payment, payment_id).status == "expired"
        assert books.rows(ClockDue) == []

    def test_a_long_way_is_gone_in_several_steps(self):
        books = Books(mode="sandbox", dunning_days=[0, 3])
        for number in range(600):
            books.core.event(
                "cafe.order.created", "t", {"order_id": f"o{number}", "total_amount": 1}
            )
        books.done("clock.advance", to="2026-05-01T06:00:00Z")
        assert len(books.rows(ClockAdvance)) == 1
        books.core.tick()
        while books.core.fold.parking.more_to_do:
            books.core.tick()
        books.check()
        assert books.rows(ClockAdvance) == []
        assert len(books.emitted("invoice.due")) == 1_200

    def test_goes_forward_by_days_too(self):
        books = Books(mode="sandbox")
        assert books.done("clock.advance", days=2)["to"] == "2026-03-04T06:00:00Z"
        assert books.refused("clock.advance", days=-1) == "clock_out_of_bounds"
        assert books.refused("clock.advance") == "to_or_days"

    def test_is_only_a_sandboxes_and_only_forward(self, books):
        assert books.refused("clock.advance", to="2026-04-01T06:00:00Z") == "not_a_sandbox"
        sandbox = Books(mode="sandbox")
        assert sandbox.refused("clock.advance", to="2026-03-01T06:00:00Z") == "clock_out_of_bounds"
        assert sandbox.refused("clock.advance", to="2027-04-01T06:00:00Z") == "clock_out_of_bounds"

    def test_a_replay_lives_through_the_same(self):
        from agents.roles.verify import Replay

        books = Books(mode="sandbox", payment_terms_days=5)
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=100)
        books.done("clock.advance", to="2026-04-07T09:00:00Z")
        replay = Replay(0, 1)
        for record in books.core.journal():
            assert replay.take(record) is None
        assert replay.finish().findings.violations == []
