"""The chart: names of accounts and their normal side. Accounts come into being on first use."""

from functools import lru_cache

DEBIT, CREDIT = "debit", "credit"

RECEIVABLE = "receivable"
INVENTORY = "inventory"
TAX_INPUT = "tax:input"
WITHHELD_FROM_US = "tax:wht_receivable"
DISPUTES_HELD = "disputes:held"
IN_TRANSIT = "cash:in_transit"
SUSPENSE_OUT = "suspense:out"

PAYABLE = "payable"
GRNI = "grni"
PAYOUT_PENDING = "payout:pending"
REFUND_PENDING = "refund:pending"
CUSTOMER_CREDIT = "customer:credit"
DEFERRED_REVENUE = "deferred_revenue"
TAX_OUTPUT = "tax:output"
WITHHELD_BY_US = "tax:wht_payable"
TIPS = "tips"
SUSPENSE = "suspense"

COGS = "cogs"
PRICE_VARIANCE = "price_variance"
OVER_SHORT = "cash:over_short"
FX_CLEARING = "fx:clearing"
FX_GAIN_LOSS = "fx:gain_loss"

BANK = "bank:"
GATEWAY = "gateway:"
CRYPTO = "crypto:"
MADE_BY_STATEMENTS = frozenset(
    {"treasury.command.statement.import", "treasury.command.line.resolve"}
    | {"treasury.gateway.received"}
)
"""Events whose postings on bank accounts are lines of statements, or undo such a line's; and money
that a bank told of, which is an item of its own (agents/accounting/statements.py).
"""

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
    "tax:tourism_levy",
    "service_charge",
    "tips",
    "revenue",
    "opening",
)


def drawer(outlet_id: str) -> str:
    """Cash in the drawer of an outlet."""
    return f"cash:drawer:{outlet_id or 'main'}"


def outlet_of(account: str) -> str | None:
    """The outlet whose drawer this account is (the reverse of `drawer`); None for any other."""
    name = account.removeprefix("cash:drawer:")
    return None if name == account else name


def revenue(source: str) -> str:
    """Income by source: cafe, pos, subscription, project …"""
    return f"revenue:{source}"


def expense(category: str) -> str:
    """Cost by category: fuel, toll, parking, maintenance, supplies …"""
    return f"expense:{category}"


def earnings(payee_id: str) -> str:
    """What we owe a payee; on the other side, what the payee owes us."""
    return f"earnings:{payee_id}"


def advances(payee_id: str) -> str:
    """What a payee was given ahead of earning it."""
    return f"advances:{payee_id}"


def gateway(provider: str, account: str = "collection") -> str:
    """Money at a payment provider."""
    return f"{GATEWAY}{provider}:{account}"


def fees(provider: str) -> str:
    """What a provider takes for its services."""
    return f"fees:{provider}"


def crypto(chain: str, asset: str) -> str:
    """What our wallets have on a chain."""
    return f"{CRYPTO}{chain}:{asset}"


def bank(account: str) -> str:
    """Money in a bank account."""
    return f"bank:{account}"


@lru_cache(maxsize=4096)
def normal_side(account: str) -> str:
    """The side on which the account's balance is shown as positive."""
    if account == SUSPENSE:
        return CREDIT
    for name in _CREDIT_SIDE:
        if account == name or account.startswith(name + ":"):
            return CREDIT
    return DEBIT


CONTROL_ACCOUNTS = (
    RECEIVABLE,
    SUSPENSE,
    CUSTOMER_CREDIT,
    PAYABLE,
    GRNI,
    PAYOUT_PENDING,
    REFUND_PENDING,
    DISPUTES_HELD,
)
"""Accounts that equal the sum of their open items at all times."""
