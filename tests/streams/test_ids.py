"""Identifiers follow from their causes and never collide by construction."""

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import ids

NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:@-]{0,20}\Z")


class TestDerive:
    @given(NAMES, NAMES, NAMES, st.integers(0, 10**6))
    def test_is_uuid5_over_the_joined_parts(self, tenant, source, kind, ordinal):
        name = f"{tenant}\x1f{source}\x1f{kind}\x1f{ordinal}"
        assert ids.derive(tenant, source, kind, ordinal) == str(uuid.uuid5(ids.EVENTS, name))

    def test_never_changes(self):
        derived = ids.derive("tenant-uuid", "uuid", "invoice", 0)
        assert derived == "17112cc5-a1b6-5e5a-a3b3-fbf95114203e"

    def test_parts_do_not_run_into_each_other(self):
        assert ids.derive("a", "bc", "d", 1) != ids.derive("ab", "c", "d", 1)
        assert ids.derive("a", "b", "c1", 1) != ids.derive("a", "b", "c", 11)

    def test_is_an_id_itself(self):
        assert ids.valid_id(ids.derive("t", "e", "k", 0))


class TestHttpEventId:
    @given(NAMES, st.text(st.characters(codec="utf-8"), max_size=40))
    def test_is_uuid5_over_the_joined_parts(self, tenant, key):
        name = f"{tenant}\x1fPOST /api/v1/invoices\x1f{key}"
        event_id = ids.http_event_id(tenant, "POST /api/v1/invoices", key)
        assert event_id == str(uuid.uuid5(ids.REQUESTS, name))

    def test_never_changes(self):
        event_id = ids.http_event_id("tenant-uuid", "POST /api/v1/payments/intents", "key-1")
        assert event_id == "52a8e666-f7ca-5130-9f42-41a9da3560f0"

    def test_differs_from_what_events_cause(self):
        assert ids.http_event_id("t", "e", "k\x1f0") != ids.derive("t", "e", "k", 0)

    def test_differs_by_tenant_route_and_key(self):
        several = {ids.http_event_id(t, r, k) for t in "ab" for r in "ab" for k in "ab"}
        assert len(several) == 8


class TestIdentity:
    def test_is_16_bytes_and_never_changes(self):
        assert ids.identity("tenant-uuid", "uuid").hex() == "a5c50677cc76576d8638cc95a0dc8c46"

    def test_parts_do_not_run_into_each_other(self):
        assert ids.identity("a", "bc") != ids.identity("ab", "c")


class TestPayloadHash:
    def test_is_8_bytes_and_never_changes(self):
        assert ids.payload_hash("pos.order.completed", b'{"a":1}').hex() == "46663e4815208fb2"

    def test_tells_types_and_bytes_apart(self):
        base = ids.payload_hash("pos.order.completed", b'{"a":1}')
        assert ids.payload_hash("pos.order.voided", b'{"a":1}') != base
        assert ids.payload_hash("pos.order.completed", b'{"a": 1}') != base

    def test_takes_raw_json_as_well(self):
        raw = msgspec.json.decode(b'{"x": {"a":1}}', type=dict[str, msgspec.Raw])["x"]
        assert ids.payload_hash("t.t", raw) == ids.payload_hash("t.t", b'{"a":1}')


class TestValidId:
    @pytest.mark.parametrize(
        "text",
        ["uuid", "tenant-uuid", "1", "a" * 128, "0b0f9f0e-5d0e-4b0b-9f0e-5d0e4b0b9f0e",
         "A.b_c:d@e-f", "7", "stk:ws_CO_191220191020363925"],
    )  # fmt: skip
    def test_takes_opaque_ids(self, text):
        assert ids.valid_id(text)

    @pytest.mark.parametrize(
        "text",
        ["", "a" * 129, "-a", ".a", "_a", " a", "a ", "a\n", "a b", "a/b", "a\x1fb", "a\x00", "a*",
         "a>b", "\u00e9", "a\u00e9", "\u0661", "a\r\nb", "a$", "{a}"],
    )  # fmt: skip
    def test_refuses_what_could_break_a_subject_a_path_or_a_key(self, text):
        assert not ids.valid_id(text)
