"""What the instant gateway needs to be called: an address and a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

SECRETS = ("api_key",)
"""Members that are kept sealed."""


@dataclass(frozen=True)
class Config:
    """`base_url` without a trailing slash; the key never shows in a repr."""

    base_url: str
    api_key: str = field(repr=False)

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or no http address."""
        base_url = values.get("base_url", "").rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("instant: base_url must be an http address")
        if not values.get("api_key"):
            raise ValueError("instant: api_key is missing")
        return cls(base_url, values["api_key"])
