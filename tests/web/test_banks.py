"""Banks at our door: what they are answered, and what is decided of what they tell."""

import json
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from connectors.buni.fake import FakeBuni
from connectors.http import open_session
from connectors.jenga.fake import FakeJenga
from tables.statements import StatementLine
from tests.web.conftest import ADDRESSES, NoSecrets
from tests.web.test_callbacks import OfFakes, post
from web.call import Callbacks


@pytest_asyncio.fixture
async def banks(context, serve):
    async with FakeBuni() as kcb, FakeJenga() as equity, open_session() as session:
        gateways = OfFakes(session, buni=kcb.configuration, jenga=equity.configuration)
        api = await serve(replace(context, callbacks=Callbacks(ADDRESSES, gateways, NoSecrets())))
        yield api, kcb, equity


def path(gateway: str, kind: str) -> str:
    return f"{ADDRESSES.of(gateway, 'alpha').removeprefix(ADDRESSES.base_url)}/{kind}"


def heard(desk, status="applied"):
    """(type, data) of what was decided about what banks told."""
    return [
        (entry.event_type.rpartition(".")[2], msgspec.json.decode(entry.raw)["data"])
        for batch in desk.batches
        for entry in batch.entries
        if entry.ingress == "webhook" and entry.status == status
    ]


class TestKcb:
    async def test_is_answered_with_its_own_ids_the_second_time_as_the_first(self, banks, desk):
        api, kcb, _ = banks
        body = kcb.notice(150_000, "order-3")
        signed = {"Signature": kcb.signature(body)}
        answers = [await post(api, path("buni", "ipn"), body, signed) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert (
            answers[0].json
            == answers[1].json
            == {
                "header": {
                    "messageID": "message-1",
                    "originatorConversationID": "conversation-1",
                    "statusCode": "0",
                    "statusMessage": "Notification received",
                },
                "responsePayload": {"transactionInfo": {"transactionId": "FT25139M0001"}},
            }
        )
        [(kind, data)] = heard(desk)
        assert (kind, data["amount"], data["reference"]) == ("received", "1500.00", "order-3")
        assert len(heard(desk, "duplicate")) == 1

    @pytest.mark.parametrize("signature", [None, "", "AAAA"])
    async def test_that_did_not_sign_it_is_refused(self, banks, desk, signature):
        api, kcb, _ = banks
        headers = {} if signature is None else {"Signature": signature}
        answer = await post(api, path("buni", "ipn"), kcb.notice(150_000, "order-3"), headers)
        assert (answer.status, answer.code) == (400, "callback-refused")
        assert heard(desk) == []

    async def test_has_an_address_that_does_not_name_another_gateway(self):
        assert path("buni", "ipn").startswith("/webhooks/kcb/alpha/")
        assert path("jenga", "alert").startswith("/webhooks/equity/alpha/")


class TestEquity:
    async def test_tells_of_money_once_by_our_password(self, banks, desk):
        api, _, equity = banks
        body = equity.alert(equity.book(150_000, bill="order-3"))
        for headers, status in (({}, 400), (equity.alert_headers, 200)):
            assert (await post(api, path("jenga", "alert"), body, headers)).status == status
        [(kind, data)] = heard(desk)
        assert (kind, data["amount"], data["account"]) == ("received", "1500.00", equity.account)

    async def act(self, api, action, **values):
        sent = {"Content-Type": "application/json"}
        body = json.dumps({"values": values}).encode()
        return await api.request(
            "POST", f"/api/v1/alpha/connectors/jenga/{action}", headers=sent, data=body
        )

    async def test_is_asked_what_the_account_has(self, banks, desk):
        api, _, equity = banks
        equity.accounts[equity.account].opening = 150_000
        answer = await self.act(api, "balance")
        assert (answer.status, answer.json["available"]) == (200, "1500.00")
        [(kind, data)] = heard(desk)
        assert (kind, data["funds"][0]["current"]) == ("funds_told", "1500.00")

    async def test_is_asked_for_a_statement_whose_lines_are_read_once(self, banks, desk):
        api, _, equity = banks
        booking = equity.book(150_000, bill="order-3")
        told = equity.alert(booking)
        assert (await post(api, path("jenga", "alert"), told, equity.alert_headers)).status == 200
        equity.book(-5_000, "LEDGER FEE")
        day = booking["at"].strftime("%Y-%m-%d")
        for _ in range(2):
            answer = await self.act(api, "statement", **{"from": day, "to": day})
            assert answer.status == 200
            assert (answer.json["found"], answer.json["closing"]) == (2, "1450.00")
        lines = desk.working.scan(StatementLine.prefix_of("alpha"), 10)
        assert sorted((line.minor, line.rule or line.exception) for line in lines) == [
            (-5_000, "unmatched_debit"),
            (150_000, "receipt"),
        ]

    async def test_refuses_days_that_are_none(self, banks):
        answer = await self.act(banks[0], "statement")
        assert (answer.status, answer.code) == (422, "provider-refused")
