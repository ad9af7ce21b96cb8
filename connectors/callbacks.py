"""What a provider tells us by itself: how a call stands, money that nobody asked for, disputes.

Pure. Whoever hears it decides nothing: a report is matched with its call, a deposit with its
invoice, where the money is decided (agents). What is not believed leaves no trace but a line in the
log.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from connectors.base import Result


class NotBelieved(Exception):
    """Not the provider's word, or nothing to be read; `reason` is for the log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Callback:
    """A request as it came: raw bytes, and when.

    `kind` and `call_id` are of its address, which we have made; an address of the tenant's own
    names no call.
    """

    kind: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    call_id: str = ""

    @property
    def digest(self) -> str:
        """A name of these bytes, for providers that give their messages none."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Report:
    """How a call stands: `call_id` is ours, or empty and `handle` is the provider's name of it.

    `ask` is why a report is no proof and only a reason to ask; empty for one that is. `event_id` is
    the same for the same message.
    """

    event_id: str
    call_id: str
    handle: str
    result: Result
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money that came to `account` without a call: it has been received, whatever we think of it.

    `reference` is what the payer wrote, `payer` for people to read and never a key.
    """

    event_id: str
    receipt: str
    account: str
    amount_minor: int
    asset: str
    reference: str
    payer: str
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Disputed:
    """A payer's bank takes money back until it is decided whose it is.

    `reference` is the payment's, as its success named it; `fee_minor` is the provider's own, so far
    as it was told. `unclear` is an end that nobody here knows: people have to look.
    """

    event_id: str
    dispute_id: str
    reference: str
    state: Literal["opened", "won", "lost", "unclear"]
    amount_minor: int
    asset: str
    fee_minor: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Funds:
    """What a provider says that one account of ours has, and what of it is free; minor units."""

    account: str
    asset: str
    current_minor: int
    available_minor: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider says that our accounts have now."""

    event_id: str
    funds: tuple[Funds, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One booking of an account; `minor` is signed: money that came is above zero.

    `day` is when it was booked and `value_day` when it counts, both ISO dates. `bank_reference`
    is the bank's own name of the booking, `receipt` what a payment of it is known by elsewhere,
    `reference` what its payer wrote to be found by, `party` and `text` are for people.
    """

    day: str
    value_day: str
    minor: int
    bank_reference: str
    receipt: str
    reference: str
    party: str
    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A bank's bookings of one account between two days (ISO, both included), the oldest first.

    Minor units. `opening_minor` and `closing_minor` are what the account had before the first row
    and after the last one; None where the bank does not say it so that it adds up.
    """

    event_id: str
    account: str
    asset: str
    from_day: str
    to_day: str
    opening_minor: int | None
    closing_minor: int | None
    rows: tuple[Row, ...]


Heard = Report | Deposit | Disputed | Told | Rows
