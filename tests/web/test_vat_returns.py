"""The VAT return of a month, as the books and the documents have it."""

from tests.web.desk import project

ALPHA = "/alpha"
BILL = {"supplier_id": "s", "amount": "1160", "tax_amount": "160", "category": "fuel"}
SETTLED = {
    "legs": [
        {"account": "tax:output", "side": "debit", "amount": "320"},
        {"account": "tax:input", "side": "credit", "amount": "160"},
        {"account": "bank:kcb", "side": "credit", "amount": "160"},
    ]
}
CORRECTED = {
    "legs": [
        {"account": "tax:input", "side": "debit", "amount": "5"},
        {"account": "expense:fuel", "side": "credit", "amount": "5"},
    ]
}


async def boxes(api, month: str) -> dict[str, str]:
    return (await api.get(f"/api/v1/alpha/vat-returns/{month}")).json["reckoned"]


class TestInputTax:
    async def test_is_the_months_own_when_another_month_is_paid_in_it(self, listed, desk, database):
        paid = await listed.command(f"{ALPHA}/journals", SETTLED, key="paid")
        undo = f"{ALPHA}/journals/{paid.json['journal_id']}/reverse"
        assert (await listed.command(undo, {}, key="undo")).status == 201
        await listed.command(f"{ALPHA}/journals", SETTLED, key="again")
        await listed.command(f"{ALPHA}/journals", CORRECTED, key="corrected")
        await listed.command(f"{ALPHA}/bills", {**BILL, "number": "1", "tax_document": "E1"})
        await project(desk, database)
        january = await boxes(listed, "2026-01")
        assert (january["input_tax"], january["output_tax_booked"]) == ("165.00", "0.00")
        assert january["payable"] == "-165.00"

    async def test_of_a_month_that_is_none_is_not_found(self, listed):
        for month in ("2026-13", "9999-12", "0001-01"):
            assert (await listed.get(f"/api/v1/alpha/vat-returns/{month}")).status == 404
