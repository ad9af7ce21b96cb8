"""Money on a chain: which attempt an amount is for, and what is undone when a block is replaced.

A transfer bears no reference. It is an attempt's if it is exactly what was asked for, at the wallet
that its payer was shown, made while that attempt was open, and if no other attempt was then open
for the same; else it is in suspense with its case, like all money that names nothing.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec

from agents.accounting import chart, dunning
from agents.accounting.cases import close_case, dimensions, give_credit
from agents.accounting.deposits import Meaning, counted, unannounced
from agents.accounting.invoicing import stated
from agents.accounting.receipts import Receipt, counted_for, receive
from agents.accounting.refunds import meant_invoice, share_of
from agents.effects import Delete, Effect, Post, Put
from agents.registry import Event, View
from streams.journal import Posting
from tables.chains import ChainTransaction, ExactAmount, Transfer
from tables.payments import Case, Credit, GatewayCall, Payment, Placement, Reference

AWAITED_MAX = 64
"""Attempts of one amount that are kept in mind; who is asked first is forgotten first, and until
then nobody's money is taken for another's.
"""
CLOCKS_MS = 60_000
"""A block's time may lie before that of the attempt that it pays by so much."""
_REOPENED = frozenset({"paid", "partially_paid", "credited"})


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A transfer as its chain tells of it; `block_ms` is when its block was made (Unix, ms)."""

    provider: str
    tx_hash: str
    log_index: int
    block_hash: str
    block_ms: int
    sender: str
    wallet: str
    asset: str
    amount: int

    @property
    def reference(self) -> str:
        """Its name among the provider's references."""
        return self.tx_hash if self.log_index < 0 else f"{self.tx_hash}:{self.log_index}"


# -- asking ---------------------------------------------------------------------------------------


def awaited(
    view: View, payment: Payment, providers: Iterable[str], call_id: str
) -> tuple[list[ExactAmount], int]:
    """The rows that have the attempt too, and its turn: the least that none has who may still pay.

    So that nobody is shown the wallet of another as long as one is free.
    """
    tenant_id, found, taken = (
        payment.tenant_id,
        list[tuple[ExactAmount, list[_Asked]]](),
        set[int](),
    )
    for provider in providers:
        about = provider, payment.asset, str(payment.amount)
        row = view.row(ExactAmount, tenant_id, *about) or ExactAmount(tenant_id, *about)
        left = [each for each in _asked(row) if not _is_over(view, tenant_id, each.call_id)]
        taken |= {each.turn for each in left if not _is_late(view, tenant_id, each.call_id)}
        found.append((row, left))
    turn = next(each for each in count() if each not in taken)
    new = _Asked(call_id, turn)
    return [_with_asked(view, row, [*left, new]) for row, left in found], turn


class _Asked(NamedTuple):
    """One attempt, and which wallet its payer was shown."""

    call_id: str
    turn: int


def _asked(row: ExactAmount) -> list[_Asked]:
    return [_Asked(*each) for each in zip(row.calls, row.turns or count(), strict=False)]


def _with_asked(view: View, row: ExactAmount, asked: Sequence[_Asked]) -> ExactAmount:
    """The row with these attempts, or as many as are kept: until the others are over, nobody can
    tell whose such an amount is.
    """
    gone, kept = asked[:-AWAITED_MAX], asked[-AWAITED_MAX:]
    ends = (_expires_ms(view, row.tenant_id, each.call_id) for each in gone)
    return row.replaced(
        calls=tuple(each.call_id for each in kept),
        turns=tuple(each.turn for each in kept),
        forgotten_ms=max(row.forgotten_ms, *ends) if gone else row.forgotten_ms,
    )


def _payment_of(view: View, tenant_id: str, call_id: str) -> Payment | None:
    call = view.row(GatewayCall, tenant_id, call_id)
    return view.row(Payment, tenant_id, call.subject_id) if call is not None else None


def _expires_ms(view: View, tenant_id: str, call_id: str) -> int:
    payment = _payment_of(view, tenant_id, call_id)
    return payment.expires_ms if payment is not None else 0


def _is_late(view: View, tenant_id: str, call_id: str) -> bool:
    """Whether only what was paid before can be its: whoever is asked now is told apart by that."""
    payment = _payment_of(view, tenant_id, call_id)
    return payment is not None and payment.status == "expired"


def _is_over(view: View, tenant_id: str, call_id: str) -> bool:
    """Whether no money can be this attempt's any more, but money that is late."""
    call = view.row(GatewayCall, tenant_id, call_id)
    payment = view.row(Payment, tenant_id, call.subject_id) if call is not None else None
    if call is None or payment is None or call.counted or payment.call_id != call_id:
        return True
    return payment.status not in {"processing", "expired"}


# -- counting -------------------------------------------------------------------------------------


def credited(event: Event[Any], view: View, seen: Seen) -> Iterator[Effect]:
    """All effects of a transfer that counts now; none if it counted before, in whichever block."""
    row = view.row(ChainTransaction, event.tenant_id, seen.provider, seen.tx_hash)
    row = row or ChainTransaction(event.tenant_id, seen.provider, seen.tx_hash)
    known = _known(row, seen)
    if known is not None and known.counts:
        if known.block_hash != seen.block_hash:
            yield Put(_with(row, known, _moved(known, seen)))
        return
    if known is not None:
        payment = view.row(Payment, event.tenant_id, known.payment_id)
        assert payment is not None
        after = msgspec.structs.replace(_moved(known, seen), times=known.times + 1, counts=True)
        yield Put(_with(row, known, after))
        yield from receive(event, view, payment, _receipt(seen, after.times))
        return
    call = _attempt_of(event, view, seen)
    receipt = _receipt(seen, 1)
    said = _said_before(event, view, row, receipt, seen)
    if said:
        yield Put(row.replaced(transfers=(*row.transfers, _transfer(seen, said))))
        return
    if call is None:
        payment = unannounced(event, receipt, Meaning(), seen.tx_hash, seen.sender)
    else:
        found = view.row(Payment, event.tenant_id, call.subject_id)
        assert found is not None
        payment = found
        yield from counted(view, call, receipt)
        yield from _not_awaited(view, call, seen)
    new = _transfer(seen, payment.payment_id)
    yield Put(row.replaced(transfers=(*row.transfers, new)))
    yield from receive(event, view, payment, receipt)


def _transfer(seen: Seen, payment_id: str) -> Transfer:
    return Transfer(
        seen.log_index, seen.block_hash, seen.wallet, seen.asset, seen.amount, payment_id
    )


def _said_before(
    event: Event[Any], view: View, row: ChainTransaction, receipt: Receipt, seen: Seen
) -> str:
    """The payment for which a person has counted it already; empty if nobody has.

    Who says how a call ended names the transaction by its hash alone, as explorers do.
    """
    exact = counted_for(event, view, receipt)
    if exact:
        return exact
    known = view.row(Reference, event.tenant_id, seen.provider, "in", seen.tx_hash)
    if known is None or (known.asset, known.amount) != (seen.asset, seen.amount):
        return ""
    is_others = any(each.payment_id == known.payment_id for each in row.transfers)
    return "" if is_others else known.payment_id


def _known(row: ChainTransaction, seen: Seen) -> Transfer | None:
    """The transfer as it was seen before: at the same place, or, of those whose block is gone, one
    of the same money, which may have another place in another block.
    """
    for each in row.transfers:
        if each.log_index == seen.log_index and _same_money(each, seen):
            return each
    gone = (each for each in row.transfers if not each.counts and _same_money(each, seen))
    return next(gone, None)


def _same_money(known: Transfer, seen: Seen) -> bool:
    return (known.wallet, known.asset, known.amount) == (seen.wallet, seen.asset, seen.amount)


def _moved(known: Transfer, seen: Seen) -> Transfer:
    return msgspec.structs.replace(known, log_index=seen.log_index, block_hash=seen.block_hash)


def _with(row: ChainTransaction, before: Transfer, after: Transfer) -> ChainTransaction:
    return row.replaced(
        transfers=tuple(after if each is before else each for each in row.transfers)
    )


def _receipt(seen: Seen, times: int) -> Receipt:
    """What proves the money; a transfer that comes again is another receipt of the same."""
    reference = seen.reference if times == 1 else f"{seen.reference}/{times}"
    account = chart.crypto(seen.provider, seen.asset)
    return Receipt(seen.provider, reference, account, seen.asset, seen.amount)


def _attempt_of(event: Event[Any], view: View, seen: Seen) -> GatewayCall | None:
    """The one attempt that the money is for; None if there is none, or more than one."""
    about = seen.provider, seen.asset, str(seen.amount)
    row = view.row(ExactAmount, event.tenant_id, *about)
    # A sandbox's clock runs ahead of the chain's.
    made_ms = event.now_ms - max(0, event.log_ms - seen.block_ms)
    found = []
    if row is not None and made_ms < row.forgotten_ms:
        return None
    for call_id in row.calls if row is not None else ():
        call = view.row(GatewayCall, event.tenant_id, call_id)
        if call is not None and _was_open(view, call, seen, made_ms):
            found.append(call)
    return found[0] if len(found) == 1 else None


def _not_awaited(view: View, call: GatewayCall, seen: Seen) -> Iterator[Effect]:
    """The attempt has its money: nobody else's is to be told apart from it any more."""
    about = seen.provider, seen.asset, str(seen.amount)
    row = view.row(ExactAmount, call.tenant_id, *about)
    if row is None:
        return
    left = [each for each in _asked(row) if each.call_id != call.call_id]
    if left or row.forgotten_ms:
        yield Put(_with_asked(view, row, left))
    else:
        yield Delete(row.key)


def _was_open(view: View, call: GatewayCall, seen: Seen, made_ms: int) -> bool:
    payment = view.row(Payment, call.tenant_id, call.subject_id)
    if payment is None or payment.call_id != call.call_id or call.counted:
        return False
    if (call.gateway, call.handle) != (seen.provider, seen.wallet):
        return False
    if made_ms + CLOCKS_MS < call.created_ms:
        return False
    in_time = payment.status == "expired" and made_ms < payment.expires_ms
    return payment.status == "processing" or in_time


# -- taking back ----------------------------------------------------------------------------------


class _Undoing(NamedTuple):
    """One payment whose money is taken back, and the postings that say where it was."""

    event: Event[Any]
    view: View
    payment: Payment
    legs: list[Posting]

    def leg(self, account: str, asset: str, minor: int) -> None:
        """One more posting, under the payment's dimensions; none of nothing."""
        payment = self.payment
        if not minor:
            return
        where = dimensions(
            order=payment.order_id, party=payment.customer_id, payment=payment.payment_id
        )
        self.legs.append(Posting(account, asset, minor, where))


def take_back(
    event: Event[Any], view: View, seen: Seen
) -> Generator[Effect, None, tuple[Payment, int] | None]:
    """All effects of a block that is not of the chain any more: compensating postings.

    Returns the payment, and how much of the money was not found where it had been placed (minor
    units): somebody has moved it on, and suspense:out has the loss. None if it did not count.
    """
    row = view.row(ChainTransaction, event.tenant_id, seen.provider, seen.tx_hash)
    known = _known(row, seen) if row is not None else None
    if row is None or known is None or not known.counts or known.block_hash != seen.block_hash:
        return None
    payment = view.row(Payment, event.tenant_id, known.payment_id)
    assert payment is not None
    yield Put(_with(row, known, msgspec.structs.replace(known, counts=False)))
    undoing = _Undoing(event, view, payment, [])
    left = gone = min(seen.amount, max(0, payment.refundable))
    found, kept = 0, list[Placement]()
    for placement in reversed(payment.placements):
        part = min(left, placement.amount)
        if part:
            found += yield from _take(undoing, placement, part)
        left -= part
        if placement.amount > part:
            kept.append(Placement(placement.kind, placement.subject, placement.amount - part))
    lost = seen.amount - found
    undoing.leg(chart.SUSPENSE_OUT, seen.asset, lost)
    undoing.leg(chart.crypto(seen.provider, seen.asset), seen.asset, -seen.amount)
    yield Post(undoing.legs)
    after = payment.replaced(
        taken_back=payment.taken_back + gone,
        placements=tuple(reversed(kept)),
        version=payment.version + 1,
    )
    yield Put(after)
    return after, lost


def _take(undoing: _Undoing, placement: Placement, part: int) -> Generator[Effect, None, int]:
    """How much of a part could be taken from where it was placed."""
    if placement.kind == "credit":
        return (yield from _take_credit(undoing, placement.subject, part))
    if placement.kind == "case":
        return (yield from _take_case(undoing, placement.subject, part))
    if placement.kind in {"invoice", "quoted"}:
        return (yield from _take_paid(undoing, placement, part))
    return 0  # it turned out to be something else's money


def _take_credit(undoing: _Undoing, customer_id: str, part: int) -> Generator[Effect, None, int]:
    event, asset = undoing.event, undoing.payment.asset
    credit = undoing.view.row(Credit, event.tenant_id, customer_id, asset)
    taken = min(part, credit.amount) if credit is not None else 0
    if taken:
        yield from give_credit(event, undoing.view, customer_id, asset, -taken)
        undoing.leg(chart.CUSTOMER_CREDIT, asset, taken)
    return taken


def _take_case(undoing: _Undoing, case_id: str, part: int) -> Generator[Effect, None, int]:
    case = undoing.view.row(Case, undoing.event.tenant_id, case_id)
    if case is None or case.status != "open" or case.amount < part:
        return 0
    yield close_case(case, "taken_back", part)
    undoing.leg(chart.SUSPENSE, undoing.payment.asset, part)
    return part


def _take_paid(undoing: _Undoing, placement: Placement, part: int) -> Generator[Effect, None, int]:
    """Out of an invoice, which is open again; a quoted part goes back through fx:clearing."""
    event, view, payment = undoing.event, undoing.view, undoing.payment
    invoice = meant_invoice(view, event.tenant_id, placement.subject)
    owed, quoted = part, placement.kind == "quoted"
    if quoted:
        owed = share_of(payment, placement.amount) - share_of(payment, placement.amount - part)
    if invoice.status not in _REOPENED or invoice.paid < owed:
        return 0
    after = stated(invoice.replaced(paid=invoice.paid - owed, version=invoice.version + 1))
    yield Put(after)
    if not invoice.outstanding and after.outstanding:
        yield from dunning.next_moment(after, view.tenant(event.tenant_id), event.now_ms)
    undoing.leg(chart.RECEIVABLE, invoice.asset, owed)
    if quoted:
        undoing.leg(chart.FX_CLEARING, invoice.asset, -owed)
        undoing.leg(chart.FX_CLEARING, payment.asset, part)
    return part
