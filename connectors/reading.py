"""What providers send, read without a float and without trust, and what they cannot take. Pure."""

from collections.abc import Mapping
from typing import Any

from streams.money import plain


class Unreadable(ValueError):
    """Bytes that are nothing the provider sends."""


class Unfit(ValueError):
    """What a provider cannot take, or text that is not what it should be.

    `reason` is a stable word for callers.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def object_of(body: bytes) -> Mapping[str, Any]:
    """The object that a body is. Raises `Unreadable` for anything else."""
    try:
        said = plain(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(said, Mapping):
        raise Unreadable("no object")
    return said
