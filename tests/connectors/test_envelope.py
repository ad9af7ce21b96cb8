"""Sealed secrets open with their key, in their place, unchanged; anything else is one error."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.envelope import NONCE_BYTES, SECRET_BYTES_MAX, TAG_BYTES, Keyring, Place, Sealed
from streams.errors import Misconfigured, Unreadable

OLD, NEW, OTHER = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
PLACE = Place("tenant-a", "mpesa.passkey", 3)
SECRET = "canary-bfb279f9aa9bdbcf158e97dd71a467cd"


def _sealed(ring: Keyring | None = None) -> Sealed:
    return (ring or Keyring(OLD)).seal(PLACE, SECRET)


class TestASealedSecret:
    @given(st.text(min_size=1, max_size=500))
    def test_opens_to_what_it_was(self, text):
        try:
            text.encode()
        except UnicodeEncodeError:
            return
        ring = Keyring(OLD)
        assert ring.open(PLACE, ring.seal(PLACE, text)).get_secret_value() == text

    def test_is_never_the_same_twice(self):
        ring = Keyring(OLD)
        sealed = [_sealed(ring) for _ in range(2_000)]
        assert len({each.box[:NONCE_BYTES] for each in sealed}) == 2_000
        assert len({each.wrapped_key[:NONCE_BYTES] for each in sealed}) == 2_000
        assert len({each.wrapped_key for each in sealed}) == 2_000

    @pytest.mark.parametrize(
        "place",
        [
            Place("tenant-b", "mpesa.passkey", 3),
            Place("tenant-a", "mpesa.secret", 3),
            Place("tenant-a", "mpesa.passkey", 4),
            Place("tenant-am", "pesa.passkey", 3),
            Place("tenant-a", "mpesa.passkey3", 3),
        ],
    )
    def test_moved_to_another_place_does_not_open(self, place):
        with pytest.raises(Unreadable):
            Keyring(OLD).open(place, _sealed())

    def test_does_not_open_under_another_key_or_another_keys_id(self):
        sealed = _sealed()
        with pytest.raises(Unreadable):
            Keyring(OTHER).open(PLACE, sealed)
        other = Keyring(OTHER)
        claimed = dataclasses.replace(sealed, master_id=other.current_id)
        with pytest.raises(Unreadable):
            other.open(PLACE, claimed)

    @pytest.mark.parametrize("part", ["wrapped_key", "box"])
    def test_with_any_byte_changed_is_one_error_that_says_nothing(self, part):
        sealed = _sealed()
        whole = getattr(sealed, part)
        for at in range(len(whole)):
            changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            with pytest.raises(Unreadable, match=r"^the secret does not open here$"):
                Keyring(OLD).open(PLACE, dataclasses.replace(sealed, **{part: changed}))

    @pytest.mark.parametrize("part", ["wrapped_key", "box"])
    def test_cut_anywhere_does_not_open(self, part):
        sealed = _sealed()
        whole = getattr(sealed, part)
        for length in (0, 1, NONCE_BYTES, NONCE_BYTES + TAG_BYTES - 1, len(whole) - 1):
            with pytest.raises(Unreadable):
                Keyring(OLD).open(PLACE, dataclasses.replace(sealed, **{part: whole[:length]}))

    def test_box_under_another_secrets_data_key_does_not_open(self):
        one, two = _sealed(), _sealed()
        with pytest.raises(Unreadable):
            Keyring(OLD).open(PLACE, dataclasses.replace(one, box=two.box))

    def test_shows_in_no_repr(self):
        ring = Keyring(OLD)
        sealed = ring.seal(PLACE, SECRET)
        assert SECRET not in f"{sealed!r} {ring.open(PLACE, sealed)!r} {ring!r} {ring.__dict__!r}"
        assert sealed.box.hex() not in repr(sealed)
        assert repr(sealed.box) not in repr(sealed)

    @pytest.mark.parametrize("secret", ["", "x" * (SECRET_BYTES_MAX + 1)])
    def test_has_a_size(self, secret):
        with pytest.raises(ValueError, match="bytes"):
            Keyring(OLD).seal(PLACE, secret)


class TestANewMasterKey:
    def test_opens_what_the_old_one_sealed_and_seals_by_itself(self):
        ring = Keyring(NEW, [OLD])
        sealed = _sealed(Keyring(OLD))
        assert ring.open(PLACE, sealed).get_secret_value() == SECRET
        rewrapped = ring.rewrap(PLACE, sealed)
        assert rewrapped.box == sealed.box
        assert rewrapped.master_id == ring.current_id != sealed.master_id
        assert Keyring(NEW).open(PLACE, rewrapped).get_secret_value() == SECRET
        with pytest.raises(Unreadable):
            Keyring(OLD).open(PLACE, rewrapped)

    def test_may_be_named_among_the_old_ones(self):
        ring = Keyring(NEW, [NEW, OLD])
        assert ring.ids == {Keyring(OLD).current_id, Keyring(NEW).current_id}

    @pytest.mark.parametrize("key", [b"", OLD[:31], OLD + b"x"])
    def test_has_32_bytes(self, key):
        with pytest.raises(Misconfigured):
            Keyring(key)
        with pytest.raises(Misconfigured):
            Keyring(NEW, [key])

    def test_has_an_id_that_is_not_the_key(self):
        assert len(Keyring(OLD).current_id) == 16
        assert Keyring(OLD).current_id not in OLD.hex()


class TestAFingerprint:
    def test_tells_values_apart_and_places_too(self):
        ring = Keyring(OLD)
        later = dataclasses.replace(PLACE, version=4)
        elsewhere = dataclasses.replace(PLACE, tenant_id="tenant-b")
        assert ring.fingerprint(PLACE, SECRET) == ring.fingerprint(later, SECRET)
        assert ring.fingerprint(PLACE, SECRET) != ring.fingerprint(PLACE, SECRET + "x")
        assert ring.fingerprint(PLACE, SECRET) != ring.fingerprint(elsewhere, SECRET)
