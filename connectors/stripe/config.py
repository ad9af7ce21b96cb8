"""What Stripe needs to be called and believed: a key, the secrets of its webhooks, a mode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

API = "https://api.stripe.com"
SECRETS = ("secret_key", "webhook_secret", "webhook_secret_before")
"""Members that are kept sealed."""


@dataclass(frozen=True)
class Config:
    """One account. `webhook_secret_before` is good beside the other while they rotate."""

    base_url: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False, default="")
    webhook_secret_before: str = field(repr=False, default="")
    account: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be."""
        base_url = values.get("base_url", API).rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("stripe: base_url must be an http address")
        key = values.get("secret_key", "")
        if not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
            raise ValueError("stripe: secret_key begins with sk_ or rk_ and its mode")
        return cls(
            base_url,
            key,
            values.get("webhook_secret", ""),
            values.get("webhook_secret_before", ""),
            values.get("account", ""),
        )

    @property
    def live(self) -> bool:
        """Whether the key moves real money."""
        return self.secret_key.split("_")[1] == "live"

    @property
    def webhook_secrets(self) -> list[str]:
        """Secrets that a webhook may be signed by; none is refused, never taken as any."""
        return [each for each in (self.webhook_secret, self.webhook_secret_before) if each]
