"""Statement files of any length, from a seed: camt, MT940, OFX and CSV of the same rows.

Written from the standards, and of nothing that the readers are made of, so that the two can be held
against each other. Amounts have two decimals.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from xml.sax.saxutils import escape

ACCOUNT, ASSET, OPENING = "KE59000100000000012345", "KES", 1_000_000
NAMES = ("Wanjiku Kamau", "Otieno & Sons Ltd", "Achieng Traders", "Mwangi Café", "Nyota <Shop>")


@dataclass(frozen=True)
class Row:
    """One movement; `minor` in cents, above zero if money came."""

    day: str
    minor: int
    bank_reference: str = ""
    receipt: str = ""
    reference: str = ""
    party: str = ""
    text: str = ""


def rows(count: int, seed: int = 1, start: str = "2026-01-01", days: int = 28) -> list[Row]:
    """So many rows, in order of their days; two in three bring money."""
    chance = random.Random(seed)
    first = date.fromisoformat(start)
    found = []
    for at in range(count):
        day = first + timedelta(days=at * days // max(count, 1))
        came = chance.random() < 2 / 3
        cents = chance.randint(1, 5_000_000)
        found.append(
            Row(
                day.isoformat(),
                cents if came else -cents,
                bank_reference=f"FT{seed:03}{at:08}",
                receipt=f"E2E{chance.randrange(10**9):09}" if chance.random() < 0.7 else "",
                reference=f"INV{chance.randrange(10**6):06}" if chance.random() < 0.5 else "",
                party=chance.choice(NAMES),
                text=f"Payment {at} of order {chance.randrange(10**6)}",
            )
        )
    return found


def plain(minor: int, mark: str = ".") -> str:
    """Unsigned decimal text of cents."""
    whole, cents = divmod(abs(minor), 100)
    return f"{whole}{mark}{cents:02}"


def signed(minor: int, mark: str = ".") -> str:
    return ("-" if minor < 0 else "") + plain(minor, mark)


# -- camt (ISO 20022, camt.052/.053/.054) ---------------------------------------------------------


def camt(
    listed: Sequence[Row],
    *,
    account: str = ACCOUNT,
    asset: str = ASSET,
    opening: int = OPENING,
    closing: int | None = None,
    report: str = "053",
    version: str = "08",
    number: str = "S-1",
) -> bytes:
    """One report; 054 has no balances. From version 08 on a status and a name lie one deeper."""
    outer, inner = {
        "052": ("BkToCstmrAcctRpt", "Rpt"),
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[report]
    if closing is None:
        closing = opening + sum(row.minor for row in listed)
    balances = ""
    if report != "054" and listed:
        balances = camt_balance("OPBD", opening, asset, listed[0].day)
        balances += camt_balance("CLBD", closing, asset, listed[-1].day)
    entries = "".join(camt_entry(row, asset, deep=version >= "08") for row in listed)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{report}.001.{version}">'
        f"<{outer}><GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-02-01T06:00:00+03:00</CreDtTm></GrpHdr>"
        f"<{inner}><Id>{escape(number)}</Id><ElctrncSeqNb>1</ElctrncSeqNb>"
        f"<Acct><Id><IBAN>{account}</IBAN></Id><Ccy>{asset}</Ccy></Acct>\n"
        f"{balances}{entries}</{inner}></{outer}></Document>"
    ).encode()


def camt_balance(code: str, minor: int, asset: str, day: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{asset}">{plain(minor)}</Amt><CdtDbtInd>{direction(minor)}</CdtDbtInd>'
        f"<Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def direction(minor: int) -> str:
    return "DBIT" if minor < 0 else "CRDT"


def camt_entry(row: Row, asset: str, *, deep: bool = True) -> str:
    status = "<Cd>BOOK</Cd>" if deep else "BOOK"
    role = "Cdtr" if row.minor < 0 else "Dbtr"
    name = f"<Nm>{escape(row.party)}</Nm>"
    name = f"<Pty>{name}</Pty>" if deep else name
    structured = (
        f"<Strd><CdtrRefInf><Ref>{escape(row.reference)}</Ref></CdtrRefInf></Strd>"
        if row.reference
        else ""
    )
    bank = f"<AcctSvcrRef>{escape(row.bank_reference)}</AcctSvcrRef>" if row.bank_reference else ""
    return (
        f'<Ntry><Amt Ccy="{asset}">{plain(row.minor)}</Amt>'
        f"<CdtDbtInd>{direction(row.minor)}</CdtDbtInd><Sts>{status}</Sts>"
        f"<BookgDt><Dt>{row.day}</Dt></BookgDt><ValDt><Dt>{row.day}</Dt></ValDt>{bank}"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn>"
        "</BkTxCd><NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{escape(row.receipt) or 'NOTPROVIDED'}</EndToEndId></Refs>"
        f'<Amt Ccy="{asset}">{plain(row.minor)}</Amt>'
        f"<CdtDbtInd>{direction(row.minor)}</CdtDbtInd>"
        f"<RltdPties><{role}>{name}</{role}></RltdPties>"
        f"<RmtInf><Ustrd>{escape(row.text)}</Ustrd>{structured}</RmtInf>"
        "</TxDtls></NtryDtls></Ntry>\n"
    )


# -- MT940 (SWIFT, Category 9) --------------------------------------------------------------------


def mt940(
    listed: Sequence[Row],
    *,
    account: str = ACCOUNT,
    asset: str = ASSET,
    opening: int = OPENING,
    closing: int | None = None,
    number: str = "00001",
    page_rows: int = 0,
) -> bytes:
    """One statement, in messages of `page_rows` each if that is given; details in subfields."""
    if closing is None:
        closing = opening + sum(row.minor for row in listed)
    size = page_rows or max(len(listed), 1)
    pages = [listed[at : at + size] for at in range(0, max(len(listed), 1), size)]
    reached, text = opening, ""
    for at, page in enumerate(pages):
        is_first, is_last = at == 0, at == len(pages) - 1
        first_day = page[0].day if page else "2026-01-01"
        last_day = page[-1].day if page else "2026-01-01"
        text += f":20:STATEMENT\r\n:25:{account}\r\n:28C:{number}/{at + 1:03}\r\n"
        text += mt940_balance("60F" if is_first else "60M", reached, asset, first_day)
        text += "".join(mt940_entry(row) for row in page)
        reached += sum(row.minor for row in page)
        told = closing if is_last else reached
        text += mt940_balance("62F" if is_last else "62M", told, asset, last_day)
        text += "-\r\n"
    return text.encode()


def mt940_balance(tag: str, minor: int, asset: str, day: str) -> str:
    mark = "D" if minor < 0 else "C"
    return f":{tag}:{mark}{day[2:4]}{day[5:7]}{day[8:]}{asset}{plain(minor, ',')}\r\n"


def mt940_entry(row: Row) -> str:
    day = row.day[2:4] + row.day[5:7] + row.day[8:]
    bank = f"//{row.bank_reference}" if row.bank_reference else ""
    mark = "D" if row.minor < 0 else "C"
    head = f":61:{day}{day[2:]}{mark}{plain(row.minor, ',')}NTRF{row.reference or 'NONREF'}{bank}"
    purpose = [f"EREF+{row.receipt}"] if row.receipt else []
    purpose += cut(f"SVWZ+{row.text}", 27)
    tags = [*range(20, 30), *range(60, 64)]
    details = "166?00PAYMENT" + "".join(
        f"?{tag}{said}" for tag, said in zip(tags, purpose, strict=False)
    )
    details += "".join(
        f"?{tag}{said}" for tag, said in zip((32, 33), cut(row.party, 27), strict=False)
    )
    return head + "\r\n:86:" + "\r\n".join(cut(details, 65)) + "\r\n"


def cut(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


# -- OFX (1.6 as SGML, 2.2 as XML) ----------------------------------------------------------------

SGML_HEADER = (
    "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nSECURITY:NONE\r\nENCODING:USASCII\r\n"
    "CHARSET:1252\r\nCOMPRESSION:NONE\r\nOLDFILEUID:NONE\r\nNEWFILEUID:NONE\r\n\r\n"
)
XML_HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<?OFX OFXHEADER="200" VERSION="220" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)


def ofx(
    listed: Sequence[Row],
    *,
    account: str = ACCOUNT,
    asset: str = ASSET,
    closing: int | None = None,
    version: int = 1,
    encoding: str = "utf-8",
) -> bytes:
    """One account. `reference` is what OFX has as REFNUM; a receipt has no place in it."""
    if closing is None:
        closing = OPENING + sum(row.minor for row in listed)

    def leaf(name: str, said: str) -> str:
        ending = f"</{name}>" if version == 2 else ""
        return f"<{name}>{escape(said)}{ending}\r\n" if said else ""

    entries = "".join(
        "<STMTTRN>\r\n"
        + leaf("TRNTYPE", "CREDIT" if row.minor >= 0 else "DEBIT")
        + leaf("DTPOSTED", f"{row.day.replace('-', '')}120000.000[+3:EAT]")
        + leaf("TRNAMT", signed(row.minor))
        + leaf("FITID", row.bank_reference)
        + leaf("REFNUM", row.reference)
        + leaf("NAME", row.party)
        + leaf("MEMO", row.text)
        + "</STMTTRN>\r\n"
        for row in listed
    )
    first = listed[0].day if listed else "2026-01-01"
    last = listed[-1].day if listed else "2026-01-01"
    text = (
        (XML_HEADER if version == 2 else SGML_HEADER)
        + "<OFX><SIGNONMSGSRSV1><SONRS><STATUS>"
        + leaf("CODE", "0")
        + leaf("SEVERITY", "INFO")
        + "</STATUS>"
        + leaf("DTSERVER", "20260201060000")
        + leaf("LANGUAGE", "ENG")
        + "</SONRS></SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS>"
        + leaf("TRNUID", "1")
        + "<STMTRS>"
        + leaf("CURDEF", asset)
        + "<BANKACCTFROM>"
        + leaf("BANKID", "01")
        + leaf("ACCTID", account)
        + leaf("ACCTTYPE", "CHECKING")
        + "</BANKACCTFROM><BANKTRANLIST>"
        + leaf("DTSTART", first.replace("-", ""))
        + leaf("DTEND", last.replace("-", ""))
        + entries
        + "</BANKTRANLIST><LEDGERBAL>"
        + leaf("BALAMT", signed(closing))
        + leaf("DTASOF", last.replace("-", ""))
        + "</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>\r\n"
    )
    return text.encode(encoding)


# -- CSV ------------------------------------------------------------------------------------------

HEADER = ("Date", "Amount", "Bank reference", "Receipt", "Reference", "Party", "Text", "Balance")


def table(
    listed: Sequence[Row],
    *,
    opening: int = OPENING,
    newest_first: bool = False,
    mark: str = ".",
    delimiter: str = ",",
    header: bool = True,
    encoding: str = "utf-8",
) -> bytes:
    """Rows with the balance after each of them, every cell in quotes."""
    found, reached = [], opening
    for row in listed:
        reached += row.minor
        cells = (
            row.day,
            signed(row.minor, mark),
            row.bank_reference,
            row.receipt,
            row.reference,
            row.party,
            row.text,
            signed(reached, mark),
        )
        found.append(cells)
    if newest_first:
        found.reverse()
    if header:
        found.insert(0, HEADER)
    return "".join(delimiter.join(map(quoted, cells)) + "\r\n" for cells in found).encode(encoding)


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
