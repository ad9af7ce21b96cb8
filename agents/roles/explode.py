"""Takes a journal record apart into rows of the read models. Pure: no IO, no clock.

A row that leaves the working set stays in the read models as it last was.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.journal import Batch, Entry
from tables.accounts import AccountRule
from tables.balances import Balance, Hold
from tables.budgets import Budget
from tables.drawers import DrawerSession
from tables.earnings import Earnings
from tables.invoices import Invoice, Order, PaymentLink
from tables.journals import Conversion, Journal
from tables.payables import Bill, Expense
from tables.payments import (
    Case,
    Credit,
    Dispute,
    GatewayCall,
    Payment,
    ProviderBalance,
    Refund,
)
from tables.payouts import Payout
from tables.postgres.read_models import (
    DeadLetterRow,
    EmittedRow,
    EntryRow,
    EntryRows,
    PostingRow,
    RedriveRow,
    ResourceRow,
)
from tables.purchases import Purchase
from tables.row import SEPARATOR, Row, decode
from tables.settlements import Settlement, SettlementProof
from tables.statements import BankItem, Statement, StatementLine
from tables.subscriptions import Plan, Subscription, Usage
from tables.tax_documents import TaxBranch, TaxCertificate, TaxDocument, TaxReturn
from tables.tenants import Outlet, Tenant, Threshold

RESOURCES: tuple[type[Row], ...] = (
    Tenant,
    Outlet,
    Invoice,
    Order,
    Payment,
    GatewayCall,
    Balance,
    Case,
    Credit,
    Refund,
    Dispute,
    Bill,
    Expense,
    Purchase,
    Payout,
    Earnings,
    Budget,
    Threshold,
    Settlement,
    DrawerSession,
    Plan,
    Subscription,
    Usage,
    Journal,
    Conversion,
    Hold,
    AccountRule,
    PaymentLink,
    ProviderBalance,
    Statement,
    StatementLine,
    BankItem,
    TaxDocument,
    TaxBranch,
    TaxReturn,
    TaxCertificate,
    SettlementProof,
)
"""The kinds of rows that can be listed, or found (a payment link, by its token)."""

_PARTIES = ("customer_id", "supplier_id", "party_id", "payee_id")
"""Members that name who a row is about."""
_LISTED = {row.KIND.encode() for row in RESOURCES}
COMMANDS = "treasury.command."
REDRIVE_STEP = 1  # where agents/decide.py puts the entry of a re-driven event
_to_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Source:
    """The image a resource comes from: the `ordinal`-th of its record."""

    batch: Batch
    ordinal: int
    key: bytes
    value: bytes


@dataclass
class Exploded:
    """Rows of several records; of each resource the last one only."""

    entries: list[EntryRows] = field(default_factory=list)
    resources: list[tuple[ResourceRow, Source]] = field(default_factory=list)
    unreadable: list[tuple[Source, Exception]] = field(default_factory=list)
    """Images that this release cannot read."""


def explode(partition: int, batches: Iterable[Batch]) -> Exploded:
    """The rows of these records of one partition, in order."""
    found = Exploded()
    last: dict[bytes, Source] = {}
    for batch in batches:
        for ordinal, entry in enumerate(batch.entries):
            found.entries.append(entry_rows(partition, batch, ordinal, entry))
        for ordinal, image in enumerate(batch.images):
            if image.value is not None and image.key[:2] in _LISTED:
                last[image.key] = Source(batch, ordinal, image.key, image.value)
    for _key, source in sorted(last.items()):  # in the order of the index they go into
        try:
            found.resources.append((_resource(partition, source), source))
        except ValueError as error:
            found.unreadable.append((source, error))
    return found


def entry_rows(partition: int, batch: Batch, ordinal: int, entry: Entry) -> EntryRows:
    """Everything one entry becomes."""
    row = EntryRow(
        entry.tenant_id,
        entry.event_id,
        partition,
        batch.seq,
        ordinal,
        batch.first.log,
        entry.offset,
        entry.index,
        entry.step,
        entry.status,
        entry.reason,
        entry.ingress,
        entry.event_type,
        entry.now_ms,
        entry.raw,
        _actor(entry) if entry.ingress == "http" else None,
    )
    return EntryRows(
        row,
        _postings(row, entry) if entry.postings else [],
        _emitted(row, entry) if entry.emitted else [],
        _dead_letter(row) if is_dead_letter(entry) else None,
        _redrive(row) if entry.step == REDRIVE_STEP else None,
    )


class _Said(msgspec.Struct, frozen=True):
    actor: str = ""


class _Command(msgspec.Struct, frozen=True):
    data: _Said


_read_command = msgspec.json.Decoder(_Command).decode


def _actor(entry: Entry) -> str | None:
    """Who asked for a command; events that were handed in over HTTP name nobody."""
    if not entry.event_type.startswith(COMMANDS):
        return None
    try:
        return _read_command(entry.raw).data.actor or None
    except msgspec.MsgspecError:  # not one of ours: no row of a record may be lost for a name
        return None


def _postings(row: EntryRow, entry: Entry) -> list[PostingRow]:
    return [
        PostingRow(
            row.tenant_id,
            row.partition,
            row.seq,
            row.ordinal,
            leg,
            posting.account,
            posting.asset,
            str(posting.minor),
            _json(posting.dimensions),
            row.decided_ms,
            entry.booked or entry.day or None,
            entry.day or None,
        )
        for leg, posting in enumerate(entry.postings)
    ]


def _emitted(row: EntryRow, entry: Entry) -> list[EmittedRow]:
    return [
        EmittedRow(
            row.tenant_id,
            event.event_id,
            event.event_type,
            row.event_id,
            row.partition,
            row.seq,
            row.ordinal,
            event.body,
        )
        for event in entry.emitted
    ]


def _dead_letter(row: EntryRow) -> DeadLetterRow:
    return DeadLetterRow(
        f"{row.partition}-{row.seq}-{row.ordinal}",
        row.partition,
        row.seq,
        row.ordinal,
        row.tenant_id or None,
        row.event_id,
        row.event_type,
        row.reason,
        row.ingress,
        row.raw,
        row.decided_ms,
    )


def _redrive(row: EntryRow) -> RedriveRow:
    return RedriveRow(row.tenant_id, row.event_id, row.seq, row.ordinal, row.status)


def is_dead_letter(entry: Entry) -> bool:
    """Whether somebody has to look at it: nobody waited for an answer that said so."""
    return entry.status == "rejected" or (entry.status == "refused" and entry.ingress != "http")


def _resource(partition: int, source: Source) -> ResourceRow:
    row, batch = decode(source.key, source.value), source.batch
    kind, tenant, *parts = source.key.decode().split(SEPARATOR)
    members = {name: getattr(row, name) for name in row.__struct_fields__}
    return ResourceRow(
        tenant,
        kind,
        resource_id(parts) if parts else tenant,
        partition,
        batch.seq,
        members.get("status", ""),
        members.get("asset", ""),
        members.get("order_id", ""),
        next((members[name] for name in _PARTIES if members.get(name)), ""),
        members.get("invoice_id", ""),
        members.get("created_ms") or members.get("opened_ms") or batch.now_ms,
        batch.now_ms,
        _json(members),
    )


def resource_id(parts: list[str]) -> str:
    """One id of the members after the tenant; several are joined by `/`, theirs escaped."""
    if len(parts) == 1:
        return parts[0]
    joined = "/".join(parts)
    if "%" not in joined and joined.count("/") == len(parts) - 1:
        return joined
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def _json(value: dict[str, Any]) -> str:
    """JSON with integers of any size as they are: Postgres keeps them exact in jsonb."""
    if not value:
        return "{}"
    try:
        return _to_json(value).decode()
    except OverflowError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
