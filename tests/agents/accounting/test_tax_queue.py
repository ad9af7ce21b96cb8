"""Documents on their way: numbered without a gap, whatever the answers."""

import pytest

from agents.accounting.tax_queue import FIRST_PAUSE_MS
from agents.effects import CALL_DEADLINE_MS
from tables.invoices import Invoice
from tables.payments import Case
from tables.tax_documents import TaxBranch
from tests.agents.accounting.authority import (
    BRANCHES,
    SIGNED,
    answered,
    exceptions,
    invoice,
    of,
    sent,
)
from tests.agents.accounting.books import Books


@pytest.fixture
def books() -> Books:
    return Books(tax_registered=True, etims=BRANCHES)


class TestAnAnswer:
    def test_that_rejects_it_is_shown_and_its_number_is_the_next_ones(self, books):
        """A39: resultCd 910 is seen by who reads the invoice, with its code and words."""
        bad, good = invoice(books), invoice(books)
        answered(books, of(books, bad), "failed", failure="rejected", detail="910: custTin")
        row = of(books, bad)
        assert (row.status, row.number, row.failure, row.detail) == (
            *("rejected", 0, "rejected"),
            "910: custTin",
        )
        assert books.row(Invoice, bad.invoice_id).tax_status == "rejected"
        assert exceptions(books) == ["tax_document_rejected"]
        assert of(books, good).number == 1
        answered(books, of(books, good))
        mended = {"document_id": row.document_id, "customer_pin": "A012345678Z"}
        books.done("tax_document.declare", **mended)
        assert books.row(Invoice, bad.invoice_id).tax_status == "waiting"
        request = answered(books, row)
        assert (request["number"], request["customer_pin"]) == (2, "A012345678Z")
        assert of(books, bad).status == "declared"

    @pytest.mark.parametrize("failure", ["gateway_unavailable", "not_now", "circuit_open"])
    def test_that_says_nothing_of_it_has_it_told_again_under_its_number(self, books, failure):
        first, second = invoice(books), invoice(books)
        answered(books, of(books, first), "failed", failure=failure, detail="922: order")
        assert (of(books, first).status, of(books, first).number) == ("submitted", 1)
        assert of(books, first).detail == "922: order"
        assert of(books, second).status == "waiting"
        before = of(books, first).call_id
        books.core.tick(FIRST_PAUSE_MS)
        books.check()
        assert of(books, first).call_id != before
        assert answered(books, of(books, first))["number"] == 1
        assert answered(books, of(books, second))["number"] == 2

    def test_that_is_lost_has_it_told_again_and_late_answers_count_once(self, books):
        row = invoice(books)
        lost = of(books, row).call_id
        answered(books, of(books, row), "unknown")
        assert of(books, row).doubted
        assert not books.rows(Case)  # nobody has to look: it is asked about by being told again
        books.core.tick(FIRST_PAUSE_MS)
        again = of(books, row).call_id
        assert sent(books, again)["number"] == 1
        books.answer(lost, provider_reference="SIGN", says=SIGNED)
        assert of(books, row).status == "declared"
        books.gateway(again, detail="recorded")
        assert (of(books, row).signature, books.row(TaxBranch, "00").number) == ("SIGN", 1)

    def test_without_a_signature_is_completed_by_a_later_one(self, books):
        row = invoice(books)
        lost = of(books, row).call_id
        answered(books, of(books, row), "unknown")
        books.core.tick(FIRST_PAUSE_MS)
        books.gateway(of(books, row).call_id, detail="recorded")
        assert (of(books, row).status, of(books, row).signature) == ("declared", "")
        assert exceptions(books) == ["tax_document_unsigned"]
        books.answer(lost, provider_reference="SIGN", says=SIGNED)
        assert of(books, row).signature == "SIGN"

    def test_that_knows_its_number_already_is_shown_to_people(self, books):
        """Other software may have used it under the same PIN: no answer says whose it is."""
        row = invoice(books)
        books.gateway(of(books, row).call_id, detail="recorded")
        assert of(books, row).status == "declared"
        [seen] = books.emitted("reconciliation.exception")
        assert (seen["kind"], seen["document_id"]) == ("tax_document_unsigned", row.tax_document_id)

    def test_that_rejects_what_may_be_recorded_waits_for_a_person(self, books):
        first, second = invoice(books), invoice(books)
        answered(books, of(books, first), "unknown")
        books.core.tick(FIRST_PAUSE_MS)
        answered(books, of(books, first), "failed", failure="rejected", detail="910: itemCd")
        assert (of(books, first).status, of(books, first).number) == ("doubted", 1)
        assert of(books, second).status == "waiting"
        assert exceptions(books) == ["tax_document_doubted"]
        found = {"document_id": of(books, first).document_id}
        assert books.refused("tax_document.declare", **found)
        books.done("tax_document.resolve", **found, recorded=False)
        assert of(books, first).status == "rejected"
        assert answered(books, of(books, second))["number"] == 1

    def test_that_a_person_finds_recorded_keeps_its_number(self, books):
        first, second = invoice(books), invoice(books)
        answered(books, of(books, first), "unknown")
        books.core.tick(FIRST_PAUSE_MS)
        answered(books, of(books, first), "failed", failure="rejected")
        found = {"document_id": of(books, first).document_id}
        assert books.refused("tax_document.resolve", **found | {"document_id": "x"}, recorded=True)
        books.done("tax_document.resolve", **found, recorded=True, signature="S")
        assert (of(books, first).status, of(books, first).signature) == ("declared", "S")
        assert answered(books, of(books, second))["number"] == 2

    def test_that_never_comes_is_told_to_people_after_an_hour(self, books):
        row = invoice(books)
        for _ in range(12):
            books.core.tick(3_600_000)
            books.check()
        assert exceptions(books) == ["tax_document_delayed"]
        assert (of(books, row).status, of(books, row).number) == ("submitted", 1)
        books.core.tick(CALL_DEADLINE_MS)  # nobody asks to send, and then it pauses
        books.done("tax_document.declare", document_id=of(books, row).document_id)
        assert answered(books, of(books, row))["number"] == 1


class TestNumbers:
    def test_go_on_from_where_others_were(self, books):
        books.done("tax_branch.number", branch="00", number=41)
        assert answered(books, of(books, invoice(books)))["number"] == 42
        assert books.refused("tax_branch.number", branch="00", number=42) == "number_used"
        assert books.refused("tax_branch.number", branch="07", number=1) == "branch_unknown"
        invoice(books)
        assert books.refused("tax_branch.number", branch="00", number=99) == "branch_busy"

    def test_that_a_person_got_wrong_are_put_right_while_they_are_refused(self, books):
        answered(books, of(books, invoice(books)))
        books.done("tax_branch.number", branch="00", number=51)
        rows = [invoice(books), invoice(books)]
        answered(books, of(books, rows[0]), "failed", failure="not_now", detail="922: order")
        assert books.refused("tax_branch.number", branch="00", number=1) == "number_used"
        books.done("tax_branch.number", branch="00", number=41)
        assert books.refused("tax_branch.number", branch="00", number=43) == "branch_busy"
        assert [answered(books, of(books, row))["number"] for row in rows] == [42, 43]
        assert books.refused("tax_branch.number", branch="00", number=43) == "number_used"
        books.done("tax_branch.number", branch="00", number=99)
        books.done("tax_branch.number", branch="00", number=44)
        assert answered(books, of(books, invoice(books)))["number"] == 45

    def test_do_not_change_under_what_may_be_recorded(self, books):
        row = invoice(books)
        answered(books, of(books, row), "unknown")
        assert books.refused("tax_branch.number", branch="00", number=9) == "branch_busy"

    def test_of_what_is_never_taken_are_the_next_ones(self, books):
        stuck, good = invoice(books), invoice(books)
        found = {"document_id": stuck.tax_document_id}
        assert books.refused("tax_document.resolve", **found, recorded=False)  # it is under way
        answered(books, of(books, stuck), "failed", failure="refused", detail="status 413")
        assert books.refused("tax_document.resolve", **found, recorded=True)
        books.done("tax_document.resolve", **found, recorded=False)
        assert of(books, stuck).status == "rejected"
        assert answered(books, of(books, good))["number"] == 1

    def test_that_are_another_documents_by_now_are_not_believed(self, books):
        first, second = invoice(books), invoice(books)
        lost = of(books, first).call_id
        answered(books, of(books, first), "unknown")
        books.core.tick(1)
        found = {"document_id": first.tax_document_id}
        books.done("tax_document.resolve", **found, recorded=False)
        books.done("tax_document.declare", **found)
        answered(books, of(books, second))
        late = books.answer(lost, provider_reference="SIGN", says=SIGNED)
        assert late.reason == "tax_document_renumbered"
        assert of(books, first).status == "submitted"
        assert answered(books, of(books, first))["number"] == 2

    def test_settings_name_a_branch_for_every_outlet(self, books):
        for etims in ({"westlands": "01"}, {"*": "1"}, {"*": "0a"}):
            reason = books.refused("settings.change", settings={"etims": etims})
            assert reason == "branch_unfit"
        books.done("settings.change", settings={"etims": {}})
        assert invoice(books).tax_document_id == ""
