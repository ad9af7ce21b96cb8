"""A month's return: what was declared of its sales, and how many documents are not told yet.

A document counts in the month of its day, from when it begins until it is declared or cancelled as
one that is missing, and from when it is declared with its amounts.
"""

from collections.abc import Iterator
from typing import Any, Final

from agents.effects import Effect, Put
from agents.registry import Event, View
from tables.tax_documents import TaxDocument, TaxReturn
from tables.tenants import Tenant

COUNTRY: Final = "KE"
ASSET: Final = "KES"
"""The tax authority is told amounts in this currency alone."""


def asset_of(tenant: Tenant) -> str:
    """The currency of a tenant's returns: its country's where we know that, else its own."""
    return ASSET if tenant.country == COUNTRY else tenant.currency


def vat_return(tenant_id: str, period: str, asset: str, now_ms: int = 0) -> TaxReturn:
    """The return of a month (2026-03) of which nothing has been said."""
    row_id = f"vat-{period}"
    return TaxReturn(tenant_id, row_id, "vat", period, asset, created_ms=now_ms, version=0)


def begun(event: Event[Any], view: View, document: TaxDocument) -> Iterator[Effect]:
    """A document of the month is to be declared."""
    row = _of_its_month(event, view, document)
    yield Put(row.replaced(undeclared=row.undeclared + 1, version=row.version + 1))


def cancelled(event: Event[Any], view: View, document: TaxDocument) -> Iterator[Effect]:
    """Nobody is to be told of it any more."""
    row = _of_its_month(event, view, document)
    yield Put(row.replaced(undeclared=row.undeclared - 1, version=row.version + 1))


def declared(event: Event[Any], view: View, document: TaxDocument) -> Iterator[Effect]:
    """The month has it: a sale adds, a credit note takes off."""
    row = _of_its_month(event, view, document)
    sign = -1 if document.kind == "credit_note" else 1
    gross, taxes = dict(row.gross), dict(row.taxes)
    for line in document.lines:
        gross[line.treatment] = gross.get(line.treatment, 0) + sign * line.total
        taxes[line.treatment] = taxes.get(line.treatment, 0) + sign * line.tax
    after = row.replaced(
        gross=gross,
        taxes=taxes,
        documents=row.documents + 1,
        undeclared=row.undeclared - 1,
        version=row.version + 1,
    )
    yield Put(after)


def _of_its_month(event: Event[Any], view: View, document: TaxDocument) -> TaxReturn:
    period = document.day[:7]
    row = view.row(TaxReturn, event.tenant_id, f"vat-{period}")
    return row or vat_return(event.tenant_id, period, ASSET, event.now_ms)
