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
from agents.accounting.cases import close_case
from agents.accounting.deposits import deposit
from agents.accounting.invoicing import replaced_case
from agents.accounting.matching import Found
from agents.accounting.receipts import Receipt
from agents.effects import Delete, Effect, Emit, Post, Put
from agents.posting import item_at
from agents.registry import Event, View
from streams.ids import derive
from streams.journal import Posting
from streams.money import json_number
from streams.timestamps import local_day
from tables.payments import Case, Payment, Placement, Reference
from tables.settlements import Settlement
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


def told(
    event: Event[Any], view: View, receipt: Receipt, reference: str, payer: str
) -> Iterator[Effect]:
    """A bank's own word that money came: a payment, and an item until its statement shows it."""
    name = _name_of(view, event.tenant_id, receipt)
    if view.row(Reference, event.tenant_id, receipt.provider, "in", name) is not None:
        return
    receipt = msgspec.structs.replace(receipt, reference=name)
    tenant = view.tenant(event.tenant_id)
    item = BankItem(
        event.tenant_id,
        _item_id(event.tenant_id, receipt.account, receipt.reference),
        receipt.account,
        receipt.asset,
        receipt.amount,
        local_day(event.timestamp_ms, tenant.time_zone),
        event.event_type,
        created_ms=event.now_ms,
        receipt=receipt.reference,
    )
    yield Put(item)
    yield Put(item_at(item))
    yield from deposit(event, view, receipt, reference, payer)


def _name_of(view: View, tenant_id: str, receipt: Receipt) -> str:
    """What a bank's receipt is kept under: its own name, but for other money of that name."""
    known = view.row(Reference, tenant_id, receipt.provider, "in", receipt.reference)
    if known is None or (known.asset, known.amount) == (receipt.asset, receipt.amount):
        return receipt.reference
    return f"{receipt.reference[:80]}/{receipt.asset}/{receipt.amount}"


def _item_id(tenant_id: str, account: str, receipt: str) -> str:
    return derive(tenant_id, f"{account}/{receipt}", "bank_item", 0)


def _of_bank(event: Event[Any], view: View, line: StatementLine) -> Iterator[Effect]:
    if line.minor < 0:
        yield from _left_bank(view, line)
        return
    waiting = _waiting(view, line)
    if waiting is not None:
        yield from _told_before(view, line, *waiting)
        return
    found = matching.find(view, line)
    if found.settlements:
        yield from _settled(line, found, _own_name(view, line))
    else:
        yield from _paid(event, view, line, found)


def _waiting(view: View, line: StatementLine) -> tuple[Reference, BankItem] | None:
    """What the bank told under a line's receipt, of its amount, and no line has shown."""
    name = _name_of(view, line.tenant_id, _receipt(line, line.minor, line.receipt))
    known = view.row(Reference, line.tenant_id, line.account, "in", name)
    item = view.row(BankItem, line.tenant_id, _item_id(line.tenant_id, line.account, name))
    if known is None or item is None or known.line_id or item.status != "open":
        return None
    return known, item


def _own_name(view: View, line: StatementLine) -> str:
    """What a new line's money is kept under: its receipt, or its own id if that is taken."""
    if not line.receipt:
        return line.line_id
    name = _name_of(view, line.tenant_id, _receipt(line, line.minor, line.receipt))
    known = view.row(Reference, line.tenant_id, line.account, "in", name)
    return line.line_id if known is not None else name


def _left_bank(view: View, line: StatementLine) -> Iterator[Effect]:
    found = matching.find(view, line)
    if found.settlements:
        for row in found.settlements:
            yield from settlements.settle(row, line, line.account)
        yield Put(_matched(line, found.rule, *_shares(found)))
        return
    if found.item is None:
        yield from _unexplained(line)
        return
    yield from tie(found.item, line)
    yield Put(_matched(line, found.rule, Matched("entry", found.item.item_id, line.minor)))


def _told_before(
    view: View, line: StatementLine, known: Reference, item: BankItem
) -> Iterator[Effect]:
    """The bank told us of it when it came: the item of that is this line."""
    yield from tie(item, line)
    yield Put(known.replaced(line_id=line.line_id))
    share = Matched("payment", known.payment_id, item.minor)
    case = _case_of(view, line.tenant_id, known.payment_id)
    found = matching.settlement(view, line) if case is not None else Found()
    if case is not None and found.settlements and case.amount == line.minor:
        yield from _claimed(view, line, case, found)
        return
    after = _matched(line, "receipt", share)
    yield Put(after.replaced(case_id=case.case_id if case else ""))


def _claimed(view: View, line: StatementLine, case: Case, found: Found) -> Iterator[Effect]:
    """What a bank told of, and nobody knew, was a settlement: suspense / cash:in_transit."""
    for row in found.settlements:
        yield from settlements.settle(row, line, chart.SUSPENSE)
    yield close_case(case, "settlement")
    placed = [Placement("settlement", row.settlement_id, row.net) for row in found.settlements]
    yield from replaced_case(view, case, placed)
    yield Put(_matched(line, found.rule, *_shares(found)))


def _shares(found: Found) -> list[Matched]:
    """What each settlement is of a line."""
    return [Matched("settlement", row.settlement_id, row.net) for row in found.settlements]


def _case_of(view: View, tenant_id: str, payment_id: str) -> Case | None:
    """The open case that a payment's money lies in, all of it."""
    payment = view.row(Payment, tenant_id, payment_id)
    placed = payment.placements if payment else ()
    if len(placed) != 1 or placed[0].kind != "case":
        return None
    case = view.row(Case, tenant_id, placed[0].subject)
    return case if case is not None and case.status == "open" else None


def tie(item: BankItem, line: StatementLine) -> Iterator[Effect]:
    """What we have posted is shown by a line."""
    yield Delete(item_at(item).key)
    yield Put(item.replaced(status="matched", line_id=line.line_id, version=item.version + 1))


def _settled(line: StatementLine, found: Found, named: str) -> Iterator[Effect]:
    for row in found.settlements:
        yield from settlements.settle(row, line, line.account)
    shares = _shares(found)
    about = "in", named, shares[0].subject, line.minor, line.line_id, line.asset
    yield Put(Reference(line.tenant_id, line.account, *about))  # the bank may still tell of it
    yield Put(_matched(line, found.rule, *shares))


def _paid(event: Event[Any], view: View, line: StatementLine, found: Found) -> Iterator[Effect]:
    """A payer sent it, to what it names; money without a home is a payment all the same."""
    named = _own_name(view, line)
    if len(found.invoices) < 2:
        invoice = found.invoices[0].invoice_id if found.invoices else found.reference
        yield from _deposited(event, view, line, Found(found.rule, reference=invoice), named)
        return
    shares = []
    for number, each in enumerate(found.invoices, 1):
        part = derived(event, f"{line.line_id}/{number}")
        receipt = _receipt(line, each.outstanding, part.event_id)
        yield from deposit(part, view, receipt, each.invoice_id, line.party)
        shares.append(Matched("payment", part.derive("payment"), receipt.amount))
    about = "in", named, shares[0].subject, line.minor, line.line_id, line.asset
    yield Put(Reference(line.tenant_id, line.account, *about))
    yield Put(_matched(line, found.rule, *shares))


def _deposited(
    event: Event[Any], view: View, line: StatementLine, found: Found, named: str
) -> Iterator[Effect]:
    receipt = _receipt(line, line.minor, named)
    yield from deposit(event, view, receipt, found.reference, line.party or line.text)
    known = view.row(Reference, line.tenant_id, line.account, "in", named)
    assert known is not None
    yield Put(known.replaced(line_id=line.line_id))
    case = _case_of(view, line.tenant_id, known.payment_id)
    share = Matched("payment", known.payment_id, line.minor)
    after = _matched(line, found.rule or "unmatched_credit", share)
    yield Put(after.replaced(case_id=case.case_id if case else ""))


def _receipt(line: StatementLine, minor: int, reference: str) -> Receipt:
    return Receipt(line.account, reference, line.account, line.asset, minor)


def derived(event: Event[Any], event_id: str) -> Event[Any]:
    """The event, deriving ids of its own for a part of it."""
    return msgspec.structs.replace(event, event_id=event_id)


# -- a gateway's ----------------------------------------------------------------------------------


def _of_gateway(event: Event[Any], view: View, line: StatementLine) -> Iterator[Effect]:
    provider = line.account.split(":")[1]
    known = view.row(Reference, line.tenant_id, provider, "in", line.receipt)
    if known is not None and known.asset not in {"", line.asset}:
        yield from _collect(event, view, line, gross=line.minor)
        yield from _suspended(line, line.minor, "currency_differs")
    elif line.minor > 0 and known is not None:
        yield from _shown(event, view, line, known)
    elif (topped := _topped_up(view, line)) is not None:
        yield from _withdrawn(line, topped)
    elif line.minor > 0 and line.receipt:
        yield from _untold(event, view, line, provider)
    elif line.minor > 0:  # without a name nobody knows whether it was counted
        yield from _collect(event, view, line, gross=line.minor)
        yield from _suspended(line, line.minor, "unmatched_credit")
    elif known is not None and _is_fee(view, line, known):
        yield from _fee(event, view, line, provider, known)
    else:
        yield from _left(event, view, line, provider)


def _topped_up(view: View, line: StatementLine) -> Settlement | None:
    """The day of refunds that a bank paid for; of what names a payer or a reference, none."""
    if line.minor < 0 or line.reference or line.party:
        return None
    return matching.withdrawal(view, line)


def _withdrawn(line: StatementLine, gone: Settlement) -> Iterator[Effect]:
    """A settlement's other side, which cash:in_transit has already."""
    yield from settlements.left(gone)
    yield Put(_matched(line, "withdrawal", Matched("settlement", gone.settlement_id, gone.net)))


def _untold(event: Event[Any], view: View, line: StatementLine, provider: str) -> Iterator[Effect]:
    """Money that no message told us of: it counts now, as if it had come just so."""
    receipt = Receipt(provider, line.receipt, line.account, line.asset, line.minor)
    yield from deposit(event, view, receipt, line.reference or line.text, line.party)
    known = view.row(Reference, line.tenant_id, provider, "in", line.receipt)
    assert known is not None
    yield Put(known.replaced(line_id=line.line_id))
    case = _case_of(view, line.tenant_id, known.payment_id)
    after = _matched(line, "never_told", Matched("payment", known.payment_id, line.minor))
    yield Put(after.replaced(case_id=case.case_id if case else ""))


def _is_fee(view: View, line: StatementLine, known: Reference) -> bool:
    """Whether what left beside a receipt is its cost: less than came, and from where it came."""
    payment = view.row(Payment, line.tenant_id, known.payment_id)
    return payment is not None and payment.account == line.account and -line.minor < known.amount


def _fee(
    event: Event[Any], view: View, line: StatementLine, provider: str, known: Reference
) -> Iterator[Effect]:
    """Fees:provider / gateway, or / cash:in_transit if its day is on its way to the bank."""
    payment = view.row(Payment, line.tenant_id, known.payment_id)
    day = view.row(Settlement, line.tenant_id, payment.settlement_id) if payment else None
    where = {"payment": known.payment_id, "line": line.line_id}
    fee, share = -line.minor, Matched("fee", known.payment_id, line.minor)
    if day is not None and day.short >= fee:  # its bank's line told of it first
        yield Put(day.replaced(short=day.short - fee, version=day.version + 1))
        yield Put(_matched(line, "fee_of_settlement", share))
        return
    yield Post(
        [
            Posting(chart.fees(provider), line.asset, fee, where),
            Posting(line.account, line.asset, -fee, where),
        ]
    )
    if day is not None and day.status == "expected" and not day.line_out:
        yield from settlements.cost(day, fee, where)
    else:
        yield from _collect(event, view, line, fees=fee)
    yield Put(_matched(line, "fee_of_receipt", share))


def _left(event: Event[Any], view: View, line: StatementLine, provider: str) -> Iterator[Effect]:
    """What went out: a payout or refund under its own reference, a day's settlement, else a
    question for people.
    """
    out = view.row(Reference, line.tenant_id, provider, "out", line.receipt)
    same = out is not None and (out.asset, out.amount) in {("", 0), (line.asset, -line.minor)}
    if out is not None and same and not out.line_id:
        yield Put(out.replaced(line_id=line.line_id))
        yield Put(_matched(line, "receipt", Matched("sent", out.payment_id, line.minor)))
        return
    gone = matching.withdrawal(view, line)
    if gone is not None:
        yield from _withdrawn(line, gone)
        return
    yield from _collect(event, view, line, fees=-line.minor)
    yield from _unexplained(line)


def _collect(event: Event[Any], view: View, line: StatementLine, **items: int) -> Iterator[Effect]:
    """In the day's settlement, as all that the account has."""
    provider = line.account.split(":")[1]
    yield from settlements.collect(
        event, view, provider=provider, account=line.account, asset=line.asset, **items
    )


def _shown(
    event: Event[Any], view: View, line: StatementLine, known: Reference
) -> Iterator[Effect]:
    """Money that was counted before: nothing moves, unless the statement says another amount."""
    if known.line_id:
        yield from _collect(event, view, line, gross=line.minor)
        yield from _suspended(line, line.minor, "shown_twice")
        return
    yield Put(known.replaced(line_id=line.line_id))
    counted = known.amount or line.minor  # of old ones nobody wrote the amount down
    share = Matched("payment", known.payment_id, counted)
    if counted == line.minor:
        yield Put(_matched(line, "receipt", share))
        return
    more = line.minor - counted
    yield from _collect(event, view, line, gross=more)
    yield from _suspended(line.replaced(matches=(share,)), more, "amount_differs")


# -- both -----------------------------------------------------------------------------------------


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
