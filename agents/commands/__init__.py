"""Commands of our own HTTP layer, one resource a file; each is an event whose caller waits.

A command names its actor, whom the web layer has verified. None marks anything paid without the
provider's proof, but cash, which a person says was taken.
"""

from agents.commands import (
    accounts,
    bills,
    books,
    calls,
    captures,
    cases,
    conversions,
    expenses,
    invoices,
    journals,
    payments,
    payouts,
    proofs,
    refunds,
    statements,
    subscriptions,
    tax_documents,
    tax_returns,
    tenants,
)
from agents.commands.payments import CONFIRM, CREATE_INTENT

__all__ = [
    "CONFIRM",
    "CREATE_INTENT",
    "accounts",
    "bills",
    "books",
    "calls",
    "captures",
    "cases",
    "conversions",
    "expenses",
    "invoices",
    "journals",
    "payments",
    "payouts",
    "proofs",
    "refunds",
    "statements",
    "subscriptions",
    "tax_documents",
    "tax_returns",
    "tenants",
]
