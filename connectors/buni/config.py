"""What KCB Buni needs to be called and believed: an app, an account, KCB's public key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.buni.signature import key_of

SANDBOX = "https://uat.buni.kcbgroup.com"
SECRETS = ("consumer_key", "consumer_secret", "account", "company_code", "biller")
"""Members that are kept sealed."""
_account = re.compile(r"[0-9A-Za-z]{4,32}").fullmatch
Way = Literal["PL", "RT", "EF"]
"""How money reaches another bank: Pesalink, RTGS or EFT."""


@dataclass(frozen=True)
class Config:
    """One app and one account; nothing secret shows in a repr.

    Without a `company_code` nothing is paid out. `biller` is the number that customers pay to: one
    that is set is the only one whose money is ours. `public_key` is KCB's (PEM); without it no
    notification is believed. The host of production is a setting, because KCB does not publish it.
    """

    base_url: str
    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    account: str
    company_code: str = ""
    biller: str = ""
    public_key: rsa.RSAPublicKey | None = field(repr=False, default=None)
    other_banks: Way = "PL"

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be."""
        base_url = values.get("base_url", "").rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("buni: base_url must be an http address")
        for name in ("consumer_key", "consumer_secret"):
            if not values.get(name):
                raise ValueError(f"buni: {name} is missing")
        if not _account(values.get("account", "")):
            raise ValueError("buni: account is 4 to 32 letters or digits")
        pem = values.get("public_key", "")
        return cls(
            base_url,
            values["consumer_key"],
            values["consumer_secret"],
            values["account"],
            values.get("company_code", ""),
            values.get("biller", ""),
            key_of(pem) if pem else None,
            _way(values.get("other_banks", "PL")),
        )


def _way(word: str) -> Way:
    match word:
        case "PL" | "RT" | "EF":
            return word
    raise ValueError("buni: other_banks is PL, RT or EF")
