"""Bytes of rows and records: a version byte, then msgpack.

Integers are unbounded here although msgpack stops at 64 bits: wider ones travel as an
extension. Nothing in this file knows what a row means.
"""

from typing import Any, Generic, TypeVar

import msgspec

_WIDE_INT = 1  # msgpack extension code of an integer beyond 64 bits
_MIN_INT, _MAX_INT = -(1 << 63), (1 << 64) - 1

_encoder = msgspec.msgpack.Encoder()
T = TypeVar("T")


def _read_extension(code: int, data: memoryview) -> int:
    if code != _WIDE_INT:
        raise ValueError(f"unknown extension {code}")
    return int.from_bytes(data, "big", signed=True)


def _widen(value: Any) -> Any:
    """Plain lists and dicts with integers beyond 64 bits replaced by extensions."""
    if isinstance(value, int) and not isinstance(value, bool):
        if _MIN_INT <= value <= _MAX_INT:
            return value
        size = (value.bit_length() + 8) // 8
        return msgspec.msgpack.Ext(_WIDE_INT, value.to_bytes(size, "big", signed=True))
    if isinstance(value, (list, tuple)):
        return [_widen(item) for item in value]
    if isinstance(value, dict):
        return {key: _widen(item) for key, item in value.items()}
    return value


class Codec(Generic[T]):
    """Reads and writes one struct type behind a version byte.

    Raises `ValueError` (msgspec's are subclasses) when bytes are not of this version and type.
    """

    def __init__(self, kind: Any, *, version: int = 1) -> None:
        self._kind = kind
        self._prefix = bytes([version])
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._decode_wide = msgspec.msgpack.Decoder(ext_hook=_read_extension).decode

    def encode(self, value: T) -> bytes:
        """Version byte and msgpack of `value`."""
        try:
            return self._prefix + _encoder.encode(value)
        except OverflowError:
            plain = msgspec.to_builtins(value, builtin_types=(bytes,))
            return self._prefix + _encoder.encode(_widen(plain))

    def decode(self, data: bytes) -> T:
        """The value in `data`; raises `ValueError` on another version or shape."""
        if data[:1] != self._prefix:
            raise ValueError(f"version {data[:1].hex() or 'missing'}, not {self._prefix.hex()}")
        body = memoryview(data)[1:]
        try:
            return self._decode(body)  # type: ignore[no-any-return]
        except msgspec.ValidationError:
            # Either an integer beyond 64 bits or a wrong shape: the slow way tells which.
            return msgspec.convert(self._decode_wide(body), self._kind)  # type: ignore[no-any-return]
