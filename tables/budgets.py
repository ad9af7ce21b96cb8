"""Budgets of projects by category: what was committed to, what was spent, what is left.

States: within ⇄ exceeded. Guarantees: committed = Σ expenses that wait for approval, actual = what
was posted to the project and category. Told once each time the budget is passed. Constraints: one
per project, category and currency; a category `*` counts all of a project.
"""

from tables.row import Row, register


@register
class Budget(Row, frozen=True):
    """One budget, minor units; without an `amount` (-1) it only counts."""

    KIND = "bg"
    KEY = ("tenant_id", "project_id", "category", "asset")

    tenant_id: str
    project_id: str
    category: str
    asset: str
    amount: int = -1
    committed: int = 0
    actual: int = 0
    exceeded: bool = False
    version: int = 1

    @property
    def remaining(self) -> int:
        """What is left of it; below zero once it is exceeded."""
        return self.amount - self.committed - self.actual
