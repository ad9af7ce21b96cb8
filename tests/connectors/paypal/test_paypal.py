"""PayPal's amounts, signatures and objects, as its documentation has them."""

import base64
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from connectors.paypal import translate
from connectors.paypal.amounts import (
    minor_of,
    value_of,
)
from connectors.paypal.config import Config
from connectors.paypal.signature import (
    SUBJECT,
    BadSignature,
    Transmission,
    Trust,
    age_of,
    is_paypals,
    signed_message,
    transmission_of,
)
from connectors.paypal.translate import Wish
from connectors.reading import Unfit, Unreadable

NOW = datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)
BODY = b'{"id":"WH-T1","event_type":"PAYMENT.CAPTURE.COMPLETED"}'
LISTENER = "8PT597110X687430LKGECATA"


class TestAmounts:
    @pytest.mark.parametrize(
        ("minor", "asset", "value"),
        [(1_000, "USD", "10.00"), (500, "JPY", "500"), (50_000, "HUF", "500"), (5, "EUR", "0.05")],
    )
    def test_are_paypals_text_and_come_back(self, minor, asset, value):
        assert value_of(minor, asset) == value
        assert minor_of(value, asset) == minor

    @pytest.mark.parametrize(
        ("minor", "asset", "reason"),
        [
            (1_000, "KES", "currency_unsupported"),
            (1_000, "USDC", "currency_unsupported"),
            (0, "USD", "amount_not_positive"),
            (550, "TWD", "too_many_decimals"),
        ],
    )
    def test_that_cannot_be_sent_are_refused_and_never_rounded(self, minor, asset, reason):
        with pytest.raises(Unfit) as refused:
            value_of(minor, asset)
        assert refused.value.reason == reason


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Signer:
    """A certificate under a root of its own, and its key."""

    key: rsa.RSAPrivateKey
    root: x509.Certificate
    pem: bytes

    @classmethod
    def of(cls, name: str = SUBJECT, *, ends: datetime = NOW + timedelta(days=90)) -> "Signer":
        root_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        root = cls._certificate("root", root_key, "root", root_key, NOW + timedelta(days=900))
        leaf = cls._certificate(name, key, "root", root_key, ends)
        return cls(key, root, leaf.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _certificate(name, key, issuer, issuer_key, ends) -> x509.Certificate:
        is_root = name == issuer
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        built = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(is_root, None), critical=True)
            .add_extension(ski, critical=False)
            .add_extension(aki, critical=False)
        )
        if is_root:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            return built.add_extension(usage, critical=True).sign(issuer_key, hashes.SHA256())
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return (
            built.add_extension(names, critical=False)
            .add_extension(server, critical=False)
            .sign(issuer_key, hashes.SHA256())
        )

    def sends(self, body=BODY, *, listener=LISTENER, at="2026-03-01T06:30:05Z") -> Transmission:
        """As PayPal signs: by its documentation's words, and nothing of ours."""
        message = f"tr-1|{at}|{listener}|{zlib.crc32(body)}".encode()
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return Transmission("tr-1", at, signature, "https://api.paypal.com/v1/certs/c")


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.of()


@pytest.fixture
def trust(signer) -> Trust:
    return Trust(LISTENER, [signer.root])


class TestASignature:
    def test_of_ours_fits(self, signer, trust):
        assert age_of(signer.sends(), BODY, signer.pem, trust, NOW) == "fresh"

    @pytest.mark.parametrize(
        ("body", "checksum"), [(BODY, b"4266249197"), (b'{"n":8}', b"92897335")]
    )
    def test_is_over_a_decimal_checksum_of_the_bytes(self, body, checksum):
        transmission = Transmission("a", "b", b"", "c")
        assert signed_message(transmission, "w", body) == b"a|b|w|" + checksum

    def test_is_for_our_listener_and_no_other_id(self, signer, trust):
        for listener in ("WH-T1", "", "another"):
            with pytest.raises(BadSignature):
                age_of(signer.sends(listener=listener), BODY, signer.pem, trust, NOW)
        with pytest.raises(BadSignature, match="no listener"):
            age_of(signer.sends(), BODY, signer.pem, trust._replace(webhook_id=""), NOW)

    @pytest.mark.parametrize(
        "changed",
        [
            {"transmission_id": "tr-2"},
            {"time": "2026-03-01T06:30:06Z"},
            {"signature": b"x" * 256},
            {"signature": b""},
        ],
    )
    def test_of_anything_else_is_refused(self, signer, trust, changed):
        with pytest.raises(BadSignature):
            age_of(signer.sends()._replace(**changed), BODY, signer.pem, trust, NOW)

    def test_is_over_the_bytes_as_they_came(self, signer, trust):
        spaced = json.dumps(json.loads(BODY)).encode()
        with pytest.raises(BadSignature):
            age_of(signer.sends(), spaced, signer.pem, trust, NOW)

    @pytest.mark.parametrize(
        ("apart_s", "age"), [(0, "fresh"), (300, "fresh"), (301, "old"), (86_400, "old")]
    )
    def test_grows_old(self, signer, trust, apart_s, age):
        now = NOW + timedelta(seconds=apart_s)
        assert age_of(signer.sends(), BODY, signer.pem, trust, now) == age

    def test_from_the_future_or_of_no_time_is_refused(self, signer, trust):
        for at in ("2026-03-01T06:35:06Z", "soon", "2026-03-01T06:30:05"):
            with pytest.raises(BadSignature):
                age_of(signer.sends(at=at), BODY, signer.pem, trust, NOW)

    def test_by_a_certificate_we_do_not_trust_is_refused(self, signer, trust):
        stranger, other = Signer.of(), Signer.of("api.evil.example")
        ended = Signer.of(ends=NOW - timedelta(seconds=1))
        for each, roots in (
            (stranger, trust.roots),
            (other, [other.root]),
            (ended, [ended.root]),
        ):
            with pytest.raises(BadSignature, match="not to be trusted"):
                age_of(each.sends(), BODY, each.pem, trust._replace(roots=roots), NOW)
        with pytest.raises(BadSignature):
            age_of(signer.sends(), BODY, b"no certificate", trust, NOW)


class TestWhereACertificateComesFrom:
    @pytest.mark.parametrize(
        "url",
        [
            "https://api.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com:443/c",
        ],
    )
    def test_is_paypals_own(self, url):
        assert is_paypals(url)

    @pytest.mark.parametrize(
        "url",
        [
            "http://api.paypal.com/c",
            "https://api.paypal.com.evil.test/c",
            "https://evilpaypal.com/c",
            "https://paypal.com.evil.test",
            "https://api.paypal.com@evil.test/c",
            "https://evil.test/api.paypal.com",
            "https://evil.test\\.paypal.com/c",
            "https://user:x@api.paypal.com/c",
            "https://api.paypal.com:8443/c",
            "https://api.paypal.com:x/c",
            "https://api.paypаl.com/c",
            "https://[::1]/c",
            "//api.paypal.com/c",
            "",
        ],
    )
    def test_is_nobody_elses(self, url):
        assert not is_paypals(url)


class TestHeaders:
    def headers(self, **changes):
        said = {
            "PAYPAL-TRANSMISSION-ID": "tr-1",
            "PayPal-Transmission-Time": "2026-03-01T06:30:05Z",
            "paypal-transmission-sig": base64.b64encode(b"sig").decode(),
            "PAYPAL-CERT-URL": "https://api.paypal.com/c",
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        }
        return said | changes

    def test_are_read_in_any_case(self):
        assert transmission_of(self.headers()).signature == b"sig"

    @pytest.mark.parametrize(
        "changes",
        [
            {"PAYPAL-TRANSMISSION-ID": ""},
            {"PAYPAL-AUTH-ALGO": "SHA1withRSA"},
            {"PAYPAL-AUTH-ALGO": "none"},
            {"PAYPAL-CERT-URL": "https://evil.test/c"},
            {"paypal-transmission-sig": "not base64!"},
            {"PAYPAL-TRANSMISSION-ID": "x" * 3_000},
        ],
    )
    def test_that_lack_or_bend_something_are_refused(self, changes):
        with pytest.raises(BadSignature):
            transmission_of(self.headers(**changes))


def capture(status="COMPLETED", **more):
    return {
        "id": "3C1",
        "status": status,
        "amount": {"currency_code": "USD", "value": "10.00"},
        "custom_id": "call-1",
        **more,
    }


def order(status="COMPLETED", *captures) -> bytes:
    units = [{"reference_id": "1", "payments": {"captures": list(captures)}}]
    return json.dumps({"id": "5O1", "status": status, "purchase_units": units}).encode()


class TestOrders:
    def test_are_paid_by_a_capture_that_is_completed(self):
        result = translate.order_result(order("COMPLETED", capture()))
        assert (result.outcome, result.provider_reference) == ("succeeded", "3C1")
        assert (result.amount_minor, result.asset) == (1_000, "USD")

    @pytest.mark.parametrize(
        ("body", "outcome"),
        [
            (order("COMPLETED"), "pending"),
            (order("COMPLETED", capture("PENDING")), "pending"),
            (order("COMPLETED", capture("DECLINED")), "failed"),
            (order("COMPLETED", capture("DECLINED"), capture()), "succeeded"),
            (order("COMPLETED", capture("PENDING"), capture("DECLINED")), "pending"),
            (order("APPROVED"), "pending"),
            (order("VOIDED"), "failed"),
            (b'{"id": "5O1", "status": "SAVED", "purchase_units": 7}', "pending"),
            (order("COMPLETED", capture(amount={"currency_code": "KES", "value": "1"})), "pending"),
        ],
    )
    def test_are_not_paid_by_their_own_status(self, body, outcome):
        assert translate.order_result(body).outcome == outcome

    def test_bear_our_call_and_the_amount_as_text(self):
        body = translate.order(Wish("10", "USD"), "call-1", "https://x/r", "https://x/c")
        [unit] = body["purchase_units"]
        assert unit["custom_id"] == "call-1"
        assert unit["amount"] == {"currency_code": "USD", "value": "10.00"}
        assert translate.refund(Wish("10", "USD"), "call-2")["custom_id"] == "call-2"

    def test_errors_name_their_issues(self):
        body = {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "ORDER_ALREADY_CAPTURED"}]}
        found = translate.issues_of(json.dumps(body).encode())
        assert found == ("UNPROCESSABLE_ENTITY", "ORDER_ALREADY_CAPTURED")
        assert translate.issues_of(b"<html>") == ()


class TestPayouts:
    def batch(self, status) -> bytes:
        item = {
            "payout_item_id": "I1",
            "transaction_status": status,
            "payout_item": {
                "sender_item_id": "call-1",
                "amount": {"currency": "USD", "value": "5.00"},
            },
        }
        header = {"payout_batch_id": "B1", "batch_status": "SUCCESS"}
        return json.dumps({"batch_header": header, "items": [item]}).encode()

    def test_are_batches_of_one_under_our_id(self):
        body = translate.payout(Wish("5.00", "USD", "a@example.test"), "call-1")
        assert body["sender_batch_header"]["sender_batch_id"] == "call-1"
        [item] = body["items"]
        assert item["amount"] == {"currency": "USD", "value": "5.00"}

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("SUCCESS", "succeeded"),
            ("PENDING", "pending"),
            ("UNCLAIMED", "pending"),
            ("ONHOLD", "pending"),
            ("RETURNED", "failed"),
            ("FAILED", "failed"),
            ("NEW", "pending"),
        ],
    )
    def test_stand_as_their_item_does(self, status, outcome):
        assert translate.batch_result(self.batch(status)).outcome == outcome

    @pytest.mark.parametrize(
        ("status", "outcome"), [("COMPLETED", "succeeded"), ("PENDING", "pending")]
    )
    def test_refunds_stand_as_they_say(self, status, outcome):
        body = json.dumps(capture(status)).encode()
        assert translate.refund_result(body).outcome == outcome


class TestEvents:
    def event(self, kind="capture", about=None, **more) -> bytes:
        said = {
            "id": "WH-1",
            "event_type": "PAYMENT.CAPTURE.COMPLETED",
            "resource_type": kind,
            "resource": capture() if about is None else about,
        }
        return json.dumps(said | more).encode()

    def test_name_the_call_and_how_it_stands(self):
        told = translate.event_of(self.event())
        assert (told.kind, told.subject, told.call_id) == ("capture", "3C1", "call-1")
        assert told.result.outcome == "succeeded"

    def test_of_an_order_prove_nothing_by_themselves(self):
        about = {"id": "5O1", "status": "APPROVED", "purchase_units": [{"custom_id": "call-1"}]}
        told = translate.event_of(self.event("checkout-order", about))
        assert (told.kind, told.call_id, told.result.outcome) == ("order", "call-1", "pending")

    def test_of_an_item_name_it_by_our_id(self):
        about = {
            "payout_item_id": "I1",
            "transaction_status": "SUCCESS",
            "payout_item": {"sender_item_id": "c", "amount": {"currency": "USD", "value": "5.00"}},
        }
        told = translate.event_of(self.event("payouts_item", about))
        assert (told.subject, told.call_id, told.result.outcome) == ("I1", "c", "succeeded")

    def test_of_anything_else_prove_nothing(self):
        told = translate.event_of(self.event("plan", {"id": "P"}))
        assert (told.kind, told.result.outcome) == ("other", "pending")

    @given(st.binary(max_size=200))
    def test_of_any_bytes_are_unreadable(self, body):
        with pytest.raises(Unreadable):
            translate.event_of(body)


class TestConfig:
    @pytest.mark.parametrize("name", ["client_id", "client_secret"])
    def test_that_lacks_something_says_what(self, name):
        values = {"client_id": "i", "client_secret": "s"}
        del values[name]
        with pytest.raises(ValueError, match=name):
            Config.read(values)

    def test_shows_no_secret(self):
        assert "canary" not in repr(Config.read({"client_id": "i", "client_secret": "canary"}))
