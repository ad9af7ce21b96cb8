"""JSON of providers, read without a float and without trust. Pure."""

from collections.abc import Mapping
from typing import Any

from streams.money import plain


class Unreadable(ValueError):
    """Bytes that are nothing the provider sends."""


def object_of(body: bytes) -> Mapping[str, Any]:
    """The object that a body is. Raises `Unreadable` for anything else."""
    try:
        said = plain(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(said, Mapping):
        raise Unreadable("no object")
    return said
