"""Files of strangers: what they are, and that nothing but `BadStatement` comes of the worst."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.statements import reading
from connectors.statements.base import BadStatement
from connectors.statements.markup import MAX_DEPTH, MAX_VALUES
from connectors.statements.reading import kind_of, read
from connectors.statements.rows import Columns
from tests.connectors.statements import writers

COLUMNS = Columns(account="1", asset="KES", day=0, amount=1, header=False)
ROWS = writers.rows(3)
FILES = {
    "camt": writers.camt(ROWS),
    "mt940": writers.mt940(ROWS),
    "ofx": writers.ofx(ROWS),
    "csv": writers.table(ROWS, header=False),
}
WHOLE = writers.camt(ROWS).decode()


def refusal(body, **values):
    with pytest.raises(BadStatement) as refused:
        read(body, **values)
    return refused.value.reason


def fate(body, **values):
    """The reason why a file is none, or "read"."""
    try:
        read(body, **values)
    except BadStatement as refused:
        return refused.reason
    return "read"


class TestAKind:
    @pytest.mark.parametrize("kind", ["camt", "mt940", "ofx", "csv"])
    def test_is_found_out_or_said(self, kind):
        found = read(FILES[kind], columns=COLUMNS)
        assert found == read(FILES[kind], kind=kind, columns=COLUMNS)
        assert [line.minor for line in found[0].lines] == [row.minor for row in ROWS]

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (writers.ofx(ROWS, version=2), "ofx"),
            (b"\r\n \r\nOFXHEADER:100\r\n", "ofx"),
            (b"<ofx><SIGNONMSGSRSV1>", "ofx"),
            (b"\xef\xbb\xbf <?xml version='1.0'?><Document>", "camt"),
            ("<Document>".encode("utf-16"), "camt"),
            (b"<Document><Ustrd>OFXHEADER :20: &lt;OFX></Ustrd></Document>", "camt"),
            (b"a line of the bank's\r\nOFXHEADER:100\r\n\r\n<OFX>", "ofx"),
            (b"BANK\r\n940\r\n:20:X\r\n", "mt940"),
            (b"BANK\r:20:X\r", "mt940"),
            (b"{1:F01BANK}{2:O940}{4:\r\n", "mt940"),
            (b"{4::20:X", "mt940"),
            (":20:X\n".encode("utf-16"), "mt940"),
            (b"Date,Amount\n", ""),
            (b"\xff\xfe", ""),
            (b"", ""),
        ],
    )
    def test_is_known_by_the_beginning(self, body, kind):
        assert kind_of(body) == kind

    def test_that_nobody_knows_is_refused(self):
        assert refusal(b"%PDF-1.7") == "unknown_kind"
        assert refusal(FILES["camt"], kind="pdf") == "unknown_kind"

    def test_csv_needs_columns(self):
        assert refusal(FILES["csv"], kind="csv") == "no_columns"
        assert refusal(FILES["csv"]) == "unknown_kind"


class TestLimits:
    @pytest.mark.parametrize("body", [b"", b" \r\n\t"])
    @pytest.mark.parametrize("kind", ["", "camt", "mt940", "ofx", "csv"])
    def test_refuse_what_is_empty(self, body, kind):
        assert refusal(body, kind=kind, columns=COLUMNS) == "empty"

    def test_refuse_what_is_too_large(self, monkeypatch):
        monkeypatch.setattr(reading, "MAX_BYTES", len(FILES["camt"]) - 1)
        assert refusal(FILES["camt"]) == "too_large"

    @pytest.mark.parametrize("kind", ["camt", "mt940", "ofx", "csv"])
    def test_count_lines_in_every_kind(self, kind):
        assert read(FILES[kind], kind=kind, columns=COLUMNS, limit_lines=3)
        assert refusal(FILES[kind], kind=kind, columns=COLUMNS, limit_lines=2) == "too_many_lines"


class TestHostileMarkup:
    def with_prolog(self, prolog):
        head, _, rest = WHOLE.partition("\n")
        return f"{head}\n{prolog}\n{rest}".encode()

    def test_a_billion_laughs_are_not_laughed(self):
        entities = '<!ENTITY a0 "ha">' + "".join(
            f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
        )
        body = self.with_prolog(f"<!DOCTYPE Document [{entities}]>")
        assert refusal(body.replace(b"Payment 0", b"&a9;")) == "forbidden_xml"

    @pytest.mark.parametrize(
        "prolog",
        [
            '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
            '<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
            '<!DOCTYPE Document [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>',
            "<!DOCTYPE Document>",
        ],
    )
    def test_a_document_type_is_refused(self, prolog):
        assert refusal(self.with_prolog(prolog)) == "forbidden_xml"

    def test_an_entity_that_nobody_has_declared_is_refused(self):
        assert refusal(FILES["camt"].replace(b"Payment 0", b"&x;")) == "not_xml"

    @pytest.mark.parametrize("inside", [True, False])
    def test_nesting_without_an_end_is_refused(self, inside):
        deep = "<a>" * 100_000
        body = WHOLE.replace("<GrpHdr>", deep) if not inside else WHOLE.replace("<Bal>", deep)
        assert refusal(body.encode()) == "too_deep"

    def test_nesting_within_reason_is_read(self):
        deep, back = "<a>" * (MAX_DEPTH - 8), "</a>" * (MAX_DEPTH - 8)
        body = WHOLE.replace("<CdtDbtInd>", f"{deep}{back}<CdtDbtInd>")
        assert read(body.encode()) == read(FILES["camt"])

    def test_an_entry_without_an_end_is_refused(self):
        texts = "<Ustrd>x</Ustrd>" * (MAX_VALUES + 1)
        assert refusal(WHOLE.replace("<RmtInf>", f"<RmtInf>{texts}").encode()) == "too_long"

    @pytest.mark.parametrize("token", ["<!-- {} -->", "<a b='{}'/>", "<?a {}?>", "<{} />"])
    def test_a_tag_without_an_end_is_refused(self, token):
        large = WHOLE.replace("<Bal>", token.format("x" * 4_000_000) + "<Bal>")
        assert refusal(large.encode()) == "too_long"
        small = WHOLE.replace("<Bal>", token.format("x" * 100_000) + "<Bal>")
        assert read(small.encode()) == read(FILES["camt"])

    def test_a_text_may_be_long(self):
        body = WHOLE.replace("Payment 0", "x" * 4_000_000).encode()
        assert len(read(body)[0].lines[0].text) > 4_000_000

    def test_memos_without_an_end_are_refused(self):
        memos = b"<MEMO>" + b"<MEMO>x" * 100_000 + b"<MEMO>Payment 0"
        assert refusal(FILES["ofx"].replace(b"<MEMO>Payment 0", memos)) == "too_long"

    def test_a_batch_without_an_end_is_refused(self):
        many = WHOLE.replace("<TxDtls>", "<TxDtls/>" * 5 + "<TxDtls>", 1).encode()
        assert refusal(many, limit_lines=4) == "too_many_lines"

    @pytest.mark.parametrize("encoding", ["zlib", "nonsense", "utf-7", "idna", "utf-32", "rot13"])
    def test_an_encoding_that_is_none_is_refused(self, encoding):
        body = WHOLE.replace('encoding="UTF-8"', f'encoding="{encoding}"')
        assert refusal(body.encode()) == "not_xml"

    def test_other_encodings_are_read(self):
        latin = WHOLE.replace('encoding="UTF-8"', 'encoding="windows-1252"')
        wide = WHOLE.replace('encoding="UTF-8"', 'encoding="UTF-16"')
        assert read(latin.encode("cp1252")) == read(wide.encode("utf-16")) == read(FILES["camt"])

    def test_what_is_cut_off_is_refused_wherever(self):
        body = FILES["camt"]
        assert {refusal(body[:at], kind="camt") for at in range(1, len(body) - 1, 7)} == {"not_xml"}


class TestHostileText:
    @pytest.mark.parametrize("kind", ["camt", "mt940", "ofx", "csv"])
    def test_a_nul_is_refused(self, kind):
        body = FILES[kind].replace(b"Payment", b"Pay\0ment")
        assert refusal(body, kind=kind, columns=COLUMNS) in {"not_text", "not_xml"}

    @pytest.mark.parametrize("kind", ["camt", "mt940", "ofx", "csv"])
    def test_a_number_without_an_end_is_refused(self, kind):
        body = FILES[kind].decode().replace(",", ".") if kind == "mt940" else FILES[kind].decode()
        amount = writers.plain(ROWS[0].minor)
        body = body.replace(amount, "9" * 100_000 + amount)
        if kind == "mt940":
            body = body.replace(".", ",")
        reason = refusal(body.encode(), kind=kind, columns=COLUMNS)
        assert reason in {"out_of_bounds", "bad_line"}

    @pytest.mark.parametrize("kind", ["camt", "mt940", "ofx", "csv"])
    @pytest.mark.parametrize("other", ["camt", "mt940", "ofx", "csv"])
    def test_another_kind_than_was_said_is_refused(self, kind, other):
        if kind != other:
            assert refusal(FILES[other], kind=kind, columns=COLUMNS)

    def test_an_error_says_nothing_of_the_files_text(self):
        body = FILES["csv"].replace(ROWS[0].day.encode(), b"Wanjiku")
        with pytest.raises(BadStatement) as refused:
            read(body, columns=COLUMNS)
        assert "Wanjiku" not in str(refused.value)

    def test_what_cannot_be_seen_is_not_in_a_line(self):
        body = FILES["csv"].replace(b"Payment 0", b"Pay\x1bment\x07 \x7f0")
        [line, *_] = read(body, columns=Columns(
            account="1", asset="KES", day=0, amount=1, text=6, header=False
        ))[0].lines  # fmt: skip
        assert re.match(r"Payment 0 of order", line.text)


@st.composite
def broken_files(draw):
    """A file of some kind with pieces cut out, put in or turned around."""
    body = bytearray(draw(st.sampled_from([*FILES.values(), writers.ofx(ROWS, version=2)])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        until = draw(st.integers(at, min(len(body), at + 40)))
        pieces = st.sampled_from(
            [b"<Ntry>", b"</Ntry>", b"<STMTTRN>", b"</STMTRS>", b":61:", b"\r\n:86:", b"-}", b"{4:"]
        )
        body[at:until] = draw(st.one_of(st.binary(max_size=12), pieces))
    return bytes(body)


class TestAnyBytes:
    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=400), st.sampled_from(["", "camt", "mt940", "ofx", "csv"]))
    def test_are_a_statement_or_a_bad_one(self, body, kind):
        assert fate(body, kind=kind, columns=COLUMNS).isidentifier()

    @settings(max_examples=400, deadline=None)
    @given(broken_files(), st.sampled_from(["", "", "camt", "mt940", "ofx", "csv"]))
    def test_that_were_a_file_once_are_a_statement_or_a_bad_one(self, body, kind):
        assert fate(body, kind=kind, columns=COLUMNS).isidentifier()

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=20), st.text(max_size=3), st.text(max_size=8), st.text(max_size=60))
    def test_and_any_mapping_are_a_statement_or_a_bad_one(self, day, delimiter, day_format, text):
        columns = Columns(
            account="1",
            asset="KES",
            day=day,
            amount=1,
            delimiter=delimiter,
            day_format=day_format,
        )
        assert fate(
            f"{day},{text}\n{text}".encode("utf-8", "ignore"), kind="csv", columns=columns
        ).isidentifier()
