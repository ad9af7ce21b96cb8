"""Claims on customers: lines, dunning, credit notes, withholding, and payments of all kinds."""

import pytest

from streams.timestamps import parse_ms
from tables.invoices import Invoice, PaymentLink
from tables.payments import Case, Credit, Payment, Refund
from tests.agents.accounting.books import Books
from tests.agents.accounting.test_books import legs

ORDER = "cafe.order.created"
GATEWAY = "gateway:instant:collection"


def ordered(books: Books, **more) -> str:
    books.applied(ORDER, **{"order_id": "o", "customer_id": "c", "total_amount": 1160, **more})
    return books.rows(Invoice)[0].invoice_id


class TestLines:
    def test_each_is_taxed_by_itself_and_all_sum(self, books):
        lines = [
            {"description": "tea", "quantity": 3, "unit_price": "33.35"},
            {"description": "bread", "amount": "55.00", "tax": "zero"},
            {"description": "insurance", "amount": "10.00", "tax": "exempt"},
        ]
        ordered(books, total_amount="165.05", lines=lines)
        [invoice] = books.rows(Invoice)
        assert [(line.net, line.tax) for line in invoice.lines] == [
            (8_625, 1_380),
            (5_500, 0),
            (1_000, 0),
        ]
        assert (invoice.total, invoice.tax) == (16_505, 1_380)

    def test_may_be_without_their_tax(self, books):
        lines = [{"quantity": "2.5", "unit_price": "40.01"}]
        ordered(books, total_amount="116.03", lines=lines, tax_inclusive=False)
        [invoice] = books.rows(Invoice)
        assert (invoice.lines[0].net, invoice.tax, invoice.total) == (10_003, 1_600, 11_603)

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [
            ([{"amount": "1159.99"}], "lines_do_not_sum"),
            ([{"amount": "1160", "unit_price": "1160"}], "line_needs_amount_or_price"),
            ([{"amount": "1160", "quantity": 0}], "amount_not_positive"),
            ([{"quantity": "1.1234567", "unit_price": "1"}], "bad_amount"),
        ],
    )
    def test_that_cannot_be_are_refused(self, books, lines, reason):
        [entry] = books.event(ORDER, order_id="o", total_amount=1160, lines=lines)
        assert entry.status == "rejected"
        assert entry.reason.startswith(reason)

    def test_a_due_date_that_no_calendar_has_is_refused(self, books):
        [entry] = books.event(ORDER, order_id="o", total_amount=1160, due_date="2026-02-31")
        assert entry.reason.startswith("bad_date")

    def test_levies_and_service_charge_are_taxes_of_their_own(self):
        books = Books(tax_registered=True, taxes=["tourism_levy"], service_charge_percent="10")
        # 100 net, 10 service, 2 % of the net as levy, 16 % of both as tax: 129.60.
        ordered(books, total_amount="129.60")
        assert books.balances == {
            "receivable": 12_960,
            "revenue:cafe": -10_000,
            "service_charge": -1_000,
            "tax:tourism_levy": -200,
            "tax:output": -1_760,
        }


class TestDunning:
    def test_says_each_step_once_and_stops_when_paid(self, books):
        invoice_id = ordered(books)
        books.until("2026-03-11T06:00:00Z")
        due = books.emitted("invoice.due")
        assert [(d["step_days"], d["overdue"]) for d in due] == [(-3, False), (0, False), (3, True)]
        books.pay(invoice_id=invoice_id, amount="500")
        books.until("2026-03-15T06:00:00Z")
        assert books.emitted("invoice.due")[-1]["amount"] == 660.0
        assert books.row(Invoice, invoice_id).status == "partially_paid"
        books.pay(invoice_id=invoice_id)
        paid = books.row(Invoice, invoice_id)
        assert (paid.status, paid.overdue) == ("paid", False)
        books.until("2026-04-20T06:00:00Z")
        assert len(books.emitted("invoice.due")) == 4

    def test_after_downtime_says_the_latest_only(self, books):
        ordered(books)
        books.core.tick(parse_ms("2026-03-22T00:00:00Z") - books.core.now_ms)
        books.check()
        assert [said["step_days"] for said in books.emitted("invoice.due")] == [14]

    def test_the_last_step_proposes_a_write_off(self, books):
        invoice_id = ordered(books)
        books.until("2026-04-07T00:00:00Z")
        said = books.emitted("invoice.due")[-1]
        assert (said["step_days"], said["final"]) == (30, True)
        assert books.emitted("reconciliation.exception")[-1]["kind"] == "write_off_proposed"
        books.done("invoice.write_off", invoice_id=invoice_id, tax_relief=True)
        assert books.row(Invoice, invoice_id).status == "uncollectible"
        assert books.balances == {"expense:bad_debt": 100_000, "revenue:cafe": -100_000}
        books.until("2026-05-07T00:00:00Z")
        assert len(books.emitted("invoice.due")) == 6

    def test_rests_while_a_payment_is_disputed(self, books):
        invoice_id = ordered(books)
        payment_id = books.pay(invoice_id=invoice_id, amount="160")
        dispute = books.done("dispute.open", payment_id=payment_id)
        books.until("2026-03-09T06:00:00Z")
        assert books.emitted("invoice.due") == []
        books.done("dispute.close", dispute_id=dispute["dispute_id"], outcome="won")
        books.until("2026-03-11T06:00:00Z")
        assert [said["step_days"] for said in books.emitted("invoice.due")] == [3]

    def test_is_the_tenants_choice(self):
        books = Books(payment_terms_days=5, dunning_days=[1])
        ordered(books)
        books.until("2026-04-07T00:00:00Z")
        assert [said["step_days"] for said in books.emitted("invoice.due")] == [1]


class TestTakingBack:
    def test_void_reverses_and_frees_the_order(self, books):
        invoice_id = ordered(books)
        assert books.done("invoice.void", invoice_id=invoice_id)["status"] == "void"
        assert books.balances == {}
        assert books.refused("invoice.void", invoice_id=invoice_id) == "invoice_void"
        books.applied(ORDER, order_id="o", total_amount=10)

    def test_written_off_twice_adds_up(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1000)
        [invoice] = books.rows(Invoice)
        said = {"invoice_id": invoice.invoice_id}
        books.done("invoice.credit", amount="300", **said)
        books.done("invoice.write_off", **said)
        again = legs(("receivable", 300, invoice.invoice_id), ("revenue:cafe", -300))
        books.done("journal.post", legs=again)
        books.done("invoice.write_off", **said)
        after = books.row(Invoice, invoice.invoice_id)
        assert (after.written_off, after.outstanding) == (100_000, 0)
        assert after.status == "uncollectible"

    def test_paid_is_never_void(self, books):
        invoice_id = ordered(books)
        books.pay(invoice_id=invoice_id, amount="1")
        assert books.refused("invoice.void", invoice_id=invoice_id) == "invoice_partially_paid"

    def test_notes_sum_to_the_tax_exactly(self, books):
        invoice_id = ordered(books, total_amount="100.01")
        for amount in ("33.33", "33.34", "33.34"):
            books.done("invoice.credit", invoice_id=invoice_id, amount=amount)
        assert books.balances == {}
        assert books.row(Invoice, invoice_id).status == "credited"
        assert books.refused("invoice.credit", invoice_id=invoice_id) == "more_than_outstanding"

    def test_a_draft_posts_nothing_until_it_is_issued(self, books):
        draft = books.done("invoice.create", customer_id="c", amount="116", draft=True)
        assert books.balances == {}
        assert books.refused("invoice.credit", invoice_id=draft["invoice_id"])
        issued = books.done("invoice.issue", invoice_id=draft["invoice_id"])
        assert issued["status"] == "open"
        assert books.balances["receivable"] == 11_600


class TestWithholding:
    MILESTONE = {
        "milestone_id": "m",
        "project_id": "p",
        "customer_id": "c",
        "amount": 348000,
        "withholding": "professional",
    }

    def test_the_net_payment_settles_a_milestone(self, books):
        books.applied("projects.milestone.completed", **self.MILESTONE)
        [invoice] = books.rows(Invoice)
        assert (invoice.total, invoice.to_withhold) == (34_800_000, 1_500_000)
        books.pay(invoice_id=invoice.invoice_id, amount="333000")
        paid = books.row(Invoice, invoice.invoice_id)
        assert (paid.status, paid.withheld) == ("paid", 1_500_000)
        assert books.balances["tax:wht_receivable"] == 1_500_000

    def test_a_certificate_can_come_by_itself(self, books):
        books.applied("projects.milestone.completed", **self.MILESTONE | {"withholding": ""})
        invoice_id = books.rows(Invoice)[0].invoice_id
        books.done("invoice.withhold", invoice_id=invoice_id, amount="6000")
        assert books.row(Invoice, invoice_id).outstanding == 34_200_000

    @pytest.mark.parametrize(("currency", "withheld"), [("KES", 0), ("USD", 100_000)])
    def test_the_threshold_is_in_shillings(self, books, currency, withheld):
        sold = {**self.MILESTONE, "amount": "23200", "withholding": "professional"}
        books.applied("projects.milestone.completed", **{**sold, "currency": currency})
        [invoice] = books.rows(Invoice)
        assert (invoice.total - invoice.tax, invoice.to_withhold) == (2_000_000, withheld)
        bill = {"supplier_id": "s", "number": "1", "amount": "23200", "tax_amount": "3200"}
        wish = {**bill, "category": "fuel", "withholding": "professional", "currency": currency}
        assert books.done("bill.create", **wish)["withheld"] == f"{withheld // 100}.00"

    def test_a_milestone_is_invoiced_once(self, books):
        books.applied("projects.milestone.completed", **self.MILESTONE)
        [entry] = books.event("projects.milestone.completed", **self.MILESTONE)
        assert entry.reason == "milestone_already_invoiced"


class TestLinks:
    def test_are_made_if_the_tenant_wants_them(self):
        books = Books(payment_links=True)
        invoice_id = ordered(books)
        [link] = books.rows(PaymentLink)
        assert link.invoice_id == invoice_id
        [said] = books.emitted("payment_link.generated")
        assert said["path"] == f"/pay/{link.token}"

    def test_of_two_invoices_of_one_moment_differ(self):
        books = Books(payment_links=True)
        meters = [{"name": "m", "unit_price": "10"}]
        books.done("plan.create", plan_id="p", name="P", price="90", prepaid=True, meters=meters)
        books.done("subscription.create", plan_id="p", customer_id="c", subscription_id="s")
        used = {"subscription_id": "s", "meter": "m", "quantity": 7}
        books.applied("cafe.subscription.usage.metered", **used)
        books.until("2026-04-02T06:00:00Z")
        invoices = books.rows(Invoice)
        assert len({invoice.link_token for invoice in invoices}) == 3
        for invoice in invoices:
            assert books.row(PaymentLink, invoice.link_token).invoice_id == invoice.invoice_id


class TestLateMoney:
    def test_pays_an_invoice_that_is_still_open(self, books):
        invoice_id = ordered(books)
        payment_id = books.intent(invoice_id=invoice_id)
        books.done("payment.confirm", payment_id=payment_id, method="instant")
        call_id = books.call_of(payment_id)
        grant = {"call_id": call_id, "nonce": f"n-{call_id}", "valid_for_ms": 5_000}
        books.told("treasury.call.granted", grant)
        books.answer(call_id, "failed")
        books.until("2026-03-03T07:00:00Z")
        assert books.row(Payment, payment_id).status == "expired"
        books.answer(call_id)
        assert books.row(Payment, payment_id).status == "succeeded"
        assert books.row(Invoice, invoice_id).status == "paid"
        assert books.emitted("payment.success")[-1]["late"] is True

    def test_for_an_invoice_that_was_paid_is_the_customers_credit(self, books):
        invoice_id = ordered(books)
        first = books.intent(invoice_id=invoice_id)
        books.done("payment.confirm", payment_id=first, method="instant")
        books.gateway(books.call_of(first), "failed")
        books.done("payment.cancel", payment_id=first)
        books.pay(invoice_id=invoice_id)
        books.answer(books.call_of(first))
        assert books.row(Credit, "c", "KES").amount == 116_000
        books.done("payment.refund", payment_id=first)
        [refund] = books.rows(Refund)
        books.gateway(refund.call_id)
        assert books.row(Credit, "c", "KES").amount == 0
        assert books.balances[GATEWAY] == 116_000

    def test_without_a_home_is_a_case_that_a_person_resolves(self, books):
        payment_id = books.pay(amount="1160")
        [case] = books.rows(Case)
        invoice_id = ordered(books)
        books.done("case.resolve", case_id=case.case_id, invoice_id=invoice_id)
        assert books.row(Invoice, invoice_id).status == "paid"
        assert books.refused("case.resolve", case_id=case.case_id, customer_id="c") == "case_closed"
        books.done("payment.refund", payment_id=payment_id, amount="160")
        assert books.balances["refund:pending"] == -16_000

    def test_of_another_currency_is_a_case_and_pays_nothing(self, books):
        invoice_id = ordered(books)
        payment_id = books.intent(invoice_id=invoice_id)
        books.done("payment.confirm", payment_id=payment_id, method="instant")
        books.gateway(books.call_of(payment_id), currency="USD", amount="10.00")
        [case] = books.rows(Case)
        assert (case.kind, case.asset, case.amount) == ("currency_differs", "USD", 1_000)
        payment = books.row(Payment, payment_id)
        assert (payment.status, payment.failure) == ("requires_action", "currency_differs")
        assert books.row(Invoice, invoice_id).paid == 0

    def test_becomes_credit_if_a_person_says_so(self, books):
        books.pay(amount="10")
        [case] = books.rows(Case)
        books.done("case.resolve", case_id=case.case_id, customer_id="c")
        assert books.balances == {GATEWAY: 1_000, "customer:credit": -1_000}

    def test_a_cancelled_payment_stays_cancelled_until_money_comes(self, books):
        payment_id = books.intent(amount="10")
        books.done("payment.cancel", payment_id=payment_id)
        assert books.refused("payment.cancel", payment_id=payment_id) == "payment_cancelled"
        refused = books.refused("payment.confirm", payment_id=payment_id, method="instant")
        assert refused == "payment_cancelled"

    def test_for_an_order_that_is_invoiced_by_hand_pays_it(self, books):
        books.pay(order_id="o", customer_id="c", amount="1000")
        wish = {"order_id": "o", "customer_id": "c", "amount": "900"}
        said = books.done("invoice.create", **wish)
        assert (said["status"], said["paid"]) == ("paid", "900.00")
        assert books.balances.get("suspense", 0) == 0
        assert books.row(Credit, "c", "KES").amount == 10_000


class TestCredit:
    @pytest.fixture
    def credited(self, books) -> str:
        """An open invoice of 1,160 shillings to a customer who has 840 with us."""
        books.pay(invoice_id=ordered(books), amount="2000")
        books.applied(ORDER, order_id="o2", customer_id="c", total_amount=1160)
        [invoice] = (row for row in books.rows(Invoice) if row.status == "open")
        return invoice.invoice_id

    def test_pays_all_that_it_is_enough_for(self, books, credited):
        answer = books.done("invoice.apply_credit", invoice_id=credited)
        assert (answer["status"], answer["paid"]) == ("partially_paid", "840.00")
        assert books.row(Credit, "c", "KES").amount == 0
        assert books.balances["receivable"] == 32_000
        assert "customer:credit" not in books.balances
        assert books.refused("invoice.apply_credit", invoice_id=credited) == "no_credit"
        books.pay(invoice_id=credited)
        assert "receivable" not in books.balances
        assert len(books.emitted("invoice.paid")) == 2

    def test_pays_in_part_and_never_more_than_there_is(self, books, credited):
        refused = books.refused("invoice.apply_credit", invoice_id=credited, amount="840.01")
        assert refused == "more_than_credit"
        books.done("invoice.apply_credit", invoice_id=credited, amount="40")
        assert books.row(Credit, "c", "KES").amount == 80_000
        books.done("invoice.credit", invoice_id=credited, amount="1100")
        refused = books.refused("invoice.apply_credit", invoice_id=credited, amount="20.01")
        assert refused == "more_than_outstanding"
        books.done("invoice.apply_credit", invoice_id=credited)
        assert books.row(Invoice, credited).paid == 6_000
        assert books.row(Credit, "c", "KES").amount == 78_000
        assert books.refused("invoice.apply_credit", invoice_id=credited) == "invoice_paid"

    def test_of_nobody_is_none(self, books, credited):
        books.applied(ORDER, order_id="o3", total_amount=100)
        unnamed = next(row for row in books.rows(Invoice) if not row.customer_id)
        refused = books.refused("invoice.apply_credit", invoice_id=unnamed.invoice_id)
        assert refused == "no_credit"

    def test_that_paid_another_invoice_leaves_its_payment_the_rest(self, books, credited):
        books.done("invoice.apply_credit", invoice_id=credited)
        [payment] = books.rows(Payment)
        about = {"payment_id": payment.payment_id}
        assert books.refused("payment.refund", **about) == "refund_not_possible"
        assert books.refused("payment.refund", **about, amount="1160.01") == "refund_not_possible"
        refund = books.done("payment.refund", **about, amount="1160")
        books.gateway(books.row(Refund, refund["refund_id"]).call_id)
        assert books.row(Refund, refund["refund_id"]).status == "completed"

    def test_is_given_back_by_a_credit_note(self, books, credited):
        books.done("invoice.apply_credit", invoice_id=credited)
        books.done("invoice.credit", invoice_id=credited, amount="1000")
        invoice = books.row(Invoice, credited)
        assert (invoice.status, invoice.paid, invoice.credited) == ("paid", 16_000, 100_000)
        assert books.row(Credit, "c", "KES").amount == 68_000
        assert "receivable" not in books.balances
        refused = books.refused("invoice.credit", invoice_id=credited, amount="160.01")
        assert refused == "more_than_outstanding"
        books.done("invoice.credit", invoice_id=credited, amount="160")
        assert books.row(Invoice, credited).status == "credited"
        assert books.row(Credit, "c", "KES").amount == 84_000
        assert len(books.emitted("invoice.paid")) == 2

    def test_leaves_what_the_customer_withholds(self, books):
        books.pay(invoice_id=ordered(books), amount="50000")
        sold = {"customer_id": "c", "amount": "34800", "withholding": "professional"}
        invoice_id = books.done("invoice.create", **sold)["invoice_id"]
        before = books.row(Invoice, invoice_id)
        assert 0 < before.to_withhold < before.outstanding
        books.done("invoice.apply_credit", invoice_id=invoice_id)
        invoice = books.row(Invoice, invoice_id)
        assert (invoice.status, invoice.withheld) == ("paid", before.to_withhold)
        assert books.balances["tax:wht_receivable"] == before.to_withhold


class TestDays:
    @pytest.mark.parametrize("day", ["0001-01-02", "1969-12-31", "2201-01-01", "9999-12-31"])
    def test_beyond_two_centuries_are_refused(self, books, day):
        said = {"order_id": "o", "customer_id": "c", "total_amount": 10, "due_date": day}
        [entry] = books.event(ORDER, **said)
        assert (entry.status, entry.reason) == ("rejected", "bad_date: out_of_bounds")
        milestone = {"milestone_id": "m", "project_id": "p", "customer_id": "c", "amount": 10}
        [entry] = books.event("projects.milestone.completed", **milestone, due_date=day)
        assert entry.reason == "bad_date: out_of_bounds"
        wish = {"customer_id": "c", "amount": "10", "due_date": day}
        assert books.refused("invoice.create", **wish) == "bad_date"
        bill = {"supplier_id": "s", "number": "1", "amount": "10", "category": "fuel"}
        assert books.refused("bill.create", **bill, issued_date=day) == "bad_date"
        assert books.refused("bill.create", **bill, due_date=day) == "bad_date"

    @pytest.mark.parametrize("day", ["1970-01-01", "2200-12-31"])
    def test_of_those_centuries_are_taken(self, books, day):
        ordered(books, due_date=day)
        bill = {"supplier_id": "s", "number": "1", "amount": "10", "category": "fuel"}
        books.done("bill.create", **bill, issued_date=day)
        books.until("2026-03-10T06:00:00Z")
