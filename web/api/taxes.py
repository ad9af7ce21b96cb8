"""Tax documents with a bounded wait for their signature, and the VAT return of a month.

No interface of the tax authority takes a whole VAT return: what it asks for is reckoned here from
what was declared and booked, to be filed by a person.
"""

import asyncio
from datetime import date

from aiohttp import web

from agents.accounting import chart, tax, tax_months
from agents.shown import shown
from streams.money import exponent_of, format_minor
from streams.timestamps import BadTimestamp, parse_day
from tables.postgres.taxes import booked_tax, certified, undocumented_tax
from tables.tax_documents import TaxDocument, TaxReturn
from web.api.resources import one
from web.call import Call
from web.lists import bad_parameter, format_of, json_response, parameters, reading
from web.problems import not_found
from web.tables import csv_response
from web.tenants import tenant_of

WAIT_S_MAX = 10
POLL_S = 0.1
_FINAL = frozenset({"declared", "rejected", "doubted", "cancelled"})
BOXES = (
    ("sales_standard", "Sales at the standard rate, without tax"),
    ("sales_zero", "Zero-rated sales"),
    ("sales_exempt", "Exempt sales"),
    ("sales_non_vat", "Sales outside of VAT, levies among them"),
    ("output_tax", "Tax on sales, as declared by documents"),
    (
        "output_tax_booked",
        "Tax on sales, as booked; differs by rounding and by what is not declared",
    ),
    ("input_tax_booked", "Tax on purchases, as booked; without journals that settle taxes"),
    ("input_tax_undocumented", "Of that, tax of bills without an eTIMS number: not deducted"),
    ("input_tax", "Tax on purchases that is deducted"),
    ("withheld_vat", "Tax that customers withheld, by certificates noted for the month"),
    ("payable", "To pay; below zero it is carried forward"),
)
"""Names and meanings of the return's boxes, in their order."""


async def get_document(call: Call) -> web.StreamResponse:
    """The document; with `wait_s`, not before it is signed or rejected, or that time is over.

    A receipt that cannot wait any longer is printed without a signature, and reprinted with it.
    """
    wait_s, document_id = _wait_s(call), call.request.match_info["document_id"]
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while True:
        row = await one(call, TaxDocument, document_id)
        if row.status in _FINAL or loop.time() >= until_s:
            return json_response(shown(row))
        await asyncio.sleep(POLL_S)


def _wait_s(call: Call) -> int:
    text = parameters(call).get("wait_s", "0")
    if not (text.isascii() and text.isdigit() and int(text[:3]) <= WAIT_S_MAX):
        raise bad_parameter("wait_s", f"seconds from 0 to {WAIT_S_MAX}")
    return int(text)


async def get_vat_return(call: Call) -> web.StreamResponse:
    """The boxes of a month as they stand, and how its return stands; JSON or CSV."""
    wanted, period = format_of(parameters(call)), call.request.match_info["period"]
    days = _month(period)
    async with call.context.desk.view(call.tenant_id) as view:
        asset = tax_months.asset_of(tenant_of(view, call))
        row = view.row(TaxReturn, call.tenant_id, f"vat-{period}")
    row = row or tax_months.vat_return(call.tenant_id, period, asset)
    asset = row.asset
    async with reading(call) as connection:
        about = (connection, call.tenant_id)
        booked = {
            account: await booked_tax(*about, account, asset, days)
            for account in (chart.TAX_OUTPUT, chart.TAX_INPUT)
        }
        undocumented = await undocumented_tax(*about, asset, period)
        withheld = await certified(*about, "withheld_vat", asset, period)
    minor = _boxes(row, booked[chart.TAX_OUTPUT], booked[chart.TAX_INPUT], undocumented, withheld)
    exponent = exponent_of(asset)
    boxes = {name: format_minor(minor[name], exponent) for name, _ in BOXES}
    if wanted == "csv":
        lines = [
            {"box": name, "meaning": words, "amount": boxes[name], "currency": asset}
            for name, words in BOXES
        ]
        return csv_response(("box", "meaning", "amount", "currency"), lines)
    return json_response({**shown(row), "reckoned": boxes})


def _month(period: str) -> tuple[date, date]:
    """The first day of a month, and of the next one. Raises `Problem` 404 for none."""
    try:
        first = parse_day(f"{period}-01")
    except BadTimestamp:
        raise not_found() from None
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _boxes(
    row: TaxReturn, output: int, bought: int, undocumented: int, withheld: int
) -> dict[str, int]:
    """Minor units by name; `output` and `bought` are debits less credits of their accounts."""
    net = {name: row.gross.get(name, 0) - row.taxes.get(name, 0) for name in tax.TREATMENTS}
    declared, deducted = sum(row.taxes.values()), bought - undocumented
    return {
        **{f"sales_{name}": minor for name, minor in net.items()},
        "output_tax": declared,
        "output_tax_booked": -output,
        "input_tax_booked": bought,
        "input_tax_undocumented": undocumented,
        "input_tax": deducted,
        "withheld_vat": withheld,
        "payable": declared - deducted - withheld,
    }
