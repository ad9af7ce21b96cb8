"""Messages over the service's wire format; its book says what was really taken."""

from datetime import UTC, datetime

import aiohttp
import pytest
import pytest_asyncio

from connectors.base import Ambiguous, NotSent, Refused, TurnedAway
from connectors.http import Answer, open_session
from connectors.notifications.client import Client, _heard
from connectors.notifications.config import PATH, Config
from connectors.notifications.delivery import delivery_of
from connectors.notifications.fake import PUBLIC_PATH, FakeNotifications, Fault
from connectors.notifications.translate import Contact, messages_of
from tests.connectors.notifications.events import INVOICED, PAID

NOW = datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)
WANJIRU = Contact("wanjiru@example.com", "254712345678", ("email", "sms"))


@pytest_asyncio.fixture
async def fake():
    async with FakeNotifications(now=lambda: NOW) as fake:
        yield fake


@pytest_asyncio.fixture
async def session():
    async with open_session(total_s=30) as session:
        yield session


def client_of(session, fake, **changes) -> Client:
    return Client(session, Config.read({**fake.configuration, **changes}))


@pytest.fixture
def client(session, fake) -> Client:
    return client_of(session, fake)


def receipt(email: str = "wanjiru@example.com"):
    [message] = messages_of(PAID, [Contact(email)])
    return message


class TestAMessage:
    async def test_is_queued_for_who_is_to_read_it(self, client, fake):
        accepted = [await client.send(each) for each in messages_of(INVOICED, [WANJIRU])]
        assert [each.duplicate for each in accepted] == [False, False]
        assert [each.request_id for each in accepted] == list(fake.messages)
        [taken] = fake.to("+254712345678")
        assert (taken.tenant, taken.channel, taken.template) == (
            "tenant-uuid",
            "sms",
            "invoice_created",
        )
        assert taken.data["amount_text"] == "KES 5,000.00"

    async def test_that_is_sent_twice_is_taken_once_under_one_name(self, client, fake):
        first, again = await client.send(receipt()), await client.send(receipt())
        assert (first.duplicate, again.duplicate) == (False, True)
        assert first.request_id == again.request_id
        assert len(fake.messages) == 1

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=500, after=True),
            Fault(drop=True),
            Fault(body=b"<html>"),
            Fault(body=b"[" * 60_000),
            Fault(body=b'{"status": "sent"}'),
            Fault(body=b'{"status": ["queued"]}'),
        ],
    )
    async def test_whose_answer_is_lost_may_be_sent_again_and_is_taken_once(
        self, client, fake, fault
    ):
        fake.faults.append(fault)
        with pytest.raises(Ambiguous):
            await client.send(receipt())
        assert (await client.send(receipt())).duplicate
        assert len(fake.messages) == 1

    async def test_that_is_not_answered_in_time_is_taken_once(self, client, fake):
        fake.faults.append(Fault(delay_s=1.0))
        async with open_session(total_s=0.3) as hasty:
            with pytest.raises(Ambiguous):
                await client_of(hasty, fake).send(receipt())
        await client.send(receipt())
        assert len(fake.messages) == 1

    async def test_that_never_left_is_not_sent(self, session, fake):
        away = client_of(session, fake, base_url="http://127.0.0.1:1")
        with pytest.raises(NotSent):
            await away.send(receipt())
        assert fake.messages == {}

    async def test_needs_no_name_from_the_service(self, client, fake):
        fake.faults.append(Fault(body=b'{"status": "queued"}'))
        assert (await client.send(receipt())).request_id == ""

    async def test_may_be_posted_where_the_public_service_has_it(self, session, fake):
        await client_of(session, fake, path=PUBLIC_PATH).send(receipt())
        assert [path for path, _ in fake.requests] == ["/api/v1/notifications/messages"]

    async def test_is_posted_to_its_tenant_whatever_its_id(self, session, fake):
        config = Config.read(fake.configuration)
        assert config.url_of("a/../b").endswith("/v1/a%2F..%2Fb/notifications/messages")


class TestPatience:
    async def test_a_tenants_share_of_the_day_is_a_day_to_wait(self, client, fake):
        fake.limits["email"] = 1
        await client.send(receipt())
        [another] = messages_of(INVOICED, [Contact("b@example.com")])
        with pytest.raises(TurnedAway) as turned:
            await client.send(another)
        assert turned.value.retry_after_s == 86_400
        assert len(fake.messages) == 1
        fake.next_day()
        assert not (await client.send(another)).duplicate

    @pytest.mark.parametrize("status", [408, 425, 429])
    async def test_a_request_that_was_not_begun_may_come_again(self, client, fake, status):
        fake.faults.append(Fault(status=status, retry_after_s=7))
        with pytest.raises(TurnedAway) as turned:
            await client.send(receipt())
        assert (turned.value.retry_after_s, fake.messages) == (7, {})

    @pytest.mark.parametrize("status", [409, 500, 503])
    async def test_what_may_have_been_done_is_not_known(self, client, fake, status):
        fake.faults.append(Fault(status=status))
        with pytest.raises(Ambiguous):
            await client.send(receipt())


class TestRefusals:
    async def test_of_our_key_are_a_fault_of_configuration_and_do_not_tell_it(self, session, fake):
        with pytest.raises(Refused) as refused:
            await client_of(session, fake, api_key="canary").send(receipt())
        assert refused.value.failure == "not_configured"
        assert "canary" not in refused.value.reason

    async def test_of_a_tenant_without_credit_say_so(self, client, fake):
        fake.broke.add("tenant-uuid")
        email, sms = messages_of(PAID, [WANJIRU])
        await client.send(email)
        with pytest.raises(Refused) as refused:
            await client.send(sms)
        assert refused.value.failure == "no_credit"
        assert "insufficient_credits" in refused.value.reason

    async def test_say_what_kind_of_problem_it_is_and_not_whom_it_was_for(self, client, fake):
        body = (
            b'{"type": "about:blank", "title": "Unprocessable", "status": 422,'
            b' "detail": "wanjiru@example.com bounced"}'
        )
        fake.faults.append(Fault(status=422, body=body))
        with pytest.raises(Refused) as refused:
            await client.send(receipt())
        assert refused.value.reason == "status 422: Unprocessable"
        assert refused.value.failure == "refused"

    @pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"title": 7}', b'{"title": "a\\n"}'])
    async def test_that_say_nothing_readable_have_their_status(self, client, fake, body):
        fake.faults.append(Fault(status=404, body=body))
        with pytest.raises(Refused, match=r"^status 404$"):
            await client.send(receipt())

    async def test_follow_no_redirect(self, client, fake):
        fake.faults.append(Fault(status=307, body=b""))
        with pytest.raises(Refused, match="status 307"):
            await client.send(receipt())


class TestTheConfiguration:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"base_url": ""},
            {"base_url": "http://notifications.example"},
            {"base_url": "ftp://127.0.0.1"},
            {"base_url": "https://n.example?x=1"},
            {"api_key": ""},
            {"api_key": "a\nb"},
            {"path": "v1/messages"},
            {"path": "/v1/{other}"},
            {"path": "/v1/{tenant}?x=1"},
            {"path": "/v1//messages"},
        ],
    )
    def test_that_cannot_be_is_refused(self, wrong):
        good = {"base_url": "https://notifications.example", "api_key": "key"}
        assert Config.read(good).path == PATH
        with pytest.raises(ValueError, match="notifications: "):
            Config.read({**good, **wrong})

    def test_does_not_show_its_key(self):
        config = Config.read({"base_url": "https://n.example/", "api_key": "canary"})
        assert "canary" not in repr(config)
        assert config.base_url == "https://n.example"


class TestTheServiceItself:
    """The fake refuses what the service's contract refuses, without our encoder between."""

    GOOD = (
        b'{"channel": "sms", "tenant": "t", "template": "dunning", "to": ["+254712345678"],'
        b' "data": {}, "metadata": {"source_service": "treasury"}}'
    )

    async def post(self, fake, body=GOOD, *, path="/v1/t/notifications/messages", **changes):
        headers = {
            "Content-Type": "application/json",
            "X-API-Key": fake.api_key,
            "Idempotency-Key": "k",
            **changes,
        }
        async with (
            aiohttp.ClientSession(fake.base_url) as session,
            session.post(path, data=body, headers=headers) as response,
        ):
            return response.status, response.content_type, await response.json()

    async def test_takes_a_good_one(self, fake):
        status, _, said = await self.post(fake)
        assert (status, said) == (202, {"status": "queued", "requestId": "req-000001"})

    @pytest.mark.parametrize(
        ("body", "changes", "status"),
        [
            (GOOD, {"X-API-Key": "other"}, 401),
            (GOOD, {"Idempotency-Key": ""}, 400),
            (GOOD, {"Content-Type": "text/plain"}, 415),
            (GOOD, {"path": "/v1/other/notifications/messages"}, 403),
            (b"[]", {}, 400),
            (GOOD.replace(b'"sms"', b'"pigeon"'), {}, 400),
            (GOOD.replace(b'"sms"', b'"email"'), {}, 400),
            (GOOD.replace(b'["+254712345678"]', b"[]"), {}, 400),
            (GOOD.replace(b'["+254712345678"]', b'"+254712345678"'), {}, 400),
            (GOOD.replace(b'"data": {}', b'"data": []'), {}, 400),
            (GOOD.replace(b'"tenant": "t"', b'"tenant": ""'), {}, 400),
        ],
    )
    async def test_refuses_the_rest_as_a_problem(self, fake, body, changes, status):
        got, kind, said = await self.post(fake, body, **changes)
        assert (got, kind) == (status, "application/problem+json")
        assert said["status"] == status
        assert fake.messages == {}

    async def test_knows_its_method(self, fake):
        path = "/v1/t/notifications/messages"
        async with aiohttp.ClientSession(fake.base_url) as session, session.get(path) as response:
            assert response.status == 405


class TestReports:
    @pytest.mark.parametrize("library", [False, True])
    @pytest.mark.parametrize(
        ("contact", "status"),
        [
            (Contact("wanjiru@example.com"), "sent"),
            (Contact("wanjiru@fail.example.test"), "failed"),
            (Contact(phone="254712345678"), "sent"),
            (Contact(phone="254712345600"), "failed"),
        ],
    )
    async def test_say_what_became_of_a_message(self, client, fake, contact, status, library):
        [message] = messages_of(PAID, [contact])
        accepted = await client.send(message)
        told = delivery_of(fake.report(accepted.request_id, library=library))
        assert (told.status, bool(told.error)) == (status, status == "failed")
        assert (told.tenant_id, told.reference_type, told.reference_id) == (
            "tenant-uuid",
            "payment",
            "payment-uuid",
        )
        assert (told.request_id, told.channel) == (accepted.request_id, message.channel)
        assert told.template == "payment_receipt"

    async def test_of_one_message_are_the_same_event(self, client, fake):
        request_id = (await client.send(receipt())).request_id
        assert fake.report(request_id) == fake.report(request_id)

    async def test_of_a_template_that_is_not_there_are_failures(self, client, fake):
        fake.templates.remove("payment_receipt")
        told = delivery_of(fake.report((await client.send(receipt())).request_id))
        assert (told.status, told.error) == ("failed", "template not found: payment_receipt")

    async def test_are_made_of_messages_that_name_their_document_alone(self, fake):
        await TestTheServiceItself().post(fake)
        assert fake.report("req-000001") is None


@pytest.mark.parametrize(
    ("said", "kept"),
    [("req-1", "req-1"), ("r" * 300, "r" * 200), ("req\\u0000", ""), ("", "")],
)
def test_a_name_that_no_row_can_hold_is_none(said, kept):
    body = b'{"status":"queued","requestId":"%s"}' % said.encode()
    assert _heard(Answer(202, body)).request_id == kept
