"""CSV by a mapping, as spreadsheets and banks' portals write it."""

import msgspec
import pytest

from connectors.statements.base import BadStatement
from connectors.statements.rows import Columns, read

COLUMNS = Columns(account="0012345678", asset="KES", day="Date", amount="Amount")
BY_INDEX = Columns(account="1", asset="KES", day=0, amount=1, header=False)
BALANCED = msgspec.structs.replace(COLUMNS, balance="Balance")
TWO = msgspec.structs.replace(COLUMNS, amount="", debit="Paid out", credit="Paid in")


def mapped(columns=COLUMNS, **values):
    return msgspec.structs.replace(columns, **values)


def only(text, columns=COLUMNS):
    [statement] = read(text if isinstance(text, bytes) else text.encode(), columns)
    return statement


def minors(text, columns=COLUMNS):
    return [line.minor for line in only(text, columns).lines]


def refusal(text, columns=COLUMNS, **limits):
    with pytest.raises(BadStatement) as refused:
        read(text if isinstance(text, bytes) else text.encode(), columns, **limits)
    return refused.value.reason, refused.value.number


class TestARow:
    def test_has_what_the_mapping_says(self):
        columns = mapped(
            value_day="Value",
            reference="Ref",
            receipt="Receipt",
            text="Narration",
            party="Who",
            bank_reference="Txn",
        )
        statement = only(
            "Date,Value,Amount,Txn,Ref,Receipt,Who,Narration,Branch\r\n"
            '2026-03-02,2026-03-03,"1,500.50",FT1,INV-7,QKA1,"Kamau, W.","for\r\nrice",Town\r\n',
            columns,
        )
        assert (statement.account, statement.asset) == ("0012345678", "KES")
        assert (statement.opening, statement.closing) == (None, None)
        assert (statement.from_day, statement.to_day) == ("2026-03-02", "2026-03-02")
        [line] = statement.lines
        assert (line.day, line.value_day, line.minor) == ("2026-03-02", "2026-03-03", 150_050)
        assert (line.bank_reference, line.reference, line.receipt) == ("FT1", "INV-7", "QKA1")
        assert (line.party, line.text, line.number) == ("Kamau, W.", "for rice", 2)

    def test_is_known_by_the_line_where_it_begins(self):
        text = 'Date,Amount,Text\n2026-03-02,5,"a\nb\nc"\n\n2026-03-02,6,x\n'
        assert [line.number for line in only(text).lines] == [2, 6]

    def test_without_a_header_is_known_by_its_indexes(self):
        assert minors("2026-03-02,5\n2026-03-03,-6\n", BY_INDEX) == [500, -600]

    def test_may_have_names_above_it_in_any_case_and_space(self):
        assert minors(" DATE ,  amount\n2026-03-02,5\n") == [500]

    def test_may_have_an_index_though_there_are_names(self):
        assert minors("Date,x\n2026-03-02,5\n", mapped(amount=1)) == [500]

    def test_may_come_below_lines_of_the_banks_own(self):
        text = "Statement of,0012345678\n\nPrinted,today\nDate,Amount\n2026-03-02,5\n"
        assert minors(text, mapped(preamble=2)) == [500]

    def test_may_be_empty(self):
        assert minors("Date,Amount\n\n , \n2026-03-02,5\n,\n") == [500]

    def test_may_be_of_fields_that_a_semicolon_or_a_tab_parts(self):
        assert minors("Date;Amount\n2026-03-02;5\n", mapped(delimiter=";")) == [500]
        assert minors("Date\tAmount\n2026-03-02\t5\n", mapped(delimiter="\t")) == [500]

    def test_without_any_below_the_names_is_no_line(self):
        statement = only("Date,Amount\n")
        assert (statement.lines, statement.from_day, statement.to_day) == ((), "", "")

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("TOTAL,1500.00", "bad_day"),
            (",1500.00", "bad_day"),
            ("Opening balance,", "bad_day"),
            ("2026-03-02,", "bad_amount"),
            ("2026-03-02", "bad_row"),
            ("2026-03-02,1,500", "bad_row"),
            ('2026-03-02,"5', "bad_row"),
            ('2026-03-02,"5"6', "bad_row"),
            ("2026-03-02," + "x" * 140_000, "bad_row"),
            ("02/03/2026,5", "bad_day"),
            ("2026-02-30,5", "bad_day"),
        ],
    )
    def test_that_is_none_is_refused_with_its_line(self, row, reason):
        assert refusal(f"Date,Amount\n2026-03-02,5\n{row}\n") == (reason, 3)

    def test_may_have_more_delimiters_than_the_others_if_nothing_is_behind_them(self):
        assert minors("Date,Amount\n2026-03-02,5,,\n") == [500]

    def test_without_a_header_is_as_wide_as_the_first(self):
        assert refusal("2026-03-02,5\n2026-03-02,1,500\n", BY_INDEX) == ("bad_row", 2)

    def test_is_refused_beyond_the_limit_of_lines(self):
        text = "Date,Amount\n2026-03-02,5\n2026-03-02,6\n"
        assert len(only(text).lines) == 2
        assert refusal(text, limit_lines=1) == ("too_many_lines", 3)


class TestDays:
    @pytest.mark.parametrize(
        ("day_format", "written"),
        [
            ("%d/%m/%Y", "02/03/2026"),
            ("%d-%b-%y", "02-Mar-26"),
            ("%Y%m%d", "20260302"),
            ("%d/%m/%Y %H:%M:%S", "02/03/2026 23:59:59"),
            ("%Y-%m-%dT%H:%M:%S%z", "2026-03-02T23:30:00-0500"),
        ],
    )
    def test_are_written_as_the_mapping_says(self, day_format, written):
        columns = mapped(day_format=day_format)
        [line] = only(f"Date,Amount\n{written},5\n", columns).lines
        assert line.day == "2026-03-02"


class TestAmounts:
    @pytest.mark.parametrize(
        ("written", "minor"),
        [
            ("5", 500),
            ("+5.5", 550),
            ("-5.50", -550),
            ("\u22125.50", -550),
            ("5.50-", -550),
            ("(5.50)", -550),
            ("1,500.00", 150_000),
            ("-12,001,500.00", -1_200_150_000),
            ("1 500.00", 150_000),
            ("1\u00a0500.00", 150_000),
            ("1'500.00", 150_000),
            ("001500.00", 150_000),
            (".5", 50),
            ("1,500", 150_000),
            ("0.00", 0),
        ],
    )
    def test_with_a_point_are_read(self, written, minor):
        assert minors(f'Date,Amount\n2026-03-02,"{written}"\n') == [minor]

    @pytest.mark.parametrize(
        ("written", "minor"),
        [("1.500,00", 150_000), ("-5,5", -550), ("1 500,00", 150_000), ("1.500", 150_000)],
    )
    def test_with_a_comma_are_read(self, written, minor):
        columns = mapped(decimal_mark=",")
        assert minors(f'Date,Amount\n2026-03-02,"{written}"\n', columns) == [minor]

    @pytest.mark.parametrize(
        "written",
        [
            *("1,50", "1,5000", "15,00.00", "1,234 567.00", "1.500,00", "--5", "-5-", "(-5)"),
            *("(5", "5)", "5 KES", "KES 5", "1e3", "NaN", "inf", "0x10", "٥", ".", "-", "()", "1,"),
        ],
    )
    def test_that_are_none_are_refused(self, written):
        assert refusal(f'Date,Amount\n2026-03-02,"{written}"\n') == ("bad_amount", 2)

    @pytest.mark.parametrize(
        ("written", "mark", "reason"),
        [
            ("5.001", ".", "too_many_decimals"),
            ("1.500", ".", "too_many_decimals"),
            ("1,500", ",", "too_many_decimals"),
            ("5.0001", ".", "too_many_decimals"),
            ("9" * 40, ".", "out_of_bounds"),
            ("9" * 100_000, ".", "out_of_bounds"),
        ],
    )
    def test_are_exact_or_refused(self, written, mark, reason):
        text = f'Date,Amount\n2026-03-02,5\n2026-03-02,"{written}"\n'
        assert refusal(text, mapped(decimal_mark=mark)) == (reason, 3)


class TestDebitsAndCredits:
    def test_are_two_columns(self):
        text = "Date,Paid out,Paid in\n2026-03-02,5.00,\n2026-03-03,,6.00\n2026-03-04,0.00,7\n"
        assert minors(text, TWO) == [-500, 600, 700]

    def test_may_be_one_of_them_alone(self):
        columns = mapped(amount="", credit="Paid in")
        assert minors("Date,Paid in\n2026-03-03,6.00\n", columns) == [600]

    @pytest.mark.parametrize("cells", [",", "5,6", "-5,", ",-6", "x,", "5,x"])
    def test_have_one_amount_in_a_row_and_no_sign(self, cells):
        text = f"Date,Paid out,Paid in\n2026-03-02,1,\n2026-03-02,{cells}\n"
        assert refusal(text, TWO) == ("bad_amount", 3)


class TestRunningBalances:
    OLDEST = ("2026-03-01,5.00,15.00", "2026-03-02,-3.00,12.00", "2026-03-02,1.00,13.00")

    def text(self, rows):
        return "\n".join(["Date,Amount,Balance", *rows])

    @pytest.mark.parametrize("step", [1, -1])
    def test_prove_every_row_in_either_order(self, step):
        statement = only(self.text(self.OLDEST[::step]), BALANCED)
        assert (statement.opening, statement.closing) == (1_000, 1_300)
        assert [line.minor for line in statement.lines][::step] == [500, -300, 100]

    @pytest.mark.parametrize(
        ("at", "row", "number"),
        [
            (0, "2026-03-01,5.00,15.01", 3),
            (1, "2026-03-02,-3.01,12.00", 3),
            (2, "2026-03-02,1.00,13.01", 4),
            (2, "2026-03-02,1.01,13.00", 4),
        ],
    )
    def test_that_do_not_hold_are_refused_at_the_first_line_that_shows_it(self, at, row, number):
        rows = [*self.OLDEST]
        rows[at] = row
        assert refusal(self.text(rows), BALANCED) == ("does_not_add_up", number)

    def test_that_do_not_hold_backwards_are_refused_at_the_first_from_below(self):
        rows = ["2026-03-02,1.01,13.00", *self.OLDEST[1::-1]]
        assert refusal(self.text(rows), BALANCED) == ("does_not_add_up", 2)

    def test_find_a_row_that_is_missing(self):
        assert refusal(self.text([self.OLDEST[0], self.OLDEST[2]]), BALANCED)[0] == (
            "does_not_add_up"
        )

    @pytest.mark.parametrize("days", [("2026-03-01", "2026-03-02"), ("2026-03-02", "2026-03-01")])
    def test_that_hold_in_both_orders_are_told_apart_by_their_days(self, days):
        statement = only(self.text([f"{days[0]},5.00,15.00", f"{days[1]},-5.00,10.00"]), BALANCED)
        ends = (1_000, 1_000) if days[0] < days[1] else (1_500, 1_500)
        assert (statement.opening, statement.closing) == ends

    @pytest.mark.parametrize("cell", ["", "x"])
    def test_are_in_every_row(self, cell):
        rows = [self.OLDEST[0], f"2026-03-02,1.00,{cell}"]
        assert refusal(self.text(rows), BALANCED) == ("bad_amount", 3)


class TestEncodings:
    TEXT = "Date,Amount,Who\n2026-03-02,5,Café\n"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "iso-8859-1"])
    def test_are_found_out(self, encoding):
        [line] = only(self.TEXT.encode(encoding), mapped(party="Who")).lines
        assert line.party == "Café"

    @pytest.mark.parametrize(
        ("encoding", "written"),
        [("utf-8", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
    )
    def test_are_what_the_mapping_says(self, encoding, written):
        columns = mapped(party="Who", encoding=encoding)
        [line] = only(self.TEXT.encode(written), columns).lines
        assert line.party == "Café"

    def test_that_do_not_fit_are_refused(self):
        body = self.TEXT.encode("cp1252")
        assert refusal(body, mapped(encoding="utf-8")) == ("bad_encoding", 0)
        assert refusal(body + b"\0", mapped()) == ("not_text", 3)


class TestAMapping:
    @pytest.mark.parametrize(
        "values",
        [
            {"amount": ""},
            {"debit": "x"},
            {"day": ""},
            {"account": " "},
            {"delimiter": ""},
            {"delimiter": ";;"},
            {"delimiter": "\n"},
            {"delimiter": '"'},
            {"decimal_mark": "x"},
            {"preamble": -1},
            {"preamble": 10**9},
            {"encoding": "unicode_escape"},
            {"encoding": "zlib"},
            {"day_format": "%d/%m"},
            {"day_format": "%d%d/%m/%Y"},
            {"day_format": "%"},
            {"day_format": ""},
            {"amount": -2},
        ],
    )
    def test_that_cannot_be_read_by_is_refused(self, values):
        assert refusal("Date,Amount\n2026-03-02,5\n", mapped(**values))[0] == "bad_columns"

    def test_of_no_known_currency_is_refused(self):
        assert refusal("Date,Amount\n", mapped(asset="ZZZ")) == ("unknown_asset", 0)

    @pytest.mark.parametrize(
        ("text", "number"),
        [("Day,Amount\n", 1), ("\nDate,Amount,amount\n", 2), ("2026-03-02,5\n", 1), ("\n", 0)],
    )
    def test_needs_each_of_its_columns_once(self, text, number):
        assert refusal(text) == ("no_column", number)

    def test_by_name_needs_a_header(self):
        assert refusal("2026-03-02,5\n", mapped(header=False)) == ("no_column", 0)

    def test_beyond_the_width_of_the_file_is_refused_with_the_row(self):
        assert refusal("2026-03-02,5\n", mapped(BY_INDEX, party=7)) == ("bad_row", 1)

    def test_is_read_from_a_tenants_json(self):
        told = b'{"account":"1","asset":"KES","day":0,"amount":"Amount","day_format":"%d.%m.%Y"}'
        columns = msgspec.json.decode(told, type=Columns)
        assert minors("x,Amount\n02.03.2026,5\n", columns) == [500]
