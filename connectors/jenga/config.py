"""What Jenga needs to be called and believed: a merchant, its key, an account, a user of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.jenga.signature import key_of
from streams.money import exponent_of

SANDBOX, PRODUCTION = "https://uat.finserve.africa", "https://api.finserve.africa"
SECRETS = (
    *("api_key", "merchant_code", "consumer_secret", "private_key"),
    *("account", "alert_user", "alert_password"),
)
"""Members that are kept sealed."""
_account = re.compile(r"[0-9A-Za-z]{4,32}").fullmatch
_country = re.compile(r"[A-Z]{2}").fullmatch


@dataclass(frozen=True)
class Config:
    """One merchant and one account; nothing secret shows in a repr.

    `key` is the merchant's private key, which `private_key` says in PEM. `alert_user` and
    `alert_password` are of our own choice: Jenga is given them with the address of alerts.
    `currency` is what an alert is in that does not say its own.
    """

    base_url: str
    merchant_code: str
    account: str
    api_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    key: rsa.RSAPrivateKey = field(repr=False)
    country_code: str = "KE"
    currency: str = "KES"
    alert_user: str = ""
    alert_password: str = field(repr=False, default="")

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be."""
        base_url = values.get("base_url", "").rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("jenga: base_url must be an http address")
        for name in ("merchant_code", "api_key", "consumer_secret", "private_key"):
            if not values.get(name):
                raise ValueError(f"jenga: {name} is missing")
        if not _account(values.get("account", "")):
            raise ValueError("jenga: account is 4 to 32 letters or digits")
        country_code, currency = values.get("country_code", "KE"), values.get("currency", "KES")
        if not _country(country_code):
            raise ValueError("jenga: country_code is two capital letters")
        try:
            exponent_of(currency)
        except LookupError:
            raise ValueError("jenga: currency is unknown") from None
        return cls(
            base_url,
            values["merchant_code"],
            values["account"],
            values["api_key"],
            values["consumer_secret"],
            key_of(values["private_key"]),
            country_code,
            currency,
            values.get("alert_user", ""),
            values.get("alert_password", ""),
        )
