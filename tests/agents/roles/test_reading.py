"""Queries wait for what they have read to be committed, and for nothing else."""

import asyncio

import pytest
import pytest_asyncio

from agents.roles.reading import Reading, committed_view
from agents.roles.writer import Limits
from tables.balances import Balance
from tables.tenants import Tenant
from tests.agents.core import DictStore
from tests.agents.roles.writing import writing

SOON_S = 0.2
ORDER = {"order_id": "o", "total_amount": 100}


async def read(writer, tenant_id: str) -> tuple[Tenant | None, list[Balance]]:
    async with committed_view(writer) as view:
        return view.row(Tenant, tenant_id), view.scan(Balance.prefix_of(tenant_id), 10)


@pytest_asyncio.fixture
async def found():
    """Two tenants are committed; the order of the first is decided, its record on its way."""
    async with writing(Limits()) as found:
        await found.events(*(("auth.tenant.created", tenant, {}) for tenant in ("busy", "quiet")))
        await found.decided()
        found.journal.free.clear()
        await found.events(("cafe.order.created", "busy", ORDER))
        async with asyncio.timeout(10):
            while found.writer.next.offset < 2:
                await asyncio.sleep(0)
        yield found


class TestAQuery:
    async def test_of_another_tenant_is_answered_at_once(self, found):
        tenant, balances = await read(found.writer, "quiet")
        assert tenant is not None
        assert balances == []
        assert found.writer.committed.next.offset == 1

    async def test_of_what_is_not_committed_waits_for_that(self, found):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON_S):
                await read(found.writer, "busy")
        asking = asyncio.create_task(read(found.writer, "busy"))
        await asyncio.sleep(0)
        found.journal.free.set()
        _, balances = await asking
        assert sum(row.posted for row in balances) == 0 < len(balances)
        assert found.writer.committed.next.offset == 2

    async def test_of_a_row_that_is_being_decided_waits_too(self, found):
        await found.events(("cafe.order.created", "quiet", ORDER))
        async with asyncio.timeout(10):
            while found.writer.next.offset < 3:
                await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON_S):
                await read(found.writer, "quiet")


class TestReading:
    def test_knows_what_it_was_asked_for(self):
        reading = Reading(DictStore())  # type: ignore[arg-type]  any rows will do
        reading.get(b"a\x00t\x001")
        assert reading.saw([b"a\x00t\x001"])
        assert not reading.saw({b"a\x00t\x0012": b"", b"a\x00t\x002": b""})
        assert not reading.saw([])

    def test_knows_the_ranges_it_was_asked_for(self):
        class Rows(DictStore):
            def scan(self, prefix, limit, start=b""):
                return []

        reading = Reading(Rows())
        reading.scan(b"b\x00t\x00", 1)
        assert reading.saw([b"b\x00t\x00new"])
        assert not reading.saw([b"b\x00u\x00new", b"a\x00t\x00"])
