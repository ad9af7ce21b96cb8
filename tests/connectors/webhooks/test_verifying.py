"""Webhooks of sister services, signed by the reference library and verified by us."""

from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from connectors.webhooks.signing import new_secret
from connectors.webhooks.verifying import BadSignature, age_of

AT = 1_772_346_605
BODY = b'{"amount": 1500.00}'
SECRET, OLD, OTHER = new_secret(), new_secret(), new_secret()


def signed(secret=SECRET, *, message_id="msg-1", body=BODY, at=AT) -> dict[str, str]:
    """As the reference library signs."""
    when = datetime.fromtimestamp(at, UTC)
    signature = standardwebhooks.Webhook(secret).sign(message_id, when, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }


class TestAWebhook:
    def test_of_the_reference_library_is_believed(self):
        assert age_of(signed(), BODY, [SECRET], AT) == ("msg-1", "fresh")

    def test_of_the_known_vector_is_believed(self):
        said = {
            "webhook-id": "msg_1",
            "webhook-timestamp": "1772346605",
            "webhook-signature": "v1,WtYGegYNVAB0bbMXMclQQ/0YAm62bjDcP82p3ygv6U8=",
        }
        secret = "whsec_c2VjcmV0LWZvci10cmVhc3VyeS10ZXN0cw=="
        assert age_of(said, b'{"a":1}', [secret], AT) == ("msg_1", "fresh")

    def test_signed_by_either_of_two_secrets_is_believed(self):
        for secret in (SECRET, OLD):
            assert age_of(signed(secret), BODY, [SECRET, OLD], AT)[1] == "fresh"

    def test_with_several_signatures_needs_one_that_fits(self):
        said = signed()
        said["webhook-signature"] = f"v1,AAAA v0,x {said['webhook-signature']}"
        assert age_of(said, BODY, [SECRET], AT)[1] == "fresh"

    @pytest.mark.parametrize(
        ("now_s", "age"),
        [(AT, "fresh"), (AT + 300, "fresh"), (AT - 300, "fresh"), (AT + 301, "old")],
    )
    def test_is_old_after_five_minutes(self, now_s, age):
        assert age_of(signed(), BODY, [SECRET], now_s)[1] == age

    def test_from_the_future_is_refused(self):
        with pytest.raises(BadSignature, match="future"):
            age_of(signed(), BODY, [SECRET], AT - 301)


class TestRefused:
    @pytest.mark.parametrize("secrets", [[], [OTHER]])
    def test_without_the_right_secret(self, secrets):
        with pytest.raises(BadSignature):
            age_of(signed(), BODY, secrets, AT)

    @pytest.mark.parametrize(
        "change",
        [
            {"webhook-id": "msg-2"},
            {"webhook-id": ""},
            {"webhook-timestamp": str(AT + 1)},
            {"webhook-timestamp": ""},
            {"webhook-timestamp": "-1"},
            {"webhook-signature": ""},
            {"webhook-signature": "v0,AAAA"},
            {"webhook-signature": "v1,é"},
        ],
    )
    def test_with_another_header(self, change):
        with pytest.raises(BadSignature):
            age_of(signed() | change, BODY, [SECRET], AT)

    def test_with_the_same_json_in_other_bytes(self):
        with pytest.raises(BadSignature):
            age_of(signed(), b'{"amount":1500.00}', [SECRET], AT)

    @given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=100))
    def test_with_any_headers(self, message_id, at, signature):
        said = {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": signature}
        with pytest.raises(BadSignature):
            age_of(said, BODY, [SECRET], AT)
