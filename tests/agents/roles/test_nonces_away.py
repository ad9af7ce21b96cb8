"""What is said of a number while Postgres goes away: whether it may be used one day."""

from contextlib import asynccontextmanager

import pytest

from agents.roles import nonces as role
from agents.roles.nonces import StoredNonces
from connectors.base import Ambiguous, NotSent


class Pool:
    """Postgres, which goes away before or after it has understood."""

    @asynccontextmanager
    async def acquire(self):
        yield self

    @asynccontextmanager
    async def transaction(self):
        yield
        raise ConnectionResetError("while it was committed")


@pytest.fixture
def stored(monkeypatch) -> StoredNonces:
    async def reserve_nonce(*_: object) -> int:
        return 7

    async def read_kept(*_: object) -> list:
        raise ConnectionResetError("away")

    monkeypatch.setattr(role.chains, "reserve_nonce", reserve_nonce)
    monkeypatch.setattr(role.chains, "read_kept", read_kept)
    return StoredNonces(Pool())


async def test_a_number_that_may_be_given_is_no_failure_for_certain(stored):
    """Its call is asked about, so that the gap before all later numbers is closed."""
    with pytest.raises(Ambiguous):
        await stored.reserve(137, "0x1", "key", 0)


async def test_who_could_only_not_look_has_done_nothing(stored):
    with pytest.raises(NotSent):
        await stored.find(137, "0x1", "key")
