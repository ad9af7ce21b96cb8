"""Statements over HTTP: a file in, its lines decided, refused as a whole where one is wrong."""

import io

import msgspec
import pytest

from tables.invoices import Invoice
from tables.statements import StatementLine
from tests.web.desk import project
from web import scopes

CSV = """Date,Reference,Narration,Paid out,Paid in,Balance
02/01/2026,FT1,Opening lunch order-1,,1160.00,1160.00
02/01/2026,FT2,Ledger fee,16.00,,1144.00
03/01/2026,FT3,"Cash deposit, branch",,500.00,1644.00
"""
COLUMNS = (
    "day=Date&bank_reference=Reference&text=Narration&debit=Paid%20out&credit=Paid%20in"
    "&balance=Balance&day_format=%25d/%25m/%25Y"
)
PATH = "/api/v1/alpha/statements"
MT940 = b""":20:T1
:25:KCB/1234567890
:28C:7/1
:60F:C260102KES1000,00
:61:2601020102D116,00NCHGNONREF//B1
:86:LEDGER FEE
:62F:C260102KES884,00
"""


async def send(api, body, query=f"account=bank:kcb&{COLUMNS}", **options):
    data = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": "application/octet-stream"}
    return await api.request(
        "POST", f"{PATH}?{query}", data=io.BytesIO(data), headers=headers, **options
    )


def lines_of(desk):
    return desk.working.scan(StatementLine.prefix_of("alpha"), 20_000)


class TestSuggestions:
    async def suggested(self, listed, desk, database, csv):
        await send(listed, csv)
        await project(desk, database)
        [line] = lines_of(desk)
        path = f"/api/v1/alpha/statement-lines/{line.line_id}/suggestions"
        return (await listed.get(path)).json["data"]

    def file(self, words, amount):
        head = CSV.splitlines()[0]
        sides = f",{amount}" if float(amount) > 0 else f"{amount[1:]},"
        return f"{head}\n02/01/2026,FT1,{words},{sides},{amount}\n"

    async def test_are_what_has_the_lines_amount_and_matches_nothing(self, listed, desk, database):
        for customer, amount in (("wanjiru", "1160"), ("otieno", "1160"), ("other", "999")):
            command = {"customer_id": customer, "amount": amount}
            await listed.command("/invoices", command, key=customer)
        [_, _, _] = desk.working.scan(Invoice.prefix_of("alpha"), 10)
        day = desk.working.scan(Invoice.prefix_of("alpha"), 1)[0].issued_date
        csv = self.file("from Otieno", "1160.00").replace("02/01/2026", _slashed(day))
        found = await self.suggested(listed, desk, database, csv)
        assert [(row["kind"], row["party"]) for row in found] == [
            ("invoice", "otieno"),
            ("invoice", "wanjiru"),
        ]
        assert found[0]["because"] == ["amount", "0 days apart", "party"]
        assert found[1]["because"] == ["amount", "0 days apart"]
        assert [row.paid for row in desk.working.scan(Invoice.prefix_of("alpha"), 10)] == [0, 0, 0]

    async def test_of_money_that_left_are_what_is_owed(self, listed, desk, database):
        bill = {"supplier_id": "factory", "number": "7", "amount": "44.00", "category": "rent"}
        answer = await listed.command("/alpha/bills", bill)
        csv = self.file("factory", "-44.00").replace(
            "02/01/2026", _slashed(answer.json["issued_date"])
        )
        [row] = await self.suggested(listed, desk, database, csv)
        assert (row["kind"], row["id"], row["amount"]) == (
            "bill",
            answer.json["bill_id"],
            "-44.00",
        )

    async def test_of_another_tenants_line_are_none(self, listed, desk, database):
        path = "/api/v1/alpha/statement-lines/nobody/suggestions"
        assert (await listed.get(path)).status == 404


def _slashed(day):
    year, month, number = day.split("-")
    return f"{number}/{month}/{year}"


class TestUpload:
    async def test_reads_a_file_of_a_banks_own_columns(self, listed, desk, database):
        answer = await send(listed, CSV)
        assert answer.status == 200
        [statement] = answer.json["data"]
        assert (statement["status"], statement["lines"], statement["counted"]) == ("read", 3, 3)
        await project(desk, database)
        lines = (await listed.get("/api/v1/alpha/statement-lines?account=bank:kcb")).json["data"]
        assert sorted(row["amount"] for row in lines) == ["-16.00", "1160.00", "500.00"]
        assert {row["rule"] or row["exception"] for row in lines} == {
            "unmatched_credit",
            "unmatched_debit",
        }
        balances = await listed.get("/api/v1/alpha/balances?account=bank:kcb")
        assert balances.json["data"][0]["balance"]["amount"] == "1644.00"

    async def test_of_the_same_file_again_changes_nothing(self, listed, desk):
        await send(listed, CSV)
        before = len(lines_of(desk))
        answer = await send(listed, CSV)
        assert (answer.status, answer.json["data"][0]["again"]) == (200, 0)
        other = await send(listed, CSV, token=listed.token(subject="somebody else"))
        assert other.json["data"][0]["counted"] == 3
        assert len(lines_of(desk)) == before

    async def test_of_an_overlapping_file_takes_what_is_new(self, listed):
        await send(listed, CSV)
        more = CSV + "04/01/2026,FT4,Rent,44.00,,1600.00\n"
        [statement] = (await send(listed, more)).json["data"]
        assert (statement["counted"], statement["again"]) == (1, 3)

    async def test_finds_out_what_a_file_is(self, listed):
        [statement] = (await send(listed, MT940, "account=bank:kcb")).json["data"]
        assert (statement["opening"], statement["closing"]) == ("1000.00", "884.00")
        assert statement["number"]

    @pytest.mark.parametrize(
        ("body", "query", "status", "code"),
        [
            (CSV.replace("1144.00", "1144.01"), f"account=bank:kcb&{COLUMNS}", 422, "refused"),
            (MT940.replace(b"884", b"885"), "account=bank:kcb", 422, "refused"),
            (b"\x00\x01", "account=bank:kcb", 422, "refused"),
            (b"", "account=bank:kcb", 422, "refused"),
            (CSV, "account=bank:kcb&kind=csv", 422, "refused"),
            (CSV, "account=bank:kcb&amount=Amount", 400, "bad-parameter"),
            (CSV, COLUMNS, 400, "bad-parameter"),
            (CSV, f"account=receivable&{COLUMNS}", 422, "account_has_no_statements"),
        ],
    )
    async def test_is_refused_as_a_whole(self, listed, desk, body, query, status, code):
        answer = await send(listed, body, query)
        assert (answer.status, code in answer.code) == (status, True)
        assert lines_of(desk) == []

    async def test_names_the_line_that_is_wrong(self, listed):
        answer = await send(listed, CSV.replace("1144.00", "1144.01"))
        assert "3" in answer.json["detail"]

    async def test_of_another_account_than_it_was_sent_for_is_refused(self, listed):
        value = {"accounts": [{"account": "kcb", "bank": "KCB", "number": "999999999"}]}
        data = msgspec.json.encode({"value": value})
        headers = {"Content-Type": "application/json"}
        path = "/api/v1/alpha/configuration/bank_accounts"
        await listed.request("PUT", path, data=data, headers=headers)
        answer = await send(listed, MT940, "account=bank:kcb")
        assert (answer.status, answer.code) == (422, "statement-of-another")

    async def test_needs_its_scope(self, listed):
        token = listed.token(scope=(scopes.SETTLEMENTS_READ,))
        assert (await send(listed, CSV, token=token)).status == 403

    async def test_larger_than_all_other_bodies_is_taken(self, listed, desk):
        rows = "".join(
            f"02/01/2026,R{n},{'word ' * 30}{n},,1.00,{n + 1}.00\n" for n in range(10_000)
        )
        body = CSV.splitlines(keepends=True)[0] + rows
        assert len(body) > 1_500_000
        [statement] = (await send(listed, body)).json["data"]
        assert statement["counted"] == 10_000


class TestLines:
    async def test_that_nobody_could_explain_are_explained(self, listed, desk, database):
        await send(listed, CSV)
        await project(desk, database)
        path = "/api/v1/alpha/statement-lines?status=open"
        [line] = (await listed.get(path)).json["data"]
        done = await listed.command(
            f"/alpha/statement-lines/{line['line_id']}/resolve", {"account": "fees:bank"}
        )
        assert (done.status, done.json["status"]) == (200, "resolved")
        found = await listed.get(f"/api/v1/alpha/statement-lines/{line['line_id']}")
        assert found.json["matches"] == [
            {"kind": "account", "subject": "fees:bank", "amount": "-16.00"}
        ]
