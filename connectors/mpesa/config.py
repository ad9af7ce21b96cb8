"""What M-Pesa needs to be called: an address, an app's key and secret, a short code, an initiator.

Which members are needed depends on what is to be done: a shop that only collects has no initiator.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import urlsplit

from connectors.http import is_near

SANDBOX, PRODUCTION = "https://sandbox.safaricom.co.ke", "https://api.safaricom.co.ke"
SECRETS = ("consumer_key", "consumer_secret", "passkey", "initiator", "initiator_password")
"""Members that are kept sealed."""
_short_code = re.compile(r"[0-9]{5,7}").fullmatch
_number = re.compile(r"[0-9]{5,12}").fullmatch


@dataclass(frozen=True)
class Config:
    """One app and short code; nothing secret shows in a repr.

    `till` is the number that a customer of a till pays to; empty for a paybill. `certificate` is
    the environment's public certificate (PEM), which the initiator's password is sealed with.
    Payouts of version 1 bear no id of ours, so that one is never sent again.
    """

    base_url: str
    short_code: str
    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    passkey: str = field(repr=False, default="")
    till: str = ""
    initiator: str = ""
    initiator_password: str = field(repr=False, default="")
    certificate: str = field(repr=False, default="")
    b2c_version: Literal["v3", "v1"] = "v3"

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be."""
        base_url = values.get("base_url", "").rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("mpesa: base_url must be an http address")
        for name in ("consumer_key", "consumer_secret"):
            if not values.get(name):
                raise ValueError(f"mpesa: {name} is missing")
        short_code, till = values.get("short_code", ""), values.get("till", "")
        if not _short_code(short_code):
            raise ValueError("mpesa: short_code is 5 to 7 digits")
        version = values.get("b2c_version", "v3")
        if version not in {"v3", "v1"}:
            raise ValueError("mpesa: b2c_version is v3 or v1")
        if till and not _number(till):
            raise ValueError("mpesa: till is a number")
        return cls(
            base_url,
            short_code,
            values["consumer_key"],
            values["consumer_secret"],
            passkey=values.get("passkey", ""),
            till=till,
            initiator=values.get("initiator", ""),
            initiator_password=values.get("initiator_password", ""),
            certificate=values.get("certificate", ""),
            b2c_version="v1" if version == "v1" else "v3",
        )

    @property
    def is_near(self) -> bool:
        """Whether M-Pesa is a fake on this machine."""
        return is_near(urlsplit(self.base_url).hostname or "")

    @property
    def transaction_type(self) -> Literal["CustomerPayBillOnline", "CustomerBuyGoodsOnline"]:
        """What an STK push asks for."""
        return "CustomerBuyGoodsOnline" if self.till else "CustomerPayBillOnline"
