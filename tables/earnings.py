"""What people earned in a period; earnings:{payee} is what we owe them, below zero if they owe us.

States: none, a period is calculated as often as need be. Guarantees: of one payee and period the
newest calculation counts, whatever order they come in, and what is posted for it is exactly its
figures. Constraints: payouts are not part of it.
"""

import msgspec

from tables.row import Row, register


class Deduction(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is kept back, minor units: `kind` is tax, advance, or a word for our own cost."""

    kind: str
    amount: int


@register
class Earnings(Row, frozen=True):
    """One period of a payee; amounts in minor units, which may be below zero."""

    KIND = "ea"
    KEY = ("tenant_id", "payee_id", "period")

    tenant_id: str
    payee_id: str
    period: str
    asset: str
    gross: int
    deductions: tuple[Deduction, ...] = ()
    calculated_ms: int = 0
    calculated_by: str = ""
    calculations: int = 1
    version: int = 1
    created_ms: int = 0

    @property
    def net(self) -> int:
        """What is owed for the period."""
        return self.gross - sum(deduction.amount for deduction in self.deductions)
