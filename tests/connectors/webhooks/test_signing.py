"""Signatures as every Standard Webhooks library checks them."""

import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks

from connectors.webhooks.signing import headers, new_secret

# external-apis.md 8: key, message and signature of a known vector.
KEY, SIGNED = "c2VjcmV0LWZvci10cmVhc3VyeS10ZXN0cw==", "WtYGegYNVAB0bbMXMclQQ/0YAm62bjDcP82p3ygv6U8="


class TestASignature:
    def test_is_that_of_the_known_vector(self):
        signed = headers("msg_1", 1772346605, b'{"a":1}', [f"whsec_{KEY}"])
        assert signed == {
            "webhook-id": "msg_1",
            "webhook-timestamp": "1772346605",
            "webhook-signature": f"v1,{SIGNED}",
        }

    def test_is_taken_by_the_reference_library(self):
        secret, body = new_secret(), b'{"amount":1500.00}'
        signed = headers("evt-1", int(datetime.now(UTC).timestamp()), body, [secret])
        standardwebhooks.Webhook(secret).verify(body, dict(signed))
        for wrong in (body + b" ", body.replace(b"1500.00", b"1500.0")):
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                standardwebhooks.Webhook(secret).verify(wrong, dict(signed))

    def test_of_two_secrets_is_taken_by_holders_of_either(self):
        old, new, other = new_secret(), new_secret(), new_secret()
        body = b"{}"
        signed = dict(headers("evt-1", int(datetime.now(UTC).timestamp()), body, [new, old]))
        standardwebhooks.Webhook(old).verify(body, signed)
        standardwebhooks.Webhook(new).verify(body, signed)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(other).verify(body, signed)

    def test_is_never_left_out(self):
        with pytest.raises(ValueError, match="signed or not sent"):
            headers("evt-1", 1, b"{}", [])

    @pytest.mark.parametrize("secret", ["", "whsec_", KEY, "whsec_not base64"])
    def test_needs_a_secret(self, secret):
        with pytest.raises(ValueError, match=r"secret|base64|data"):
            headers("evt-1", 1, b"{}", [secret])


class TestASecret:
    def test_is_new_and_long_enough(self):
        secrets = {new_secret() for _ in range(100)}
        assert len(secrets) == 100
        assert all(len(base64.b64decode(each[6:])) == 32 for each in secrets)
