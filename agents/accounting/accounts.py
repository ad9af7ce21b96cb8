"""What an account has to give: its balance on its normal side, less what holds may take away.

An account whose tenant allows no overdraft gives no more than that to a person's command.
"""

from agents.accounting import chart
from agents.effects import Unfit
from agents.registry import View
from tables.accounts import AccountRule
from tables.balances import Balance


def available(row: Balance | None, account: str) -> int:
    """Minor units on the normal side that no hold has set aside."""
    if row is None:
        return 0
    if chart.normal_side(account) == chart.DEBIT:
        return row.posted - row.pending_credits
    return -row.posted - row.pending_debits


def leaving(account: str, minor: int) -> int:
    """How much of a leg (debit above zero) leaves the account; below zero it comes in."""
    return -minor if chart.normal_side(account) == chart.DEBIT else minor


def afford(view: View, tenant_id: str, account: str, asset: str, minor: int) -> None:
    """Raise Unfit if so much (minor units) may not leave the account."""
    rule = view.row(AccountRule, tenant_id, account, asset)
    if rule is None or rule.overdraft or minor <= 0:
        return
    has = available(view.row(Balance, tenant_id, account, asset), account)
    if has < minor:
        raise Unfit("overdraft", f"{account} may not be overdrawn", 422)
