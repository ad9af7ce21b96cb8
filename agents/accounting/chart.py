"""The chart: names of accounts and their normal side. Accounts come into being on first use."""

DEBIT, CREDIT = "debit", "credit"

RECEIVABLE = "receivable"
SUSPENSE = "suspense"
CUSTOMER_CREDIT = "customer:credit"
TAX_OUTPUT = "tax:output"
TIPS = "tips"

_CREDIT_SIDE = (
    "payable",
    "grni",
    "earnings",
    "payout:pending",
    "refund:pending",
    "customer:credit",
    "deferred_revenue",
    "tax:output",
    "tax:wht_payable",
    "tips",
    "revenue",
    "opening",
)


def drawer(outlet_id: str) -> str:
    """Cash in the drawer of an outlet."""
    return f"cash:drawer:{outlet_id or 'main'}"


def revenue(source: str) -> str:
    """Income by source: cafe, pos, subscription, project …"""
    return f"revenue:{source}"


def gateway(provider: str, account: str = "collection") -> str:
    """Money at a payment provider."""
    return f"gateway:{provider}:{account}"


def normal_side(account: str) -> str:
    """The side on which the account's balance is shown as positive."""
    if account == SUSPENSE:
        return CREDIT
    for name in _CREDIT_SIDE:
        if account == name or account.startswith(name + ":"):
            return CREDIT
    return DEBIT


CONTROL_ACCOUNTS = (RECEIVABLE, SUSPENSE, CUSTOMER_CREDIT)
"""Accounts that equal the sum of their open items at all times."""
