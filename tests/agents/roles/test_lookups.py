"""Was it decided before? What dispatch answers when the writer asks the archive."""

import asyncio

import msgspec
import pytest
import pytest_asyncio

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Owner
from agents.roles.projector import Projector
from connectors.auth.client import AuthService
from connectors.auth.fake import FakeAuthService, Fault
from connectors.http import open_session
from streams.journal import Call
from tests.agents.roles.dispatching import PlayedWriter, now, reached, start
from tests.agents.roles.test_bridge import until
from tests.journals import entry

ANSWERED = "treasury.lookup.answered"
pytestmark = pytest.mark.kafka


class TestLookups:
    @pytest_asyncio.fixture
    async def projecting(self, writer):
        archived = ArchiveProgress(writer.pool)
        task = asyncio.create_task(Projector(writer.pool, archived, Owner("test")).run(0))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await archived.close()

    async def ask(self, writer: PlayedWriter, *event_ids: str, **with_these) -> None:
        """Journal parked events that each wait for the archive's answer, in one record."""
        asked = {"redriven": True} if with_these.get("redriven") else {}
        entries = [
            entry(
                1_000 + number,
                event_id=event_id,
                status="parked",
                calls=[
                    Call(
                        f"lookup-{event_id}",
                        "archive",
                        "seen",
                        msgspec.json.encode({"event_id": event_id, **asked}),
                        0,
                    )
                ],
            )
            for number, event_id in enumerate(event_ids)
        ]
        await writer.write(*with_these.get("before", ()), *entries)

    async def answers(self, writer: PlayedWriter, count: int) -> dict[str, bool]:
        async with start(writer, {}) as task:

            async def all_answered() -> bool:
                open_calls = "SELECT count(*) FROM calls WHERE state <> 'done'"
                left = await writer.pool.fetchval(open_calls)
                return len(writer.said(ANSWERED)) == count and not left

            await until(all_answered, "all answered", task)
        return {data["event_id"]: data["seen"] for _, data in writer.said(ANSWERED)}

    @pytest.mark.usefixtures("projecting")
    async def test_only_decisions_before_the_question_count(self, writer):
        await writer.write(
            entry(1, event_id="applied"),
            entry(2, event_id="rejected", status="rejected", reason="bad_amount"),
            entry(3, event_id="parked", status="parked"),
            entry(4, event_id="duplicate", status="duplicate"),
            entry(5, event_id="door", status="rejected", reason="ingress_not_allowed"),
            entry(6, event_id="others", tenant_id="beta"),
            entry(9, event_id="not-now", status="refused", reason="parking_full"),
        )
        same_record = entry(7, event_id="same-record")
        events = ["applied", "rejected", "parked", "duplicate", "door", "others", "same-record"]
        events.append("not-now")
        await self.ask(writer, *events, "never", "later", before=[same_record])
        await writer.write(entry(8, event_id="later"))
        assert await self.answers(writer, 10) == {
            "applied": True,
            "rejected": True,
            "parked": False,
            "duplicate": False,
            "door": False,
            "others": False,
            "same-record": True,
            "not-now": False,
            "never": False,
            "later": False,
        }

    @pytest.mark.usefixtures("projecting")
    async def test_of_a_redriven_event_only_what_was_carried_out_counts(self, writer):
        await writer.write(
            entry(1, event_id="applied"),
            entry(2, event_id="rejected", status="rejected", reason="deadline"),
            entry(3, event_id="refused", status="refused", reason="payment_unknown"),
            entry(4, event_id="not-now", status="refused", reason="parking_full"),
            entry(5, event_id="applied-later", status="rejected", reason="internal: KeyError"),
            entry(6, event_id="applied-later"),
        )
        events = ["applied", "rejected", "refused", "not-now", "applied-later"]
        await self.ask(writer, *events, redriven=True)
        assert await self.answers(writer, 5) == {
            "applied": True,
            "rejected": False,
            "refused": True,
            "not-now": False,
            "applied-later": True,
        }

    @pytest.mark.usefixtures("projecting")
    async def test_quarantined_entry_counts(self, writer):
        raw = msgspec.json.encode(
            {
                "event_id": "strange",
                "event_type": "pos.order.completed",
                "tenant_id": "alpha",
                "timestamp": "2026-01-01T00:00:00Z",
                "data": {},
            }
        )
        await writer.write(entry(1, event_id="strange", reason="\x00", raw=raw))
        await self.ask(writer, "strange")
        assert await self.answers(writer, 1) == {"strange": True}

    @pytest.mark.usefixtures("projecting")
    async def test_quarantined_entry_counts_by_the_same_rules(self, writer):
        await writer.write(
            entry(1, event_id="rejected", status="rejected", reason="\x00"),
            entry(2, event_id="parked", status="parked", reason="\x00"),
            entry(3, event_id="applied", reason="\x00"),
        )
        await self.ask(writer, "rejected", "parked", "applied", redriven=True)
        assert await self.answers(writer, 3) == {
            "rejected": False,
            "parked": False,
            "applied": True,
        }

    @pytest.mark.usefixtures("projecting")
    async def test_question_asked_again_by_a_later_record_is_answered_again(self, writer):
        await self.ask(writer, "old")
        assert await self.answers(writer, 1) == {"old": False}
        await self.ask(writer, "old")
        await self.answers(writer, 2)
        assert [status for status, _ in writer.said(ANSWERED)] == ["applied", "applied"]

    async def test_answer_waits_for_the_read_models(self, writer):
        await writer.write(entry(1, event_id="applied"))
        await self.ask(writer, "applied")
        async with start(writer, {}) as task:
            await until(lambda: reached(writer, writer.journal.seq), "all read", task)
            await asyncio.sleep(0.5)
            assert writer.said(ANSWERED) == []
            archived = ArchiveProgress(writer.pool)
            projector = asyncio.create_task(Projector(writer.pool, archived, Owner("test")).run(0))

            async def answered() -> bool:
                return [data["seen"] for _, data in writer.said(ANSWERED)] == [True]

            await until(answered, "answered", task, projector)
            projector.cancel()
            await asyncio.gather(projector, return_exceptions=True)
            await archived.close()


class TestTenants:
    """The auth service is asked about a tenant that events wait for, and its word is said."""

    FOUND = "treasury.tenant.found"

    @pytest_asyncio.fixture
    async def fake(self):
        async with FakeAuthService() as fake:
            yield fake

    @pytest_asyncio.fixture
    async def auth(self, fake):
        async with open_session(total_s=2) as session:
            yield AuthService(session, fake.base_url, fake.api_key)

    async def ask(self, writer: PlayedWriter, tenant_id: str, *, left_s: int = 60) -> None:
        deadline_ms = now() + left_s * 1_000
        call = Call(f"tenant-{tenant_id}", "auth", "tenant", b"{}", deadline_ms)
        waiting = entry(1, tenant_id=tenant_id, event_id="first", status="parked", calls=[call])
        await writer.write(waiting)

    async def answered(self, writer: PlayedWriter, tenants) -> list[tuple[str, dict]]:
        """What was said once no question is open any more."""
        async with start(writer, {}, tenants=tenants) as task:

            async def none_open() -> bool:
                if not await reached(writer, writer.journal.seq):
                    return False
                open_calls = "SELECT count(*) FROM calls WHERE state <> 'done'"
                return not await writer.pool.fetchval(open_calls)

            await until(none_open, "none open", task)
        return writer.said(self.FOUND)

    async def test_that_is_known_is_said_with_what_is_known(self, writer, fake, auth):
        fake.add("alpha", name="Alpha", currency="UGX")
        await self.ask(writer, "alpha")
        said = {"name": "Alpha", "currency": "UGX", "status": "active"}
        assert await self.answered(writer, auth) == [("applied", said)]

    async def test_that_has_outlets_is_said_before_them(self, writer, fake, auth):
        fake.add("alpha")
        fake.add_outlet("alpha", "o-1", name="Westlands")
        fake.add_outlet("alpha", "o-2", status="archived")
        await self.ask(writer, "alpha")
        assert len(await self.answered(writer, auth)) == 1
        told = [data for _, data in writer.said("treasury.outlet.found")]
        assert told == [
            {"outlet_id": "o-1", "name": "Westlands", "status": "active"},
            {"outlet_id": "o-2", "name": "o-2", "status": "closed"},
        ]

    async def test_whose_outlets_are_not_told_is_said_all_the_same(self, writer, fake, auth):
        fake.add("alpha")
        fake.faults["outlets"].append(Fault(status=403))
        await self.ask(writer, "alpha")
        assert len(await self.answered(writer, auth)) == 1
        assert writer.said("treasury.outlet.found") == []

    async def test_that_is_unknown_or_refused_is_not(self, writer, fake, auth):
        await self.ask(writer, "alpha")
        assert await self.answered(writer, auth) == []
        fake.api_key = "another"
        await self.ask(writer, "beta")
        assert await self.answered(writer, auth) == []
        assert fake.asked == {"alpha": 1, "beta": 1}

    async def test_is_asked_for_again_until_the_service_is_back(self, writer, fake, auth):
        fake.add("alpha")
        fake.away = True
        await self.ask(writer, "alpha")

        async def comes_back() -> None:
            while fake.asked.get("alpha", 0) < 2:
                await asyncio.sleep(0.02)
            fake.away = False

        back = asyncio.create_task(comes_back())
        assert [data["name"] for _, data in await self.answered(writer, auth)] == ["alpha"]
        await back

    async def test_is_not_asked_for_when_nobody_waits_any_more(self, writer, fake, auth):
        await self.ask(writer, "alpha", left_s=-1)
        assert await self.answered(writer, auth) == []
        assert fake.asked == {}

    async def test_without_a_service_is_no_question(self, writer):
        await self.ask(writer, "alpha")
        assert await self.answered(writer, None) == []
        assert await writer.pool.fetchval("SELECT count(*) FROM calls") == 0
