"""Books of a Kenyan tenant that is registered for tax."""

import pytest

from tests.agents.accounting.books import Books


@pytest.fixture
def books() -> Books:
    """Registered, five days to pay, small expenses approved by themselves."""
    return Books(tax_registered=True, payment_terms_days=5, expense_limit="1000")
