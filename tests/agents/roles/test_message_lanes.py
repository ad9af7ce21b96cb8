"""One tenant's many messages, and its one busy answer, hold up nobody else's."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from agents.roles import messages as role
from agents.roles.carrier import AT_ONCE_A_LANE
from agents.roles.lease import Owner
from agents.roles.messages import RETRY_AFTER, Attempt, Messages
from tables.postgres.messages import Due

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)


def due(tenant_id: str, number: int, attempts: int = 0) -> Due:
    about = "invoice_created", "invoice", "i", "c", attempts, 0, NOW, None, b""
    return Due(tenant_id, f"e-{number}", "email", *about)


class Pool:
    @asynccontextmanager
    async def acquire(self):
        yield None


@pytest.fixture
def waiting(monkeypatch) -> list[Due]:
    """What is due, the longest waiting first, as PostgreSQL would find it."""
    rows: list[Due] = []

    async def due_messages(_connection, _partition, *, busy, now, limit):
        assert now == NOW
        return [each for each in rows if each.lane not in busy][:limit]

    monkeypatch.setattr(role.rows, "due_messages", due_messages)
    return rows


@pytest.fixture
def carrier() -> Messages:
    return Messages(Pool(), None, Owner("w"), sender=None, pages="", now=lambda: NOW)


@pytest.mark.parametrize("carried", range(AT_ONCE_A_LANE + 1))
async def test_however_much_waits_in_one_lane_others_have_their_places(carrier, waiting, carried):
    waiting += [due("many", number) for number in range(1_000)]
    waiting += [due("few", 0), due("other", 0)]
    chosen = await carrier._due(0, waiting[:carried])
    found = [each.tenant_id for each in chosen]
    assert found.count("many") == AT_ONCE_A_LANE - carried
    assert {"few", "other"} <= set(found)


async def test_a_lane_that_is_tried_again_with_one_message_is_not_all_that_is_seen(
    carrier, waiting, monkeypatch
):
    waiting += [due("many", number) for number in range(1_000)]
    waiting += [due("few", 0)]
    monkeypatch.setattr(carrier._breaker(waiting[0].lane), "admit", lambda: False)
    assert [each.tenant_id for each in await carrier._due(0, [])] == ["few"]


@pytest.mark.parametrize(("said_s", "rests_s"), [(0, 5), (60, 60)])
def test_a_busy_service_rests_for_as_long_as_it_says(carrier, said_s, rests_s):
    last = due("t", 0, attempts=len(RETRY_AFTER) - 1)
    noted = carrier._noted(last, Attempt("busy", retry_after_s=said_s), NOW)
    assert noted.next_at == NOW + RETRY_AFTER[-1]
    assert carrier._resting[last.lane] == NOW + timedelta(seconds=rests_s)


def test_an_empty_balance_rests_for_longer_each_time(carrier):
    last = due("t", 0, attempts=len(RETRY_AFTER) - 1)
    carrier._noted(last, Attempt("refused", "no_credit", "no_credit"), NOW)
    assert carrier._resting[last.lane] == NOW + RETRY_AFTER[-1]
