import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from agents.roles.conduct import completed
from connectors.base import NOT_FOUND, Result
from connectors.breaker import Breaker
from connectors.http import open_session
from connectors.instant.fake import FakeGateway, reference_of
from connectors.registry import connect
from tables.postgres.calls import CallRow
from tables.postgres.pool import ARCHIVER, login_dsn
from tests.agents.roles.dispatching import (
    LONGEST_GRANT_MS,
    PlayedWriter,
    now,
    reached,
    start,
)
from tests.agents.roles.test_bridge import until
from tests.databases import ARCHIVER_PASSWORD

WITHIN_S = 60
ROOT = Path(__file__).parents[3]
GRANTED, COMPLETED = "treasury.call.granted", "treasury.call.completed"
pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture
async def fake():
    async with FakeGateway() as fake:
        yield fake


@pytest_asyncio.fixture
async def instant(fake):
    """The guarded connector to the fake, by gateway name."""
    async with open_session() as session:
        yield {"instant": connect(session, "instant", fake.configuration, Breaker())}


class Scripted:
    """A gateway that gives what it was told; `performed` and `queried` are the keys it got.

    `handles` are the names that it was asked by. With `doubted` its callbacks are no proof.
    """

    is_open, trouble = False, 0

    def __init__(
        self,
        performs: list[Result],
        queries: list[Result] = (),
        *,
        doubted: bool = False,
        ends: Result | None = None,
    ) -> None:
        self.performs, self.queries = list(performs), list(queries)
        self.performed: list[str] = []
        self.queried: list[str] = []
        self.handles: list[str] = []
        self.ended: list[str] = []
        self.told_at = ""
        self._doubted, self._ends = doubted, ends
        self.running = self.most_running = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def can(self, _operation, asset):
        return asset == "KES"

    def doubts(self, _operation):
        return self._doubted

    async def end(self, _operation, key, _request, *, told_at, handle):
        self.ended.append(key)
        return self._ends or self.queries[0]

    async def perform(self, _operation, key, _request, *, told_at, until_s):
        self.performed.append(key)
        self.told_at = told_at
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
            await asyncio.sleep(0.01)
        finally:
            self.running -= 1
        return self.performs.pop(0) if len(self.performs) > 1 else self.performs[0]

    async def query(self, _operation, key, _request, *, told_at, handle):
        self.queried.append(key)
        self.handles.append(handle)
        return self.queries.pop(0) if len(self.queries) > 1 else self.queries[0]


DONE = Result("succeeded", "R1", 150_000, "KES")
UNKNOWN = Result("unknown", detail="timeout")
MISSING = Result("unknown", detail=NOT_FOUND)


async def state_of(writer: PlayedWriter, call_id: str) -> str | None:
    return await writer.pool.fetchval("SELECT state FROM calls WHERE call_id = $1", call_id)


async def all_done(writer: PlayedWriter, *call_ids: str) -> bool:
    return all([await state_of(writer, call_id) == "done" for call_id in call_ids])


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
                    "heard": "",
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
        pending = Result("pending", handle="R1")
        gateway = Scripted([UNKNOWN], [UNKNOWN, pending, DONE])
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert gateway.performed == ["call-1"]
        assert gateway.queried == ["call-1"] * 3
        assert gateway.handles == ["", "", "R1"]
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


PENDING = Result("pending", handle="H1")
TOLD = {"outcome": "succeeded", "provider_reference": "R1", "handle": "H1"}


def answers(writer: PlayedWriter) -> list[tuple[str, str]]:
    """(outcome, provider's reference) of every answer that was taken."""
    return [
        (data["outcome"], data["provider_reference"])
        for status, data in writer.said(COMPLETED)
        if status == "applied"
    ]


async def is_waiting(writer: PlayedWriter, call_id: str = "call-1") -> bool:
    """Whether the provider has the call under a name of its own, which is kept."""
    return bool(await writer.pool.fetchval("SELECT handle FROM calls WHERE call_id = $1", call_id))


class TestWhatIsTold:
    """Reports of providers end a call; where nothing is signed, a query has to agree."""

    async def test_a_signed_word_ends_it_without_a_query(self, writer):
        gateway = Scripted([PENDING], [PENDING])
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")
            await until(lambda: is_waiting(writer), "the provider has it", task)
            await writer.told("call-1", **TOLD)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert answers(writer) == [("succeeded", "R1")]

    async def test_where_nothing_is_signed_a_query_agrees_first(self, writer):
        gateway = Scripted([PENDING], [Result("succeeded")], doubted=True)
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")
            await until(lambda: is_waiting(writer), "the provider has it", task)
            await writer.told("call-1", **TOLD)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert gateway.handles[-1] == "H1"
        assert answers(writer) == [("succeeded", "R1")]

    @pytest.mark.parametrize(
        ("told", "queried", "outcome"),
        [
            (TOLD, Result("failed", failure="cancelled"), ("failed", "")),
            ({**TOLD, "amount": "1.00"}, Result("succeeded"), ("succeeded", "")),
            ({"outcome": "failed", "handle": "H1"}, Result("succeeded"), ("succeeded", "")),
        ],
        ids=["paid, it says", "another amount", "failed, it says"],
    )
    async def test_a_forged_word_is_not_believed(self, writer, told, queried, outcome):
        gateway = Scripted([PENDING], [queried], doubted=True)
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")
            await until(lambda: is_waiting(writer), "the provider has it", task)
            await writer.told("call-1", **told)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert answers(writer) == [outcome]

    async def test_of_another_name_than_the_calls_it_is_no_proof(self, writer):
        gateway = Scripted([PENDING], [PENDING])
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1")
            await until(lambda: is_waiting(writer), "the provider has it", task)
            await writer.told("call-1", **{**TOLD, "handle": "of another"})
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert [outcome for outcome, _ in answers(writer)] == ["unknown"]

    async def test_told_before_the_answer_to_the_request_it_counts(self, writer):
        gateway = Scripted([UNKNOWN], [MISSING])
        gateway.gate.clear()
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")

            async def is_out() -> bool:
                return gateway.running == 1

            await until(is_out, "the call is out", task)
            await writer.told("call-1", **TOLD)
            await until(lambda: reached(writer, writer.journal.seq), "read", task)
            gateway.gate.set()
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert answers(writer) == [("succeeded", "R1")]

    async def test_told_when_it_was_given_up_it_still_counts(self, writer):
        gateway = Scripted([UNKNOWN], [MISSING])
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "given up", task)
            await writer.told("call-1", **TOLD)

            async def answered_again() -> bool:
                return answers(writer) == [("unknown", ""), ("succeeded", "R1")]

            await until(answered_again, "answered again", task)
        assert gateway.performed == ["call-1"]

    async def test_the_same_answer_after_another_telling_is_a_new_one(self, writer):
        """A payout that failed, was paid after all, and came back: three answers, not two."""
        failed = Result("failed", failure="returned")
        gateway = Scripted([failed], [DONE, failed])
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1", operation="payout")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
            for outcome in ("succeeded", "failed"):
                before = len(answers(writer))
                await writer.told("call-1", outcome=outcome, ask="not_final")

                async def answered(before: int = before) -> bool:
                    return len(answers(writer)) > before

                await until(answered, "answered again", task)
        assert answers(writer) == [("failed", ""), ("succeeded", "R1"), ("failed", "")]

    async def test_a_reason_to_ask_asks_at_once(self, writer):
        gateway = Scripted([PENDING], [DONE])
        async with start(writer, {"instant": gateway}, final_after_s=600) as task:
            await writer.call("call-1")
            await until(lambda: is_waiting(writer), "the provider has it", task)
            await writer.told("call-1", outcome="pending", ask="old")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert answers(writer) == [("succeeded", "R1")]

    async def test_what_changes_nothing_is_not_asked_about(self, writer):
        gateway = Scripted([DONE], [DONE])
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1")
            await until(lambda: all_done(writer, "call-1"), "call done", task)
            await writer.told("call-1", **TOLD)
            await writer.told("of nobody", **TOLD)
            await until(lambda: reached(writer, writer.journal.seq), "read", task)
        assert gateway.queried == []
        assert await state_of(writer, "call-1") == "done"
        assert await writer.pool.fetchval("SELECT told FROM calls") is None

    async def test_what_was_told_outlives_the_process(self, writer):
        gateway = Scripted([PENDING], [PENDING])
        async with start(writer, {"instant": gateway}, final_after_s=60) as task:
            await writer.call("call-1")
            await until(lambda: is_waiting(writer), "the provider has it", task)
        await writer.told("call-1", **TOLD)
        silent = Scripted([DONE], [PENDING])
        async with start(writer, {"instant": silent}, final_after_s=60) as task:
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert silent.performed == []
        assert answers(writer) == [("succeeded", "R1")]


class TestPayersWhoTakeTheirTime:
    WAITS = Result("pending", handle="H1", payer_action="https://pay.example/1")

    async def test_the_payer_has_the_time_of_the_payment_and_then_it_is_ended(self, writer):
        ended = Result("failed", failure="expired")
        gateway = Scripted([self.WAITS], [self.WAITS], ends=ended)
        about = {"amount": "1500.00", "currency": "KES", "payer_has_s": 3}
        async with start(writer, {"instant": gateway}, final_after_s=0.2) as task:
            await writer.call("call-1", request=msgspec.json.encode(about))
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        [(status, begun)] = writer.said("treasury.call.begun")
        assert (status, begun["handle"]) == ("applied", "H1")
        assert (begun["payer_action"], begun["payer_has_s"]) == ("https://pay.example/1", 3)
        assert gateway.ended == ["call-1"]
        assert [data["failure"] for _, data in writer.said(COMPLETED)] == ["expired"]

    async def test_a_restart_takes_nothing_of_it_away(self, writer):
        """Whoever takes over later than any call lasts does not know yet that a payer acts."""
        gateway = Scripted([self.WAITS], [self.WAITS], ends=Result("failed", failure="expired"))
        about = {"amount": "1500.00", "currency": "KES", "payer_has_s": 7_200}
        async with start(writer, {"instant": gateway}) as task:
            await writer.call("call-1", request=msgspec.json.encode(about))
            await until(lambda: is_waiting(writer), "the provider has it", task)
        await writer.pool.execute("UPDATE calls SET updated_at = now() - interval '1 hour'")
        async with start(writer, {"instant": gateway}) as task:

            async def is_asked() -> bool:
                return len(gateway.queried) == 1

            await until(is_asked, "asked about", task)
            await writer.told("call-1", **TOLD)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert gateway.ended == []
        assert answers(writer) == [("succeeded", "R1")]


class TestWhereACallGoes:
    async def call(self, writer):
        about = {"gateway": "first", "gateways": ["first", "second", "third"]}
        await writer.call("call-1", **about)

    async def test_to_the_preferred_one_while_it_is_well(self, writer):
        first, second = Scripted([DONE]), Scripted([DONE])
        async with start(writer, {"first": first, "second": second}) as task:
            await self.call(writer)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        [(_, granted)] = writer.said(GRANTED)
        assert (granted["gateway"], granted["reason"]) == ("first", "preferred")
        assert (first.performed, second.performed) == (["call-1"], [])

    async def test_to_another_one_while_it_is_not_and_says_why(self, writer):
        first, second = Scripted([DONE]), Scripted([DONE])
        first.is_open = True
        async with start(writer, {"first": first, "second": second}) as task:
            await self.call(writer)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        [(_, granted)] = writer.said(GRANTED)
        assert (granted["gateway"], granted["reason"]) == ("second", "preferred_open")
        assert (first.performed, second.performed) == ([], ["call-1"])
        kept = await writer.pool.fetchval("SELECT gateway FROM calls")
        assert kept == "second"

    async def test_not_to_one_that_has_no_such_currency(self, writer):
        first, second = Scripted([DONE]), Scripted([DONE])
        first.can = lambda *_: False
        async with start(writer, {"first": first, "second": second}) as task:
            await self.call(writer)
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert (first.performed, second.performed) == ([], ["call-1"])

    async def test_where_it_went_is_where_it_is_asked_about_later(self, writer):
        first, second = Scripted([DONE]), Scripted([DONE], [DONE])
        first.is_open = True
        second.gate.clear()
        async with start(writer, {"first": first, "second": second}) as task:
            await self.call(writer)

            async def is_out() -> bool:
                return second.running == 1

            await until(is_out, "the call is out", task)
        first.is_open = False
        async with start(writer, {"first": first, "second": second}) as task:
            await until(lambda: all_done(writer, "call-1"), "call done", task)
        assert (first.queried, second.queried) == ([], ["call-1"])
