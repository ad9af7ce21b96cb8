"""Notifications and the ends of transfers, from bytes written by hand and from the fake."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.buni.config import Config
from connectors.buni.fake import FakeBuni
from connectors.buni.hearing import accepted, heard
from connectors.callbacks import Callback, Deposit, NotBelieved
from tests.connectors.buni.test_translate import CONFIG, CONFIGURATION
from tests.connectors.buni.wire import ENDED, NOTICE

AT = datetime(2026, 3, 1, 6, 31, tzinfo=UTC)
KCB = FakeBuni()


def ipn(body: bytes = NOTICE, *, config=CONFIG, kind="ipn", **headers):
    said = {"signature": KCB.signature(body), **headers}
    return heard(config, Callback(kind, said, body, AT))


def transfer(body: bytes = ENDED, *, call_id="", config=CONFIG, **headers):
    return heard(config, Callback("transfer", headers, body, AT, call_id))


class TestMoneyThatCame:
    def test_is_a_deposit_by_kcbs_signature(self):
        assert ipn() == Deposit(
            "ipn.FT25139M3RM6",
            "FT25139M3RM6",
            "522533",
            100_050,
            "KES",
            "INV-7",
            "A PAYER",
            datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC),
        )

    def test_that_is_told_again_in_other_bytes_is_the_same_event(self):
        again = NOTICE.replace(b"m-1", b"m-2").replace(b'"balance":"0"', b'"balance":"7"')
        assert ipn(again).event_id == ipn().event_id

    def test_where_no_number_of_ours_is_known_comes_to_the_account(self):
        config = Config.read({**CONFIGURATION, "biller": ""})
        body = NOTICE.replace(b'"businessKey":"522533",', b"")
        assert ipn(body, config=config).account == CONFIG.account

    @pytest.mark.parametrize("word", [b"D", b"Debit"])
    def test_is_none_where_it_went(self, word):
        assert ipn(NOTICE.replace(b'"MPESA"', b'"' + word + b'"')) is None


class TestWhatIsNotBelieved:
    @pytest.mark.parametrize(
        "signature",
        [
            "",
            "é",
            "no base64",
            "AAAA",
            KCB.signature(NOTICE + b" "),
            KCB.signature(NOTICE, key="another"),
            f"{KCB.signature(NOTICE)},{KCB.signature(NOTICE)}",
            "A" * 4_096,
        ],
        ids=["empty", "not ascii", "no base64", "short", "bytes", "key", "two", "long"],
    )
    def test_is_not_signed_by_kcb(self, signature):
        with pytest.raises(NotBelieved) as refused:
            ipn(signature=signature)
        assert KCB.signature(NOTICE)[:20] not in refused.value.reason

    def test_is_written_anew_under_the_signature_of_other_bytes(self):
        anew = json.dumps(json.loads(NOTICE)).encode()
        with pytest.raises(NotBelieved):
            ipn(anew, signature=KCB.signature(NOTICE))
        assert ipn(anew) is not None

    def test_comes_without_a_signature(self):
        with pytest.raises(NotBelieved):
            heard(CONFIG, Callback("ipn", {}, NOTICE, AT))

    def test_comes_where_no_key_of_kcbs_is_known(self):
        with pytest.raises(NotBelieved, match="no key"):
            ipn(config=Config.read({**CONFIGURATION, "public_key": ""}))

    def test_is_signed_for_another_customer_of_kcbs(self):
        with pytest.raises(NotBelieved, match="another biller"):
            ipn(NOTICE.replace(b'"522533"', b'"522534"'))

    @pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}", NOTICE[:-9]])
    def test_says_nothing_although_it_is_signed(self, body):
        with pytest.raises(NotBelieved):
            ipn(body)

    def test_is_of_another_kind(self):
        with pytest.raises(NotBelieved):
            ipn(kind="stk")


class TestTheEndOfATransfer:
    def test_is_proof_of_our_call(self):
        report = transfer()
        assert (report.call_id, report.handle, report.ask) == ("call-1", "1d2b13f8", "")
        assert (report.result.outcome, report.result.amount_minor) == ("succeeded", 10_000)

    def test_is_the_same_event_in_the_same_bytes_and_another_in_others(self):
        assert transfer().event_id == transfer().event_id
        assert transfer(ENDED.replace(b"SUCCESS", b"FAILED")).event_id != transfer().event_id

    def test_is_a_reason_to_ask_where_it_is_none(self):
        report = transfer(ENDED.replace(b"SUCCESS", b"IN CLEARING"))
        assert (report.result.outcome, bool(report.ask)) == ("pending", True)

    def test_at_a_calls_own_address_is_about_that_call(self):
        assert transfer(call_id="call-1").call_id == "call-1"
        with pytest.raises(NotBelieved):
            transfer(call_id="call-2")

    def test_out_of_another_account_is_not_believed(self):
        with pytest.raises(NotBelieved):
            transfer(ENDED.replace(b"1279258233", b"1279258234"))
        assert transfer(ENDED.replace(b'"debitAccountNumber"', b'"other"')).ask == ""

    def test_that_is_signed_must_be_signed_well(self):
        assert transfer(signature=KCB.signature(ENDED)).call_id == "call-1"
        for wrong in ("", "AAAA", KCB.signature(ENDED, key="another")):
            with pytest.raises(NotBelieved):
                transfer(signature=wrong)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", ENDED[:-9]])
    def test_that_says_nothing_is_not_believed(self, body):
        with pytest.raises(NotBelieved):
            transfer(body)


class TestTheAnswer:
    def test_to_a_notification_has_its_ids_and_to_all_else_nothing(self):
        said = msgspec.json.decode(accepted(Callback("ipn", {}, NOTICE, AT)), type=dict)
        assert said["header"]["messageID"] == "m-1"
        assert accepted(Callback("transfer", {}, ENDED, AT)) == b"{}"


class TestTheFake:
    @pytest.mark.parametrize(
        ("telling", "times"), [("never", 0), ("once", 1), ("twice", 2), ("at_once", 2)]
    )
    async def test_tells_what_the_connector_believes_as_often_as_it_is_to(
        self, fake, buni, telling, times
    ):
        deposits = []

        async def take(request: web.Request) -> web.Response:
            body = await request.read()
            headers = {name.lower(): value for name, value in request.headers.items()}
            callback = Callback("ipn", headers, body, AT)
            deposits.append(await buni.hear(callback))
            return web.Response(body=accepted(callback))

        app = web.Application()
        app.router.add_post("/ipn", take)
        async with TestServer(app) as server:
            fake.callback_url, fake.telling = str(server.make_url("")).rstrip("/"), telling
            await fake.tell(fake.notice(150_000, "order-3"))
        assert [(each.amount_minor, each.reference) for each in deposits] == (
            [(150_000, "order-3")] * times
        )
        assert [b'"statusCode":"0"' in body for _, body in fake.replies] == [True] * times
        assert fake.balance == fake.opening + sum(fake.received.values())


def test_a_key_of_another_sort_is_seen_at_once():
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(ValueError, match="no RSA key"):
        Config.read({**CONFIGURATION, "public_key": pem.decode()})
