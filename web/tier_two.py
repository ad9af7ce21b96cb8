"""Tier 2: what a tenant's admins may say of it, by name, and what each must look like.

Plain values and no secrets; what decisions depend on is not here but in the tenant's settings,
which are events.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from connectors.chain.words import (
    NOBODY,
    address,
)
from connectors.reading import Unfit
from web.bodies import Body, NoControls

ACCOUNTS_MAX, METHODS_MAX, WALLETS_MAX = 20, 20, 20
Words = Annotated[NoControls, Field(min_length=1, max_length=100)]
ShortCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,7}$")]
"""Of a paybill or a till (Safaricom Daraja, "short code")."""


class Mpesa(Body):
    """Where customers pay by M-Pesa: a paybill with an account, or a till."""

    short_code: ShortCode
    kind: Literal["paybill", "till"] = "paybill"
    account_reference: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{0,12}$")] = ""


class BankAccount(Body):
    """One bank account; `account` is its name in the ledger, as in bank:kcb."""

    account: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
    bank: Words
    number: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{4,34}$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "KES"
    branch_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{0,6}$")] = ""
    bic: Annotated[str, StringConstraints(pattern=r"^([A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?)?$")] = ""
    """ISO 9362, eight or eleven characters."""


class BankAccounts(Body):
    """The tenant's own accounts, each under a name of its own."""

    accounts: Annotated[list[BankAccount], Field(max_length=ACCOUNTS_MAX)]

    @field_validator("accounts")
    @classmethod
    def _differ(cls, accounts: list[BankAccount]) -> list[BankAccount]:
        names = {account.account for account in accounts}
        numbers = {(account.bank, account.number) for account in accounts}
        if not len(names) == len(numbers) == len(accounts):
            raise ValueError("each account has a name and a number of its own")
        return accounts


class Chain(Body):
    """The tenant's wallets on one chain: where its payers are asked to pay, in turn.

    In lower or upper case, or with the checksum of EIP-55; kept in lower case.
    """

    wallets: Annotated[
        list[Annotated[str, StringConstraints(max_length=42)]],
        Field(min_length=1, max_length=WALLETS_MAX),
    ]

    @field_validator("wallets")
    @classmethod
    def _are_addresses(cls, wallets: list[str]) -> list[str]:
        try:
            found = [address(each) for each in wallets]
        except Unfit as error:
            raise ValueError(error.reason) from None
        if len(set(found)) != len(found) or NOBODY in found:
            raise ValueError("each wallet is named once, and is somebody's")
        return found


class Tax(Body):
    """The tenant's numbers at the tax authority; `pin` is KRA's, as in P051234567Z.

    `item_code` and `item_class` are eTIMS's, for what the tenant sells.
    """

    pin: Annotated[str, StringConstraints(pattern=r"^[AP][0-9]{9}[A-Z]$")]
    registered_name: Annotated[NoControls, Field(max_length=200)] = ""
    item_code: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}[0-9][A-Z0-9]{4,14})?$")] = ""
    item_class: Annotated[str, StringConstraints(pattern=r"^([0-9]{8,10})?$")] = ""


class Payments(Body):
    """By which methods the tenant wants to be paid, the most wanted first."""

    methods: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]],
        Field(min_length=1, max_length=METHODS_MAX),
    ]

    @field_validator("methods")
    @classmethod
    def _differ(cls, methods: list[str]) -> list[str]:
        if len(set(methods)) != len(methods):
            raise ValueError("each method is named once")
        return methods


VALUES: Mapping[str, type[Body]] = {
    "mpesa": Mpesa,
    "ethereum": Chain,
    "polygon": Chain,
    "bank_accounts": BankAccounts,
    "tax": Tax,
    "payments": Payments,
}
"""Every name there is, and the model of its value."""
