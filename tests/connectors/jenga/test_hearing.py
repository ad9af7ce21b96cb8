"""Alerts and payments, from bytes written by hand and from the fake."""

import base64
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.callbacks import Callback, Deposit, NotBelieved
from connectors.jenga.config import Config
from connectors.jenga.hearing import heard
from tests.connectors.jenga.test_signature import CONFIGURATION
from tests.connectors.jenga.wire import ALERT, PAYMENT

AT = datetime(2026, 3, 1, 6, 31, tzinfo=UTC)
CONFIG = Config.read(CONFIGURATION)


def basic(given: bytes) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(given).decode()}"}


OURS = basic(b"treasury:fake-alert-password")


def hear(body: bytes, headers=OURS, kind="alert", config=CONFIG):
    return heard(config, Callback(kind, headers, body, AT))


class TestMoneyThatCame:
    def test_is_a_deposit_with_its_reference_trimmed_and_its_time_of_east_africa(self):
        assert hear(ALERT) == Deposit(
            "credit.0011547896523.2026-03-01.S1234567",
            "S1234567",
            "0011547896523",
            1_000,
            "KES",
            "254700000001 QJ50A5ZZMI 076332",
            "A PAYER",
            datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC),
        )

    def test_by_a_payment_is_a_deposit_of_its_bill(self):
        deposit = hear(PAYMENT, kind="ipn")
        assert (deposit.receipt, deposit.reference, deposit.amount_minor) == (
            "S2596405",
            "INV-7",
            1_000,
        )

    def test_that_is_told_by_both_ways_is_one_event(self):
        twice = PAYMENT.replace(b"S2596405", b"S1234567")
        assert hear(twice, kind="ipn").event_id == hear(ALERT).event_id

    def test_on_another_day_under_a_reference_used_again_is_another_event(self):
        again = ALERT.replace(b"2026-03-01 09", b"2026-03-02 09")
        assert hear(again).event_id != hear(ALERT).event_id

    def test_in_another_currency_says_so(self):
        other = ALERT.replace(b'"amount":10.0', b'"amount":10,"currency":"UGX"')
        deposit = hear(other)
        assert (deposit.amount_minor, deposit.asset) == (10, "UGX")

    def test_at_a_time_that_cannot_be_read_has_come_all_the_same(self):
        deposit = hear(ALERT.replace(b"2026-03-01 09:30:05", b"noon"))
        assert (deposit.amount_minor, deposit.paid_at) == (1_000, None)


class TestWhatIsNone:
    @pytest.mark.parametrize("word", [b"Debit", b"D", b"debit"])
    def test_money_that_went(self, word):
        went = ALERT.replace(b'"transactionType":"Credit"', b'"transactionType":"' + word + b'"')
        assert hear(went) is None

    def test_a_payment_that_failed(self):
        assert hear(PAYMENT.replace(b"SUCCESS", b"FAILED"), kind="ipn") is None


class TestWhatIsNotBelieved:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (b"ALT", b"OTHER"),
            (b'"status":"SUCCESS"', b'"status":"PENDING"'),
            (b'"status":"SUCCESS"', b'"status":null'),
            (b'"transactionType":"Credit"', b'"transactionType":"X"'),
            (b'"account":"0011547896523"', b'"account":null'),
            (b'"account":"0011547896523"', b'"account":"0011547896524"'),
            (b'"amount":10.0', b'"amount":0'),
            (b'"amount":10.0', b'"amount":-10'),
            (b'"amount":10.0', b'"amount":10.001'),
            (b'"amount":10.0', b'"amount":"ten"'),
            (b'"amount":10.0', b'"amount":true'),
            (b'" S1234567"', b'" "'),
            (b'"bank":', b'"other":'),
        ],
    )
    def test_leaves_money_open(self, before, after):
        assert before in ALERT
        with pytest.raises(NotBelieved):
            hear(ALERT.replace(before, after))

    @pytest.mark.parametrize("body", [b"", b"[]", b"no", b"\xff"])
    def test_is_nothing(self, body):
        with pytest.raises(NotBelieved):
            hear(body)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": ""},
            {"authorization": "Basic"},
            {"authorization": "Basic é"},
            {"authorization": "Bearer " + OURS["authorization"][6:]},
            {"authorization": f"{OURS['authorization']},{OURS['authorization']}"},
            basic(b"treasury:"),
            basic(b"treasury:wrong"),
            basic(b"other:fake-alert-password"),
            basic(b":"),
            basic(b""),
        ],
    )
    def test_is_not_by_our_user_and_password_and_shows_neither(self, headers):
        with pytest.raises(NotBelieved) as refused:
            hear(ALERT, headers)
        assert "password-" not in refused.value.reason
        assert "fake" not in refused.value.reason

    @pytest.mark.parametrize("missing", ["alert_user", "alert_password"])
    def test_comes_where_we_have_no_user_of_our_own(self, missing):
        config = Config.read({**CONFIGURATION, missing: ""})
        given = basic(f"{config.alert_user}:{config.alert_password}".encode())
        with pytest.raises(NotBelieved):
            hear(ALERT, given, config=config)

    def test_is_of_another_kind(self):
        with pytest.raises(NotBelieved):
            hear(ALERT, kind="stk")


class TestTheFake:
    async def test_tells_what_the_connector_believes(self, fake, jenga):
        booking = fake.book(150_000, "a bill", bill="order-3", name="A PAYER")
        headers = {name.lower(): value for name, value in fake.alert_headers.items()}
        deposit = await jenga.hear(Callback("alert", headers, fake.alert(booking), AT))
        assert (deposit.amount_minor, deposit.reference) == (150_000, "order-3")
        gone = fake.alert(fake.book(-10))
        assert await jenga.hear(Callback("alert", headers, gone, AT)) is None

    @pytest.mark.parametrize(
        ("telling", "times"), [("never", 0), ("once", 1), ("twice", 2), ("at_once", 2)]
    )
    async def test_tells_as_often_as_it_is_to(self, fake, telling, times):
        bodies = []

        async def take(request: web.Request) -> web.Response:
            assert request.headers["Authorization"] == fake.alert_headers["Authorization"]
            bodies.append(await request.read())
            return web.Response()

        app = web.Application()
        app.router.add_post("/alert", take)
        async with TestServer(app) as server:
            fake.alert_url, fake.telling = str(server.make_url("/alert")), telling
            assert await fake.tell(fake.book(5)) == [200] * times
        assert len(bodies) == times
        assert len(set(bodies)) == min(times, 1)
