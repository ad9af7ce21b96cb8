"""Statements of banks against our own books: by named rules, each line once."""

import pytest

from tables.invoices import Invoice
from tables.journals import Journal
from tables.payments import Case, GatewayCall, Payment
from tables.settlements import Settlement
from tables.statements import BankItem, Statement, StatementLine
from tests.agents.accounting.books import Books
from tests.agents.accounting.statement_files import BANK, DAY, LINE, MPESA, invoice, line_of, read


class TestMoneyThatCame:
    def test_pays_the_invoice_that_its_reference_names(self, books):
        invoice_id = invoice(books)
        line = line_of(books, "1160.00", reference=invoice_id, party="Ann")
        assert (line.status, line.rule) == ("matched", "reference")
        assert books.row(Invoice, invoice_id).status == "paid"
        assert books.balances[BANK] == 116_000
        assert "receivable" not in books.balances
        [share] = line.matches
        assert books.row(Payment, share.subject).provider == BANK
        wish = {"payment_id": share.subject, "amount": "1"}
        assert books.refused("payment.refund", **wish) == "refund_not_possible"

    def test_pays_the_invoice_whose_number_stands_in_its_words(self, books):
        first, second = invoice(books, reference="INV-017"), invoice(books, reference="INV-018")
        line = line_of(books, "1160.00", text="RTGS ann / inv 18 INV-018 thanks")
        assert line.rule == "invoice_number"
        assert books.row(Invoice, second).status == "paid"
        assert books.row(Invoice, first).status == "open"

    def test_of_another_amount_a_number_alone_proves_nothing(self, books):
        invoice_id = invoice(books, reference="INV-017")
        line = line_of(books, "1000.00", text="INV-017")
        assert (line.rule, books.row(Invoice, invoice_id).paid) == ("unmatched_credit", 0)
        [case] = books.rows(Case)
        assert (line.case_id, case.amount) == (case.case_id, 100_000)
        assert books.balances["suspense"] == -100_000

    def test_pays_several_invoices_that_come_to_it(self, books):
        ids = [invoice(books, reference=f"INV-{n}", amount=f"{n}00.00") for n in (101, 102)]
        line = line_of(books, "20300.00", text="INV-101 + INV-102")
        assert (line.rule, len(line.matches)) == ("invoice_numbers_combined", 2)
        assert [books.row(Invoice, each).status for each in ids] == ["paid", "paid"]
        assert sum(share.amount for share in line.matches) == line.minor

    def test_in_parts_pays_in_parts(self, books):
        invoice_id = invoice(books)
        for amount in ("1000.00", "100.00", "100.00"):
            line_of(books, amount, reference=invoice_id)
        assert books.row(Invoice, invoice_id).status == "paid"
        assert books.balances["customer:credit"] == -4_000

    def test_counts_once_however_often_its_line_comes(self, books):
        invoice_id = invoice(books)
        wish = {"amount": "1160.00", "reference": invoice_id}
        assert read(books, wish)["again"] == 0
        days = {"from_day": DAY, "to_day": DAY, "day": DAY, "account": BANK, "currency": "KES"}
        given = [{"key": "f1.0", **LINE, **wish}]
        again = books.done("statement.import", key="f2", count=1, lines=given, **days)
        assert again["again"] == 1
        assert books.balances[BANK] == 116_000


class TestMoneyThatABankHadTold:
    TOLD = "treasury.gateway.received"

    def told(self, books: Books, receipt: str = "S1", amount: str = "1160.00") -> None:
        about = {"gateway": "jenga", "receipt": receipt, "account": "1", "currency": "KES"}
        said = {**about, "amount": amount, "reference": "", "payer": "Ann"}
        [entry] = books.core.event(self.TOLD, "t", said, ingress="webhook")
        assert (entry.status, entry.reason) == ("applied", "")
        books.check()

    def test_has_arrived_and_is_in_no_settlement(self, books):
        self.told(books)
        assert books.balances == {"bank:jenga": 116_000, "suspense": -116_000}
        assert books.rows(Settlement) == []

    def test_is_on_its_statement_and_counts_once(self, books):
        self.told(books)
        before = books.balances
        read(books, {"amount": "1160.00", "receipt": "S1"}, account="bank:jenga")
        [line] = books.rows(StatementLine)
        assert (line.rule, books.balances) == ("receipt", before)
        assert [item.status for item in books.rows(BankItem)] == ["matched"]

    def test_that_comes_after_its_line_is_known_by_its_receipt(self, books):
        read(books, {"amount": "1160.00", "receipt": "S1"}, account="bank:jenga")
        before = books.balances
        self.told(books)
        assert books.balances == before

    def test_of_another_amount_is_other_money_and_stays_open(self, books):
        self.told(books)
        read(books, {"amount": "1160.50", "receipt": "S1"}, account="bank:jenga")
        [line] = books.rows(StatementLine)
        assert line.rule == "unmatched_credit"
        assert [item.status for item in books.rows(BankItem)] == ["open"]
        assert books.balances["bank:jenga"] == 232_050

    def test_is_no_other_line_of_its_amount(self, books):
        """Ann's was told, Bob's was not: each is what it is, in whichever order they are read."""
        bobs = invoice(books)
        self.told(books, "S1")
        lines = [{"amount": "1160.00", "receipt": "S2", "reference": bobs}]
        lines.append({"amount": "1160.00", "receipt": "S1"})
        read(books, *lines, account="bank:jenga")
        assert {line.receipt: line.rule for line in books.rows(StatementLine)} == {
            "S2": "reference",
            "S1": "receipt",
        }
        self.told(books, "S2")
        assert books.balances["bank:jenga"] == 232_000
        assert books.row(Invoice, bobs).status == "paid"

    @pytest.mark.parametrize("words", ["INV-018", "INV-018 and INV-019"])
    def test_that_comes_after_a_line_of_any_rule_counts_once(self, books, words):
        for number in ("INV-018", "INV-019"):
            invoice(books, "580.00", reference=number)
        amount = "580.00" if words == "INV-018" else "1160.00"
        read(books, {"amount": amount, "receipt": "S1", "text": words}, account="bank:jenga")
        before = books.balances
        self.told(books, "S1", amount)
        assert books.balances == before

    @pytest.mark.parametrize("order", ["told first", "shown first", "between"])
    def test_under_one_name_with_other_money_counts_each(self, books, order):
        lines = [{"amount": f"{n}.00", "receipt": "S1"} for n in (20, 10)]
        told = [lambda: self.told(books, "S1", "10.00"), lambda: self.told(books, "S1", "20.00")]
        shown = [lambda: read(books, *lines, account="bank:jenga")]
        steps = {
            "told first": [*told, told[1], *shown],
            "shown first": [*shown, *told],
            "between": [told[0], *shown, told[1]],
        }
        for step in steps[order]:
            step()
        assert books.balances["bank:jenga"] == 3_000
        assert {item.status for item in books.rows(BankItem)} <= {"matched"}

    def test_of_another_currency_is_other_money(self, books):
        about = {"gateway": "jenga", "receipt": "S1", "account": "1", "currency": "USD"}
        books.core.event(self.TOLD, "t", {**about, "amount": "10.00"}, ingress="webhook")
        books.check()
        read(books, {"amount": "10.00", "receipt": "S1"}, account="bank:jenga")
        [item] = books.rows(BankItem)
        assert (item.status, books.rows(StatementLine)[0].rule) == ("open", "unmatched_credit")

    def test_is_no_line_that_people_say(self, books):
        self.told(books, "S2", "100.00")
        line = line_of(books, "100.00", on="bank:jenga")
        [item] = books.rows(BankItem)
        wish = {"line_id": line.line_id, "item_id": item.item_id}
        assert books.refused("line.resolve", **wish) == "item_differs"

    def test_under_the_name_of_a_settlement_counts_apart(self, books):
        read(books, {"amount": "10.00", "receipt": "B1"}, account="bank:jenga", key="f1")
        books.pay(amount="1160.00", order_id="o")
        books.until("2026-03-03T06:00:00Z")
        wish = {"amount": "1160.00", "receipt": "B1", "text": "INSTANT"}
        days = {"day": "2026-03-03", "key": "f2"}
        read(books, {**wish, "value_day": "2026-03-03"}, account="bank:jenga", **days)
        assert "cash:in_transit" not in books.balances

    def test_pays_an_invoice_in_part_and_is_one_item(self, books):
        invoice_id = invoice(books, "1000.00")
        about = {"gateway": "jenga", "receipt": "S1", "account": "1", "currency": "KES"}
        said = {**about, "amount": "1160.00", "reference": invoice_id, "payer": "Ann"}
        books.core.event(self.TOLD, "t", said, ingress="webhook")
        books.check()
        read(books, {"amount": "1160.00", "receipt": "S1"}, account="bank:jenga")
        [line] = books.rows(StatementLine)
        assert (line.rule, books.balances["bank:jenga"]) == ("receipt", 116_000)

    def test_that_was_a_settlement_is_one_once_its_line_names_it(self, books):
        books.pay(amount="1160.00", order_id="o")
        books.until("2026-03-03T06:00:00Z")
        self.told(books)
        days = {"day": "2026-03-03"}
        wish = {"amount": "1160.00", "receipt": "S1", "value_day": "2026-03-03"}
        read(books, {**wish, "text": "INSTANT payout"}, account="bank:jenga", **days)
        [line] = books.rows(StatementLine)
        assert line.rule == "settlement"
        assert "cash:in_transit" not in books.balances
        assert {row.status for row in books.rows(Settlement)} == {"settled"}

    def test_that_names_nothing_can_be_said_to_be_something(self, books):
        self.told(books)
        read(books, {"amount": "1160.00", "receipt": "S1"}, account="bank:jenga")
        [line] = books.rows(StatementLine)
        books.done("line.resolve", line_id=line.line_id, account="revenue:other")
        assert books.balances == {"bank:jenga": 116_000, "revenue:other": -116_000}


class TestOurOwnEntries:
    def journal(self, books: Books, amount: str = "500.00", side: str = "credit") -> BankItem:
        other = "debit" if side == "credit" else "credit"
        legs = [
            {"account": BANK, "side": side, "amount": amount},
            {"account": "expense:rent", "side": other, "amount": amount},
        ]
        books.done("journal.post", legs=legs)
        return books.rows(BankItem)[-1]

    def test_are_open_until_their_line_comes_and_then_nothing_moves(self, books):
        self.journal(books)
        before = books.balances
        line = line_of(books, "-500.00", text="rent")
        assert (line.rule, books.balances) == ("own_entry", before)
        [item] = books.rows(BankItem)
        assert (item.status, item.line_id) == ("matched", line.line_id)

    def test_of_several_alike_the_nearest_learns_its_line(self, books):
        self.journal(books)
        self.journal(books)
        assert line_of(books, "-500.00").rule == "own_entry_nearest"
        assert line_of(books, "-500.00").rule == "own_entry"
        assert line_of(books, "-500.00").exception == "unmatched_debit"

    def test_too_long_ago_are_not_meant(self, books):
        self.journal(books)
        far = "2026-03-09"
        read(books, {"amount": "-500.00", "value_day": far}, day=far)
        [line] = books.rows(StatementLine)
        assert line.exception == "unmatched_debit"
        assert books.balances["suspense:out"] == 50_000

    def test_of_money_that_came_are_said_to_be_its_line(self, books):
        item = self.journal(books, side="debit")
        line = line_of(books, "500.00", text="from Ann")
        assert (line.rule, books.balances[BANK]) == ("unmatched_credit", 100_000)
        books.done("line.resolve", line_id=line.line_id, item_id=item.item_id)
        assert books.balances[BANK] == 50_000
        assert "suspense" not in books.balances

    def test_that_were_undone_are_nobodys_line(self, books):
        self.journal(books)
        [journal] = books.rows(Journal)
        books.done("journal.reverse", journal_id=journal.journal_id)
        assert line_of(books, "-500.00").exception == "unmatched_debit"

    def test_that_came_after_their_line_are_said_to_be_it(self, books):
        line = line_of(books, "-500.00")
        item = self.journal(books)
        assert books.balances[BANK] == -100_000
        books.done("line.resolve", line_id=line.line_id, item_id=item.item_id)
        assert (books.balances[BANK], "suspense:out" in books.balances) == (-50_000, False)
        assert books.row(StatementLine, line.line_id).status == "resolved"
        assert books.row(BankItem, item.item_id).status == "matched"
        wish = {"line_id": line.line_id, "item_id": item.item_id}
        assert books.refused("line.resolve", **wish) == "line_resolved"

    def test_made_by_paying_a_bill_are_such(self, books):
        said = {"supplier_id": "s", "number": "1", "category": "rent", "amount": "100"}
        bill = books.done("bill.create", **said)["bill_id"]
        books.done("bill.pay", bill_id=bill, account=BANK)
        line = line_of(books, "-100.00")
        assert (line.rule, books.balances[BANK]) == ("own_entry", -10_000)


class TestMoneyThatLeft:
    @pytest.fixture
    def line(self, books) -> StatementLine:
        return line_of(books, "-116.00", text="LEDGER FEE")

    def test_and_nobody_knows_of_is_a_question(self, books, line):
        assert (line.status, line.exception) == ("open", "unmatched_debit")
        assert books.balances == {BANK: -11_600, "suspense:out": 11_600}
        [said] = books.emitted("reconciliation.exception")
        assert (said["kind"], said["line_id"], said["amount"]) == (
            "unmatched_debit",
            line.line_id,
            -116.0,
        )

    def test_is_what_people_say(self, books, line):
        books.done("line.resolve", line_id=line.line_id, account="fees:bank")
        assert books.balances == {BANK: -11_600, "fees:bank": 11_600}

    def test_above_the_limit_is_not_said_by_one_person(self):
        books = Books(journal_limit="100")
        line = line_of(books, "-116.00")
        wish = {"line_id": line.line_id, "account": "fees:bank"}
        assert books.refused("line.resolve", **wish) == "line_above_limit"

    def test_may_have_paid_a_bill(self, books, line):
        said = {"supplier_id": "s", "number": "1", "category": "rent", "amount": "116"}
        bill = books.done("bill.create", **said)["bill_id"]
        books.done("line.resolve", line_id=line.line_id, bill_id=bill)
        assert books.balances == {BANK: -11_600, "expense:rent": 11_600}

    @pytest.mark.parametrize(
        ("wish", "code"),
        [
            ({}, "one_resolution"),
            ({"account": "fees:bank", "bill_id": "b"}, "one_resolution"),
            ({"account": "receivable"}, "control_account"),
            ({"account": "bank:other"}, "control_account"),
            ({"item_id": "i"}, "item_unknown"),
            ({"bill_id": "b"}, "bill_unknown"),
            ({"settlement_id": "s"}, "settlement_unknown"),
            ({"account": "cash:drawer:w"}, "control_account"),
            ({"account": "suspense:out"}, "control_account"),
        ],
    )
    def test_is_not_what_cannot_be(self, books, line, wish, code):
        assert books.refused("line.resolve", line_id=line.line_id, **wish) == code


class TestCodesThatPayersWrite:
    """A code of an attempt at one gateway, on money that came by another way."""

    def test_at_a_bank_are_not_the_attempts_money(self, books):
        order = {"order_id": "o", "customer_id": "c", "total_amount": 1160}
        books.applied("cafe.order.created", **order)
        payment_id = books.intent(order_id="o")
        wish = {"payment_id": payment_id, "method": "mpesa", "phone": "+254712345678"}
        books.done("payment.confirm", **wish)
        call = books.row(GatewayCall, books.call_of(payment_id))
        line = line_of(books, "1160.00", text=f"paid {call.code}")
        assert (line.rule, books.balances[BANK]) == ("code", 116_000)
        books.gateway(call.call_id, provider_reference="TCA1", amount="1160.00")
        assert books.balances[MPESA] == 116_000
        assert books.row(Payment, payment_id).provider_reference == "TCA1"
        assert books.balances["customer:credit"] == -116_000

    def test_after_the_attempt_are_more_money(self, books):
        payment_id = books.intent(amount="1160.00")
        wish = {"payment_id": payment_id, "method": "mpesa", "phone": "+254712345678"}
        books.done("payment.confirm", **wish)
        call = books.row(GatewayCall, books.call_of(payment_id))
        books.gateway(call.call_id)
        line_of(books, "1160.00", text=call.code)
        assert (books.balances[MPESA], books.balances[BANK]) == (116_000, 116_000)
        read(books, {"amount": "1160.00", "text": call.code}, account="gateway:stripe:collection")
        assert books.balances["gateway:stripe:collection"] == 116_000


class TestNumbersOfInvoices:
    def test_that_two_bear_are_nobodys(self, books):
        first, second = (invoice(books, reference=name) for name in ("PO-1", "PO 1"))
        assert line_of(books, "1160.00", text="PO-1").rule == "unmatched_credit"
        line_of(books, "1160.00", reference=first)
        assert line_of(books, "1160.00", text="PO-1").rule == "invoice_number"
        assert books.row(Invoice, second).status == "paid"


class TestStatements:
    def test_are_read_once_all_their_lines_are_here(self, books):
        about = {"key": "f", "account": BANK, "currency": "KES", "count": 2}
        days = {"from_day": DAY, "to_day": DAY, "day": DAY}
        for number, status in ((1, "reading"), (2, "read")):
            lines = [{"key": str(number), "amount": "1.00", **LINE}]
            said = books.done("statement.import", **about, **days, lines=lines, opening="10.00")
            assert (said["status"], said["opening"]) == (status, "10.00")
        assert [row.counted for row in books.rows(Statement)] == [2]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"account": "receivable"}, "account_has_no_statements"),
            ({"lines": []}, "too_many_lines"),
            ({"lines": [{"key": "1", "amount": "0.00", **LINE}]}, "amount_not_positive"),
        ],
    )
    def test_are_refused_as_a_whole(self, books, changes, code):
        wish = {"key": "f", "account": BANK, "currency": "KES", "count": 1}
        days = {"from_day": DAY, "to_day": DAY, "day": DAY}
        lines = [{"key": "1", "amount": "1.00", **LINE}]
        assert books.refused("statement.import", **(wish | days | {"lines": lines} | changes)) == (
            code
        )
        assert books.rows(StatementLine) == []

    def test_of_days_that_cannot_be_are_refused(self, books):
        about = {"key": "f", "account": BANK, "currency": "KES", "count": 1}
        days = dict.fromkeys(("from_day", "to_day", "day"), "0001-01-01")
        lines = [{"key": "1", "amount": "-1.00", **LINE}]
        code = books.refused("statement.import", **about, **days, lines=lines)
        assert code == "bad_date"

    def test_that_say_a_line_twice_are_read_all_the_same(self, books):
        wish = {"key": "same", "amount": "1.00", **LINE}
        about = {"key": "f", "account": BANK, "currency": "KES", "count": 2}
        days = dict.fromkeys(("from_day", "to_day", "day"), DAY)
        said = books.done("statement.import", **about, **days, lines=[wish, wish])
        assert (said["status"], said["counted"], said["again"]) == ("read", 1, 1)

    def test_of_closed_books_count_in_the_open_ones(self, books):
        books.until("2026-03-04T06:00:00Z")
        books.done("period.close", through="2026-03-02")
        line_of(books, "-5.00")
        entry = books.core.entries[-1]
        assert (entry.day, entry.booked) == (DAY, "2026-03-03")


class TestCashForATill:
    def test_is_fetched_from_the_bank_and_is_the_tills_float(self, books):
        closed = {"outlet_id": "o", "counted_amount": "1000", "opening_float": "1000"}
        books.applied("pos.cash.drawer.closed", **closed)
        assert books.balances["cash:in_transit"] == -100_000
        line = line_of(books, "-1000.00", text="cash for the till")
        books.done("line.resolve", line_id=line.line_id, account="cash:in_transit")
        assert books.balances == {"cash:drawer:o": 100_000, BANK: -100_000}

    def test_is_not_what_came(self, books):
        line = line_of(books, "1000.00")
        wish = {"line_id": line.line_id, "account": "cash:in_transit"}
        assert books.refused("line.resolve", **wish) == "control_account"


class TestDropsOfATill:
    @pytest.fixture
    def dropped(self, books) -> Books:
        """700 shillings were taken out meanwhile, and 300 at the end."""
        books.applied("pos.order.completed", order_id="o", total_amount=1000)
        books.core.now_ms += 60_000
        closed = {"counted_amount": "300", "deposit": "300", "drops": "700"}
        books.applied("pos.cash.drawer.closed", **closed)
        assert books.balances["cash:in_transit"] == 100_000
        return books

    def say(self, line: StatementLine) -> dict:
        return {"line_id": line.line_id, "account": "cash:in_transit"}

    def test_are_brought_to_the_bank_in_parts(self, dropped):
        for amount in ("400.00", "300.01"):
            line = line_of(dropped, amount, text="drop")
            if amount == "400.00":
                dropped.done("line.resolve", **self.say(line))
        assert dropped.refused("line.resolve", **self.say(line)) == "control_account"
        last = line_of(dropped, "300.00", text="drop")
        assert dropped.done("line.resolve", **self.say(last))["status"] == "resolved"
        assert dropped.balances["cash:in_transit"] == 30_000
        assert line_of(dropped, "300.00", text="CASH deposit").rule == "settlement"
        assert "cash:in_transit" not in dropped.balances

    def test_are_not_what_a_settlement_waits_for(self, dropped):
        line = line_of(dropped, "700.01", text="drop")
        assert dropped.refused("line.resolve", **self.say(line)) == "control_account"


class TestPayoutsByABank:
    BUNI = "bank:buni"

    @pytest.fixture
    def owed(self, books):
        legs = [
            {"account": self.BUNI, "side": "debit", "amount": "1000"},
            {"account": "opening", "side": "credit", "amount": "1000"},
        ]
        books.done("journal.post", legs=legs)
        books.applied("logistics.earnings.calculated", payee_id="p", period="1", gross_amount=500)
        return {"target": "earnings", "subject_id": "p", "provider": "buni"}

    def test_leave_it_at_once_and_its_statement_shows_them(self, books, owed):
        payout = books.done("payout.create", **owed, destination="bank:1234567")
        books.gateway(payout["call_id"], provider_reference="FT99", amount="500.00")
        assert books.balances[self.BUNI] == 50_000
        line = line_of(books, "-500.00", on=self.BUNI, receipt="FT99")
        assert (line.status, line.rule) == ("matched", "own_entry")
        assert books.balances[self.BUNI] == 50_000

    @pytest.mark.parametrize("destination", ["", "+254712345678", "till:70011", "bank:1/1234567"])
    def test_go_to_accounts_only(self, books, owed, destination):
        reason = books.refused("payout.create", **owed, destination=destination)
        assert reason == "destination_unfit"
        assert "payout:pending" not in books.balances

    def test_are_in_shillings(self, books, owed):
        wish = {**owed, "currency": "USD", "amount": "1", "destination": "bank:1234567"}
        assert books.refused("payout.create", **wish)
