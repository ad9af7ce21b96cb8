"""Stripe's bodies: forms with bracketed names (documentation, "Request bodies"). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode


def encoded(members: Mapping[str, Any]) -> bytes:
    """A form of members, which may hold others and lists; None says nothing."""
    return urlencode(list(_pairs("", members))).encode()


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _pairs(f"{name}[{key}]" if name else str(key), member)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _pairs(f"{name}[]", item)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)
