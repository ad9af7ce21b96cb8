import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.conduct import completed
from agents.roles.projector import Projector
from connectors.base import NOT_FOUND, Result
from connectors.http import open_session
from connectors.instant.fake import FakeGateway, reference_of
from connectors.registry import connect
from streams.journal import Call
from streams.topics import Topics
from tables.postgres.calls import CallRow
from tables.postgres.pool import ARCHIVER, login_dsn
from tests.agents.roles.dispatching import LONGEST_GRANT_MS, PlayedWriter, dispatching, now
from tests.agents.roles.test_bridge import until
from tests.databases import ARCHIVER_PASSWORD
from tests.journals import entry

WITHIN_S = 60
ROOT = Path(__file__).parents[3]
GRANTED, COMPLETED = "treasury.call.granted", "treasury.call.completed"
ANSWERED = "treasury.lookup.answered"
pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture
async def topics(stack) -> Topics:
    topics = Topics(f"t{uuid4().hex[:12]}")
    await stack.create_topics({topics.inbound.name: 1})
    return topics


@pytest_asyncio.fixture
async def writer(stack, database, topics):
    """A played writer that listens, with a genesis in the archive."""
    writer = PlayedWriter(database.archiver, stack.kafka.bootstrap, topics)
    await writer.write()
    writer.going.set()
    task = asyncio.create_task(writer.listen())
    yield writer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture
async def fake():
    async with FakeGateway() as fake:
        yield fake


@pytest_asyncio.fixture
async def instant(fake):
    """The guarded connector to the fake, by gateway name."""
    async with open_session() as session:
        yield connect(session, {"instant": fake.configuration})


class Scripted:
    """A gateway that gives what it was told; `performed` and `queried` are the keys it got."""

    def __init__(self, performs: list[Result], queries: list[Result] = ()) -> None:
        self.performs, self.queries = list(performs), list(queries)
        self.performed: list[str] = []
        self.queried: list[str] = []
        self.running = self.most_running = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def perform(self, _operation, key, _request, *, until_s):
        self.performed.append(key)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
            await asyncio.sleep(0.01)
        finally:
            self.running -= 1
        return self.performs.pop(0) if len(self.performs) > 1 else self.performs[0]

    async def query(self, _operation, key, _request):
        self.queried.append(key)
        return self.queries.pop(0) if len(self.queries) > 1 else self.queries[0]


DONE = Result("succeeded", "R1", 150_000, "KES")
UNKNOWN = Result("unknown", detail="timeout")
MISSING = Result("unknown", detail=NOT_FOUND)


def start(writer: PlayedWriter, gateways, **limits):
    return dispatching(writer.pool, writer.kafka, writer.topics, gateways, **limits)


async def state_of(writer: PlayedWriter, call_id: str) -> str | None:
    return await writer.pool.fetchval("SELECT state FROM calls WHERE call_id = $1", call_id)


async def all_done(writer: PlayedWriter, *call_ids: str) -> bool:
    return all([await state_of(writer, call_id) == "done" for call_id in call_ids])


async def reached(writer: PlayedWriter, seq: int) -> bool:
    return seq <= await writer.pool.fetchval(
        "SELECT coalesce(max(seq), -1) FROM progress WHERE role = 'dispatch'"
    )


async def end_leases(writer: PlayedWriter) -> None:
    """What time does to the lease of a worker that died, sooner."""
    await writer.pool.execute("UPDATE progress SET lease_until = now() - interval '1 second'")


class TestCalls:
    async def test_granted_call_is_made_once_and_its_answer_enters_the_log(
        self, writer, fake, instant
    ):
        async with start(writer, instant) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert fake.calls == [("POST", "call-1")]
        [(status, granted)] = writer.said(GRANTED)
        assert (status, granted["call_id"]) == ("applied", "call-1")
        assert 0 < granted["valid_for_ms"] <= LONGEST_GRANT_MS
        assert writer.said(COMPLETED) == [
            (
                "applied",
                {
                    "call_id": "call-1",
                    "nonce": granted["nonce"],
                    "outcome": "succeeded",
                    "provider_reference": reference_of("call-1"),
                    "amount": "1500.00",
                    "currency": "KES",
                    "failure": "",
                    "detail": "",
                },
            )
        ]

    async def test_decline_is_told_with_its_word(self, writer, fake, instant):
        async with start(writer, instant) as task:
            await writer.call("call-1", minor=150_013)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        [(_, data)] = writer.said(COMPLETED)
        assert (data["outcome"], data["failure"]) == ("failed", "declined")

    async def test_calls_run_beside_each_other_and_no_more_than_allowed(self, writer):
        gateway = Scripted([DONE])
        gateway.gate.clear()
        calls = [f"call-{number}" for number in range(40)]
        limits = {"concurrent": 4, "longest_grant_ms": 60_000}
        async with start(writer, {"instant": gateway}, **limits) as task:
            for call_id in calls:
                await writer.call(call_id, deadline_ms=now() + 60_000)

            async def all_granted() -> bool:
                return len(writer.said(GRANTED)) == 40 and gateway.running == 4

            await until(all_granted, "four are out, the rest wait", task)
            gateway.gate.set()
            await until(lambda: all_done(writer, *calls), "calls done", task)
        assert sorted(gateway.performed) == sorted(calls)
        assert gateway.most_running == 4

    async def test_grant_of_somebody_else_is_respected(self, writer, fake, instant):
        writer.granted["call-1"] = "nonce of another"
        async with start(writer, instant) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert fake.calls == []
        assert writer.said(COMPLETED) == []

    async def test_grant_that_comes_too_late_sends_nothing(self, writer, fake, instant):
        writer.going.clear()
        async with start(writer, instant) as task:
            at_ms = now()
            await writer.call("call-1", now_ms=at_ms, deadline_ms=at_ms + 300)

            async def answered() -> bool:
                return await state_of(writer, "call-1") == "answered"

            await until(answered, "the deadline passed", task)
            writer.going.set()
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert fake.calls == []
        [(status, data)] = writer.said(COMPLETED)
        assert (status, data["outcome"], data["failure"]) == ("applied", "failed", "not_sent")

    async def test_nobody_asks_for_what_is_over_or_for_a_gateway_not_here(self, writer, instant):
        async with start(writer, instant) as task:
            await writer.call("late", deadline_ms=now() - 3_600_000)
            await writer.call("elsewhere", gateway="mpesa")
            await until(lambda: reached(writer, writer.journal.seq), "all read", task)
        assert await state_of(writer, "late") is None
        assert await state_of(writer, "elsewhere") is None
        assert writer.said(GRANTED) == []


class TestUnknownOutcomes:
    async def test_unknown_and_pending_are_asked_about_and_never_sent_again(self, writer):
        pending = Result("pending", "R1")
        gateway = Scripted([UNKNOWN], [UNKNOWN, pending, DONE])
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert gateway.performed == ["call-1"]
        assert gateway.queried == ["call-1"] * 3
        [(_, data)] = writer.said(COMPLETED)
        assert data["outcome"] == "succeeded"

    async def test_not_found_is_final_only_in_the_end_and_then_unknown(self, writer):
        gateway = Scripted([UNKNOWN], [MISSING])
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert len(gateway.queried) > 1
        [(_, data)] = writer.said(COMPLETED)
        assert (data["outcome"], data["detail"]) == ("unknown", NOT_FOUND)

    async def test_cancelled_while_sending_the_next_owner_only_asks(self, writer):
        gateway = Scripted([DONE], [DONE])
        gateway.gate.clear()
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1")

            async def sending() -> bool:
                return gateway.running == 1

            await until(sending, "the call is out", task)
        async with start(writer, {"instant": gateway}) as task:
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert gateway.performed == ["call-1"]
        assert gateway.queried == ["call-1"]

    async def test_lost_lease_does_not_send_twice(self, writer):
        gateway = Scripted([DONE], [DONE])
        gateway.gate.clear()
        async with start(writer, {"instant": gateway}) as first:
            await writer.call("call-1")

            async def sending() -> bool:
                return gateway.running == 1

            await until(sending, "the call is out", first)
            await end_leases(writer)
            async with start(writer, {"instant": gateway}) as second:
                await until(lambda: all_done(writer, "call-1"), "call done", first, second)
        assert gateway.performed == ["call-1"]


class TestCrashes:
    @pytest.mark.parametrize(
        ("seam", "posts", "queried", "outcome"),
        [
            ("S17", 0, True, "unknown"),
            ("S18", 0, True, "unknown"),
            ("S19", 1, True, "succeeded"),
            ("S20", 1, False, "succeeded"),
        ],
    )
    async def test_restart_never_sends_again(
        self, writer, fake, instant, database_dsn, seam, posts, queried, outcome
    ):
        await writer.call("call-1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.agents.roles.dispatching"),
            login_dsn(database_dsn, ARCHIVER, ARCHIVER_PASSWORD),
            *(writer.kafka, writer.topics.prefix, fake.base_url),
            cwd=ROOT,
            env={**os.environ, "TREASURY_CRASH_AT": seam},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == -signal.SIGKILL, errors.decode()
        await end_leases(writer)
        async with start(writer, instant) as task:
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        verbs = [verb for verb, _ in fake.calls]
        assert verbs.count("POST") == posts
        assert ("GET" in verbs) == queried
        assert sum(fake.effects.values()) == posts
        [(status, data)] = writer.said(COMPLETED)
        assert (status, data["outcome"]) == ("applied", outcome)

    async def test_stored_answer_is_said_again_until_it_is_heard(self, writer, database):
        answer = msgspec.json.encode(
            completed(CallRow("call-1", "alpha", 0, 1, "", "", b"", 0, "n"), DONE)
        )
        await writer.pool.execute(
            """INSERT INTO calls VALUES
               ('call-1', 'alpha', 0, 0, 'instant', 'collect', '{}', 0, 'n', 'answered', $1)""",
            answer,
        )
        writer.granted["call-1"] = "n"
        gateway = Scripted([DONE], [DONE])
        for _ in range(2):
            async with start(writer, {"instant": gateway}) as task:
                await until(lambda: all_done(writer, "call-1"), "call done", task)
            await writer.pool.execute("UPDATE calls SET state = 'answered'")
        assert gateway.performed == gateway.queried == []
        assert [status for status, _ in writer.said(COMPLETED)] == ["applied", "duplicate"]


class TestLookups:
    @pytest_asyncio.fixture
    async def projecting(self, writer):
        archived = ArchiveProgress(writer.pool)
        task = asyncio.create_task(Projector(writer.pool, archived, "test").run(0))
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
            projector = asyncio.create_task(Projector(writer.pool, archived, "test").run(0))

            async def answered() -> bool:
                return [data["seen"] for _, data in writer.said(ANSWERED)] == [True]

            await until(answered, "answered", task, projector)
            projector.cancel()
            await asyncio.gather(projector, return_exceptions=True)
            await archived.close()
