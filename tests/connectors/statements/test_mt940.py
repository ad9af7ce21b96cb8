"""MT940 as SWIFT's Category 9 has it, and as banks send it."""

import pytest

from connectors.statements.base import BadStatement
from connectors.statements.mt940 import read

HEAD = ":20:STMT\r\n:25:01/0012345678\r\n:28C:00061/001\r\n"


def message(*fields, opening="C260301KES10,00", closing="C260331KES10,00", head=HEAD):
    body = "".join(f"{each}\r\n" for each in fields)
    return f"{head}:60F:{opening}\r\n{body}:62F:{closing}\r\n".encode()


def only(body):
    [statement] = read(body)
    return statement


def line_of(*fields, closing="C260331KES15,00"):
    [line] = only(message(*fields, closing=closing)).lines
    return line


def refusal(body, **limits):
    with pytest.raises(BadStatement) as refused:
        read(body, **limits)
    return refused.value.reason, refused.value.number


class TestAStatement:
    def test_has_all_that_a_message_says(self):
        statement = only(
            message(
                ":61:2603020303C5,00NTRFINV-7//FT26061ABC",
                ":86:PESALINK Wanjiku Kamau",
                closing="C260331KES15,00",
            )
            + b":64:C260331KES14,00\r\n-\r\n"
        )
        assert (statement.account, statement.asset) == ("01/0012345678", "KES")
        assert (statement.number, statement.opening, statement.closing) == ("00061", 1_000, 1_500)
        assert (statement.from_day, statement.to_day) == ("2026-03-03", "2026-03-31")
        [line] = statement.lines
        assert (line.day, line.value_day, line.minor) == ("2026-03-03", "2026-03-02", 500)
        assert (line.reference, line.bank_reference) == ("INV-7", "FT26061ABC")
        assert (line.text, line.number) == ("PESALINK Wanjiku Kamau", 5)

    def test_of_no_lines_is_one(self):
        assert only(message()).lines == ()

    @pytest.mark.parametrize(
        ("mark", "closing"),
        [("C", "15,00"), ("D", "5,00"), ("RC", "5,00"), ("RD", "15,00")],
    )
    def test_counts_a_reversal_against_what_it_reverses(self, mark, closing):
        """RC takes a credit back, RD a debit."""
        line = line_of(f":61:260302{mark}5,00NMSCNONREF", closing=f"C260331KES{closing}")
        assert line.minor == (500 if closing == "15,00" else -500)

    def test_that_does_not_add_up_is_refused_at_its_last_line(self):
        body = message(":61:260302C5,00NTRFA", ":61:260302C1,00NTRFB", closing="C260331KES15,99")
        assert refusal(body) == ("does_not_add_up", 6)

    def test_may_be_below_zero(self):
        body = message(":61:260302C3,00NTRFA", opening="D260301KES5,", closing="D260331KES2,")
        assert (only(body).opening, only(body).closing) == (-500, -200)

    @pytest.mark.parametrize(
        ("body", "reason", "number"),
        [
            (HEAD.encode() + b":60F:C260301KES10,00\r\n:61:260302C5,00NTRFA\r\n", "no_balance", 1),
            (HEAD.encode() + b":62F:C260301KES10,00\r\n", "no_balance", 1),
            (message(head=":20:STMT\r\n:28C:1\r\n"), "no_account", 1),
            (message(closing="C260331USD10,00"), "asset_differs", 5),
            (message(closing="C260331KES10"), "", 0),
            (message(closing="260331KES10,00"), "bad_balance", 5),
            (message(closing="C260231KES10,00"), "bad_day", 5),
            (message(":60F:C260301KES10,00"), "not_once", 5),
            (message(":61:260302X5,00NTRFA"), "bad_line", 5),
            (message(":61:260302C5.00NTRFA"), "bad_line", 5),
            (message(":61:260302C5,00"), "bad_line", 5),
            (message(":61:260230C5,00NTRFA"), "bad_day", 5),
            (message(":61:2603020230C5,00NTRFA"), "bad_day", 5),
            (message(":61:2603021301C5,00NTRFA"), "bad_day", 5),
            (message(":61:260302C5,001NTRFA"), "too_many_decimals", 5),
            (message(f":61:260302C{'9' * 400},00NTRFA"), "out_of_bounds", 5),
            (message(":61:260302CD5,00NTRFA"), "asset_differs", 5),
            (message(opening="C260301ZZZ1,", closing="C260301ZZZ1,"), "unknown_asset", 4),
            (b"Dear customer,\r\n", "no_statement", 0),
        ],
    )
    def test_that_cannot_be_read_is_refused_with_its_line(self, body, reason, number):
        if not reason:
            assert only(body).closing == 1_000
            return
        assert refusal(body) == (reason, number)

    def test_is_refused_beyond_the_limit_of_lines(self):
        body = message(":61:260302C1,NTRFA", ":61:260302D1,NTRFB")
        assert len(only(body).lines) == 2
        assert refusal(body, limit_lines=1) == ("too_many_lines", 6)


class TestDays:
    @pytest.mark.parametrize(
        ("written", "value_day", "day"),
        [
            ("2512310101", "2025-12-31", "2026-01-01"),
            ("2601021231", "2026-01-02", "2025-12-31"),
            ("2603020302", "2026-03-02", "2026-03-02"),
            ("260302", "2026-03-02", "2026-03-02"),
            ("2802280229", "2028-02-28", "2028-02-29"),
            ("2803010229", "2028-03-01", "2028-02-29"),
        ],
    )
    def test_of_entry_are_nearest_to_the_value_day(self, written, value_day, day):
        """A27: an entry day has no year, and may lie across the end of one."""
        line = line_of(f":61:{written}C5,00NTRFA")
        assert (line.value_day, line.day) == (value_day, day)

    @pytest.mark.parametrize("written", ["2603010229", "2706010229"])
    def test_of_entry_that_no_year_around_has_are_refused(self, written):
        body = message(f":61:{written}C5,00NTRFA", closing="C260331KES15,00")
        assert refusal(body) == ("bad_day", 5)


class TestReferences:
    @pytest.mark.parametrize(
        ("written", "reference", "bank_reference"),
        [
            ("NTRFNONREF", "", ""),
            ("NTRFNONREF//FT1", "", "FT1"),
            ("NTRFINV-1", "INV-1", ""),
            ("NTRFINV-1//", "INV-1", ""),
            ("FCHK000123//NONREF", "000123", ""),
            ("S103A/B//C/D", "A/B", "C/D"),
        ],
    )
    def test_are_the_customers_and_the_banks(self, written, reference, bank_reference):
        line = line_of(f":61:260302C5,00{written}")
        assert (line.reference, line.bank_reference) == (reference, bank_reference)

    def test_may_come_after_the_third_letter_of_the_currency(self):
        assert line_of(":61:2603020302CS5,00NTRFA").minor == 500


class TestDetails:
    def test_go_on_in_the_next_lines(self):
        line = line_of(":61:260302C5,00NTRFA", ":86:PAYMENT FOR", "INVOICE 17", "THANKS")
        assert line.text == "PAYMENT FOR INVOICE 17 THANKS"

    def test_that_fill_a_line_go_on_without_a_space(self):
        line = line_of(":61:260302C5,00NTRFA", f":86:{'x' * 60} INV-", "0017")
        assert line.text == f"{'x' * 60} INV-0017"

    def test_beside_them_lie_in_the_lines_below_the_entry(self):
        line = line_of(":61:260302C5,00NTRFA//FT1", "CASH BRANCH 12", ":86:DEPOSIT")
        assert (line.text, line.bank_reference) == ("DEPOSIT CASH BRANCH 12", "FT1")

    def test_in_subfields_are_told_apart(self):
        """The German banks' form of :86:, with SEPA's labels in ?20 and on."""
        line = line_of(
            ":61:260302C5,00NTRFNONREF",
            ":86:166?00GUTSCHRIFT?109310?20EREF+order-17?21KREF+K1?22SVWZ+Rech",
            "nung 2026/17, mit Dan?23k im Voraus?30BANKKENA?31KE59000100000000012345",
            "?32Wanjiku Kamau und Soehne Li?33mited?34997",
        )
        assert line.receipt == "order-17"
        assert line.party == "Wanjiku Kamau und Soehne Limited"
        assert line.text == "Rechnung 2026/17, mit Dank im Voraus"

    def test_in_subfields_without_labels_are_all_text(self):
        line = line_of(":61:260302C5,00NTRFA", ":86:?20Invoice?21INV-17?32Otieno")
        assert (line.text, line.party, line.receipt) == ("Invoice INV-17", "Otieno", "")

    def test_in_subfields_may_say_only_what_was_booked(self):
        assert line_of(":61:260302C5,00NTRFA", ":86:808?00FEES?10931").text == "FEES"

    @pytest.mark.parametrize("receipt", ["NOTPROVIDED", "NOT PROVIDED"])
    def test_name_no_receipt_that_is_not_provided(self, receipt):
        line = line_of(":61:260302C5,00NTRFA", f":86:166?20EREF+{receipt}?21SVWZ+x")
        assert line.receipt == ""

    def test_between_slashes_name_a_receipt(self):
        line = line_of(":61:260302C5,00NTRFA", ":86:/EREF/order-17/ORDP//NAME/Otieno/REMI/x/")
        assert line.receipt == "order-17"

    def test_behind_the_closing_balance_are_no_lines(self):
        body = message(":61:260302C5,00NTRFA", ":86:x", closing="C260331KES15,00")
        [line] = only(body + b":86:a word of the bank\r\n").lines
        assert line.text == "x"

    def test_of_a_message_that_has_ended_belong_to_no_line(self):
        body = message(":61:260302C5,00NTRFA", closing="C260331KES15,00")
        assert refusal(body + b"-\r\n:86:x\r\n") == ("no_account", 8)

    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
    def test_are_in_whatever_encoding(self, encoding):
        body = message(":61:260302C5,00NTRFA", ":86:Café Müller", closing="C260331KES15,00")
        [line] = only(body.decode().encode(encoding)).lines
        assert line.text == "Café Müller"


class TestAFile:
    def test_may_have_swifts_blocks_around_its_messages(self):
        inner = message(":61:260302C5,00NTRFA", ":86:x", closing="C260331KES15,00").decode()
        whole = f"{{1:F01BANKKENAAAAA0000000000}}{{2:O9401200260331}}{{4:\r\n{inner}-}}"
        statements = read(f"{whole}{{5:{{CHK:123456789ABC}}}}\r\n{whole}".encode())
        assert [len(each.lines) for each in statements] == [1, 1]

    def test_may_have_the_block_on_the_line_of_the_first_field(self):
        assert only(b"{1:F01BANK}{4:" + message())

    def test_may_have_a_banks_own_lines_around_its_messages(self):
        body = b"BANKKENA\r\n940\r\nBANKKENA\r\n" + message() + b"-\r\n\r\nBANKKENA\r\n"
        assert only(body).account == "01/0012345678"

    def test_may_have_lines_that_end_in_any_way(self):
        body = message(":61:260302C5,00NTRFA", closing="C260331KES15,00")
        assert read(body) == read(body.replace(b"\r\n", b"\n")) == read(body.replace(b"\n", b""))

    def test_has_several_messages_of_several_accounts(self):
        first = message(":61:260302C5,00NTRFA", closing="C260331KES15,00")
        second = message(head=":20:X\r\n:25:99\r\n:28C:1\r\n")
        statements = read(first + second + first)
        assert [each.account for each in statements] == ["01/0012345678", "99", "01/0012345678"]

    def test_without_a_20_before_its_account_is_read_as_well(self):
        assert only(message(head=":25:99\r\n:28C:1\r\n")).account == "99"


class TestPages:
    FIRST = (
        b":20:A\r\n:25:1\r\n:28C:7/1\r\n:60F:C260301KES10,00\r\n:61:260302C5,00NTRFA\r\n"
        b":62M:C260302KES15,00\r\n"
    )
    SECOND = (
        b":20:A\r\n:25:1\r\n:28C:7/2\r\n:60M:C260302KES15,00\r\n:61:260303D1,00NTRFB\r\n"
        b":62F:C260303KES14,00\r\n"
    )

    def test_of_one_statement_are_one(self):
        statement = only(self.FIRST + b"-\r\n" + self.SECOND + b"-\r\n")
        assert (statement.number, statement.opening, statement.closing) == ("7", 1_000, 1_400)
        assert [(line.minor, line.number) for line in statement.lines] == [(500, 5), (-100, 12)]

    def test_that_do_not_go_on_where_the_last_one_ended_are_refused(self):
        second = self.SECOND.replace(b"60M:C260302KES15,00", b"60M:C260302KES16,00")
        second = second.replace(b"KES14,00", b"KES15,00")
        assert refusal(self.FIRST + second) == ("does_not_add_up", 10)

    def test_are_each_proved_by_itself(self):
        first = self.FIRST.replace(b"62M:C260302KES15,00", b"62M:C260302KES15,01")
        second = self.SECOND.replace(b"60M:C260302KES15,00", b"60M:C260302KES15,01")
        assert refusal(first + second) == ("does_not_add_up", 5)

    def test_of_another_account_are_another_statement(self):
        assert len(read(self.FIRST + self.SECOND.replace(b":25:1", b":25:2"))) == 2

    def test_that_are_alone_stand_for_what_they_say(self):
        [statement] = read(self.SECOND)
        assert (statement.opening, statement.closing) == (1_500, 1_400)
