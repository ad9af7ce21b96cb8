"""Statements of banks and gateways, line by line, and what of our own books none has shown yet.

States of a statement: reading → read, when all its lines are here. Of a line: matched (its money is
known, and why), open (somebody has to look; what it moved is in suspense) → resolved. Guarantees: a
line counts once, in whichever file it comes again; a bank account is worth the sum of its lines and
of the open items of our own; every match names its rule. Constraints: day, amount and words of a
line never change.
"""

import msgspec

from tables.row import Row, register


@register
class Statement(Row, frozen=True):
    """One statement of an account of ours, as a file or an answer had it; amounts in minor units.

    `lines` are those in it; of them `counted` are here by it, and `again` were by an earlier one.
    `opening` and `closing` are None where it tells none.
    """

    KIND = "bs"
    KEY = ("tenant_id", "statement_id")

    tenant_id: str
    statement_id: str
    account: str
    asset: str
    number: str
    from_day: str
    to_day: str
    lines: int
    opening: int | None = None
    closing: int | None = None
    counted: int = 0
    again: int = 0
    status: str = "reading"
    file: str = ""  # SHA-256 of its bytes
    created_ms: int = 0
    version: int = 1


class Matched(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a line, or a part of it, was matched with: a payment, payout, refund, settlement, an
    invoice, an item of ours, a fee.
    """

    kind: str
    subject: str
    amount: int


@register
class StatementLine(Row, frozen=True):
    """One line: `minor` above zero is money that came; days are the bank's own, ISO.

    `receipt`, `reference` and `text` are what it says of itself. `rule` is why it is matched,
    `exception` what is wrong with one that is not, of which `unexplained` lies in suspense:out;
    `case_id` is the case of money that came and named nothing.
    """

    KIND = "sl"
    KEY = ("tenant_id", "line_id")

    tenant_id: str
    line_id: str
    statement_id: str
    account: str
    asset: str
    day: str
    value_day: str
    minor: int
    receipt: str = ""
    reference: str = ""
    party: str = ""
    text: str = ""
    status: str = "matched"
    rule: str = ""
    matches: tuple[Matched, ...] = ()
    exception: str = ""
    unexplained: int = 0
    case_id: str = ""
    resolution: str = ""
    created_ms: int = 0
    version: int = 1


@register
class BankItem(Row, frozen=True):
    """A posting of ours on a bank account, or money that the bank told of: a statement has yet to
    show it.

    States: open → matched. `minor` as posted, debits above zero. `receipt` is the bank's own name
    of what it told; no other line is that item.
    """

    KIND = "bi"
    KEY = ("tenant_id", "item_id")

    tenant_id: str
    item_id: str
    account: str
    asset: str
    minor: int
    day: str
    event_type: str = ""
    party_id: str = ""
    status: str = "open"
    line_id: str = ""
    created_ms: int = 0
    version: int = 1
    receipt: str = ""


@register
class BankItemAt(Row, frozen=True):
    """Where open items of one amount are found, by their day; gone with the item."""

    KIND = "bj"
    KEY = ("tenant_id", "account", "asset", "amount", "day", "item_id")

    tenant_id: str
    account: str
    asset: str
    amount: str
    day: str
    item_id: str


@register
class Leaving(Row, frozen=True):
    """A settlement that its gateway's own statement has yet to show as gone, or (below zero) as
    come, by its amount.
    """

    KIND = "lv"
    KEY = ("tenant_id", "account", "asset", "amount", "settlement_id")

    tenant_id: str
    account: str
    asset: str
    amount: str
    settlement_id: str


@register
class Awaited(Row, frozen=True):
    """A settlement on its way to the bank, by what it comes to; gone when it is there."""

    KIND = "aw"
    KEY = ("tenant_id", "asset", "amount", "settlement_id")

    tenant_id: str
    asset: str
    amount: str
    settlement_id: str
