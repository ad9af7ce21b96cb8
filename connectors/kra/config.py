"""What KRA needs to be called: a PIN, the keys of its control units, apps of GavaConnect.

Which members are needed depends on what is to be done: who only checks PINs has no control unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self
from urllib.parse import quote, urlsplit

import msgspec

from connectors.kra.words import (
    HEAD_OFFICE,
    branch_of,
    pin_of,
)
from connectors.reading import Unfit

ETIMS, ETIMS_SANDBOX = (
    "https://etims-api.kra.go.ke/etims-api",
    "https://etims-api-sbx.kra.go.ke/etims-api",
)
GAVA, GAVA_SANDBOX = "https://api.kra.go.ke", "https://sbx.kra.go.ke"
QR, QR_SANDBOX = "https://etims.kra.go.ke", "https://etims-sbx.kra.go.ke"
USER_CHARS = 20
TOKEN_PATH = "/v1/token/generate"  # noqa: S105  an address
PRODUCTS = (
    "pin",
    "pin_by_id",
    "compliance",
    "compliance_application",
    "obligations",
    "nil_return",
    "turnover_tax",
    "withholding_prn",
    "invoice_check",
)
"""Products of GavaConnect, by the action that needs each: an app of KRA's portal may have some."""
SECRETS = (
    "cmc_key",
    "consumer_key",
    "consumer_secret",
    *(f"{product}_{name}" for product in PRODUCTS for name in ("consumer_key", "consumer_secret")),
)
"""Members that are kept sealed."""
_read_by_branch = msgspec.json.Decoder(dict[str, str]).decode


class App(NamedTuple):
    """The credentials of one app of GavaConnect's."""

    key: str
    secret: str


@dataclass(frozen=True)
class Config:
    """One taxpayer; nothing secret shows in a repr.

    Each branch has a control unit of its own: `cmc_keys` and `device_serials` are by branch.
    `item_code` and the like stand for whatever is sold, as callers do not know KRA's codes.
    `taxable` says whether taxable amounts contain their tax: in the specification's samples they
    do, some clients send them without.
    """

    base_url: str
    tin: str
    branch: str = HEAD_OFFICE
    cmc_keys: Mapping[str, str] = field(repr=False, default_factory=dict)
    device_serials: Mapping[str, str] = field(default_factory=dict)
    item_code: str = ""
    item_class: str = ""
    package_unit: str = "NT"
    quantity_unit: str = "U"
    credit_reason: str = "06"
    user: str = "treasury"
    taxable: Literal["gross", "net"] = "gross"
    qr_url: str = QR
    gava_url: str = GAVA
    token_path: str = TOKEN_PATH
    apps: Mapping[str, App] = field(repr=False, default_factory=dict)

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """From plain settings; ValueError for what is missing or cannot be."""
        base_url = _address(values, "base_url", ETIMS)
        sandbox = base_url == ETIMS_SANDBOX
        try:
            tin = pin_of(values.get("tin", ""))
            branch = branch_of(values.get("branch") or HEAD_OFFICE)
        except Unfit as error:
            raise ValueError(f"kra: tin or branch: {error.reason}") from None
        taxable = values.get("taxable", "gross")
        if taxable not in {"gross", "net"}:
            raise ValueError("kra: taxable is gross or net")
        plain = {
            name: values[name]
            for name in ("package_unit", "quantity_unit", "credit_reason", "user")
            if values.get(name)
        }
        if len(plain.get("user", "")) > USER_CHARS:
            raise ValueError(f"kra: user has at most {USER_CHARS} characters")
        return cls(
            base_url,
            tin,
            branch,
            _by_branch(values, "cmc_key", branch),
            _by_branch(values, "device_serial", branch),
            item_code=values.get("item_code", ""),
            item_class=values.get("item_class", ""),
            taxable="net" if taxable == "net" else "gross",
            qr_url=_address(values, "qr_url", QR_SANDBOX if sandbox else QR),
            gava_url=_address(values, "gava_url", GAVA_SANDBOX if sandbox else GAVA),
            token_path=values.get("token_path") or TOKEN_PATH,
            apps=_apps(values),
            **plain,
        )

    @property
    def declares(self) -> bool:
        """Whether there is all that a tax document needs."""
        return bool(self.cmc_keys and self.item_code and self.item_class)

    def qr_of(self, branch: str, signature: str) -> str:
        """The text of the QR code on a signed document: an address where KRA shows it."""
        about = quote(f"{self.tin}{branch}{signature}", safe="")
        return f"{self.qr_url}/common/link/etims/receipt/indexEtimsReceiptData?Data={about}"

    def with_key(self, branch: str, cmc_key: str) -> str:
        """What the secret `cmc_key` is once a branch has this key; other branches keep theirs."""
        keys = {**self.cmc_keys, branch: cmc_key}
        if list(keys) == [self.branch]:
            return cmc_key
        return msgspec.json.encode(keys, order="deterministic").decode()


def _address(values: Mapping[str, str], name: str, default: str) -> str:
    url = (values.get(name) or default).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"kra: {name} must be an http address")
    return url


def _by_branch(values: Mapping[str, str], name: str, branch: str) -> Mapping[str, str]:
    """A member that branches have each: plain text is the default branch's, JSON is by branch."""
    text = values.get(name, "").strip()
    if not text.startswith("{"):
        found = {branch: text} if text else {}
    else:
        try:
            found = _read_by_branch(text)
            for each in found:
                branch_of(each)
        except ValueError:
            raise ValueError(f"kra: {name} is a text, or an object by branch") from None
    if not all(each and each.isascii() and each.isprintable() for each in found.values()):
        raise ValueError(f"kra: {name} cannot be sent in a header")
    return found


def _apps(values: Mapping[str, str]) -> Mapping[str, App]:
    """The app of each product: its own, else the default one."""
    found = {}
    for product in PRODUCTS:
        for prefix in (f"{product}_", ""):
            app = App(
                values.get(f"{prefix}consumer_key", ""), values.get(f"{prefix}consumer_secret", "")
            )
            if bool(app.key) != bool(app.secret):
                raise ValueError(f"kra: {prefix}consumer_key and its secret belong together")
            if app.key:
                found[product] = app
                break
    return found
