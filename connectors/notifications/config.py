"""What the notifications service needs to be called: an address, a path, a key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, urlsplit

from connectors.http import is_near

PATH = "/v1/{tenant}/notifications/messages"
"""The platform's own; the public service has it without a tenant, below /api."""
SECRETS = ("api_key",)
"""Members that are kept sealed."""
_path = re.compile(r"(?:/(?:[A-Za-z0-9._~-]+|\{tenant\}))+").fullmatch


@dataclass(frozen=True)
class Config:
    """`base_url` without a trailing slash; `path` may hold `{tenant}`."""

    base_url: str
    api_key: str = field(repr=False)
    path: str = PATH

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be.

        Messages hold addresses of people: they leave this machine over https only.
        """
        base_url = values.get("base_url", "").rstrip("/")
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_near(host))
        if not host or not is_safe or parts.query or parts.fragment:
            raise ValueError("notifications: base_url must be https, or http on this machine")
        path = values.get("path", PATH)
        if not _path(path):
            raise ValueError("notifications: path is plain parts, of which one may be {tenant}")
        key = values.get("api_key", "")
        if not key or not key.isascii() or not key.isprintable():
            raise ValueError("notifications: api_key is missing, or no text of a header")
        return cls(base_url, key, path)

    def url_of(self, tenant_id: str) -> str:
        """Where messages of a tenant are posted."""
        return self.base_url + self.path.replace("{tenant}", quote(tenant_id, safe=""))
