"""What PayPal needs to be called and believed: an app's id and secret, our listener's id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

SANDBOX, PRODUCTION = "https://api-m.sandbox.paypal.com", "https://api-m.paypal.com"
SECRETS = ("client_id", "client_secret", "webhook_id")
"""Members that are kept sealed."""


@dataclass(frozen=True)
class Config:
    """One app. `webhook_id` is PayPal's name of our listener, not of an event.

    `webhook_roots` are whose word on PayPal's certificate is taken (PEM); empty for the machine's.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_id: str = ""
    webhook_roots: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be."""
        base_url = values.get("base_url", PRODUCTION).rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("paypal: base_url must be an http address")
        for name in ("client_id", "client_secret"):
            if not values.get(name):
                raise ValueError(f"paypal: {name} is missing")
        return cls(
            base_url,
            values["client_id"],
            values["client_secret"],
            values.get("webhook_id", ""),
            values.get("webhook_roots", ""),
        )
