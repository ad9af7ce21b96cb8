"""Budgets: what a project commits to and spends in a category, told of once it is too much."""

from collections.abc import Iterator
from typing import Any

from agents.effects import Effect, Emit, Put
from agents.registry import Event, View
from streams.money import json_number
from tables.budgets import Budget

ALL = "*"
"""The category of a budget that counts all of its project."""


def spend(
    event: Event[Any],
    view: View,
    *,
    project_id: str,
    category: str,
    asset: str,
    committed: int = 0,
    actual: int = 0,
) -> Iterator[Effect]:
    """Count commitments and costs (minor units, below zero to take back) of a project."""
    if not project_id or not (committed or actual):
        return
    for name in (category, ALL):
        budget = view.row(Budget, event.tenant_id, project_id, name, asset)
        if budget is None:
            budget = Budget(event.tenant_id, project_id, name, asset, version=0)
        after = budget.replaced(
            committed=budget.committed + committed,
            actual=budget.actual + actual,
            version=budget.version + 1,
        )
        yield from judged(after)


def judged(budget: Budget) -> Iterator[Effect]:
    """The budget, and its event if it is passed now and was not before."""
    passed = budget.amount >= 0 and budget.remaining < 0
    after = budget.replaced(exceeded=passed)
    yield Put(after)
    if passed and not budget.exceeded:
        yield Emit("treasury.budget.exceeded", _said(after))


def _said(budget: Budget) -> dict[str, Any]:
    return {
        "project_id": budget.project_id,
        "category": budget.category,
        "amount": json_number(budget.amount, budget.asset),
        "currency": budget.asset,
        "committed": json_number(budget.committed, budget.asset),
        "actual": json_number(budget.actual, budget.asset),
        "remaining": json_number(budget.remaining, budget.asset),
        "sequence": budget.version,
    }
