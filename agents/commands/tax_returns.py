"""Returns and certificates: what was filed, how it was acknowledged, what the authority certifies.

No interface of the authority takes a whole VAT return: it is reckoned here (web/api/taxes.py), a
person files it, and says so with the boxes that were filed.
"""

from typing import Annotated, Literal

import msgspec

from agents.accounting import tax_months
from agents.commands.base import Command, answered, demand, found, not_below_zero
from agents.effects import Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Code, Day, Id, OptionalId
from streams.ids import derive
from streams.money import Amount, exponent_of, format_minor
from streams.timestamps import local_day, parse_day
from tables.tax_documents import TaxCertificate, TaxReturn

FILE = "treasury.command.tax_return.file"
ACKNOWLEDGE = "treasury.command.tax_return.acknowledge"
CERTIFY = "treasury.command.tax_certificate.note"
BOXES_MAX = 40
Period = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
"""A month, as in 2026-03."""
Tax = Literal["vat", "nil", "turnover_tax", "withholding"]
Box = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}$")]


class FileReturn(Command, frozen=True):
    """A return was filed with these boxes, in the currency of the country's returns.

    Of a VAT return `output_tax` is what was declared in the month: if more was declared since the
    boxes were reckoned, they are to be reckoned again. `undeclared` is how many of the month's
    documents are left out knowingly, as many as the return shows.
    """

    tax: Tax
    period: Period
    boxes: dict[Box, Amount] = {}
    undeclared: Annotated[int, msgspec.Meta(ge=0)] = 0
    acknowledgement: OptionalId = ""


class AcknowledgeReturn(Command, frozen=True):
    """The authority's number for a return that was filed."""

    return_id: Id
    acknowledgement: Id


class NoteCertificate(Command, frozen=True):
    """A certificate that the authority issued; its number is kept once."""

    kind: Literal["withheld_vat", "withheld_income", "compliance"]
    number: Id
    issued_day: Day
    amount: Amount | None = None
    currency: Code = ""
    valid_until: Day | None = None
    party_id: OptionalId = ""
    invoice_id: OptionalId = ""


@handles(FILE, FileReturn, ingress=COMMANDS)
def file(event: Event[FileReturn], view: View) -> Effects:
    """Open → filed, or acknowledged at once; a return is filed once."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    return_id = f"{data.tax}-{data.period}"
    today = local_day(event.now_ms, tenant.time_zone)
    demand(data.period < today[:7], "period_open", "its month is not over", 422)
    known = view.row(TaxReturn, event.tenant_id, return_id)
    row = known or TaxReturn(
        event.tenant_id,
        return_id,
        data.tax,
        data.period,
        tax_months.asset_of(tenant),
        created_ms=event.now_ms,
        version=0,
    )
    demand(row.status == "open", f"tax_return_{row.status}", "it is filed once")
    missing = f"{row.undeclared} documents of its month are not declared"
    demand(data.undeclared == row.undeclared, "tax_documents_undeclared", missing)
    boxes = _boxes(row, data)
    after = row.replaced(
        status="acknowledged" if data.acknowledgement else "filed",
        boxes=boxes,
        acknowledgement=data.acknowledgement,
        filed_by=data.actor,
        filed_day=today,
        version=row.version + 1,
    )
    yield Put(after)
    yield from answered(after, 201)


def _boxes(row: TaxReturn, data: FileReturn) -> dict[str, str]:
    if len(data.boxes) > BOXES_MAX:
        raise Unfit("too_many_boxes")
    minor = {name: amount.minor(row.asset) for name, amount in data.boxes.items()}
    if data.tax == "vat":
        declared = sum(row.taxes.values())
        fits = minor.get("output_tax") == declared
        words = f"output_tax is {format_minor(declared, exponent_of(row.asset))} by now"
        demand(fits, "tax_return_changed", words)
    exponent = exponent_of(row.asset)
    return {name: format_minor(value, exponent) for name, value in sorted(minor.items())}


@handles(ACKNOWLEDGE, AcknowledgeReturn, ingress=COMMANDS)
def acknowledge(event: Event[AcknowledgeReturn], view: View) -> Effects:
    """Filed → acknowledged."""
    row = found(view, TaxReturn, event.tenant_id, event.data.return_id, name="tax_return")
    demand(row.status == "filed", f"tax_return_{row.status}", "only what is filed")
    after = row.replaced(
        status="acknowledged",
        acknowledgement=event.data.acknowledgement,
        version=row.version + 1,
    )
    yield Put(after)
    yield from answered(after)


@handles(CERTIFY, NoteCertificate, ingress=COMMANDS)
def certify(event: Event[NoteCertificate], view: View) -> Effects:
    """It is kept, and posts nothing."""
    data, tenant = event.data, view.tenant(event.tenant_id)
    for day in (data.issued_day, data.valid_until):
        if day:
            parse_day(day)
    asset = data.currency or tenant.currency
    certificate_id = derive(event.tenant_id, data.number, f"certificate.{data.kind}", 0)
    known = view.row(TaxCertificate, event.tenant_id, certificate_id)
    demand(known is None, "certificate_exists", "its number is kept already")
    row = TaxCertificate(
        event.tenant_id,
        certificate_id,
        data.kind,
        data.number,
        asset,
        not_below_zero(data.amount, asset),
        data.issued_day,
        data.valid_until or "",
        data.party_id,
        data.invoice_id,
        data.actor,
        event.now_ms,
    )
    yield Put(row)
    yield from answered(row, 201)
