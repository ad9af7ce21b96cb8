"""Every record kind has a short page in its module's docstring: states, guarantees, constraints."""

import importlib
import inspect

import pytest

import agents.services  # noqa: F401  brings every kind of row
from tests.tables.test_rows import kinds

MODULES = sorted({kind.__module__ for kind in kinds() if kind.__module__.startswith("tables.")})


@pytest.mark.parametrize("name", MODULES)
def test_says_its_states_guarantees_and_constraints(name):
    page = inspect.getdoc(importlib.import_module(name)) or ""
    assert [word for word in ("States", "Guarantees", "Constraints") if word not in page] == []


@pytest.mark.parametrize("kind", [k for k in kinds() if k.__module__.startswith("tables.")])
def test_every_kind_says_what_it_is(kind):
    assert (kind.__doc__ or "").strip()
