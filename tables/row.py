"""What every row has in common: a kind, a key that carries the tenant, a version and bytes.

Key = kind NUL tenant NUL id…; kinds are two letters. A row is immutable: change it by
`msgspec.structs.replace` and put the new one.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from streams.codec import Codec

SEPARATOR = "\x00"
R = TypeVar("R", bound="Row")


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all rows. A subclass sets KIND and, tenant first, the members that identify it."""

    KIND: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]] = ()
    VERSION: ClassVar[int] = 1

    # A static function of each subclass, made by `register`.
    _identify: ClassVar[Callable[[Any], tuple[str, ...]]]

    @property
    def key(self) -> bytes:
        """The row's key in the table."""
        identity = self._identify(self)  # type: ignore[call-arg]
        return SEPARATOR.join((self.KIND, *identity)).encode()

    @classmethod
    def key_of(cls, tenant_id: str, *parts: str) -> bytes:
        """The key of the row of this kind with these identifying members."""
        return SEPARATOR.join((cls.KIND, tenant_id, *parts)).encode()

    @classmethod
    def prefix_of(cls, *parts: str) -> bytes:
        """What the keys of all rows under `parts` begin with."""
        return SEPARATOR.join((cls.KIND, *parts, "")).encode()

    def replaced(self, **changes: Any) -> Self:
        """A copy with these members changed."""
        return msgspec.structs.replace(self, **changes)


_codecs: dict[str, Codec[Row]] = {}
ENCODERS: dict[type[Row], Callable[[Any], bytes]] = {}
"""What `encode` does, by type of row: for those who encode many."""


def register(row: type[Row]) -> type[Row]:
    """Class decorator: makes rows of this kind readable by `decode`."""
    if row.KIND in _codecs:
        raise ValueError(f"two record types of kind {row.KIND!r}")
    codec = _codecs[row.KIND] = Codec(row, version=row.VERSION)
    ENCODERS[row] = codec.encode
    if row.KEY:
        row._identify = staticmethod(_members(row.KEY))  # noqa: SLF001
    return row


def _members(names: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    if len(names) == 1:  # of one member attrgetter makes no tuple
        return lambda row: (getattr(row, names[0]),)
    return attrgetter(*names)


def restored(kind: type[R], members: Mapping[str, Any]) -> R:
    """The row with these members, as JSON has them; what is missing has its default."""
    values = []
    for field in msgspec.structs.fields(kind):
        if field.name in members:
            values.append(members[field.name])
        elif field.default is not msgspec.NODEFAULT:
            values.append(msgspec.to_builtins(field.default))
        else:
            values.append(msgspec.to_builtins(field.default_factory()))  # type: ignore[operator]
    return msgspec.convert(values, kind)


def encode(row: Row) -> bytes:
    """Version byte and msgpack of a row."""
    return ENCODERS[type(row)](row)


def decode(key: bytes, value: bytes) -> Row:
    """The row stored under `key`; raises `ValueError` when this release cannot read it."""
    return _codecs[key[:2].decode()].decode(value)
