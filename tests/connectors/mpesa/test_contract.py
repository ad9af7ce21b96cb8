"""M-Pesa's connector under the contract of all: what it takes is ended by what it tells."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.base import Asked, Result
from connectors.breaker import Breaker
from connectors.guard import Guard
from connectors.http import open_session
from connectors.mpesa import client as daraja
from connectors.mpesa import translate
from connectors.mpesa.connector import build
from connectors.mpesa.fake import FakeDaraja
from connectors.mpesa.fake_book import Fault
from tests.connectors.contract import ConnectorContract, Harness, Keyed, Refusing, no_sleep

MINOR = {"succeeds": 150_000, "declined": 160_000, "hangs": 170_000, "breaks": 180_000}
PAYER, WITHOUT_MONEY = "0708374149", "0708374101"


class Told:
    """Where M-Pesa tells: the last body of each address."""

    def __init__(self):
        self.bodies: dict[str, bytes] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.bodies[request.path] = await request.read()
        return web.json_response({"ResultCode": 0, "ResultDesc": "Accepted"})

    def of(self, asked: Asked, kind: str) -> bytes | None:
        path = asked.told_at.removeprefix(self.url)
        return self.bodies.get(f"{path}/{kind}")


@pytest_asyncio.fixture
async def told():
    told = Told()
    app = web.Application()
    app.router.add_post("/{rest:.*}", told.take)
    async with TestServer(app) as server:
        told.url = str(server.make_url("")).rstrip("/")
        yield told


@pytest_asyncio.fixture
async def fake():
    async with FakeDaraja() as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=0.5) as session:
        yield session


def ended_by(
    fake: FakeDaraja, told: Told, kind: str, read: Callable[[bytes], Result]
) -> Callable[[Asked, Result | None], object]:
    async def settle(asked: Asked, _performed: Result | None) -> Result:
        await fake.told()
        body = told.of(asked, kind)
        return read(body) if body is not None else Result("unknown")

    return settle


def arranging(fake: FakeDaraja, path: str) -> Callable[[str], None]:
    faults = {"hangs": Fault(delay_s=1.0, after=True), "breaks": Fault(drop=True, after=True)}

    def arrange(kind: str) -> None:
        if kind in faults:
            fake.faults[path].append(faults[kind])

    return arrange


class TestCollecting(ConnectorContract):
    HELD_TO = "mpesa", frozenset({"collect"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session, told):
        def request(kind: str) -> bytes:
            amount, phone = f"{MINOR[kind] // 100}.00", telephone(kind)
            return msgspec.json.encode({"amount": amount, "currency": "KES", "phone": phone})

        def effects(key: str) -> int:
            pushes = fake.book.pushes.values()
            return sum(1 for p in pushes if p.receipt and f"/{key}/" in p.callback_url)

        yield Harness(
            connector=build(session, fake.configuration),
            operation="collect",
            request=request,
            effects=effects,
            minor=MINOR.__getitem__,
            stop=fake.stop,
            arrange=arranging(fake, daraja.STK_PUSH),
            settle=ended_by(
                fake, told, "stk", lambda body: translate.result_of(translate.stk_callback(body))
            ),
            told_at=told.url,
        )

    async def test_a_silent_push_is_asked_about(self, harness, fake):
        fake.callbacks = "never"
        performed = await harness.perform("succeeds")
        asked = replace(harness.asked("succeeds"), handle=performed.handle)
        result = await harness.connector.query(asked)
        assert (result.outcome, result.provider_reference) == ("succeeded", "")

    async def test_a_payer_who_does_not_decide_is_pending(self, harness, fake):
        request = {"amount": "10", "currency": "KES", "phone": "0708374199"}
        asked = replace(harness.asked("succeeds"), request=msgspec.json.encode(request))
        performed = await harness.connector.perform(asked)
        result = await harness.connector.query(replace(asked, handle=performed.handle))
        assert result.outcome == "pending"

    async def test_a_query_that_is_answered_as_pending_leaves_the_breaker_alone(self, harness):
        request = msgspec.json.encode({"amount": "10", "currency": "KES", "phone": "0708374199"})
        asked = replace(harness.asked("succeeds"), request=request)
        handle = (await harness.connector.perform(asked)).handle
        breaker = Breaker()
        guard = Guard(harness.connector, breaker, sleep=no_sleep)
        for _ in range(10):
            result = await guard.query("collect", "key-1", request, handle=handle)
            assert result.outcome == "pending"
        assert breaker.state == "closed"

    async def test_an_app_that_is_not_permitted_is_an_error_of_configuration(self, harness, fake):
        fake.faults[daraja.STK_PUSH].extend([Fault(403)] * 10)
        breaker = Breaker()
        guard = Guard(harness.connector, breaker, sleep=no_sleep)
        asked = harness.asked("succeeds")
        for _ in range(10):
            result = await guard.perform("collect", "key", asked.request, told_at=asked.told_at)
            assert (result.outcome, result.failure) == ("failed", "not_configured")
        assert breaker.state == "closed"

    async def test_a_telephone_that_is_asked_already_is_named(self, harness, fake):
        locked = Fault(500, "500.001.1001", "Unable to lock subscriber, a transaction is at work")
        fake.faults[daraja.STK_PUSH].append(locked)
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        asked = harness.asked("succeeds")
        result = await guard.perform("collect", "key", asked.request, told_at=asked.told_at)
        assert (result.outcome, result.failure) == ("failed", "payer_busy")
        assert fake.book.pushes == {}

    @pytest.mark.parametrize(
        ("change", "failure"),
        [
            ({"amount": "10.50"}, "whole_shillings_only"),
            ({"amount": "250001"}, "amount_out_of_bounds"),
            ({"currency": "USD"}, "currency_unsupported"),
            ({"phone": "0208374149"}, "phone_unfit"),
        ],
    )
    async def test_what_cannot_be_asked_is_refused_by_name(self, harness, fake, change, failure):
        request = {"amount": "10", "currency": "KES", "phone": PAYER, **change}
        asked = replace(harness.asked("succeeds"), request=msgspec.json.encode(request))
        result = await harness.connector.perform(asked)
        assert (result.outcome, result.failure) == ("failed", failure)
        assert fake.requests == []


class Paying(Keyed, Refusing, ConnectorContract):
    """What holds for payouts: they bear an id of ours."""

    HELD_TO = "mpesa", frozenset({"payout"})


def paid(fake: FakeDaraja, key: str) -> int:
    """How many payouts of a call were paid, by the address where it was to be told of them."""
    return sum(1 for p in fake.book.payouts.values() if p.receipt and f"/{key}/" in p.result_url)


def payouts_to(
    payee: Callable[[str], str], fake: FakeDaraja, session, told: Told, *, path: str, **more: str
) -> Harness:
    """A harness of payouts by one path of Daraja's; `more` is configuration."""
    kind = "b2b-result" if path == daraja.B2B else "b2c-result"

    def request(kind: str) -> bytes:
        amount = f"{MINOR[kind] // 100}.00"
        wish = {"amount": amount, "currency": "KES", "destination": payee(kind)}
        return msgspec.json.encode(wish)

    return Harness(
        connector=build(session, {**fake.configuration, **more}),
        operation="payout",
        request=request,
        effects=lambda key: paid(fake, key),
        minor=MINOR.__getitem__,
        stop=fake.stop,
        arrange=arranging(fake, path),
        settle=ended_by(
            fake, told, kind, lambda body: translate.payout_result(translate.async_result(body))
        ),
        refuse=lambda: fake.faults[path].append(Fault(403)),
        told_at=told.url,
    )


def telephone(kind: str) -> str:
    return WITHOUT_MONEY if kind == "declined" else PAYER


class TestPayingOut(Paying):
    @pytest_asyncio.fixture
    async def harness(self, fake, session, told):
        return payouts_to(telephone, fake, session, told, path=daraja.B2C["v3"])

    @pytest.mark.parametrize("named", ["conversation", "ours"])
    async def test_a_silent_payout_is_asked_about_and_told_of(self, harness, fake, told, named):
        fake.callbacks = "never"
        performed = await harness.perform("succeeds")
        assert performed.outcome == "pending"
        fake.callbacks = "once"
        handle = performed.handle if named == "conversation" else ""
        asked = replace(harness.asked("succeeds"), handle=handle)
        assert (await harness.connector.query(asked)).outcome == "pending"
        await fake.told()
        body = told.of(asked, "status-result")
        result = translate.status_result(translate.async_result(body))
        [payout] = fake.book.payouts.values()
        assert (result.outcome, result.provider_reference) == ("succeeded", payout.receipt)
        assert result.amount_minor == MINOR["succeeds"]

    async def test_a_query_about_nothing_says_nothing(self, harness, fake, told):
        asked = replace(harness.asked("succeeds"), handle="AG_unknown")
        await harness.connector.query(asked)
        await fake.told()
        result = translate.status_result(translate.async_result(told.of(asked, "status-result")))
        assert result.outcome == "pending"

    @pytest.mark.parametrize("member", ["initiator_password", "certificate"])
    async def test_the_wrong_credential_ends_as_an_error_of_configuration(
        self, harness, fake, session, member
    ):
        async with FakeDaraja() as other:
            others = {"initiator_password": "wrong", "certificate": other.certificate}
        wrong = {**fake.configuration, member: others[member]}
        harness.connector = build(session, wrong)
        result = await harness.settled("succeeds", performed=await harness.perform("succeeds"))
        assert (result.outcome, result.failure) == ("failed", "not_configured")


class OfOnce(ConnectorContract):
    """What holds for payouts that bear no id of ours: they are never sent again."""

    HELD_TO = "mpesa", frozenset({"payout"})

    async def test_without_an_answer_they_are_not_sent_again(self, harness, fake):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        harness.arrange("breaks")
        asked = harness.asked("breaks")
        result = await guard.perform("payout", "key-1", asked.request, told_at=asked.told_at)
        assert (result.outcome, len(fake.book.payouts)) == ("unknown", 1)
        assert (await guard.query("payout", "key-1", asked.request)).outcome == "unknown"


class TestPayingBusinesses(OfOnce):
    @pytest_asyncio.fixture(params=["till:70011{}", "paybill:8888{}/ACC 1"])
    async def harness(self, fake, session, told, request):
        def payee(kind: str) -> str:
            return request.param.format("01" if kind == "declined" else "80")

        return payouts_to(payee, fake, session, told, path=daraja.B2B)

    @pytest.mark.parametrize("to", ["till:1", "paybill:888880", "paybill:888880/", "till:x0011"])
    async def test_to_none_that_can_be_read_are_refused_by_name(self, harness, fake, to):
        request = msgspec.json.encode({"amount": "10", "currency": "KES", "destination": to})
        result = await harness.connector.perform(
            replace(harness.asked("succeeds"), request=request)
        )
        assert (result.outcome, result.failure) == ("failed", "destination_unfit")
        assert fake.requests == []


class TestPayingOutByVersionOne(OfOnce):
    @pytest_asyncio.fixture
    async def harness(self, fake, session, told):
        path = daraja.B2C["v1"]
        return payouts_to(telephone, fake, session, told, path=path, b2c_version="v1")


class TestGivingBack(ConnectorContract):
    HELD_TO = "mpesa", frozenset({"refund"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session, told):
        receipts = {}
        for kind, minor in MINOR.items():
            wish = {"amount": f"{minor // 100}", "currency": "KES", "phone": PAYER}
            asked = Asked("collect", kind, msgspec.json.encode(wish), f"{told.url}/{kind}")
            handle = (await build(session, fake.configuration).perform(asked)).handle
            receipts[kind] = fake.book.pushes[handle].receipt
        await fake.told()

        def request(kind: str) -> bytes:
            return msgspec.json.encode(
                {
                    "amount": f"{MINOR[kind] // 100}",
                    "currency": "KES",
                    "provider_reference": "NONE" if kind == "declined" else receipts[kind],
                }
            )

        def effects(key: str) -> int:
            return sum(1 for r in fake.book.reversals if r.receipt and f"/{key}/" in r.result_url)

        yield Harness(
            connector=build(session, fake.configuration),
            operation="refund",
            request=request,
            effects=effects,
            minor=MINOR.__getitem__,
            stop=fake.stop,
            arrange=arranging(fake, daraja.REVERSAL),
            settle=ended_by(
                fake,
                told,
                "reversal-result",
                lambda body: translate.reversal_result(translate.async_result(body)),
            ),
            told_at=told.url,
        )

    async def test_other_keys_are_other_calls(self, harness, fake):
        """Of what was given back nothing is left to give."""
        await harness.settled("succeeds", "key-1", await harness.perform("succeeds", "key-1"))
        again = await harness.settled(
            "succeeds", "key-2", await harness.perform("succeeds", "key-2")
        )
        assert (again.outcome, again.failure) == ("failed", "already_reversed")
        assert harness.effects("key-2") == 0


class TestClaims:
    def test_a_shop_without_an_initiator_only_collects(self, fake):
        configuration = {**fake.configuration, "initiator": ""}
        assert build(None, configuration).operations == {"collect"}

    def test_a_certificate_that_is_none_is_seen_at_once(self, fake):
        with pytest.raises(ValueError, match="certificate"):
            build(None, {**fake.configuration, "certificate": "sandbox"})
