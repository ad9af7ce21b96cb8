"""Stamps: ours are recognised, and no header of another producer passes for one or does harm."""

import pytest

from streams.inbound import INGRESSES, Signer, Stamp, pack

SIGNER = Signer(b"a key of thirty-two bytes or more")
VALUE = b'{"event_id":"e"}'
INGRESS, SIGNATURE, REFUSED = "treasury-ingress", "treasury-signature", "treasury-refused"
KAFKA, INTERNAL = Stamp("kafka"), Stamp("internal")


def signed(stamp: Stamp = INTERNAL) -> list[tuple[str, bytes]]:
    return list(SIGNER.headers(stamp, 3, VALUE))


class TestOurStamp:
    @pytest.mark.parametrize("ingress", INGRESSES)
    @pytest.mark.parametrize("refused", ["", "subject_mismatch", "bad_member: data"])
    def test_is_read_as_it_was_written(self, ingress, refused):
        stamp = Stamp(ingress, refused)
        assert SIGNER.read(signed(stamp), 3, VALUE) == stamp

    def test_is_recognised_in_any_order_and_among_others(self):
        headers = [("trace", b"1"), *reversed(signed()), ("trace", b"2")]
        assert SIGNER.read(headers, 3, VALUE) == Stamp("internal")

    def test_is_of_its_partition_and_value_only(self):
        assert SIGNER.read(signed(), 4, VALUE) == KAFKA
        assert SIGNER.read(signed(), 3, VALUE + b" ") == KAFKA

    def test_is_of_its_key_only(self):
        other = Signer(b"another key of thirty-two bytes..")
        assert other.read(signed(), 3, VALUE) == KAFKA

    def test_needs_a_key_of_some_length(self):
        with pytest.raises(ValueError, match="32 bytes"):
            Signer(b"short")


class TestHostileHeaders:
    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [(INGRESS, None)],
            [(INGRESS, b"internal"), (SIGNATURE, None)],
            [(INGRESS, b"internal"), (SIGNATURE, b"")],
            [(INGRESS, b"internal"), (SIGNATURE, b"\x00" * 32), (REFUSED, None)],
            [(INGRESS, b"\xff\xfe")],
            [(INGRESS, b"internal" * 10_000)],
            [(INGRESS, "internal"), (SIGNATURE, "text")],
            [(INGRESS, b"internal"), (SIGNATURE, b"\xc3\xa9"), (REFUSED, b"\xed\xa0\x80")],
            [(None, None), (b"treasury-ingress", b"internal"), (7, b"x")],
            [("", b""), ("trace", None)],
        ],
    )
    def test_are_another_producers(self, headers):
        assert SIGNER.read(headers, 3, VALUE) == KAFKA

    @pytest.mark.parametrize("name", [INGRESS, SIGNATURE, REFUSED])
    def test_a_null_one_of_ours_does_not_pass(self, name):
        headers = [
            (key, None if key == name else value)
            for key, value in signed(Stamp("internal", "too_large"))
        ]
        assert SIGNER.read(headers, 3, VALUE) == KAFKA

    @pytest.mark.parametrize("name", [INGRESS, SIGNATURE, REFUSED])
    def test_a_repeated_one_of_ours_does_not_pass(self, name):
        headers = signed(Stamp("internal", "too_large"))
        repeated = [header for header in headers if header[0] == name]
        assert SIGNER.read(headers + repeated, 3, VALUE) == KAFKA

    def test_an_added_refusal_does_not_pass(self):
        assert SIGNER.read([*signed(), (REFUSED, b"mine")], 3, VALUE) == KAFKA


class TestPack:
    def test_makes_one_array_of_envelopes_as_they_are(self):
        assert pack([b'{"a": 1}', b"2"]) == b'[{"a": 1},2]'
