"""What of a statement is a gateway's: its days in a bank's, and its own, line by line."""

import pytest

from tables.invoices import Invoice
from tables.payments import Case, Payment, Refund
from tables.settlements import Settlement
from tables.statements import StatementLine
from tests.agents.accounting.books import Books
from tests.agents.accounting.statement_files import BANK, DAY, LINE, MPESA, invoice, line_of, read

LATE = {"cut_off": "02:00"}


class TestSettlements:
    def settled(self, books: Books, *amounts: str) -> list[Settlement]:
        """Payments by the instant gateway, each of a day that is over."""
        for number, amount in enumerate(amounts):
            books.pay(amount=amount, order_id=f"o{number}")
            books.until(f"2026-03-0{3 + number}T06:00:00Z")
        return [row for row in books.rows(Settlement) if row.status == "expected"]

    def line(self, books: Books, amount: str, text: str = "INSTANT payout") -> StatementLine:
        day = "2026-03-05"
        key = f"s{len(books.rows(StatementLine))}"
        read(books, {"amount": amount, "text": text, "value_day": day}, day=day, key=key)
        return books.rows(StatementLine)[-1] if key == "s0" else self.newest(books)

    def newest(self, books: Books) -> StatementLine:
        return max(books.rows(StatementLine), key=lambda row: row.created_ms)

    def test_are_there_when_their_bank_shows_them(self, books):
        [row] = self.settled(books, "1160.00")
        assert books.balances["cash:in_transit"] == 116_000
        line = self.line(books, "1160.00")
        assert line.rule == "settlement"
        row = books.row(Settlement, row.settlement_id)
        assert (row.status, row.settled_day, row.line_id) == (
            "settled",
            "2026-03-05",
            line.line_id,
        )
        assert books.balances[BANK] == 116_000
        assert "cash:in_transit" not in books.balances

    def test_are_not_whatever_has_their_amount(self, books):
        self.settled(books, "1160.00")
        assert self.line(books, "1160.00", "from a friend").rule == "unmatched_credit"

    def test_come_together(self, books):
        self.settled(books, "100.00", "250.00")
        line = self.line(books, "350.00")
        assert (line.rule, len(line.matches)) == ("settlements_combined", 2)
        assert {row.status for row in books.rows(Settlement)} == {"settled"}

    def owing(self, books: Books) -> Settlement:
        """A day on which more went back than came, expected the day after."""
        books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
        payment_id = books.pay(order_id="o")
        books.until("2026-03-03T06:00:00Z")
        refund = books.done("payment.refund", payment_id=payment_id, amount="160")
        books.gateway(refund["call_id"])
        books.until("2026-03-04T06:00:00Z")
        return max(books.rows(Settlement), key=lambda row: row.day)

    def test_of_a_day_on_which_more_went_back_are_taken_from_the_bank(self, books):
        row = self.owing(books)
        assert (row.net, row.status) == (-16_000, "expected")
        line = self.line(books, "-160.00")
        assert (line.status, line.rule) == ("matched", "settlement")
        assert books.row(Settlement, row.settlement_id).status == "settled"
        assert books.balances["cash:in_transit"] == 116_000
        assert books.balances[BANK] == -16_000

    def test_of_such_a_day_are_not_whatever_has_their_amount(self, books):
        self.owing(books)
        assert self.line(books, "-160.00", "cheque 7").status == "open"

    def test_of_good_and_bad_days_come_together(self, books):
        self.owing(books)
        line = self.line(books, "1000.00")
        assert (line.rule, len(line.matches)) == ("settlements_combined", 2)
        assert "cash:in_transit" not in books.balances

    def test_that_came_short_leave_a_fee(self, books):
        [row] = self.settled(books, "1160.00")
        line = self.line(books, "1130.00")
        assert line.rule == "unmatched_credit"
        wish = {"line_id": line.line_id, "settlement_id": row.settlement_id}
        books.done("line.resolve", **wish)
        assert books.balances["fees:instant"] == 3_000
        assert books.balances[BANK] == 113_000
        assert "cash:in_transit" not in books.balances
        assert books.row(Case, line.case_id).resolution == "settlement"
        assert books.row(StatementLine, line.line_id).status == "resolved"
        row = books.row(Settlement, row.settlement_id)
        assert (row.net, row.short) == (113_000, 3_000)
        payment = line.matches[0].subject
        assert books.refused("payment.refund", payment_id=payment) == "refund_not_possible"
        assert books.refused("line.resolve", **wish) == "line_resolved"

    def test_that_came_short_are_explained_by_their_gateways_statement(self, books):
        payment_id = books.pay(amount="100.00", order_id="o")
        receipt = books.row(Payment, payment_id).provider_reference
        books.until("2026-03-03T06:00:00Z")
        [row] = books.rows(Settlement)
        day = "2026-03-03"
        read(books, {"amount": "95.00", "value_day": day}, day=day)
        [line] = books.rows(StatementLine)
        books.done("line.resolve", line_id=line.line_id, settlement_id=row.settlement_id)
        lines = [{"amount": "100.00", "receipt": receipt}, {"amount": "-5.00", "receipt": receipt}]
        lines.append({"amount": "-95.00", "text": "to the bank"})
        dated = [{**each, "value_day": day} for each in lines]
        read(books, *dated, account=row.account, day=day, key="f2")
        found = {row.rule for row in books.rows(StatementLine) if row.account != BANK}
        assert found == {"receipt", "fee_of_settlement", "withdrawal"}
        assert books.balances["fees:instant"] == 500
        assert not {row.account, "cash:in_transit", "suspense:out"} & set(books.balances)
        assert books.row(Settlement, row.settlement_id).short == 0

    def test_that_came_far_too_short_need_two(self):
        books = Books(journal_limit="100")
        [row] = self.settled(books, "1160.00")
        line = self.line(books, "1.00", "gift")
        wish = {"line_id": line.line_id, "settlement_id": row.settlement_id}
        assert books.refused("line.resolve", **wish) == "line_above_limit"

    def test_whose_withdrawal_was_read_too_early_are_what_came(self, books):
        payment_id = books.pay(amount="100.00", order_id="o")
        account = books.row(Payment, payment_id).account
        read(books, {"amount": "-100.00"}, account=account)
        [gone] = books.rows(StatementLine)
        came = line_of(books, "100.00", text="INSTANT")
        assert came.rule == "unmatched_credit"
        wish = {"line_id": came.line_id, "other_line_id": gone.line_id}
        assert books.refused("line.resolve", **{**wish, "line_id": gone.line_id})
        books.done("line.resolve", **wish)
        assert {row.status for row in books.rows(StatementLine)} == {"resolved"}
        assert "suspense:out" not in books.balances
        books.until("2026-03-03T06:00:00Z")
        assert account not in books.balances
        assert books.refused("line.resolve", **wish) == "line_resolved"


class TestADayOfRefunds:
    @pytest.fixture
    def owing(self, books) -> Settlement:
        """A day's 160 shillings that the bank pays the gateway."""
        payment_id = books.pay(amount="1160.00", order_id="o")
        books.until("2026-03-03T06:00:00Z")
        refund = books.done("payment.refund", payment_id=payment_id, amount="160")
        books.gateway(refund["call_id"])
        books.until("2026-03-04T06:00:00Z")
        row = max(books.rows(Settlement), key=lambda row: row.day)
        assert row.net == -16_000
        return row

    def line(self, books: Books, row: Settlement, **more) -> StatementLine:
        """The gateway's own line of the money that came from the bank."""
        day = "2026-03-04"
        wish = {"amount": "160.00", "value_day": day, **more}
        read(books, wish, account=row.account, day=day)
        [line] = [each for each in books.rows(StatementLine) if each.account == row.account]
        return line

    @pytest.mark.parametrize("receipt", ["", "TOPUP"])
    def test_is_shown_by_its_gateway_as_money_that_came(self, books, owing, receipt):
        before = books.balances
        line = self.line(books, owing, receipt=receipt, text="from your bank")
        assert (line.status, line.rule, books.balances) == ("matched", "withdrawal", before)
        assert books.row(Settlement, owing.settlement_id).line_out == "shown"
        assert len(books.rows(Payment)) == 1

    def test_is_not_what_a_payer_sent(self, books, owing):
        line = self.line(books, owing, receipt="TCA2", party="+254712345678")
        assert line.rule == "never_told"

    @pytest.mark.parametrize("receipt", ["", "TOPUP"])
    def test_is_what_a_person_says_it_was(self, books, owing, receipt):
        before = books.balances
        named = {"reference": "NOBODYS", "party": "KCB"} if receipt else {"party": "KCB"}
        line = self.line(books, owing, receipt=receipt, **named)
        if not receipt:
            assert line.exception == "unmatched_credit"
        books.done("line.resolve", line_id=line.line_id, settlement_id=owing.settlement_id)
        assert books.balances == before
        books.until("2026-03-06T06:00:00Z")
        assert books.balances == before


class TestWhatIsPaidFromAGateway:
    @pytest.mark.parametrize("kind", ["bill", "expense"])
    def test_is_in_its_day(self, books, kind):
        account = books.row(Payment, books.pay(amount="1160.00", order_id="o")).account
        if kind == "bill":
            said = {"supplier_id": "s", "number": "1", "category": "fuel", "amount": "1000"}
        else:
            said = {"category": "fuel", "amount": "1000"}
        item = books.done(f"{kind}.create", **said)[f"{kind}_id"]
        books.done(f"{kind}.pay", **{f"{kind}_id": item}, account=account)
        books.until("2026-03-03T06:00:00Z")
        [day] = books.rows(Settlement)
        assert (day.payouts, day.net) == (100_000, 16_000)
        assert account not in books.balances
        assert books.balances["cash:in_transit"] == 16_000


class TestDaysThatAreOver:
    def both(self, books: Books, change) -> list[tuple[str, str, int]]:
        """Money of a day that is over, then a change of the clock, then money just after."""
        books.until("2026-03-02T20:00:00Z")
        books.pay(amount="1160.00", order_id="o")
        books.until("2026-03-02T21:30:00Z")
        change()
        books.pay(amount="580.00", order_id="o2")
        rows = sorted(books.rows(Settlement), key=lambda row: row.day)
        assert [(row.status, row.net) for row in rows] == [
            ("expected", 116_000),
            ("collecting", 58_000),
        ]
        books.until("2026-03-05T12:00:00Z")
        assert books.balances["cash:in_transit"] == 174_000
        return [(row.day, row.status, row.net) for row in books.rows(Settlement)]

    def test_take_nothing_more_when_the_cut_off_moves(self, books):
        days = self.both(books, lambda: books.done("settings.change", settings=LATE))
        assert sorted(days) == [
            ("2026-03-02", "expected", 116_000),
            ("2026-03-03", "expected", 58_000),
        ]

    def test_take_nothing_more_when_the_zone_moves_west(self, books):
        moved = {"time_zone": "Europe/London"}
        self.both(books, lambda: books.applied("auth.tenant.updated", **moved))


class TestAGatewaysOwnStatement:
    def paid(self, books: Books) -> Payment:
        payment_id = books.pay(amount="1160.00", order_id="o")
        return books.row(Payment, payment_id)

    def test_shows_what_was_counted_and_nothing_moves(self, books):
        payment = self.paid(books)
        account, before = payment.account, books.balances
        reference = payment.provider_reference
        read(books, {"amount": "1160.00", "receipt": reference}, account=account)
        [line] = books.rows(StatementLine)
        assert (line.rule, line.matches[0].subject) == ("receipt", payment.payment_id)
        assert books.balances == before

    def test_shows_money_that_nobody_told_us_of(self, books):
        invoice_id = invoice(books)
        wish = {"amount": "1160.00", "receipt": "TCA1", "reference": invoice_id}
        read(books, wish, account=MPESA)
        [line] = books.rows(StatementLine)
        assert line.rule == "never_told"
        assert books.row(Invoice, invoice_id).status == "paid"
        assert books.balances[MPESA] == 116_000

    def test_shows_fees_beside_their_receipts(self, books):
        payment = self.paid(books)
        reference, account = payment.provider_reference, payment.account
        both = [{"amount": "1160.00", "receipt": reference}]
        both.append({"amount": "-5.80", "receipt": reference})
        read(books, *both, account=account)
        assert books.balances["fees:instant"] == 580
        assert books.balances[account] == 115_420
        [day] = books.rows(Settlement)
        assert (day.gross, day.fees) == (116_000, 580)

    def test_of_another_amount_or_twice_is_for_people(self, books):
        payment = self.paid(books)
        reference, account = payment.provider_reference, payment.account
        both = [{"amount": "1160.50", "receipt": reference}]
        both.append({"amount": "1160.00", "receipt": reference})
        read(books, *both, account=account)
        found = {row.exception: row.unexplained for row in books.rows(StatementLine)}
        assert found == {"amount_differs": 50, "shown_twice": 116_000}
        assert books.balances["suspense:out"] == -116_050
        [day] = books.rows(Settlement)
        assert day.net == books.balances[account]

    def test_shows_what_left_for_the_bank(self, books):
        payment = self.paid(books)
        books.until("2026-03-03T06:00:00Z")
        before = books.balances
        day = "2026-03-03"
        wish = {"amount": "-1160.00", "text": "Withdrawal", "value_day": day}
        read(books, wish, account=payment.account, day=day)
        [line] = books.rows(StatementLine)
        assert (line.rule, books.balances) == ("withdrawal", before)
        read(books, wish, account=payment.account, day=day, key="f2")
        assert {row.exception for row in books.rows(StatementLine)} == {"", "unmatched_debit"}

    def test_shows_a_fee_after_what_left_for_the_bank(self, books):
        payment = self.paid(books)
        books.until("2026-03-03T06:00:00Z")
        day = "2026-03-03"
        wish = {"amount": "-1160.00", "value_day": day}
        read(books, wish, account=payment.account, day=day)
        fee = {"amount": "-5.00", "receipt": payment.provider_reference, "value_day": day}
        read(books, fee, account=payment.account, day=day, key="f2")
        assert books.balances["cash:in_transit"] == 116_000
        assert books.balances[payment.account] == -500
        read(books, {"amount": "1160.00", "text": "INSTANT", "value_day": day}, day=day, key="b")
        assert "cash:in_transit" not in books.balances

    def test_without_a_receipt_is_for_people(self, books):
        payment = self.paid(books)
        read(books, {"amount": "1160.00"}, account=payment.account)
        [line] = books.rows(StatementLine)
        assert (line.status, line.exception) == ("open", "unmatched_credit")
        assert len(books.rows(Payment)) == 1

    def test_of_another_currency_under_a_known_receipt_is_for_people(self, books):
        payment = self.paid(books)
        given = [{"key": "1", **LINE, "amount": "-5.00", "receipt": payment.provider_reference}]
        about = {"key": "f", "account": payment.account, "currency": "USD", "count": 1}
        days = {"from_day": DAY, "to_day": DAY, "day": DAY}
        books.done("statement.import", **about, **days, lines=given)
        assert books.rows(StatementLine)[0].exception == "currency_differs"

    def test_shows_what_left_for_the_bank_before_its_day_was_over(self, books):
        payment = self.paid(books)
        wish = {"amount": "-1160.00", "text": "Withdrawal"}
        read(books, wish, account=payment.account)
        [line] = books.rows(StatementLine)
        assert line.exception == "unmatched_debit"
        books.until("2026-03-03T06:00:00Z")
        assert payment.account not in books.balances

    def test_shows_fees_of_days_that_are_on_their_way(self, books):
        payment = self.paid(books)
        books.until("2026-03-03T06:00:00Z")
        day = "2026-03-03"
        wish = {"amount": "-5.80", "receipt": payment.provider_reference, "value_day": day}
        read(books, wish, account=payment.account, day=day)
        assert payment.account not in books.balances
        assert books.balances["cash:in_transit"] == 115_420
        wish = {"amount": "1154.20", "text": "INSTANT", "value_day": day}
        read(books, wish, day=day, key="b1")
        assert "cash:in_transit" not in books.balances
        assert books.balances["fees:instant"] == 580

    def test_what_left_beside_a_receipt_is_no_fee_if_it_is_all_of_it(self, books):
        payment = self.paid(books)
        wish = {"amount": "-1160.00", "receipt": payment.provider_reference}
        read(books, wish, account=payment.account)
        [line] = books.rows(StatementLine)
        assert line.exception == "unmatched_debit"
        assert "fees:instant" not in books.balances

    def test_reads_payments_before_the_costs_that_stand_above_them(self, books):
        lines = [{"amount": "-5.80", "receipt": "TCA1"}, {"amount": "1160.00", "receipt": "TCA1"}]
        read(books, *lines, account=MPESA)
        assert {row.rule for row in books.rows(StatementLine)} == {"never_told", "fee_of_receipt"}

    def test_shows_what_went_back(self, books):
        payment = self.paid(books)
        books.done("payment.refund", payment_id=payment.payment_id)
        [refund] = books.rows(Refund)
        books.gateway(refund.call_id, provider_reference="RF1")
        before = books.balances
        read(books, {"amount": "-1160.00", "receipt": "RF1"}, account=payment.account)
        [line] = books.rows(StatementLine)
        assert (line.rule, books.balances) == ("receipt", before)
