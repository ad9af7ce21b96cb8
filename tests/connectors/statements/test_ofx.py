"""OFX 1.6 (SGML) and 2.2 (XML), and how banks write them."""

import pytest

from connectors.statements.base import BadStatement
from connectors.statements.ofx import read

HEADER = (
    "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nSECURITY:NONE\r\nENCODING:USASCII\r\n"
    "CHARSET:1252\r\nCOMPRESSION:NONE\r\nOLDFILEUID:NONE\r\nNEWFILEUID:NONE\r\n\r\n"
)
ACCOUNT = "<BANKACCTFROM><BANKID>01<ACCTID>0012345678<ACCTTYPE>CHECKING</BANKACCTFROM>"


def entry(amount="5.00", day="20260302", fitid="F1", more=""):
    return f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}{more}</STMTTRN>"


def file(*entries, asset="KES", account=ACCOUNT, after="", header=HEADER):
    return (
        f"{header}<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS></SONRS>"
        f"</SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STMTRS><CURDEF>{asset}{account}"
        f"<BANKTRANLIST><DTSTART>20260301<DTEND>20260331{''.join(entries)}</BANKTRANLIST>{after}"
        "</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    ).encode()


def only(body):
    [statement] = read(body)
    return statement


def line_of(*args, **values):
    [line] = only(file(entry(*args, **values))).lines
    return line


def refusal(body, **limits):
    with pytest.raises(BadStatement) as refused:
        read(body, **limits)
    return refused.value.reason, refused.value.number


class TestAStatement:
    def test_of_sgml_ends_no_leaf(self):
        more = "<CHECKNUM>0071<NAME>Wanjiku &amp; Co\r\n<MEMO>invoice\r\n"
        after = "<LEDGERBAL><BALAMT>120.50<DTASOF>20260331</LEDGERBAL>"
        after += "<AVAILBAL><BALAMT>99<DTASOF>20260331</AVAILBAL>"
        statement = only(file(entry("-5.00", more=more), after=after))
        assert (statement.account, statement.asset) == ("0012345678", "KES")
        assert (statement.from_day, statement.to_day) == ("2026-03-01", "2026-03-31")
        assert (statement.opening, statement.closing) == (None, 12_050)
        [line] = statement.lines
        assert (line.day, line.value_day, line.minor) == ("2026-03-02", "2026-03-02", -500)
        assert (line.bank_reference, line.reference) == ("F1", "0071")
        assert (line.party, line.text, line.number) == ("Wanjiku & Co", "invoice", 1)

    def test_of_xml_ends_every_leaf(self):
        header = '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="220"?>\n'
        inner = (
            "<STMTTRN><TRNTYPE>CREDIT</TRNTYPE><DTPOSTED>20260302</DTPOSTED><TRNAMT>5.00</TRNAMT>"
            "<FITID>F1</FITID><PAYEE><NAME>Otieno</NAME><CITY>Kisumu</CITY></PAYEE>"
            "<BANKACCTTO><ACCTID>999</ACCTID></BANKACCTTO><MEMO></MEMO><EXTRA/></STMTTRN>"
        )
        statement = only(file(inner, header=header))
        assert [(line.party, line.text) for line in statement.lines] == [("Otieno", "")]
        assert statement.account == "0012345678"

    def test_may_be_a_cards(self):
        body = file(entry()).replace(b"STMTRS", b"CCSTMTRS").replace(b"BANKACCTFROM", b"CCACCTFROM")
        assert only(body).account == "0012345678"

    def test_is_one_for_each_account_of_a_file(self):
        one = file(entry()).decode()
        inner = one[one.index("<STMTRS>") : one.index("</STMTTRNRS>")]
        other = inner.replace("0012345678", "99")
        first, second = read(one.replace(inner, f"{inner}</STMTTRNRS><STMTTRNRS>{other}").encode())
        assert (first.account, second.account) == ("0012345678", "99")
        assert [line.number for each in (first, second) for line in each.lines] == [1, 2]

    def test_with_an_empty_leaf_loses_nothing_behind_it(self):
        line = line_of(more="<MEMO>\r\n<NAME>Otieno")
        assert (line.text, line.party) == ("", "Otieno")

    def test_leaves_out_what_is_on_hold_or_pending(self):
        held = entry(fitid="F2").replace("OTHER", "HOLD")
        body = (
            file(entry(), held)
            .decode()
            .replace(
                "</BANKTRANLIST>",
                "</BANKTRANLIST><BANKTRANLISTP><DTASOF>20260331<STMTTRNP><TRNTYPE>OTHER"
                "<DTTRAN>20260331<TRNAMT>9.00<NAME>x</STMTTRNP></BANKTRANLISTP>",
            )
        )
        assert [line.bank_reference for line in only(body.encode()).lines] == ["F1"]

    def test_is_refused_beyond_the_limit_of_lines(self):
        body = file(entry(), entry(fitid="F2"))
        assert len(only(body).lines) == 2
        assert refusal(body, limit_lines=1) == ("too_many_lines", 2)


class TestText:
    @pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
    def test_is_what_the_bytes_are_and_not_what_the_header_says(self, encoding):
        """A30: the header says USASCII, and the file holds something else."""
        body = file(entry(more="<NAME>Café Müller")).decode().encode(encoding)
        assert [line.party for line in only(body).lines] == ["Café Müller"]

    def test_of_no_encoding_at_all_is_read_byte_by_byte(self):
        body = file(entry(more="<NAME>@")).replace(b"@", b"\x81\xe9")
        assert [line.party for line in only(body).lines] == ["é"]

    @pytest.mark.parametrize(
        ("written", "read_as"),
        [
            ("a &amp; b &lt;c&gt; &quot;d&apos;", "a & b <c> \"d'"),
            ("Caf&#233; &#xE9;&nbsp;x", "Café é x"),
            ("&amp;lt;", "&lt;"),
            ("&copy; AT&T &#0; &#xD800; &#x110000; &", "&copy; AT&T &#0; &#xD800; &#x110000; &"),
            ("a&#1;b", "ab"),
        ],
    )
    def test_has_characters_by_reference_once(self, written, read_as):
        assert line_of(more=f"<MEMO>{written}").text == read_as

    def test_of_two_memos_is_both(self):
        assert line_of(more="<MEMO>one<MEMO>two").text == "one two"


class TestDays:
    @pytest.mark.parametrize(
        "written",
        [
            "20260301233000[-3:GMT]",
            "20260301093005.000[-3:GMT]",
            "20260301003000[+3:EAT]",
            "20260301120000.000 [0:GMT]",
            "20260301000000[-5]",
            "202603010930",
            "20260301",
        ],
    )
    def test_are_the_local_ones_that_are_written(self, written):
        """A31: a zone behind the time moves nothing."""
        assert line_of(day=written).day == "2026-03-01"

    @pytest.mark.parametrize("written", ["20260230", "2026-03-01", "01032026", "202603", "x", "0"])
    def test_that_are_none_are_refused(self, written):
        assert refusal(file(entry(), entry(day=written))) == ("bad_day", 2)

    def test_of_value_are_when_money_is_there(self):
        assert line_of(more="<DTAVAIL>20260304").value_day == "2026-03-04"


class TestAmounts:
    @pytest.mark.parametrize(
        ("written", "minor"),
        [
            ("5", 500),
            ("+5.5", 550),
            ("-5,50", -550),
            (" 5.00 ", 500),
            ("-.5", -50),
            ("5.0000", 500),
        ],
    )
    def test_have_a_sign_and_a_point_or_a_comma(self, written, minor):
        assert line_of(written).minor == minor

    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            ("5.001", "too_many_decimals"),
            ("5,0001", "too_many_decimals"),
            ("1,000", "too_many_decimals"),
            ("1.000", "too_many_decimals"),
            ("1,234.56", "bad_amount"),
            ("1.234,56", "bad_amount"),
            ("5-", "bad_amount"),
            ("KES 5", "bad_amount"),
            ("", "bad_amount"),
            ("9" * 50, "out_of_bounds"),
        ],
    )
    def test_that_cannot_be_read_exactly_are_refused(self, written, reason):
        assert refusal(file(entry(), entry(written))) == (reason, 2)

    def test_of_a_thousandth_are_none_of_thousands(self):
        [line] = only(file(entry("1,234"), asset="KWD")).lines
        assert line.minor == 1_234

    def test_in_another_currency_are_refused(self):
        more = "<CURRENCY><CURRATE>129.5<CURSYM>USD</CURRENCY>"
        assert refusal(file(entry(more=more))) == ("asset_differs", 1)

    def test_that_were_in_another_currency_are_taken(self):
        assert line_of(more="<ORIGCURRENCY><CURRATE>1<CURSYM>USD</ORIGCURRENCY>").minor == 500


class TestReferences:
    @pytest.mark.parametrize("fitid", ["", "0", "000", "NONE", "none"])
    def test_that_say_nothing_are_none(self, fitid):
        assert line_of(fitid=fitid).bank_reference == ""

    def test_are_refnum_before_a_cheques_number(self):
        assert line_of(more="<CHECKNUM>12<REFNUM>R1").reference == "R1"


class TestMarkup:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"OFXHEADER:100\r\n\r\n", "no_statement"),
            (b"<OFX></OFX>", "no_statement"),
            (file(entry())[:-6], "cut_off"),
            (file(entry())[:-8], "bad_markup"),
            (file(entry()) + b"<CODE>0</CODE>", "cut_off"),
            (file(entry(more="<MEMO>a < b")), "bad_markup"),
            (file(entry(more="<MEMO <NAME>x")), "bad_markup"),
            (file(entry(more="<!-- x -->")), "bad_markup"),
            (file(entry(more="<![CDATA[x]]>")), "bad_markup"),
            (file(entry(more="<STMTTRN>")), "bad_markup"),
            (file(entry(more="<BAL>")), "bad_markup"),
            (file(entry(more="</BANKTRANLIST>")), "bad_markup"),
            (file(entry(more="<TRNAMT>6.00")), "not_once"),
            (file(entry(more="<FITID>F2")), "not_once"),
            (file(entry(), account=""), "no_account"),
            (file(entry(), asset=""), "no_asset"),
            (file(entry(), asset="XTS"), "unknown_asset"),
            (file(entry()).replace(b"STMTRS", b"INVSTMTRS"), "bad_markup"),
            (file(entry()).replace(b"BANKTRANLIST", b"BANKTRANLISTP"), "bad_markup"),
        ],
    )
    def test_that_cannot_be_trusted_is_refused(self, body, reason):
        assert refusal(body)[0] == reason

    def test_behind_an_account_is_not_of_it(self):
        body = file(entry())
        assert read(body.replace(b"</STMTRS>", b"</STMTRS><CURDEF>USD")) == read(body)

    def test_of_an_account_in_an_account_is_refused(self):
        body = file(entry()).replace(b"<STMTRS>", b"<STMTRS>" * 2)
        assert refusal(body.replace(b"</STMTRS>", b"</STMTRS>" * 2))[0] == "bad_markup"

    def test_that_is_none_is_found_by_its_line(self):
        body = file(entry(more="\r\n<MEMO>a < b"))
        assert refusal(body) == ("bad_markup", 12)
