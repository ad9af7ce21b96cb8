"""Buni's connector under the contract of all: what it takes is ended by what it tells."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.base import Ambiguous, Asked, NotSent, Refused, Result, TurnedAway
from connectors.breaker import Breaker
from connectors.buni.connector import Buni, build
from connectors.buni.fake import Fault
from connectors.callbacks import Callback
from connectors.guard import Guard
from tests.connectors.contract import ConnectorContract, Harness, Refusing, no_sleep

MINOR = {"succeeds": 150_050, "declined": 160_000, "hangs": 170_000, "breaks": 180_000}
AT = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)


class Told:
    """Where KCB tells: the bodies, in order."""

    def __init__(self):
        self.bodies: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.json_response({})


@pytest_asyncio.fixture
async def told(fake):
    told = Told()
    app = web.Application()
    app.router.add_post("/transfer", told.take)
    async with TestServer(app) as server:
        fake.callback_url = str(server.make_url("")).rstrip("/")
        yield told
        await fake.told()


def wish(kind: str, destination: str) -> bytes:
    amount = f"{MINOR[kind] // 100}.{MINOR[kind] % 100:02d}"
    return msgspec.json.encode({"amount": amount, "currency": "KES", "destination": destination})


class TestPayingOut(Refusing, ConnectorContract):
    HELD_TO = "buni", frozenset({"payout"})

    @pytest_asyncio.fixture(params=["bank:12792877{}", "bank:68/01234567{}"])
    async def harness(self, fake, buni, told, request):
        def request_of(kind: str) -> bytes:
            return wish(kind, request.param.format("01" if kind == "declined" else "80"))

        def effects(key: str) -> int:
            return sum(1 for t in fake.transfers.values() if t.reference == key and t.receipt)

        faults = {"hangs": Fault(delay_s=1.0), "breaks": Fault(drop=True)}

        def arrange(kind: str) -> None:
            if kind in faults:
                fake.faults.append(faults[kind])

        return Harness(
            connector=buni,
            operation="payout",
            request=request_of,
            effects=effects,
            minor=MINOR.__getitem__,
            stop=fake.stop,
            arrange=arrange,
            settle=ended_by(fake, buni, told),
            refuse=lambda: fake.faults.append(Fault(403)),
            told_at="http://127.0.0.1:9",
        )

    async def test_is_pending_under_kcbs_name_once_it_was_taken(self, harness, fake):
        result = await harness.perform("succeeds")
        assert (result.outcome, result.handle) == (
            "pending",
            fake.transfers["key-1"].merchant_id,
        )

    async def test_takes_no_more_from_the_account_than_was_paid(self, harness, fake):
        for key in ("key-1", "key-2"):
            await harness.settled("succeeds", key, await harness.perform("succeeds", key))
        await harness.settled("declined", "key-3", await harness.perform("declined", "key-3"))
        assert fake.balance == fake.opening - 2 * MINOR["succeeds"]

    async def test_without_an_answer_is_not_sent_again_and_cannot_be_asked_about(
        self, harness, fake
    ):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        harness.arrange("breaks")
        asked = harness.asked("breaks")
        assert harness.connector.key_lifetime_s(asked) == 0
        result = await guard.perform("payout", "key-1", asked.request, told_at=asked.told_at)
        assert (result.outcome, len(fake.transfers), len(fake.requests)) == ("unknown", 1, 1)
        assert (await guard.query("payout", "key-1", asked.request)).outcome == "unknown"
        assert (await guard.end("payout", "key-1", asked.request)).outcome == "unknown"
        assert len(fake.requests) == 1

    @pytest.mark.parametrize("telling", ["before", "twice", "at_once"])
    async def test_is_one_payout_however_its_end_is_told(self, harness, fake, told, telling):
        fake.telling = telling
        performed = await harness.perform("succeeds")
        result = await harness.settled("succeeds", performed=performed)
        assert (result.outcome, harness.effects("key-1")) == ("succeeded", 1)
        assert len(told.bodies) == (1 if telling == "before" else 2)
        assert len(set(told.bodies)) == 1

    @pytest.mark.parametrize(("last", "outcome"), [("98", "pending"), ("99", "unknown")])
    async def test_that_has_no_end_that_anybody_knows_stays_open(
        self, harness, fake, last, outcome
    ):
        asked = replace(harness.asked("succeeds"), request=wish("succeeds", f"bank:12792877{last}"))
        performed = await harness.connector.perform(asked)
        result = await harness.settled("succeeds", performed=performed)
        assert (performed.outcome, result.outcome) == ("pending", outcome)


def ended_by(fake, buni, told) -> Callable[[Asked, Result | None], object]:
    """KCB tells how it ended, and the connector hears it."""

    async def settle(asked: Asked, _performed: Result | None) -> Result:
        await fake.told()
        found = Result("unknown")
        for body in told.bodies:
            report = await buni.hear(Callback("transfer", {}, body, AT))
            found = report.result if report.call_id == asked.key else found
        return found

    return settle


@pytest.fixture
def asked() -> Asked:
    return Asked("payout", "key-1", wish("succeeds", "bank:1279287780"))


class TestWhatIsNotTaken:
    async def test_is_refused_with_kcbs_words_and_fails_with_no_effect(self, fake, buni):
        over = Asked("payout", "key-1", wish("succeeds", "bank:1279287702"))
        with pytest.raises(Refused, match="limit rule"):
            await buni.perform(over)
        guard = Guard(buni, Breaker(), sleep=no_sleep)
        result = await guard.perform("payout", "key-1", over.request)
        assert (result.outcome, result.failure) == ("failed", "refused")
        assert fake.transfers == {}

    async def test_is_a_reference_that_kcb_has_seen(self, fake, buni, asked):
        await buni.perform(asked)
        with pytest.raises(Refused, match="Duplicate"):
            await buni.perform(asked)
        assert len(fake.transfers) == 1

    @pytest.mark.parametrize(
        ("fault", "error", "done"),
        [
            (Fault(400), Refused, 0),
            (Fault(403), Refused, 0),
            (Fault(422), Refused, 0),
            (Fault(429, retry_after="7"), TurnedAway, 0),
            (Fault(409, body=b'{"statusCode":"1"}'), Ambiguous, 0),
            (Fault(408), Ambiguous, 0),
            (Fault(302), Ambiguous, 0),
            (Fault(500), Ambiguous, 0),
            (Fault(500, after=True), Ambiguous, 1),
            (Fault(after=True, body=b'{"statusCode":"0'), Ambiguous, 1),
            (Fault(after=True, body=b'{"statusCode":"2"}'), Ambiguous, 1),
            (Fault(body=b"<html></html>", content_type="text/html"), Ambiguous, 1),
        ],
    )
    async def test_is_told_apart_from_what_nobody_knows(
        self, fake, buni, asked, fault, error, done
    ):
        fake.faults.append(fault)
        with pytest.raises(error):
            await buni.perform(asked)
        assert len(fake.transfers) == done

    async def test_is_an_operation_that_is_not_its_own(self, fake, buni, asked):
        result = await buni.perform(replace(asked, operation="collect"))
        assert (result.outcome, result.failure) == ("failed", "capability_unsupported")
        with pytest.raises(Refused) as refused:
            await buni.act("balance", "", {})
        assert refused.value.failure == "action_unknown"
        assert fake.requests == []


class TestTokens:
    async def test_that_ended_early_are_renewed_once_and_the_transfer_is_made_once(
        self, fake, buni, asked
    ):
        await buni.perform(asked)
        fake.tokens += 1
        await buni.perform(replace(asked, key="key-2"))
        assert (fake.tokens, len(fake.transfers)) == (3, 2)

    async def test_that_are_refused_again_are_an_error_of_configuration(self, fake, buni, asked):
        fake.faults.extend([Fault(401), Fault(401)])
        with pytest.raises(Refused) as refused:
            await buni.perform(asked)
        assert (refused.value.failure, fake.transfers) == ("not_configured", {})

    async def test_that_cannot_be_had_mean_that_nothing_was_sent(self, fake, session, asked):
        wrong = build(session, {**fake.configuration, "consumer_secret": "canary"})
        with pytest.raises(Refused) as refused:
            await wrong.perform(asked)
        assert "canary" not in str(refused.value)
        away = build(session, {**fake.configuration, "base_url": "http://127.0.0.1:1"})
        with pytest.raises(NotSent):
            await away.perform(asked)
        assert fake.requests == []


class TestClaims:
    def test_without_a_company_code_it_only_hears(self, fake):
        only_hears = build(None, {**fake.configuration, "company_code": ""})
        assert only_hears.operations == frozenset()
        assert Buni.capabilities == {"payout"}

    def test_it_moves_kenyan_shillings(self):
        assert [asset for asset in ("KES", "USD", "UGX") if Buni.takes(asset)] == ["KES"]
