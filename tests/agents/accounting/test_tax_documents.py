"""What the tax authority is told: every sale once, and what takes it back."""

from typing import Any

import pytest

from tables.invoices import Invoice
from tables.payments import Case, Payment, Refund
from tables.tax_documents import TaxBranch, TaxDocument, TaxReturn
from tests.agents.accounting.authority import (
    BRANCHES,
    all_answered,
    answered,
    declared,
    documents,
    exceptions,
    invoice,
    of,
)
from tests.agents.accounting.books import Books


@pytest.fixture
def books() -> Books:
    return Books(tax_registered=True, etims=BRANCHES)


class TestEveryInvoice:
    def test_is_declared_under_the_next_number_and_learns_its_signature(self, books):
        first, second = invoice(books), invoice(books, "100.00")
        assert (first.tax_status, of(books, first).number) == ("waiting", 1)
        assert (of(books, second).status, of(books, second).number) == ("waiting", 0)
        request = answered(books, of(books, first))
        assert (request["number"], request["branch"], request["payment"]) == (1, "00", "credit")
        assert (request["total"], request["tax"]) == ("1160.00", "160.00")
        answered(books, of(books, second))
        row = of(books, second)
        assert (row.status, row.number, row.signature, row.qr) == (
            *("declared", 2, "SIGN"),
            "https://kra.example/q",
        )
        assert books.row(Invoice, second.invoice_id).tax_status == "declared"
        [one, two] = books.emitted("tax_document.declared")
        assert (one["number"], two["number"], two["receipt_number"]) == (1, 2, "7")
        branch = books.row(TaxBranch, "00")
        assert (branch.number, branch.document_id, branch.waiting) == (2, "", 0)

    def test_goes_to_the_branch_of_its_outlet_and_branches_do_not_wait_for_each_other(self, books):
        here, there = invoice(books), invoice(books, outlet_id="westlands")
        assert [of(books, row).number for row in (here, there)] == [1, 1]
        assert [of(books, row).branch for row in (here, there)] == ["00", "01"]

    def test_of_nobody_who_declares_nothing(self):
        books = Books(tax_registered=True)
        assert invoice(books).tax_document_id == ""
        assert books.rows(TaxDocument) == []

    def test_that_is_a_draft_is_declared_when_it_is_issued(self, books):
        draft = invoice(books, draft=True)
        assert books.rows(TaxDocument) == []
        books.done("invoice.issue", invoice_id=draft.invoice_id)
        assert of(books, draft).status == "submitted"

    def test_says_each_line_with_the_tax_that_is_in_it(self, books):
        lines = [
            {"description": "Coffee", "quantity": "3", "unit_price": "333.33"},
            {"description": "Milk", "amount": "99.99", "tax": "zero"},
            {"amount": "10.00", "tax": "exempt"},
        ]
        answer = books.done("invoice.create", customer_id="c", lines=lines, customer_pin="A0")
        document = of(books, books.row(Invoice, answer["invoice_id"]))
        assert [(x.total, x.tax, x.treatment) for x in document.lines] == [
            (99_999, 13_793, "standard"),
            (9_999, 0, "zero"),
            (1_000, 0, "exempt"),
        ]
        assert document.lines[2].description  # eTIMS takes no line without one
        assert document.customer_pin == "A0"

    @pytest.mark.parametrize("more", [{"source": ""}, {"metadata": {"name": " "}}])
    def test_without_any_name_has_one_in_its_document(self, books, more):
        [line] = of(books, invoice(books, **more)).lines
        assert line.description == "invoice"

    def test_of_who_is_not_registered_is_outside_of_vat(self):
        books = Books(etims=BRANCHES, tax_registered=False)
        [line] = of(books, invoice(books)).lines
        assert (line.total, line.tax, line.treatment) == (116_000, 0, "non_vat")

    @pytest.mark.parametrize("amount", ["1.00", "99.99", "1234.57", "1000.03"])
    def test_with_levies_and_a_service_charge_adds_up(self, amount):
        books = Books(
            tax_registered=True, etims=BRANCHES, taxes=["tourism_levy"], service_charge_percent="10"
        )
        document = of(books, invoice(books, amount))
        levy = [x for x in document.lines if x.treatment == "non_vat"]
        assert document.total == sum(x.total for x in document.lines)
        assert document.tax == books.rows(Invoice)[0].tax
        assert len(levy) == 1

    def test_in_another_currency_is_rejected_and_seen(self, books):
        row = invoice(books, "10.00", currency="USD")
        assert (row.tax_status, of(books, row).failure) == ("rejected", "currency_unsupported")
        assert exceptions(books) == ["tax_document_rejected"]
        assert books.refused("tax_document.declare", document_id=row.tax_document_id)


class TestASaleAtATill:
    def sale(self, books: Books, **more: Any) -> TaxDocument:
        before = {row.document_id for row in books.rows(TaxDocument)}
        books.applied("pos.order.completed", order_id="o", total_amount="1160", **more)
        [row] = [row for row in books.rows(TaxDocument) if row.document_id not in before]
        return row

    def test_in_cash_is_one_document(self, books):
        row = self.sale(books, outlet_id="westlands")
        assert (row.total, row.tax, row.payment, row.branch) == (116_000, 16_000, "cash", "01")

    def test_paid_in_two_ways_is_one_too(self, books):
        tenders = [{"method": "cash", "amount": 160}, {"method": "mpesa", "amount": 1000}]
        row = self.sale(books, tenders=tenders)
        assert (row.total, row.payment) == (116_000, "mixed")
        [share] = books.rows(Invoice)
        assert (share.tax_document_id, share.tax_status) == (row.document_id, "waiting")
        answered(books, row)
        assert books.row(Invoice, share.invoice_id).tax_status == "declared"

    def test_of_what_is_invoiced_is_not_told_twice(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        books.applied("pos.order.completed", order_id="o", total_amount="1160")
        assert len(books.rows(TaxDocument)) == 1

    def test_before_its_invoice_is_not_told_twice_either(self, books):
        row = self.sale(books)
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        [own] = [x for x in books.rows(Invoice) if x.status != "void"]
        assert own.tax_document_id == row.document_id
        answered(books, row)
        assert books.row(Invoice, own.invoice_id).tax_status == "declared"
        assert documents(books) == [("sale", "declared", 1)]

    def test_of_another_amount_than_its_invoice_is_taken_back(self, books):
        row = self.sale(books)
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1276)
        [own] = [x for x in books.rows(Invoice) if x.status != "void"]
        assert own.tax_document_id != row.document_id
        for _ in range(3):
            [flies] = [x for x in books.rows(TaxDocument) if x.status == "submitted"]
            answered(books, flies)
        kinds = {(x.kind, x.total, x.number) for x in books.rows(TaxDocument)}
        assert kinds == {
            ("sale", 116_000, 1),
            ("sale", 127_600, 2),
            ("credit_note", 116_000, 3),
        }

    def test_that_was_rejected_is_not_told_once_its_invoice_took_its_place(self, books):
        row = self.sale(books)
        answered(books, row, "failed", failure="rejected")
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1276)
        found = books.refused("tax_document.declare", document_id=row.document_id)
        assert found == "tax_document_cancelled"
        [own] = [x for x in books.rows(TaxDocument) if x.status == "submitted"]
        assert (own.total, own.number) == (127_600, 1)

    def test_that_waits_and_was_credited_is_told_with_all_its_credit_notes(self, books):
        first = invoice(books)
        row = self.sale(books, tenders=[{"method": "mpesa", "amount": "1160"}])
        [share] = [x for x in books.rows(Invoice) if x.source == "pos"]
        books.done("invoice.credit", invoice_id=share.invoice_id, amount="160")
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        answered(books, of(books, first))
        all_answered(books)
        assert exceptions(books) == []
        of_order = [x for x in books.rows(TaxDocument) if x.order_id == "o"]
        assert {x.status for x in of_order} == {"declared"}
        assert declared(books, "o") == 116_000
        assert books.row(TaxDocument, row.document_id).credited == 116_000

    @pytest.mark.parametrize("total", [1160, 1276])
    @pytest.mark.parametrize("ends", ["made", "fails", "returns", "was made", "was made, returns"])
    def test_that_gives_way_while_its_refund_is_on_its_way(self, books, total, ends):
        """The invoice is told once, as a whole, and is paid by what was not given back."""
        self.sale(books, tenders=[{"method": "mpesa", "amount": "1160"}])
        all_answered(books)
        payment_id = books.pay(order_id="o")
        answer = books.done("payment.refund", payment_id=payment_id, amount="160")
        call_id = books.row(Refund, answer["refund_id"]).call_id
        if ends.startswith("was made"):
            books.gateway(call_id)
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=total)
        if not ends.startswith("was made"):
            books.gateway(call_id, "failed" if ends == "fails" else "succeeded")
        if ends.endswith("returns"):
            books.answer(call_id, "failed", failure="expired_card")
        all_answered(books)
        [own] = [x for x in books.rows(Invoice) if x.status != "void"]
        kept = 1160 if ends.endswith(("fails", "returns")) else 1000
        assert (own.paid, own.credited) == (kept * 100, 0)
        assert declared(books, "o") == total * 100
        assert "revenue:pos" not in books.balances
        assert books.balances["tax:output"] == -of(books, own).tax
        assert exceptions(books).count("tax_document_rejected") == 0
        [payment] = books.rows(Payment)
        if kept == 1160:  # and may be refunded from where it is now
            answer = books.done("payment.refund", payment_id=payment.payment_id, amount="1160")
            books.gateway(books.row(Refund, answer["refund_id"]).call_id)
            all_answered(books)
            assert declared(books, "o") == (total - 1160) * 100

    @pytest.mark.parametrize("ends", ["made", "fails", "returns"])
    def test_that_gives_way_so_and_was_paid_in_dollars(self, books, ends):
        self.sale(books, tenders=[{"method": "mpesa", "amount": "1160"}])
        quote = {"amount": "9.00", "currency": "USD", "quoted_amount": "1160.00"}
        payment_id = books.intent(order_id="o", **quote)
        books.done("payment.confirm", payment_id=payment_id, method="paypal")
        heard = {"provider_reference": "3C1", "amount": "9.00", "currency": "USD"}
        books.gateway(books.call_of(payment_id), **heard)
        answer = books.done("payment.refund", payment_id=payment_id, amount="1.24")
        call_id = books.row(Refund, answer["refund_id"]).call_id
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        outcome = "failed" if ends == "fails" else "succeeded"
        books.gateway(call_id, outcome, provider_reference="1R")
        if ends == "returns":
            books.answer(call_id, "failed", failure="expired_card")
        all_answered(books)
        [own] = [x for x in books.rows(Invoice) if x.status != "void"]
        assert (own.paid, own.credited) == (100_018 if ends == "made" else 116_000, 0)
        assert declared(books, "o") == 116_000


class TestCreditNotes:
    def test_name_the_number_of_what_they_credit(self, books):
        row = invoice(books)
        answered(books, of(books, row))
        books.done("invoice.credit", invoice_id=row.invoice_id, amount="160", reason="late")
        [note] = [x for x in books.rows(TaxDocument) if x.kind == "credit_note"]
        request = answered(books, note)
        assert (request["number"], request["original_number"]) == (2, 1)
        assert (request["total"], request["tax"], request["reason"]) == ("160.00", "22.07", "late")
        assert of(books, row).credited == 16_000

    def test_in_parts_come_to_the_whole(self, books):
        lines = [
            {"description": "Coffee", "amount": "333.33"},
            {"description": "Milk", "amount": "99.99", "tax": "zero"},
        ]
        answer = books.done("invoice.create", customer_id="c", lines=lines)
        row = books.row(Invoice, answer["invoice_id"])
        answered(books, of(books, row))
        for amount in ("100", "100.01", "233.31"):
            books.done("invoice.credit", invoice_id=row.invoice_id, amount=amount)
        notes = [x for x in books.rows(TaxDocument) if x.kind == "credit_note"]
        sums: dict[str, int] = {}
        for line in [line for note in notes for line in note.lines]:
            sums[line.treatment] = sums.get(line.treatment, 0) + line.total
        assert sums == {"standard": 33_333, "zero": 9_999}

    def test_of_a_cent_each_have_no_line_below_zero(self, books):
        """eTIMS takes none, and lines of a document never change."""
        lines = [
            {"description": "Coffee", "amount": "0.02"},
            {"description": "Milk", "amount": "0.01", "tax": "zero"},
            {"description": "Book", "amount": "0.02", "tax": "exempt"},
        ]
        answer = books.done("invoice.create", customer_id="c", lines=lines)
        for _ in range(5):
            books.done("invoice.credit", invoice_id=answer["invoice_id"], amount="0.01")
        notes = [x for x in books.rows(TaxDocument) if x.kind == "credit_note"]
        parts = sorted((line.treatment, line.total) for note in notes for line in note.lines)
        assert parts == [
            *[("exempt", 1), ("exempt", 1), ("standard", 1), ("standard", 1), ("zero", 1)]
        ]

    def test_of_what_was_rejected_wait_for_its_mending(self, books):
        row = invoice(books)
        answered(books, of(books, row), "failed", failure="rejected")
        books.done("invoice.credit", invoice_id=row.invoice_id, amount="160")
        [note] = [x for x in books.rows(TaxDocument) if x.kind == "credit_note"]
        assert (note.status, note.failure) == ("rejected", "original_not_declared")
        for document in (of(books, row), note):
            books.done("tax_document.declare", document_id=document.document_id)
            answered(books, document)
        assert documents(books) == [("sale", "declared", 1), ("credit_note", "declared", 2)]

    def test_are_what_an_invoice_needs_that_was_told(self, books):
        row = invoice(books)
        refused = books.refused("invoice.void", invoice_id=row.invoice_id)
        assert refused == "invoice_has_tax_document"
        waiting = invoice(books)
        books.done("invoice.void", invoice_id=waiting.invoice_id)
        assert books.row(TaxDocument, waiting.tax_document_id).status == "cancelled"
        answered(books, of(books, row))
        assert answered(books, of(books, invoice(books)))["number"] == 2

    def test_are_not_needed_for_what_was_rejected_and_is_void(self, books):
        row = invoice(books)
        answered(books, of(books, row), "failed", failure="rejected")
        books.done("invoice.void", invoice_id=row.invoice_id)
        found = books.refused("tax_document.declare", document_id=row.tax_document_id)
        assert found == "tax_document_cancelled"
        assert documents(books) == [("sale", "cancelled", 0)]

    def test_of_a_refund_come_once_it_is_made_and_go_if_it_returns(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        [row] = books.rows(Invoice)
        answered(books, of(books, row))
        payment_id = books.pay(order_id="o")
        answer = books.done("payment.refund", payment_id=payment_id, amount="160")
        refund = books.row(Refund, answer["refund_id"])
        assert documents(books) == [("sale", "declared", 1)]
        books.gateway(refund.call_id)
        [note] = [x for x in books.rows(TaxDocument) if x.kind == "credit_note"]
        answered(books, note)
        books.answer(refund.call_id, "failed", failure="expired_card")
        [again] = [x for x in books.rows(TaxDocument) if x.status == "submitted"]
        assert (again.kind, again.total, again.number) == ("sale", 16_000, 3)

    def test_of_what_returned_and_is_refunded_again_are_of_what_was_told_again(self, books):
        """eTIMS takes no credit notes that come to more than their original."""
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        payment_id = books.pay(order_id="o")
        for amount in ("1000", "1160", "500"):
            answer = books.done("payment.refund", payment_id=payment_id, amount=amount)
            refund = books.row(Refund, answer["refund_id"])
            books.gateway(refund.call_id)
            all_answered(books)
            assert declared(books, "o") == 116_000 - refund.amount
            if amount != "500":
                books.answer(refund.call_id, "failed", failure="expired_card")
                all_answered(books)
                assert declared(books, "o") == 116_000
        assert exceptions(books).count("tax_document_rejected") == 0
        notes = [x for x in books.rows(TaxDocument) if x.kind == "credit_note"]
        for sale in (x for x in books.rows(TaxDocument) if x.kind == "sale"):
            of_it = [x.total for x in notes if x.original_id == sale.document_id]
            assert sum(of_it) == sale.credited <= sale.total

    def test_of_two_invoices_go_both_when_their_refund_returns(self, books):
        payment_id = books.pay(order_id="unknown", amount="1000", currency="KES")
        rows = [invoice(books, amount) for amount in ("400", "600")]
        for row in rows:
            [case] = [case for case in books.rows(Case) if case.status == "open"]
            books.done("case.resolve", case_id=case.case_id, invoice_id=row.invoice_id)
        all_answered(books)
        answer = books.done("payment.refund", payment_id=payment_id)
        refund = books.row(Refund, answer["refund_id"])
        books.gateway(refund.call_id)
        all_answered(books)
        books.answer(refund.call_id, "failed", failure="expired_card")
        all_answered(books)
        assert {row.status for row in books.rows(TaxDocument)} == {"declared"}
        [month] = books.rows(TaxReturn)
        assert (month.documents, month.gross) == (6, {"standard": 100_000})
        assert books.row(TaxBranch, "00").document_id == ""

    def test_of_a_refund_that_fails_are_none(self, books):
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        [row] = books.rows(Invoice)
        answered(books, of(books, row))
        payment_id = books.pay(order_id="o")
        answer = books.done("payment.refund", payment_id=payment_id, amount="160")
        books.gateway(books.row(Refund, answer["refund_id"]).call_id, "failed")
        assert documents(books) == [("sale", "declared", 1)]
