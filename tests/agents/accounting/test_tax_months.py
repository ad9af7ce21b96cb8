"""A month's return: what was declared of it, and what is not yet."""

from typing import Any

import pytest

from tables.invoices import Invoice
from tables.tax_documents import TaxReturn
from tests.agents.accounting.authority import BRANCHES, all_answered, answered, invoice, of
from tests.agents.accounting.books import Books

MARCH = "2026-03"


@pytest.fixture
def books() -> Books:
    return Books(tax_registered=True, etims=BRANCHES)


def month(books: Books, period: str = MARCH) -> TaxReturn:
    return books.row(TaxReturn, f"vat-{period}")


def filed(books: Books, **more: Any) -> str:
    """Files March with its output tax; why that was refused, or the status it is in."""
    row = month(books)
    tax = f"{sum(row.taxes.values()) / 100:.2f}"
    given = {"tax": "vat", "period": MARCH, "boxes": {"output_tax": tax}, **more}
    status, answer = books.command("tax_return.file", **given)
    return answer["status"] if status == 201 else answer["code"]


class TestAReturn:
    def test_is_not_filed_while_documents_of_its_month_are_not_declared(self, books):
        books.until("2026-03-31T23:59:50+03:00")
        first, second = invoice(books), invoice(books, "100.00")
        answered(books, of(books, first))
        books.until("2026-04-01T00:00:10+03:00")
        assert (month(books).documents, month(books).undeclared) == (1, 1)
        assert filed(books) == "tax_documents_undeclared"
        answered(books, of(books, second))
        assert (month(books).documents, month(books).undeclared) == (2, 0)
        assert filed(books, undeclared=1) == "tax_documents_undeclared"
        assert filed(books) == "filed"

    def test_is_filed_without_those_that_a_person_counted(self, books):
        dollars = invoice(books, "10.00", currency="USD")
        assert dollars.tax_status == "rejected"
        assert (month(books).asset, month(books).undeclared) == ("KES", 1)
        books.until("2026-04-02T12:00:00+03:00")
        assert filed(books, undeclared=1) == "filed"

    def test_does_not_count_what_was_rejected_and_is_void(self, books):
        row = invoice(books)
        answered(books, of(books, row), "failed", failure="rejected")
        assert month(books).undeclared == 1
        books.done("invoice.void", invoice_id=row.invoice_id)
        assert month(books).undeclared == 0
        assert books.row(Invoice, row.invoice_id).tax_status == "cancelled"

    def test_counts_credit_notes_in_the_month_of_their_own_day(self, books):
        row = invoice(books)
        answered(books, of(books, row))
        books.until("2026-04-02T12:00:00+03:00")
        books.done("invoice.credit", invoice_id=row.invoice_id, amount="116.00")
        assert (month(books).undeclared, month(books, "2026-04").undeclared) == (0, 1)
        all_answered(books)
        april = month(books, "2026-04")
        assert (april.undeclared, april.taxes) == (0, {"standard": -1_600})

    def test_of_a_trader_in_dollars_is_in_shillings(self):
        books = Books(tax_registered=True, etims=BRANCHES, currency="USD")
        invoice(books, "1160.00", currency="KES")
        all_answered(books)
        books.until("2026-04-02T12:00:00+03:00")
        assert month(books).asset == "KES"
        assert filed(books) == "filed"


class TestADraft:
    def test_that_was_priced_before_its_seller_registered_is_outside_of_vat(self):
        books = Books(etims=BRANCHES, tax_registered=False)
        draft = invoice(books, lines=[{"amount": "100.00"}], amount=None, draft=True)
        books.applied("auth.tenant.updated", settings={"tax_registered": True})
        books.done("invoice.issue", invoice_id=draft.invoice_id)
        [line] = of(books, draft).lines
        assert (line.total, line.tax, line.treatment) == (10_000, 0, "non_vat")

    @pytest.mark.parametrize("told", [{"amount": "116.00"}, {"lines": [{"amount": "116.00"}]}])
    def test_that_was_priced_with_tax_is_declared_with_it(self, books, told):
        draft = invoice(books, **{"amount": None, **told}, draft=True)
        books.applied("auth.tenant.updated", settings={"tax_registered": False})
        books.done("invoice.issue", invoice_id=draft.invoice_id)
        row = of(books, draft)
        assert (row.total, row.tax) == (11_600, books.row(Invoice, draft.invoice_id).tax)
        assert row.tax == 1_600
