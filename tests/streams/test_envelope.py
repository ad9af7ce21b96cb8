"""Which bytes are an event, and the first reason against those that are not."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.envelope import Envelope, Refusal, read, valid_type

GOOD = {
    "event_id": "uuid",
    "event_type": "cafe.order.created",
    "tenant_id": "tenant-uuid",
    "timestamp": "2024-12-05T10:30:00Z",
    "data": {"order_id": "order-uuid", "total_amount": 1500.00},
}


def envelope(**changed: object) -> bytes:
    members = {name: value for name, value in (GOOD | changed).items() if value is not ...}
    return json.dumps(members).encode()


def refusal(raw: bytes) -> tuple[str, str]:
    found = read(raw)
    assert isinstance(found, Refusal)
    return found.reason, found.detail


class TestRead:
    def test_reads_the_event_of_the_guide_byte_for_byte(self):
        raw = b"""{
  "event_id": "uuid",
  "event_type": "cafe.order.created",
  "tenant_id": "tenant-uuid",
  "timestamp": "2024-12-05T10:30:00Z",
  "data": {
    "order_id": "order-uuid",
    "total_amount": 1500.00
  }
}"""
        found = read(raw)
        assert isinstance(found, Envelope)
        assert (found.event_id, found.event_type) == ("uuid", "cafe.order.created")
        assert (found.tenant_id, found.timestamp) == ("tenant-uuid", "2024-12-05T10:30:00Z")
        assert found.timestamp_ms == 1_733_394_600_000
        data = raw[raw.index(b'"data": ') + 8 : -2]
        assert bytes(found.data) == data

    def test_reads_the_spelling_of_sister_services(self):
        found = read(envelope(event_id=..., id="e-1", data=..., payload={"a": 1}))
        assert isinstance(found, Envelope)
        assert found.event_id == "e-1"
        assert bytes(found.data) == b'{"a": 1}'

    def test_ignores_additional_members(self):
        found = read(envelope(specversion="1.0", source={"a": [1, {"b": None}]}, time=5))
        assert isinstance(found, Envelope)

    def test_reads_an_envelope_cut_out_of_a_record(self):
        record = b"[ %s , %s ]" % (envelope(), envelope(event_id="second"))
        parts = msgspec.json.decode(record, type=list[msgspec.Raw])
        found = [read(part) for part in parts]
        assert [one.event_id for one in found if isinstance(one, Envelope)] == ["uuid", "second"]

    @pytest.mark.parametrize(
        ("both", "detail"),
        [({"id": "uuid"}, "event_id and id"), ({"payload": {}}, "data and payload"),
         ({"payload": None}, "data and payload"), ({"id": "x", "payload": {}}, "event_id and id")],
    )  # fmt: skip
    def test_refuses_two_spellings_of_one_member(self, both, detail):
        assert refusal(envelope(**both)) == ("ambiguous", detail)

    @pytest.mark.parametrize("name", ["event_id", "event_type", "tenant_id", "timestamp", "data"])
    def test_names_the_missing_member(self, name):
        assert refusal(envelope(**{name: ...})) == ("missing_member", name)

    @pytest.mark.parametrize("name", ["event_id", "event_type", "tenant_id", "timestamp", "id"])
    @pytest.mark.parametrize("value", [None, 5, 1.5, True, [], {}])
    def test_refuses_a_member_of_another_kind(self, name, value):
        reason, detail = refusal(envelope(**{name: value}))
        assert reason == "bad_member"
        assert f"$.{name}" in detail

    @pytest.mark.parametrize(
        ("changed", "reason", "detail"),
        [
            ({"event_id": ""}, "bad_event_id", ""),
            ({"event_id": "a b"}, "bad_event_id", ""),
            ({"event_type": "order"}, "bad_event_type", ""),
            ({"tenant_id": "../etc"}, "bad_tenant_id", ""),
            ({"tenant_id": "a" * 129}, "bad_tenant_id", ""),
            ({"timestamp": "2024-12-05T10:30:00"}, "bad_timestamp", "without_offset"),
            ({"timestamp": "yesterday"}, "bad_timestamp", "not_rfc3339"),
            ({"data": None}, "bad_data", ""),
            ({"data": []}, "bad_data", ""),
            ({"data": "{}"}, "bad_data", ""),
            ({"data": 1500.00}, "bad_data", ""),
        ],
    )
    def test_refuses_a_member_that_cannot_be(self, changed, reason, detail):
        assert refusal(envelope(**changed)) == (reason, detail)

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"", "not_json"),
            (b"{", "not_json"),
            (b"{}}", "not_json"),
            (b"\xef\xbb\xbf{}", "not_json"),
            (b'{"event_id": NaN}', "not_json"),
            (b"[]", "bad_member"),
            (b"null", "bad_member"),
            (b'"text"', "bad_member"),
            (b"{}", "missing_member"),
            (b'{"event_id": "\xff"}', "not_utf8"),
            (b'{"data": ' + b"[" * 100_000, "too_deep"),
            (b'{"x": ' + b'{"a":' * 100_000, "too_deep"),
        ],
    )
    def test_refuses_bytes_that_are_no_object(self, raw, reason):
        assert refusal(raw)[0] == reason

    def test_checks_in_a_fixed_order(self):
        wrong: dict[str, object] = {
            "event_id": "", "event_type": "", "tenant_id": "", "timestamp": "", "data": 1,
        }  # fmt: skip
        reasons = []
        for name in list(wrong):
            reasons.append(refusal(envelope(**wrong))[0])
            del wrong[name]
        assert reasons == [
            "bad_event_id", "bad_event_type", "bad_tenant_id", "bad_timestamp", "bad_data",
        ]  # fmt: skip

    @given(st.binary(max_size=60), st.integers(0, 150))
    def test_answers_for_any_bytes(self, noise, at):
        good = envelope()
        for raw in (noise, good[:at] + noise + good[at:]):
            found = read(raw)
            if isinstance(found, Envelope):
                assert bytes(found.data) in raw
            else:
                assert re.fullmatch("[a-z_0-9]+", found.reason)


class TestValidType:
    @pytest.mark.parametrize(
        "text", ["a.b", "pos.order.completed", "pos.cash.drawer.closed", "a.b.c.d.e.f", "a_1.b_2"]
    )
    def test_takes_two_to_six_words(self, text):
        assert valid_type(text)

    @pytest.mark.parametrize(
        "text",
        ["", "a", "a.", ".a", "a..b", "A.b", "a.b.c.d.e.f.g", "a-b.c", "a.b ", "a.b\n", "a.*",
         "a.>", "\u00e9.b", "a." + "b" * 127],
    )  # fmt: skip
    def test_refuses_what_a_subject_must_not_be(self, text):
        assert not valid_type(text)
