"""What tests of the core share: a core with one tenant, and handlers that exist in tests only."""

import pytest

from tests.agents.core import Core
from tests.agents.handlers import test_handlers

__all__ = ["test_handlers"]


@pytest.fixture
def core() -> Core:
    """One partition with an active tenant `t`."""
    core = Core()
    core.tenant("t")
    return core
