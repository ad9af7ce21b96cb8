"""The signature of a request, against a key and a second opinion."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from connectors.jenga import statement, translate
from connectors.jenga.config import Config
from connectors.jenga.fake import FakeJenga
from connectors.jenga.signature import key_of, signed

CONFIGURATION = {**FakeJenga().configuration, "base_url": "https://api.finserve.africa"}


def pem_of(key, *, password=None) -> str:
    sealed = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed
    ).decode()


class TestASignature:
    def test_fits_its_text_under_the_public_key_and_no_other_text(self):
        key = key_of(CONFIGURATION["private_key"])
        given = base64.b64decode(signed(key, "KE0011547896523"))
        public = key.public_key()
        public.verify(given, b"KE0011547896523", padding.PKCS1v15(), hashes.SHA256())
        with pytest.raises(Exception, match=r"^$"):
            public.verify(given, b"0011547896523KE", padding.PKCS1v15(), hashes.SHA256())

    def test_is_over_these_fields_in_this_order(self):
        """Jenga documentation: each call names the fields that are joined, with nothing between."""
        config = Config.read(CONFIGURATION)
        assert translate.balance_question(config).signed == "KE0011547896523"
        page = statement.page_question(config, "2026-03-01", "2026-03-31", None)
        assert page.signed == "0011547896523KE2026-03-31"


class TestAKey:
    @pytest.mark.parametrize(
        "pem",
        [
            "canary",
            "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
            pem_of(ec.generate_private_key(ec.SECP256R1())),
            pem_of(rsa.generate_private_key(public_exponent=65_537, key_size=2_048), password=b"x"),
        ],
        ids=["no PEM", "no key", "no RSA", "sealed"],
    )
    def test_that_cannot_sign_is_seen_at_once_and_not_shown(self, pem):
        with pytest.raises(ValueError, match="private_key") as refused:
            Config.read({**CONFIGURATION, "private_key": pem})
        assert "canary" not in str(refused.value)


class TestConfig:
    @pytest.mark.parametrize(
        "changes",
        [
            {"base_url": "api.example"},
            {"merchant_code": ""},
            {"api_key": ""},
            {"consumer_secret": ""},
            {"private_key": ""},
            {"account": "00/11"},
            {"country_code": "Kenya"},
            {"currency": "XYZ"},
        ],
    )
    def test_that_lacks_something_says_what(self, changes):
        [name] = changes
        with pytest.raises(ValueError, match=name):
            Config.read({**CONFIGURATION, **changes})

    def test_shows_no_secret(self):
        secrets = dict.fromkeys(("api_key", "consumer_secret", "alert_password"), "canary")
        shown = repr(Config.read({**CONFIGURATION, **secrets}))
        assert "canary" not in shown
        assert "PrivateKey" not in shown
