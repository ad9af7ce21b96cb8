"""Reports of deliveries, in either envelope; what is none is an error that says why.

Written by hand after the service's event catalog and the shared library's event.
"""

import pytest

from connectors.notifications.delivery import SUBJECT, delivery_of
from connectors.reading import Unreadable

PLATFORM = b"""{
  "event_id": "evt-1",
  "event_type": "notifications.delivery.status",
  "tenant_id": "demo-cafe",
  "timestamp": "2026-03-01T06:30:05Z",
  "data": {"tenant_id": "demo-cafe", "source_service": "treasury", "reference_type": "invoice",
    "reference_id": "iv-1", "channel": "email", "template": "invoice_created",
    "recipients": ["a@example.com"], "status": "sent", "request_id": "r1"}
}"""
LIBRARY = b"""{
  "id": "8c9e6a1c-0a3e-4f34-8a8e-0f3f0f1c7f10",
  "event_type": "delivery.status",
  "aggregate_type": "notification",
  "aggregate_id": "1d8a31d5-0e2e-45d0-9f31-0b8b5e0b2f11",
  "tenant_id": "00000000-0000-0000-0000-000000000000",
  "payload": {"tenant_id": "demo-cafe", "source_service": "treasury",
    "reference_type": "payment", "reference_id": "p-1", "channel": "sms",
    "template": "payment_receipt", "recipients": ["+254712345600"], "status": "failed",
    "request_id": "r2", "error": "number not in service"},
  "metadata": {},
  "timestamp": "2026-03-01T06:30:05.123456789Z",
  "version": "1.0"
}"""


class TestAReport:
    def test_that_a_message_was_sent(self):
        told = delivery_of(PLATFORM)
        assert (told.event_id, told.tenant_id) == ("evt-1", "demo-cafe")
        assert (told.reference_type, told.reference_id) == ("invoice", "iv-1")
        assert (told.channel, told.template) == ("email", "invoice_created")
        assert (told.status, told.request_id, told.error) == ("sent", "r1", "")

    def test_that_it_failed_in_the_librarys_envelope(self):
        told = delivery_of(LIBRARY)
        assert (told.tenant_id, told.reference_type, told.reference_id) == (
            "demo-cafe",
            "payment",
            "p-1",
        )
        assert (told.status, told.error) == ("failed", "number not in service")

    def test_says_nothing_that_cannot_be_printed(self):
        told = delivery_of(LIBRARY.replace(b"not in", b"\\n\\u001b not in"))
        assert told.error == "number    not in service"

    def test_does_not_carry_on_whom_it_was_for(self):
        assert "254712345600" not in repr(delivery_of(LIBRARY))

    @pytest.mark.parametrize("name", [SUBJECT, "notification.delivery.status", "delivery.status"])
    def test_is_known_by_its_subject_or_the_librarys_type(self, name):
        event = PLATFORM.replace(SUBJECT.encode(), name.encode())
        assert delivery_of(event) is not None

    def test_takes_the_tenant_of_the_envelope_where_it_names_none(self):
        event = PLATFORM.replace(b'"data": {"tenant_id": "demo-cafe", ', b'"data": {')
        assert delivery_of(event).tenant_id == "demo-cafe"

    @pytest.mark.parametrize("source", [b'"ordering"', b'""'])
    def test_of_another_services_message_is_none_of_ours(self, source):
        assert delivery_of(PLATFORM.replace(b'"treasury"', source)) is None

    def test_may_lack_what_we_can_do_without(self):
        event = PLATFORM.replace(b'"request_id": "r1"', b'"request_id": null, "error": null')
        told = delivery_of(event)
        assert (told.request_id, told.error) == ("", "")

    def test_has_words_for_people_of_a_bounded_length(self):
        event = LIBRARY.replace(b"number not in service", b"x" * 5_000)
        assert len(delivery_of(event).error) == 200


class TestWhatIsNone:
    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (b"", "not_json"),
            (b"[]", "bad_member"),
            (b"[" * 10_000, "too_deep"),
            (PLATFORM.replace(b'"sent"', b'"sent", "status": "failed"'), "duplicate_key"),
            (PLATFORM.replace(b'"event_id"', b'"x"'), "missing_member"),
            (PLATFORM.replace(SUBJECT.encode(), b"notifications.campaign.completed"), "another"),
            (PLATFORM.replace(b'"sent"', b'"queued"'), "ends nothing"),
            (PLATFORM.replace(b'"sent"', b'"SENT"'), "ends nothing"),
            (PLATFORM.replace(b'"sent"', b"true"), "no report"),
            (PLATFORM.replace(b'"status"', b'"x"'), "no report"),
            (PLATFORM.replace(b'"iv-1"', b'""'), "about nothing"),
            (PLATFORM.replace(b'"reference_type"', b'"x"'), "about nothing"),
            (PLATFORM.replace(b'{"tenant_id": "demo-cafe"', b'{"tenant_id": "b"'), "two tenants"),
            (LIBRARY.replace(b'"payload": {"tenant_id": "demo-cafe",', b'"payload": {'), "no ten"),
            (LIBRARY.replace(b'"demo-cafe"', b'"demo cafe"'), "invalid tenant"),
        ],
    )
    def test_is_an_error_that_says_why(self, event, reason):
        with pytest.raises(Unreadable, match=reason):
            delivery_of(event)
