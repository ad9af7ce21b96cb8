"""camt.052, .053 and .054 as ISO 20022 has them, and as banks deviate from it."""

import pytest

from connectors.statements.base import BadStatement, keys_of
from connectors.statements.camt import read

ACCOUNT = "<Acct><Id><IBAN>KE59000100000000012345</IBAN></Id><Ccy>KES</Ccy></Acct>"


def balance(code, amount, mark="CRDT", day="2026-03-01", asset="KES"):
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{asset}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd>'
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount, mark="CRDT", *, more="", status="<Cd>BOOK</Cd>", details="", asset="KES"):
    return (
        f'<Ntry><Amt Ccy="{asset}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd>{more}'
        f"<Sts>{status}</Sts><BookgDt><Dt>2026-03-02</Dt></BookgDt>"
        f"<ValDt><Dt>2026-03-03</Dt></ValDt>"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def transaction(amount="", mark="", end_to_end="", more="", asset="KES"):
    amount = f'<Amt Ccy="{asset}">{amount}</Amt>' if amount else ""
    mark = f"<CdtDbtInd>{mark}</CdtDbtInd>" if mark else ""
    reference = f"<Refs><EndToEndId>{end_to_end}</EndToEndId></Refs>" if end_to_end else ""
    return f"<TxDtls>{reference}{amount}{mark}{more}</TxDtls>"


def document(*parts, version="08", account=ACCOUNT, kind="053", names=("BkToCstmrStmt", "Stmt")):
    outer, inner = names
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version}"><{outer}>'
        f"<{inner}><Id>S-1</Id><ElctrncSeqNb>61</ElctrncSeqNb>{account}{''.join(parts)}</{inner}>"
        f"</{outer}></Document>"
    ).encode()


def only(body):
    [statement] = read(body)
    return statement


def refusal(body, **limits):
    with pytest.raises(BadStatement) as refused:
        read(body, **limits)
    return refused.value.reason, refused.value.number


# ISO 20022 message definition report, camt.053.001.08: an entry with one transaction.
WHOLE = """<Ntry><NtryRef>1</NtryRef><Amt Ccy="KES">1500.50</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<RvslInd>false</RvslInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><DtTm>2026-03-02T23:30:00+03:00</DtTm></BookgDt><ValDt><Dt>2026-03-03</Dt></ValDt>
<AcctSvcrRef>FT26061ABC</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><MsgId>M-9</MsgId><EndToEndId>order-17</EndToEndId></Refs>
<Amt Ccy="KES">1500.50</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<RltdPties><Dbtr><Pty><Nm>Wanjiku &amp; Co</Nm></Pty></Dbtr><Cdtr><Pty><Nm>Us</Nm></Pty></Cdtr>
</RltdPties><RmtInf><Ustrd>invoice
  INV-7</Ustrd><Ustrd>thanks</Ustrd>
<Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls>
<AddtlNtryInf>PESALINK</AddtlNtryInf></Ntry>"""


class TestALine:
    def test_has_all_that_an_entry_says(self):
        statement = only(
            document(balance("OPBD", "10.00"), balance("CLBD", "1510.50", day="2026-03-02"), WHOLE)
        )
        assert (statement.account, statement.asset) == ("KE59000100000000012345", "KES")
        assert (statement.number, statement.opening, statement.closing) == ("S-1", 1_000, 151_050)
        [line] = statement.lines
        assert (line.day, line.value_day, line.minor) == ("2026-03-02", "2026-03-03", 150_050)
        assert (line.bank_reference, line.receipt) == ("FT26061ABC", "order-17")
        assert (line.reference, line.party) == ("RF18539007547034", "Wanjiku & Co")
        assert (line.text, line.number) == ("invoice INV-7 thanks PESALINK", 1)

    def test_that_goes_out_names_who_got_it(self):
        parties = (
            "<RltdPties><Dbtr><Nm>Us</Nm></Dbtr><Cdtr><Nm>Achieng Traders</Nm></Cdtr></RltdPties>"
        )
        [line] = only(document(entry("5", "DBIT", details=transaction(more=parties)))).lines
        assert (line.minor, line.party) == (-500, "Achieng Traders")

    def test_is_never_called_notprovided(self):
        details = transaction("5.00", end_to_end="NOTPROVIDED")
        [line] = only(document(entry("5.00", details=details))).lines
        assert line.receipt == ""

    def test_without_an_end_to_end_id_is_known_by_its_transaction_id(self):
        refs = "<Refs><EndToEndId>NOTPROVIDED</EndToEndId><TxId>TX9</TxId></Refs>"
        [line] = only(document(entry("5.00", details=transaction(more=refs)))).lines
        assert line.receipt == "TX9"

    def test_has_nothing_of_texts_that_are_empty(self):
        more = "<RmtInf><Ustrd>a</Ustrd><Ustrd/><Ustrd> </Ustrd><Ustrd>b</Ustrd></RmtInf>"
        [line] = only(document(entry("5.00", details=transaction(more=more)))).lines
        assert line.text == "a b"

    def test_of_several_structured_references_is_of_none_of_them(self):
        more = "".join(
            f"<RmtInf><Strd><CdtrRefInf><Ref>{each}</Ref></CdtrRefInf></Strd></RmtInf>"
            for each in ("INV1", "INV2")
        )
        [line] = only(document(entry("5.00", details=transaction(more=more)))).lines
        assert (line.reference, line.text) == ("", "INV1 INV2")

    def test_needs_a_day(self):
        body = document(WHOLE).replace(b"BookgDt>", b"Other>").replace(b"ValDt>", b"More>")
        assert refusal(body) == ("bad_day", 1)

    def test_is_booked_on_its_value_day_where_nothing_else_is_said(self):
        [line] = only(document(WHOLE.replace("BookgDt>", "Other>"))).lines
        assert (line.day, line.value_day) == ("2026-03-03", "2026-03-03")


class TestAFile:
    @pytest.mark.parametrize("version", ["02", "08", "14"])
    def test_of_any_version_has_the_same_rows(self, version):
        """A29: the namespace's version is not looked at."""
        status = "BOOK" if version == "02" else "<Cd>BOOK</Cd>"
        parts = [balance("OPBD", "0"), balance("CLBD", "5.00"), entry("5.00", status=status)]
        [line] = only(document(*parts, version=version)).lines
        assert line.minor == 500

    def test_with_prefixed_names_is_read(self):
        body = (
            b'<d:Document xmlns:d="urn:x"><d:Stmt><d:Acct><d:Id><d:Othr><d:Id>00123</d:Id></d:Othr>'
            b'</d:Id></d:Acct><d:Ntry><d:Amt Ccy="KES">5</d:Amt><d:CdtDbtInd>DBIT</d:CdtDbtInd>'
            b"<d:Sts>BOOK</d:Sts><d:BookgDt><d:Dt>2026-03-02</d:Dt></d:BookgDt></d:Ntry></d:Stmt>"
            b"</d:Document>"
        )
        statement = only(body)
        assert (statement.account, statement.asset, statement.opening) == ("00123", "KES", None)
        assert [line.minor for line in statement.lines] == [-500]

    def test_of_two_statements_with_three_entries_each_has_six_rows(self):
        """A28: no entry but the first was read."""
        one = document(*(entry(f"{each}.00") for each in (1, 2, 3))).decode()
        inner = one[one.index("<Stmt>") : one.index("</BkToCstmrStmt>")]
        body = one.replace(inner, inner + inner.replace("12345<", "54321<")).encode()
        first, second = read(body)
        assert [line.minor for line in first.lines] == [100, 200, 300]
        assert [line.number for line in second.lines] == [4, 5, 6]
        assert first.account != second.account

    @pytest.mark.parametrize(
        ("kind", "names"),
        [("052", ("BkToCstmrAcctRpt", "Rpt")), ("054", ("BkToCstmrDbtCdtNtfctn", "Ntfctn"))],
    )
    def test_of_a_report_or_a_notification_needs_no_balances(self, kind, names):
        statement = only(document(entry("5.00"), kind=kind, names=names))
        assert (statement.opening, statement.closing) == (None, None)
        assert [line.minor for line in statement.lines] == [500]

    def test_says_from_when_until_when(self):
        period = (
            "<FrToDt><FrDtTm>2026-03-01T00:00:00</FrDtTm>"
            "<ToDtTm>2026-03-31T23:59:59</ToDtTm></FrToDt>"
        )
        statement = only(document(entry("5.00"), account=period + ACCOUNT))
        assert (statement.from_day, statement.to_day) == ("2026-03-01", "2026-03-31")
        statement = only(document(entry("5.00")))
        assert (statement.from_day, statement.to_day) == ("2026-03-02", "2026-03-02")

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"<html><body>Log in</body></html>", "no_statement"),
            (document(entry("5.00"), account=""), "no_account"),
            (document(account="<Acct><Id><IBAN>KE1</IBAN></Id></Acct>"), "no_asset"),
        ],
    )
    def test_of_no_account_is_refused(self, body, reason):
        assert refusal(body) == (reason, 0)

    def test_is_refused_beyond_the_limit_of_lines(self):
        body = document(entry("1"), entry("2"), entry("3"))
        assert len(only(body).lines) == 3
        assert refusal(body, limit_lines=2) == ("too_many_lines", 3)


class TestBookedOnly:
    @pytest.mark.parametrize("status", ["<Cd>PDNG</Cd>", "PDNG", "<Cd>INFO</Cd>", "<Cd>FUTR</Cd>"])
    def test_is_taken(self, status):
        parts = [balance("OPBD", "0"), balance("CLBD", "5.00"), entry("9.00", status=status)]
        [line] = only(document(*parts, entry("5.00"))).lines
        assert (line.minor, line.number) == (500, 2)

    @pytest.mark.parametrize("status", ["", "<Cd>MAYBE</Cd>", "<Prtry>X</Prtry>"])
    def test_and_a_status_that_nobody_knows_is_not_passed_over(self, status):
        assert refusal(document(entry("1"), entry("5.00", status=status))) == ("unknown_status", 2)


class TestBalances:
    def test_that_do_not_hold_are_refused_at_the_last_entry(self):
        parts = [balance("OPBD", "1.00"), balance("CLBD", "8.99"), entry("5.00"), entry("3.00")]
        assert refusal(document(*parts)) == ("does_not_add_up", 2)

    def test_may_be_below_zero(self):
        parts = [balance("PRCD", "5.00", "DBIT"), balance("CLBD", "2.00", "DBIT"), entry("3.00")]
        statement = only(document(*parts))
        assert (statement.opening, statement.closing) == (-500, -200)

    def test_of_every_day_are_proved_from_the_first_to_the_last(self):
        parts = [
            balance("OPBD", "3.00", day="2026-03-02"),
            balance("CLBD", "3.00", day="2026-03-01"),
            balance("OPBD", "1.00", day="2026-03-01"),
            balance("CLBD", "6.00", day="2026-03-02"),
        ]
        statement = only(document(*parts, entry("5.00")))
        assert (statement.opening, statement.closing) == (100, 600)

    def test_of_what_is_available_prove_nothing(self):
        parts = [balance("OPBD", "1.00"), balance("CLBD", "6.00"), balance("CLAV", "99.00")]
        assert only(document(*parts, entry("5.00"))).closing == 600

    def test_of_another_currency_are_refused(self):
        parts = [balance("OPBD", "1.00", asset="USD"), entry("5.00")]
        assert refusal(document(*parts)) == ("asset_differs", 0)


class TestAReversal:
    REVERSED = "<RvslInd>true</RvslInd>"

    def test_goes_the_way_it_says(self):
        """ISO 20022: CdtDbtInd is the direction of the entry itself, also of a reversal."""
        parts = [balance("OPBD", "10.00"), balance("CLBD", "7.00")]
        statement = only(document(*parts, entry("3.00", "DBIT", more=self.REVERSED)))
        assert [line.minor for line in statement.lines] == [-300]

    def test_goes_the_other_way_if_only_so_the_balances_hold(self):
        parts = [balance("OPBD", "10.00"), balance("CLBD", "12.00")]
        entries = [entry("5.00"), entry("3.00", "CRDT", more=self.REVERSED)]
        statement = only(document(*parts, *entries))
        assert [line.minor for line in statement.lines] == [500, -300]

    def test_is_no_excuse_for_balances_that_hold_neither_way(self):
        parts = [balance("OPBD", "10.00"), balance("CLBD", "12.01")]
        body = document(*parts, entry("5.00"), entry("3.00", "CRDT", more=self.REVERSED))
        assert refusal(body) == ("does_not_add_up", 2)
        with pytest.raises(BadStatement, match=r"10\.00 and the lines make 18\.00, not 12\.01"):
            read(body)

    def test_that_would_hold_both_ways_goes_the_way_it_says(self):
        parts = [balance("OPBD", "10.00"), balance("CLBD", "10.00")]
        entries = [entry("3.00", mark, more=self.REVERSED) for mark in ("CRDT", "DBIT")]
        assert [line.minor for line in only(document(*parts, *entries)).lines] == [300, -300]

    def test_without_balances_goes_the_way_it_says(self):
        [line] = only(document(entry("3.00", "DBIT", more=self.REVERSED))).lines
        assert line.minor == -300

    def test_names_who_was_paid_when_a_payment_comes_back(self):
        parties = "<RltdPties><Dbtr><Nm>Us</Nm></Dbtr><Cdtr><Nm>Otieno</Nm></Cdtr></RltdPties>"
        reason = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
        details = transaction(more=parties + reason)
        [line] = only(document(entry("3.00", "CRDT", more=self.REVERSED, details=details))).lines
        assert (line.minor, line.party, line.text) == (300, "Otieno", "AC04")


class TestABatch:
    OWN = "<AcctSvcrRef>B1</AcctSvcrRef>"

    def test_is_a_line_for_each_of_its_transactions(self):
        details = transaction("2.00", end_to_end="a") + transaction("4.00", end_to_end="b")
        lines = only(document(entry("6.00", more=self.OWN, details=details))).lines
        assert [(line.minor, line.receipt, line.number) for line in lines] == [
            (200, "a", 1),
            (400, "b", 1),
        ]
        assert [line.bank_reference for line in lines] == ["B1", "B1/2"]

    def test_may_have_one_that_goes_the_other_way(self):
        details = transaction("8.00") + transaction("2.00", "DBIT")
        lines = only(document(entry("6.00", details=details))).lines
        assert [line.minor for line in lines] == [800, -200]

    def test_of_equal_transactions_with_one_reference_keeps_them_all(self):
        own = "<Refs><AcctSvcrRef>SAME</AcctSvcrRef></Refs>"
        details = transaction("3.00", more=own) * 2
        statement = only(document(entry("6.00", details=details)))
        assert len(set(keys_of(statement))) == 2

    @pytest.mark.parametrize(
        "details",
        [
            transaction("2.00") + transaction("3.99"),
            transaction("2.00") + transaction(),
            transaction("6.00") + transaction(),
            transaction("5.99"),
        ],
    )
    def test_that_does_not_make_its_entry_is_refused(self, details):
        body = document(entry("1.00"), entry("6.00", details=details))
        assert refusal(body) == ("batch_does_not_add_up", 2)

    def test_of_transactions_without_amounts_is_one_line(self):
        details = transaction(end_to_end="a") + transaction(end_to_end="b")
        [line] = only(document(entry("6.00", more=self.OWN, details=details))).lines
        assert (line.minor, line.receipt, line.bank_reference) == (600, "", "B1")

    def test_that_lists_one_of_many_is_not_that_one(self):
        details = "<Btch><NbOfTxs>3</NbOfTxs></Btch>" + transaction(end_to_end="a")
        [line] = only(document(entry("6.00", details=details))).lines
        assert (line.minor, line.receipt) == (600, "")

    def test_has_its_amounts_in_the_details_of_old_versions(self):
        details = "".join(
            transaction(
                more=f'<AmtDtls><TxAmt><Amt Ccy="KES">{each}</Amt></TxAmt></AmtDtls>',
            )
            for each in ("2.00", "4.00")
        )
        lines = only(document(entry("6.00", details=details), version="02")).lines
        assert [line.minor for line in lines] == [200, 400]

    def test_of_one_foreign_payment_counts_in_the_accounts_currency(self):
        details = transaction("50.00", end_to_end="fx", asset="USD")
        [line] = only(document(entry("6450.00", details=details))).lines
        assert (line.minor, line.receipt) == (645_000, "fx")


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "minor"),
        [("5", 500), ("5.5", 550), ("+5.50", 550), ("005.50", 550), (".5", 50), ("5.500", 550)],
    )
    def test_are_decimals_of_xml_schema(self, amount, minor):
        assert [line.minor for line in only(document(entry(amount))).lines] == [minor]

    @pytest.mark.parametrize(
        ("amount", "reason"),
        [
            ("5.001", "too_many_decimals"),
            ("-5", "bad_amount"),
            ("5,00", "bad_amount"),
            ("1e3", "bad_amount"),
            ("NaN", "bad_amount"),
            ("٥", "bad_amount"),
            (".", "bad_amount"),
            ("", "not_once"),
            ("9" * 35, "out_of_bounds"),
            ("9" * 10_000, "out_of_bounds"),
        ],
    )
    def test_that_cannot_be_read_are_refused_with_their_entry(self, amount, reason):
        assert refusal(document(entry("1"), entry(amount))) == (reason, 2)

    def test_have_the_decimals_of_their_currency(self):
        account = ACCOUNT.replace("KES", "UGX")
        [line] = only(document(entry("5000", asset="UGX"), account=account)).lines
        assert line.minor == 5_000
        body = document(entry("5000.50", asset="UGX"), account=account)
        assert refusal(body) == ("too_many_decimals", 1)

    def test_of_no_known_currency_are_refused(self):
        assert refusal(document(entry("5", asset="ZZZ"))) == ("unknown_asset", 1)

    def test_of_another_currency_than_the_accounts_are_refused(self):
        body = document(entry("1"), entry("5", asset="USD"))
        assert refusal(body) == ("asset_differs", 2)

    @pytest.mark.parametrize("mark", ["", "C", "crdt"])
    def test_need_a_direction(self, mark):
        assert refusal(document(entry("5", mark)))[0] in {"bad_mark", "not_once"}

    def test_stand_there_once(self):
        more = '<Amt Ccy="KES">6</Amt>'
        assert refusal(document(entry("5", more=more))) == ("not_once", 1)

    @pytest.mark.parametrize("day", ["2026-02-30", "0000-01-01", "02.03.2026", "2026-3-2", "x"])
    def test_are_booked_on_a_day_that_there_is(self, day):
        body = document(WHOLE.replace("2026-03-02T23:30:00+03:00", day))
        assert refusal(body) == ("bad_day", 1)

    @pytest.mark.parametrize("day", ["2026-03-02", "2026-03-02Z", "2026-03-02+03:00"])
    def test_are_booked_on_the_day_that_is_written(self, day):
        [line] = only(document(WHOLE.replace("2026-03-02T23:30:00+03:00", day))).lines
        assert line.day == "2026-03-02"
