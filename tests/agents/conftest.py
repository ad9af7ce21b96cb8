"""What tests of the core share: a core with one tenant, and handlers that exist in tests only."""

from collections.abc import Iterator

import pytest

from tests.agents.core import Core
from tests.agents.handlers import test_handlers

__all__ = ["test_handlers"]


@pytest.fixture
def core() -> Iterator[Core]:
    """One partition with an active tenant `t`; whatever a test does to it keeps the invariants."""
    core = Core()
    core.tenant("t")
    yield core
    assert core.violations() == []
