"""Callbacks of gateways over real HTTP: what is believed is an event, everything else nothing."""

import json
from dataclasses import dataclass, replace
from ipaddress import ip_network

import msgspec
import pytest
import pytest_asyncio
import structlog
from multidict import CIMultiDict
from pydantic import SecretStr

from agents.roles.gateways import Credentialed
from agents.roles.secret_store import Resolved
from connectors.base import Ambiguous, Asked
from connectors.breaker import Breaker
from connectors.callback_tokens import Addresses
from connectors.http import open_session
from connectors.mpesa import fake_bodies as bodies
from connectors.mpesa.fake import FakeDaraja
from connectors.mpesa.fake_book import Paid, Push
from connectors.registry import ALIASES, connect
from connectors.stripe.fake import FakeStripe
from connectors.webhooks import signing
from streams.errors import Misconfigured
from tests.web.conftest import ADDRESSES, NoGateways, NoSecrets
from tests.web.desk import NOW_MS
from web.call import Callbacks

AT = "20260101030000"
PUSH = Push("1-1-1", "ws_CO_1", "254712345678", 1160, "CODE", "", 0, "TCA1B2C3D4")


class OfFakes:
    """Gateways whose providers are the fakes of a test."""

    def __init__(self, session, **configurations):
        self._made = {
            name: connect(session, name, configuration, Breaker())
            for name, configuration in configurations.items()
        }
        self.error = None

    def knows(self, gateway):
        return gateway in self._made

    async def of(self, _tenant_id, gateway):
        if self.error is not None:
            raise self.error
        return Credentialed(self._made[gateway], "")


async def post(api, path, raw, headers=None):
    """POST bytes as a gateway does, without a token."""
    return await api.request(
        "POST", path, headers={"Authorization": None, **(headers or {})}, data=raw
    )


@dataclass
class Door:
    """A server that gateways call, and what stands behind it."""

    api: object
    desk: object
    gateways: OfFakes
    mpesa: FakeDaraja
    stripe: FakeStripe

    def path(self, gateway, tenant="alpha", call_id="", kind="stk", addresses=ADDRESSES):
        return addresses.of(gateway, tenant, call_id).removeprefix(ADDRESSES.base_url) + f"/{kind}"

    async def post(self, path, body, headers=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await post(self.api, path, raw, headers)

    def events(self, status="applied"):
        """(type, data) of what was decided about callbacks."""
        return [
            (entry.event_type.rpartition(".")[2], msgspec.json.decode(entry.raw)["data"])
            for batch in self.desk.batches
            for entry in batch.entries
            if entry.ingress == "webhook" and entry.status == status
        ]


@pytest_asyncio.fixture
async def door(context, desk, serve):
    async with (
        FakeDaraja() as mpesa,
        FakeStripe(now_s=lambda: NOW_MS / 1000) as stripe,
        open_session() as session,
    ):
        gateways = OfFakes(session, mpesa=mpesa.configuration, stripe=stripe.configuration)
        api = await serve(replace(context, callbacks=Callbacks(ADDRESSES, gateways, NoSecrets())))
        yield Door(api, desk, gateways, mpesa, stripe)


async def attempt(desk, method="mpesa", phone="+254712345678") -> str:
    """A payment whose payer is asked; its call's id."""
    created = await desk.hear(
        "treasury.command.payment_intent.create", ingress="http", amount="1160", actor="a"
    )
    payment_id = json.loads(created.reply.body)["payment_id"]
    about = {"payment_id": payment_id, "method": method}
    if phone:
        about["phone"] = phone
    confirmed = await desk.hear(
        "treasury.command.payment.confirm", ingress="http", actor="a", **about
    )
    return json.loads(confirmed.reply.body)["call_id"]


class TestMpesa:
    async def test_the_end_of_a_push_is_a_report_and_no_money_yet(self, door):
        call_id = await attempt(door.desk)
        answer = await door.post(door.path("mpesa", call_id=call_id), bodies.callback(PUSH, AT))
        assert (answer.status, answer.json) == (200, {"ResultCode": 0, "ResultDesc": "Accepted"})
        [(kind, data)] = door.events()
        assert (kind, data["call_id"], data["handle"]) == ("reported", call_id, "ws_CO_1")
        assert (data["outcome"], data["provider_reference"]) == ("succeeded", "TCA1B2C3D4")
        assert (data["amount"], data["ask"]) == ("1160.00", "")
        assert json.loads(data["raw"]) == bodies.callback(PUSH, AT)

    async def test_money_at_the_paybill_is_money(self, door):
        paid = Paid("TCA9", 500, "rent", "254712345678")
        said = bodies.confirmation(paid, door.mpesa.short_code, AT)
        path = door.path("mpesa", kind="c2b-confirmation")
        for _ in range(2):
            assert (await door.post(path, said)).status == 200
        assert [kind for kind, _ in door.events()] == ["received"]
        assert [kind for kind, _ in door.events("duplicate")] == ["received"]

    async def test_a_validation_is_answered_in_its_own_way_and_is_nothing(self, door):
        said = bodies.confirmation(Paid("", 500, "rent", "2547"), door.mpesa.short_code, AT)
        said["TransID"] = "TCA9"
        answer = await door.post(door.path("mpesa", kind="c2b-validation"), said)
        assert answer.json == {"ResultCode": "0", "ResultDesc": "Accepted"}
        assert door.events() == []

    async def test_of_a_call_of_another_tenant_it_changes_nothing(self, door):
        call_id = await attempt(door.desk)
        path = door.path("mpesa", "beta", call_id)
        assert (await door.post(path, bodies.callback(PUSH, AT))).status == 200
        assert door.events() == []
        [(kind, data)] = door.events("rejected")
        assert (kind, data["call_id"]) == ("reported", call_id)

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"Body":{"stkCallback":{}}}']
    )
    async def test_what_says_nothing_is_refused(self, door, body):
        call_id = await attempt(door.desk)
        answer = await door.post(door.path("mpesa", call_id=call_id), body)
        assert (answer.status, answer.code) == (400, "callback-refused")
        assert door.events() == []


class TestStripe:
    async def event(self, door, call_id, **changes):
        intent = {
            "id": "pi_1",
            "object": "payment_intent",
            "status": "succeeded",
            "amount_received": 116_000,
            "currency": "kes",
            "metadata": {"call_id": call_id},
            **changes,
        }
        return door.stripe.event("payment_intent.succeeded", intent)

    async def test_a_signed_event_is_a_report(self, door):
        call_id = await attempt(door.desk, "card", "")
        body, headers = await self.event(door, call_id)
        path = door.path("stripe", kind="events")
        for _ in range(2):
            assert (await door.post(path, body, headers)).status == 200
        [(kind, data)] = door.events()
        assert (kind, data["call_id"], data["ask"]) == ("reported", call_id, "")
        assert len(door.events("duplicate")) == 1

    async def test_the_same_bytes_in_another_order_are_not(self, door):
        body, headers = await self.event(door, await attempt(door.desk, "card", ""))
        again = json.dumps(json.loads(body)).encode()
        answer = await door.post(door.path("stripe", kind="events"), again, headers)
        assert (answer.status, answer.code) == (400, "callback-refused")
        assert door.events() == []

    @pytest.mark.parametrize("headers", [{}, {"Stripe-Signature": ""}, {"Stripe-Signature": "é"}])
    async def test_without_a_signature_it_is_refused_and_says_no_more(self, door, headers):
        call_id = await attempt(door.desk, "card", "")
        body, _ = await self.event(door, call_id)
        with structlog.testing.capture_logs() as lines:
            answer = await door.post(door.path("stripe", kind="events"), body, headers)
        assert answer.status == 400
        shown = f"{answer.raw!r} {lines}"
        assert "whsec" not in shown
        assert door.stripe.signature(body).partition("v1=")[2][:40] not in shown

    async def test_under_two_signatures_of_which_one_is_good_it_is_refused(self, door):
        body, signed = await self.event(door, await attempt(door.desk, "card", ""))
        good, bad = signed["Stripe-Signature"], f"t={NOW_MS // 1000},v1={'0' * 64}"
        path = door.path("stripe", kind="events")
        for both in ((good, bad), (bad, good), (good, good)):
            headers = CIMultiDict(("Stripe-Signature", each) for each in both)
            async with door.api.session.post(
                door.api.url + path, data=body, headers=headers
            ) as answer:
                assert answer.status == 400
        assert door.events() == []

    async def test_what_is_old_and_signed_is_a_reason_to_ask_and_an_event_of_its_own(self, door):
        call_id = await attempt(door.desk, "card", "")
        path = door.path("stripe", kind="events")
        body, headers = await self.event(door, call_id)
        door.stripe._now_s = lambda: NOW_MS / 1000 - 3_600
        old = {"Stripe-Signature": door.stripe.signature(body)}
        assert (await door.post(path, body, old)).status == 200
        assert (await door.post(path, body, headers)).status == 200
        assert [data["ask"] for _, data in door.events()] == ["old", ""]

    async def test_what_is_about_nothing_of_ours_is_taken_and_forgotten(self, door):
        body, headers = door.stripe.event("customer.created", {"id": "cus_1", "object": "customer"})
        assert (await door.post(door.path("stripe", kind="events"), body, headers)).status == 200
        assert door.events() == []


class TestTheAddress:
    async def test_a_bad_token_an_unknown_tenant_and_an_unknown_alias_are_one_404(self, door):
        call_id = await attempt(door.desk)
        good = door.path("mpesa", call_id=call_id)
        token = good.split("/")[4]
        other = Addresses(ADDRESSES.base_url, ALIASES, [b"another key of callbacks, thirty-two"])
        paths = [
            good.replace(token, token[:-1] + ("0" if token[-1] != "0" else "1")),
            good.replace("/alpha/", "/beta/"),
            good.replace("/alpha/", "/nobody/"),
            good.replace("/mobile/", "/cards/"),
            good.replace("/mobile/", "/nothing/"),
            door.path("mpesa", call_id=call_id, addresses=other),
            "/webhooks/mobile/alpha/x/stk",
        ]
        answers = [await door.post(path, bodies.callback(PUSH, AT)) for path in paths]
        assert [answer.status for answer in answers] == [404] * len(paths)
        assert len({json.dumps({**a.json, "request_id": ""}) for a in answers}) == 1
        assert door.events() == []

    async def test_a_key_that_was_replaced_is_good_while_it_is_kept(self, context, serve, door):
        call_id = await attempt(door.desk)
        path = door.path("mpesa", call_id=call_id)
        newer = [b"a newer key of callbacks, for tests", *ADDRESSES.keys]
        addresses = replace(ADDRESSES, keys=newer)
        api = await serve(
            replace(context, callbacks=Callbacks(addresses, door.gateways, NoSecrets()))
        )
        raw = json.dumps(bodies.callback(PUSH, AT)).encode()
        assert (await post(api, path, raw)).status == 200

    async def test_no_address_reaches_a_log(self, door):
        call_id = await attempt(door.desk)
        path = door.path("mpesa", call_id=call_id)
        with structlog.testing.capture_logs() as lines:
            await door.post(path, bodies.callback(PUSH, AT))
            await door.post(path, b"no")
        assert path.split("/")[4].rpartition(".")[2] not in str(lines)

    async def test_from_elsewhere_it_is_the_same_404(self, context, serve, door):
        call_id = await attempt(door.desk)
        networks = {"mpesa": (ip_network("196.201.212.0/24"),)}
        path = door.path("mpesa", call_id=call_id)
        raw = json.dumps(bodies.callback(PUSH, AT)).encode()
        spoofed = {"X-Forwarded-For": "196.201.212.69"}
        callbacks = Callbacks(ADDRESSES, door.gateways, NoSecrets(), networks)
        api = await serve(replace(context, callbacks=callbacks))
        for headers in ({}, spoofed):
            assert (await post(api, path, raw, headers)).status == 404
        behind = replace(callbacks, trusted=(ip_network("127.0.0.0/8"),))
        api = await serve(replace(context, callbacks=behind))
        left = {"X-Forwarded-For": "196.201.212.69, 203.0.113.7"}
        assert (await post(api, path, raw, left)).status == 404
        assert (await post(api, path, raw, spoofed)).status == 200


class TestAPayerWhoComesBack:
    async def get(self, door, path):
        return await door.api.request("GET", path, headers={"Authorization": None})

    async def test_is_a_reason_to_ask_once_a_minute_and_sees_a_page(self, door):
        call_id = await attempt(door.desk, "card", "")
        path = door.path("stripe", call_id=call_id, kind="return")
        for _ in range(3):
            answer = await self.get(door, path)
            assert (answer.status, b"Thank you" in answer.raw) == (200, True)
        [(kind, data)] = door.events()
        assert (kind, data["outcome"], data["ask"]) == (
            "reported",
            "pending",
            "the payer came back",
        )

    async def test_who_cancelled_is_told_so(self, door):
        call_id = await attempt(door.desk, "card", "")
        answer = await self.get(door, door.path("stripe", call_id=call_id, kind="cancel"))
        assert b"Nothing was paid" in answer.raw

    @pytest.mark.parametrize("changed", [{"kind": "stk"}, {"call_id": ""}, {"tenant": "beta"}])
    async def test_at_another_address_there_is_no_page(self, door, changed):
        about = {"call_id": "call-1", "kind": "return", **changed}
        path = door.path("stripe", **about)
        if "tenant" in changed:
            path = path.replace("/beta/", "/alpha/")
        answer = await self.get(door, path)
        assert (answer.status, door.events()) == (404, [])


class TestWhatCannotBeTaken:
    async def test_a_body_that_is_too_large(self, door):
        path = door.path("mpesa", call_id="c")
        answer = await door.post(path, b"x" * (256 * 1024 + 1))
        assert (answer.status, answer.code) == (413, "body-too-large")

    @pytest.mark.parametrize(
        "error", [Misconfigured("no certificate"), OSError("Postgres is away")]
    )
    async def test_one_that_cannot_be_verified_now_is_to_come_again(self, door, error):
        door.gateways.error = error
        answer = await door.post(door.path("mpesa", call_id="c"), bodies.callback(PUSH, AT))
        assert (answer.status, answer.code) == (503, "callback-not-verifiable")
        assert "Retry-After" in answer.headers

    async def test_a_provider_that_cannot_be_asked_for_its_certificate_too(self, door):
        made = door.gateways._made["mpesa"]._connector

        async def hear(_callback):
            raise Ambiguous("certificate: status 500")

        made.hear = hear
        answer = await door.post(door.path("mpesa", call_id="c"), bodies.callback(PUSH, AT))
        assert answer.status == 503

    async def test_it_is_answered_once_it_is_committed_and_not_before(self, door):
        call_id = await attempt(door.desk)
        door.desk.silent = True
        answer = await door.post(door.path("mpesa", call_id=call_id), bodies.callback(PUSH, AT))
        assert (answer.status, answer.code) == (503, "outcome-unknown")

    async def test_a_gateway_that_is_not_configured_is_a_404(self, door):
        answer = await door.post(door.path("paypal", kind="events"), b"{}")
        assert answer.status == 404


class Own:
    """Each tenant has gateways of its own."""

    def __init__(self, **tenants):
        self._tenants = tenants

    def knows(self, gateway):
        return True

    async def of(self, tenant_id, gateway):
        return await self._tenants[tenant_id].of(tenant_id, gateway)


class TestTenantsApart:
    async def test_one_tenants_signature_at_anothers_address_is_refused(self, context, serve, door):
        async with (
            FakeStripe(webhook_secrets=["whsec_of_beta"], now_s=lambda: NOW_MS / 1000) as beta,
            open_session() as session,
        ):
            own = Own(alpha=door.gateways, beta=OfFakes(session, stripe=beta.configuration))
            api = await serve(replace(context, callbacks=Callbacks(ADDRESSES, own, NoSecrets())))
            call_id = await attempt(door.desk, "card", "")
            body, headers = await TestStripe().event(door, call_id)
            for tenant, status in (("beta", 400), ("alpha", 200)):
                path = door.path("stripe", tenant, kind="events")
                assert (await post(api, path, body, headers)).status == status


class Signing:
    """The secrets of the sister services of a tenant."""

    def __init__(self, *secrets):
        self.secrets = secrets

    async def resolve(self, tenant_id, _prefix):
        if tenant_id != "alpha":
            return {}
        return {
            f"services.{number}": Resolved(SecretStr(secret), tenant_id, 1)
            for number, secret in enumerate(self.secrets)
        }


SECRET = "whsec_c2VjcmV0LWZvci10cmVhc3VyeS10ZXN0cw=="
EVENT = {
    "event_id": "order-1",
    "event_type": "cafe.order.created",
    "tenant_id": "alpha",
    "timestamp": "2026-01-01T00:00:00Z",
    "data": {"order_id": "o", "customer_id": "c", "total_amount": 500},
}


class TestSisterServices:
    """Banks and sister services sign as we do: Standard Webhooks over the raw bytes."""

    @pytest_asyncio.fixture
    async def api(self, context, serve):
        async def start(*secrets):
            callbacks = Callbacks(ADDRESSES, NoGateways(), Signing(*secrets))
            return await serve(replace(context, callbacks=callbacks))

        return start

    async def send(self, api, event=EVENT, *, secret=SECRET, at_s=NOW_MS // 1000, **changed):
        body = json.dumps(event).encode()
        signed = signing.headers(event["event_id"], at_s, body, [secret]) | changed
        path = ADDRESSES.of("services", "alpha").removeprefix(ADDRESSES.base_url)
        return await post(api, f"{path}/events", body, signed)

    async def test_a_signed_event_is_decided_once(self, api, desk):
        here = await api(SECRET)
        for _ in range(2):
            assert (await self.send(here)).status == 200
        statuses = [e.status for b in desk.batches for e in b.entries if e.event_id == "order-1"]
        assert statuses == ["applied", "duplicate"]

    async def test_two_secrets_are_good_while_they_rotate_and_none_afterwards(self, api):
        newer = "whsec_bmV3ZXItc2VjcmV0LWZvci10cmVhc3VyeQ=="
        assert (await self.send(await api(newer, SECRET))).status == 200
        assert (await self.send(await api(newer))).status == 400
        assert (await self.send(await api())).status == 400

    @pytest.mark.parametrize(
        ("age_s", "status"), [(299, 200), (301, 400), (-299, 200), (-301, 400)]
    )
    async def test_it_is_good_for_five_minutes_both_ways(self, api, age_s, status):
        answer = await self.send(await api(SECRET), at_s=NOW_MS // 1000 - age_s)
        assert answer.status == status

    @pytest.mark.parametrize(
        "event",
        [
            {**EVENT, "tenant_id": "beta"},
            {**EVENT, "event_type": "treasury.call.completed"},
            {**EVENT, "event_type": "treasury.gateway.received"},
            {**EVENT, "event_type": "auth.tenant.created"},
            {**EVENT, "event_type": "nobody.knows"},
        ],
        ids=["another tenant", "a result", "a deposit", "a tenant", "unknown"],
    )
    async def test_what_they_may_not_say_is_refused(self, api, desk, event):
        before = len(desk.batches)
        answer = await self.send(await api(SECRET), event)
        assert (answer.status, answer.code) == (400, "callback-refused")
        assert len(desk.batches) == before

    async def test_under_another_id_than_its_own_it_is_refused(self, api):
        body = json.dumps(EVENT).encode()
        signed = signing.headers("another", NOW_MS // 1000, body, [SECRET])
        path = ADDRESSES.of("services", "alpha").removeprefix(ADDRESSES.base_url)
        assert (await post(await api(SECRET), f"{path}/events", body, signed)).status == 400

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    async def test_without_one_of_its_headers_it_is_refused(self, api, name):
        assert (await self.send(await api(SECRET), **{name: ""})).status == 400


class TestForwarding:
    async def test_the_owner_of_the_tenant_takes_it(self, context, serve, door):
        call_id = await attempt(door.desk)
        other = type(door.desk)()
        other.owner_url = door.api.url
        trusted = (ip_network("127.0.0.0/8"),)
        callbacks = Callbacks(ADDRESSES, door.gateways, NoSecrets(), trusted=trusted)
        api = await serve(replace(context, desk=other, callbacks=callbacks))
        raw = json.dumps(bodies.callback(PUSH, AT)).encode()
        path = door.path("mpesa", call_id=call_id)
        assert (await post(api, path, raw)).status == 200
        assert [kind for kind, _ in door.events()] == ["reported"]


def test_what_a_push_is_told_at_is_what_it_asked_to_be_told_at():
    """The address in a request is the one that is read here."""
    asked = Asked("collect", "call-1", b"{}", ADDRESSES.of("mpesa", "alpha", "call-1"))
    _, _, alias, tenant, token = asked.told_at.removeprefix("https://treasury.example").split("/")
    assert ADDRESSES.read(alias, tenant, token) == ("mpesa", "call-1")
    assert not any(word in asked.told_at for word in ("mpesa", "safaricom", "exe", "cmd", "sql"))
