"""Secrets at rest: AES-256-GCM under a data key of their own, which a master key wraps.

A secret is bound to its place (tenant, name, version): moved to another one it does not open. Each
sealing has a fresh data key, so a nonce can never meet its key twice (NIST SP 800-38D, 8.2).
Pure: keys come in as bytes, nothing is read or stored here.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from streams.errors import Misconfigured, Unreadable

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
SECRET_BYTES_MAX = 16 * 1024
_SCHEME = b"treasury secret 1 AES-256-GCM"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret belongs; `version` counts the values that the name has had, from 1."""

    tenant_id: str
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed secret: the id of its master key, its wrapped data key, and the box it opens.

    Both are nonce (12 bytes), ciphertext, tag (16 bytes).
    """

    master_id: str
    wrapped_key: bytes = field(repr=False)
    box: bytes = field(repr=False)


class Keyring:
    """Master keys: one that seals, and older ones that still open."""

    def __init__(self, current: bytes, previous: Sequence[bytes] = ()) -> None:
        keys = (current, *previous)
        if any(len(key) != KEY_BYTES for key in keys):
            raise Misconfigured(f"a master key has {KEY_BYTES} bytes")
        self._keys = {_id_of(key): key for key in reversed(keys)}
        self.current_id = _id_of(current)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys; they tell nothing of the keys."""
        return frozenset(self._keys)

    def seal(self, place: Place, secret: str) -> Sealed:
        """Seal under the current key. Raises ValueError for an empty or too long secret."""
        plaintext = secret.encode()
        if not 0 < len(plaintext) <= SECRET_BYTES_MAX:
            raise ValueError(f"a secret has 1 to {SECRET_BYTES_MAX} bytes")
        data_key = AESGCM.generate_key(8 * KEY_BYTES)
        box = _encrypt(data_key, plaintext, _bound(b"secret", place))
        return self._wrapped(place, data_key, box)

    def open(self, place: Place, sealed: Sealed) -> SecretStr:
        """The secret. Raises `Unreadable`: another key or place, or a byte of it was changed."""
        data_key = self._unwrapped(place, sealed)
        return SecretStr(_decrypt(data_key, sealed.box, _bound(b"secret", place)).decode())

    def rewrap(self, place: Place, sealed: Sealed) -> Sealed:
        """The same box, its data key wrapped by the current key. Raises `Unreadable`."""
        return self._wrapped(place, self._unwrapped(place, sealed), sealed.box)

    def fingerprint(self, place: Place, secret: str) -> str:
        """Eight hex digits by which people recognise a value they know, in this place only.

        Under the current key: a fingerprint does not outlive its sealing.
        """
        key = hmac.digest(self._keys[self.current_id], b"fingerprint", hashlib.sha256)
        said = _joined(place.tenant_id.encode(), place.name.encode(), secret.encode())
        return hmac.digest(key, said, hashlib.sha256)[:4].hex()

    def _wrapped(self, place: Place, data_key: bytes, box: bytes) -> Sealed:
        master_id = self.current_id
        about = _bound(b"key " + master_id.encode(), place)
        return Sealed(master_id, _encrypt(self._keys[master_id], data_key, about), box)

    def _unwrapped(self, place: Place, sealed: Sealed) -> bytes:
        master = self._keys.get(sealed.master_id)
        if master is None:
            raise Unreadable("the secret does not open here")
        about = _bound(b"key " + sealed.master_id.encode(), place)
        data_key = _decrypt(master, sealed.wrapped_key, about)
        if len(data_key) != KEY_BYTES:
            raise Unreadable("the secret does not open here")
        return data_key


def _id_of(key: bytes) -> str:
    return hmac.digest(key, b"treasury master key id", hashlib.sha256)[:8].hex()


def _encrypt(key: bytes, plaintext: bytes, about: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, about)


def _decrypt(key: bytes, box: bytes, about: bytes) -> bytes:
    # One error for all: which part is wrong is nobody's business who does not hold the key.
    if len(box) < NONCE_BYTES + TAG_BYTES:
        raise Unreadable("the secret does not open here")
    try:
        return AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], about)
    except InvalidTag:
        raise Unreadable("the secret does not open here") from None


def _bound(purpose: bytes, place: Place) -> bytes:
    """What a box is bound to (its associated data): no two places read the same."""
    version = str(place.version).encode()
    return _joined(_SCHEME, purpose, place.tenant_id.encode(), place.name.encode(), version)


def _joined(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
