"""What a line of a statement does: it is matched with what our books have, or posts what they lack.

Bank: what we have posted only learns its line; a settlement is there (bank / cash:in_transit);
what a payer sent is a payment (bank / receivable, or suspense with its case); what left and nobody
knows of is suspense:out / bank. Gateway: a receipt that was counted only learns its line, one that
was not is money that nobody told us of, a cost beside a receipt is its fee.
Guarantee: a bank account is worth the sum of its lines and of the open items of our own.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from agents.accounting import chart, matching, settlements
from agents.accounting.deposits import Meaning, deposit
from agents.accounting.matching import Found
from agents.accounting.methods import BANK
from agents.accounting.receipts import Receipt, counted_for
from agents.effects import Delete, Effect, Emit, Post, Put
from agents.posting import item_at
from agents.registry import Event, View
from streams.journal import Posting
from streams.money import json_number
from tables.payments import Reference
from tables.statements import BankItem, Matched, StatementLine


def take(event: Event[Any], view: View, line: StatementLine) -> Iterator[Effect]:
    """All effects of a new line; `event` derives ids of its own for each line."""
    if line.account.startswith(chart.BANK):
        yield from _of_bank(event, view, line)
    else:
        yield from _of_gateway(event, view, line)


def dated(day: str, effects: Iterator[Effect]) -> Iterator[Effect]:
    """Effects whose postings are effective on a day."""
    for effect in effects:
        yield Post(effect.postings, day) if type(effect) is Post else effect


# -- a bank's -------------------------------------------------------------------------------------


def _of_bank(event: Event[Any], view: View, line: StatementLine) -> Iterator[Effect]:
    known = view.row(Reference, line.tenant_id, BANK, "in", line.receipt) if line.receipt else None
    if known is not None and line.minor > 0:
        yield from _told_before(view, line, known)
        return
    found = matching.find(view, line)
    if found.item is not None:
        yield from tie(found.item, line)
        yield Put(_matched(line, found.rule, Matched("entry", found.item.item_id, line.minor)))
    elif found.settlements:
        yield from _settled(line, found)
    elif line.minor > 0:
        yield from _paid(event, view, line, found)
    else:
        yield from _unexplained(line)


def _told_before(view: View, line: StatementLine, known: Reference) -> Iterator[Effect]:
    """The bank told us of it when it came: what was posted then is the item of this line."""
    items = matching.nearest(view, line)
    if known.line_id or not items:
        wrong = "shown_twice" if known.line_id else "amount_differs"
        yield from _suspended(line, line.minor, wrong)
        return
    yield from tie(items[0], line)
    yield Put(known.replaced(line_id=line.line_id))
    yield Put(_matched(line, "receipt", Matched("payment", known.payment_id, line.minor)))


def tie(item: BankItem, line: StatementLine) -> Iterator[Effect]:
    """What we have posted is shown by a line."""
    yield Delete(item_at(item).key)
    yield Put(item.replaced(status="matched", line_id=line.line_id, version=item.version + 1))


def _settled(line: StatementLine, found: Found) -> Iterator[Effect]:
    for row in found.settlements:
        yield from settlements.settle(row, line, line.account)
    shares = [Matched("settlement", row.settlement_id, row.net) for row in found.settlements]
    yield Put(_matched(line, found.rule, *shares))


def _paid(event: Event[Any], view: View, line: StatementLine, found: Found) -> Iterator[Effect]:
    """A payer sent it, to what it names; money without a home is a payment all the same."""
    if not found.invoices:
        yield from _deposited(event, view, line, found)
        return
    shares = []
    for number, invoice in enumerate(found.invoices, 1):
        part = event if len(found.invoices) == 1 else derived(event, f"{line.line_id}/{number}")
        receipt = _receipt(line, invoice.outstanding, part.event_id)
        yield from deposit(part, view, receipt, invoice.invoice_id, line.party)
        shares.append(Matched("payment", part.derive("payment"), receipt.amount))
    yield Put(_matched(line, found.rule, *shares))


def _deposited(
    event: Event[Any], view: View, line: StatementLine, found: Found
) -> Iterator[Effect]:
    receipt = _receipt(line, line.minor, line.receipt or line.line_id)
    words = found.reference or line.reference or line.text
    yield from deposit(event, view, receipt, words, line.party or line.text)
    payment_id = counted_for(event, view, receipt)
    rule, case_id = (found.rule, "") if found.meaning != Meaning() else ("", event.derive("case"))
    after = _matched(line, rule or "unmatched_credit", Matched("payment", payment_id, line.minor))
    yield Put(after.replaced(case_id=case_id))


def _receipt(line: StatementLine, minor: int, reference: str) -> Receipt:
    return Receipt(BANK, reference, line.account, line.asset, minor)


def derived(event: Event[Any], event_id: str) -> Event[Any]:
    """The event, deriving ids of its own for a part of it."""
    return msgspec.structs.replace(event, event_id=event_id)


# -- a gateway's ----------------------------------------------------------------------------------


def _of_gateway(event: Event[Any], view: View, line: StatementLine) -> Iterator[Effect]:
    provider = line.account.split(":")[1]
    receipt = Receipt(provider, line.receipt, line.account, line.asset, line.minor)
    known = view.row(Reference, line.tenant_id, provider, "in", line.receipt)
    if line.minor > 0 and known is not None:
        yield from _shown(line, known)
    elif line.minor > 0:
        yield from _untold(event, view, line, receipt)
    elif known is not None:
        yield from _fee(event, view, line, provider, known)
    else:
        yield from _left(view, line, provider)


def _untold(
    event: Event[Any], view: View, line: StatementLine, receipt: Receipt
) -> Iterator[Effect]:
    """Money that no message told us of: it counts now, as if it had come just so."""
    words = line.reference or line.text
    named = msgspec.structs.replace(receipt, reference=line.receipt or line.line_id)
    yield from deposit(event, view, named, words, line.party)
    payment_id = counted_for(event, view, named)
    known = view.row(Reference, line.tenant_id, named.provider, "in", named.reference)
    assert known is not None
    yield Put(known.replaced(line_id=line.line_id))
    yield Put(_matched(line, "never_told", Matched("payment", payment_id, line.minor)))


def _fee(
    event: Event[Any], view: View, line: StatementLine, provider: str, known: Reference
) -> Iterator[Effect]:
    """Fees:provider / gateway: what the gateway took for a receipt that it names."""
    where = {"payment": known.payment_id, "line": line.line_id}
    yield Post(
        [
            Posting(chart.fees(provider), line.asset, -line.minor, where),
            Posting(line.account, line.asset, line.minor, where),
        ]
    )
    yield from settlements.collect(
        event, view, provider=provider, account=line.account, asset=line.asset, fees=-line.minor
    )
    yield Put(_matched(line, "fee_of_receipt", Matched("fee", known.payment_id, line.minor)))


def _left(view: View, line: StatementLine, provider: str) -> Iterator[Effect]:
    """What went out: a payout or a refund under its own reference, else a question for people."""
    out = view.row(Reference, line.tenant_id, provider, "out", line.receipt)
    if out is not None and not out.line_id and out.amount == -line.minor:
        yield Put(out.replaced(line_id=line.line_id))
        yield Put(_matched(line, "receipt", Matched("sent", out.payment_id, line.minor)))
        return
    yield from _unexplained(line)


# -- both -----------------------------------------------------------------------------------------


def _shown(line: StatementLine, known: Reference) -> Iterator[Effect]:
    """Money that was counted before: nothing moves, unless the statement says another amount."""
    if known.line_id:
        yield from _suspended(line, line.minor, "shown_twice")
        return
    yield Put(known.replaced(line_id=line.line_id))
    share = Matched("payment", known.payment_id, known.amount)
    if known.amount == line.minor:
        yield Put(_matched(line, "receipt", share))
        return
    more = line.minor - known.amount
    yield from _suspended(line.replaced(matches=(share,)), more, "amount_differs")


def _unexplained(line: StatementLine) -> Iterator[Effect]:
    """It left and nobody knows why."""
    yield from _suspended(line, line.minor, "unmatched_debit")


def _suspended(line: StatementLine, minor: int, exception: str) -> Iterator[Effect]:
    """Suspense:out has what the statement says and our books cannot explain; for people to say."""
    where = {"line": line.line_id}
    yield Post(
        [
            Posting(line.account, line.asset, minor, where),
            Posting(chart.SUSPENSE_OUT, line.asset, -minor, where),
        ]
    )
    yield Put(line.replaced(status="open", exception=exception, unexplained=minor))
    said = {
        "kind": exception,
        "line_id": line.line_id,
        "account": line.account,
        "amount": json_number(minor, line.asset),
        "currency": line.asset,
        "day": line.day,
        "text": line.text,
    }
    yield Emit("treasury.reconciliation.exception", said)


def _matched(line: StatementLine, rule: str, *shares: Matched) -> StatementLine:
    return line.replaced(status="matched", rule=rule, matches=shares)
