"""What people have M-Pesa do besides calls: register, tell balances, list what came. Pure.

No money moves by any of it, but for a simulated payment in the sandbox. (Daraja documentation,
"Customer To Business", "Account Balance", "Pull Transactions".)
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.callbacks import Deposit, Funds
from connectors.mpesa.config import SANDBOX, Config
from connectors.mpesa.translate import ToldAt
from connectors.mpesa.words import (
    CURRENCY,
    EAT,
    phone_of,
    shillings,
)
from connectors.reading import Unfit, Unreadable, object_of
from streams.money import Amount, BadAmount, parse_minor

PULL_ROWS_MAX = 10_000
"""More rows than a person should ask for at once."""


# -- to M-Pesa ------------------------------------------------------------------------------------


def registration(config: Config, address: str) -> dict[str, Any]:
    """The body that has payments by hand told to an address of the tenant."""
    return {
        "ShortCode": int(config.short_code),
        "ResponseType": "Completed",
        "ConfirmationURL": f"{address}/c2b-confirmation",
        "ValidationURL": f"{address}/c2b-validation",
    }


def simulation(config: Config, values: Mapping[str, str]) -> dict[str, Any]:
    """The body of a payment by hand that nobody makes. Raises `Unfit` outside the sandbox."""
    if not (config.base_url == SANDBOX or config.is_near):
        raise Unfit("sandbox_only")
    try:
        whole = shillings(parse_minor(values.get("amount", ""), 2))
    except BadAmount:
        raise Unfit("amount_unfit") from None
    return {
        "ShortCode": int(config.till or config.short_code),
        "CommandID": config.transaction_type,
        "Amount": whole,
        "Msisdn": int(phone_of(values.get("phone", ""))),
        "BillRefNumber": None if config.till else values.get("reference", ""),
    }


def balance_query(config: Config, credential: str, told_at: ToldAt) -> dict[str, Any]:
    """The body of a question about all accounts of the short code; told later."""
    return {
        "Initiator": config.initiator,
        "SecurityCredential": credential,
        "CommandID": "AccountBalance",
        "PartyA": int(config.short_code),
        "IdentifierType": "4",
        "Remarks": "balance",
        "QueueTimeOutURL": told_at.timeout_url,
        "ResultURL": told_at.result_url,
    }


def pull_registration(config: Config, values: Mapping[str, str], address: str) -> dict[str, Any]:
    """The body that allows to list what came. Raises `Unfit` for an invalid number."""
    return {
        "ShortCode": int(config.short_code),
        "RequestType": "Pull",
        "NominatedNumber": phone_of(values.get("phone", "")),
        "CallBackURL": f"{address}/pull",
    }


def pull_query(config: Config, since: datetime, until: datetime, offset: int) -> dict[str, Any]:
    """The body of a question about what came between two instants, from a row on."""
    return {
        "ShortCode": int(config.short_code),
        "StartDate": since.astimezone(EAT).strftime("%Y-%m-%d %H:%M:%S"),
        "EndDate": until.astimezone(EAT).strftime("%Y-%m-%d %H:%M:%S"),
        "OffSetValue": str(offset),
    }


# -- from M-Pesa ----------------------------------------------------------------------------------


def balances_of(text: str) -> list[Funds]:
    """Accounts of an answer: name|currency|current|available|reserved|uncleared, joined by &.

    Raises `Unreadable`. Amounts may be below zero.
    """
    found = []
    for part in filter(None, text.split("&")):
        cells = part.split("|")
        if len(cells) < 4:
            raise Unreadable("an account without its amounts")
        try:
            current, available = (parse_minor(cell.strip(), 2) for cell in cells[2:4])
        except BadAmount:
            raise Unreadable("an invalid amount") from None
        found.append(Funds(cells[0].strip()[:64], cells[1].strip(), current, available))
    if not found:
        raise Unreadable("no accounts")
    return found


def pulled(body: bytes, short_code: str) -> list[Deposit]:
    """What came, as deposits under their receipts; the list may be inside a list.

    Raises `Unreadable` for an invalid answer. The time's zone is not documented: a deposit is
    known by its receipt alone.
    """
    said = object_of(body)
    rows = said.get("Response", [])
    if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], list):
        rows = rows[0]
    if not isinstance(rows, list) or "ResponseCode" not in said:
        raise Unreadable("no list of transactions")
    return [_deposit(row, short_code) for row in rows]


def _deposit(row: object, short_code: str) -> Deposit:
    if not isinstance(row, Mapping):
        raise Unreadable("an invalid row")
    receipt, amount = row.get("transactionId"), row.get("amount")
    text = amount.text if isinstance(amount, Amount) else amount
    if not isinstance(receipt, str) or not receipt or isinstance(text, bool):
        raise Unreadable("a row without its transactionId")
    try:
        minor = parse_minor(str(text), 2)
    except BadAmount:
        raise Unreadable("a row without an amount") from None
    reference, payer = row.get("billreference"), row.get("msisdn")
    return Deposit(
        f"pull.{receipt}",
        receipt,
        short_code,
        minor,
        CURRENCY,
        reference if isinstance(reference, str) else "",
        str(payer) if isinstance(payer, str | int) else "",
        None,
    )
