"""Rows as answers show them: amounts as decimal text of their currency, never minor units.

One table says which members are amounts; everything else is shown under its own name.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from agents.accounting.lines import quantity_text
from streams.money import exponent_of, format_minor
from tables.accounts import AccountRule
from tables.balances import Hold
from tables.budgets import Budget
from tables.drawers import DrawerSession
from tables.earnings import Deduction, Earnings
from tables.invoices import Invoice, Line, Order, PaymentLink
from tables.journals import Conversion, Journal, Leg
from tables.payables import Bill, BillLine, Expense
from tables.payments import (
    Case,
    Credit,
    Dispute,
    GatewayCall,
    Payment,
    Placement,
    ProviderBalance,
    Refund,
    Taken,
)
from tables.payouts import Payout
from tables.purchases import Item, Purchase
from tables.row import Row
from tables.settlements import Settlement, SettlementProof
from tables.statements import BankItem, Matched, Statement, StatementLine
from tables.subscriptions import Meter, Plan, Subscription, Usage
from tables.tax_documents import TaxBranch, TaxCertificate, TaxDocument, TaxLine, TaxReturn
from tables.tenants import Outlet, Tenant, Threshold

AMOUNTS: Mapping[type[msgspec.Struct], str] = {
    Invoice: "total tax paid credited withheld written_off to_withhold from_credit",
    Line: "net tax charge",
    Order: "sold_net sold_tax",
    Payment: (
        "amount received refunded refund_pending disputed authorized capturing quoted taken_back"
    ),
    GatewayCall: "",
    Placement: "amount",
    Case: "amount",
    ProviderBalance: "current available",
    Credit: "amount",
    Refund: "amount",
    Taken: "amount",
    Dispute: "amount fee excess",
    SettlementProof: "",
    Settlement: "gross refunds fees payouts disputes",
    Statement: "opening closing",
    StatementLine: "minor unexplained",
    Matched: "amount",
    BankItem: "minor",
    TaxDocument: "total tax credited",
    TaxLine: "total tax",
    TaxBranch: "",
    TaxReturn: "",
    TaxCertificate: "minor",
    Payout: "amount fee",
    Bill: "total tax paid pending withheld cleared adjusted",
    BillLine: "net",
    Expense: "total tax paid pending",
    Purchase: "received cleared",
    Item: "value cleared",
    Earnings: "gross",
    Deduction: "amount",
    Budget: "amount committed actual",
    Plan: "price",
    Meter: "",
    Subscription: "deferred deferred_total earned",
    DrawerSession: "counted deposit paid_in paid_out drops float_minor carried moved",
    Threshold: "minor",
    Journal: "",
    Conversion: "",
    Usage: "",
    PaymentLink: "",
    Hold: "captured",
    AccountRule: "",
    Tenant: "",
    Outlet: "",
}
"""Every kind of row that is shown, and its parts: the members that are minor units."""
COMPUTED: Mapping[type[Row], str] = {
    Invoice: "outstanding",
    Payment: "refundable",
    Settlement: "net",
    Bill: "net outstanding",
    Expense: "net outstanding",
    Purchase: "unbilled",
    Earnings: "net",
    Budget: "remaining",
    DrawerSession: "begun_with expected left",
}
NAMES = {
    "asset": "currency",
    "from_asset": "from_currency",
    "to_asset": "to_currency",
    "quoted_asset": "quoted_currency",
    "sold_asset": "sold_currency",
    "gateway": "provider",
    "float_minor": "opening_float",
    "minor": "amount",
}
TOTALS = (Invoice, Bill, Expense, TaxDocument)
QUANTITIES = {BillLine: "quantity", Usage: "now next late unused", Meter: "included"}
BY_NAME: Mapping[type[msgspec.Struct], tuple[str, ...]] = {
    Invoice: ("levies",),
    TaxReturn: ("gross", "taxes"),
}
"""Members that are minor units by a name."""
HIDDEN = frozenset({"tenant_id", "came", "link_seed", "link_token", "nonce", "taken", "told_ms"})


def shown(row: Row) -> dict[str, Any]:
    """The members of a row, amounts as text in its currency."""
    members = _members(row, getattr(row, "asset", ""))
    if isinstance(row, Payment) and row.quoted_asset:
        members["quoted"] = _text(row.quoted, row.quoted_asset)
    if isinstance(row, TOTALS):
        members["amount"] = members.pop("total")
    for name in COMPUTED.get(type(row), "").split():
        members[name] = _text(getattr(row, name), row.asset)  # type: ignore[attr-defined]
    if isinstance(row, Hold):
        members["amount"] = _text(abs(row.minor), row.asset)
    if isinstance(row, Conversion):
        members["sold"] = _text(row.sold, row.from_asset)
        members["quoted"] = _text(row.quoted, row.to_asset)
        members["bought"] = _text(row.bought, row.to_asset)
    if isinstance(row, Budget) and row.amount < 0:
        members["amount"] = members["remaining"] = None
    return members


def _members(value: msgspec.Struct, asset: str) -> dict[str, Any]:
    amounts = AMOUNTS[type(value)].split()
    quantities = QUANTITIES.get(type(value), "").split()
    found: dict[str, Any] = {}
    for name in value.__struct_fields__:
        if name in HIDDEN:
            continue
        member = getattr(value, name)
        if name in amounts and member is not None:
            member = _text(member, asset)
        elif name in quantities:
            member = quantity_text(member)
        elif name in BY_NAME.get(type(value), ()):
            member = {account: _text(minor, asset) for account, minor in member.items()}
        else:
            member = _plain(member, asset)
        found[NAMES.get(name, name)] = member
    return found


def _plain(member: Any, asset: str) -> Any:
    if isinstance(member, Leg):
        side = "debit" if member.minor >= 0 else "credit"
        return {
            "account": member.account,
            "side": side,
            "amount": _text(abs(member.minor), member.asset),
            "currency": member.asset,
            "item": member.item,
            "dimensions": member.dimensions,
        }
    if type(member) in AMOUNTS:
        return _members(member, asset)
    if isinstance(member, msgspec.Struct):
        return msgspec.to_builtins(member)
    if isinstance(member, list | tuple):
        return [_plain(item, asset) for item in member]
    return member


def _text(minor: int, asset: str) -> str:
    return format_minor(minor, exponent_of(asset))
