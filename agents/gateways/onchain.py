"""What a watch of a chain tells: money that counts now, and money whose block was replaced.

Only our own watch says it (agents/roles/chains.py), in the order in which it was seen.
"""

import msgspec

from agents.accounting import onchain
from agents.accounting.onchain import Seen
from agents.effects import Effects, Emit, Refuse
from agents.gateways.collect import told_of_failure
from agents.registry import INTERNAL, Event, View, handles
from agents.words import Code, Id
from streams.money import Amount, json_number
from tables.payments import Payment

CREDITED = "treasury.chain.credited"
REVERSED = "treasury.chain.reversed"
REORGANISED = "reorganised"


class Told(msgspec.Struct, frozen=True):
    """A transfer to a wallet of the tenant's, in one block; `block_ms` is Unix time (ms).

    `turn` counts the reorganisations that took money back before: a block that is replaced and
    comes back tells something new.
    """

    gateway: Id
    tx_hash: Id
    log_index: int
    block_hash: Id
    block_number: int
    block_ms: int
    sender: Id
    wallet: Id
    amount: Amount
    currency: Code
    turn: int = 0


@handles(CREDITED, Told, ingress=INTERNAL)
def credited(event: Event[Told], view: View) -> Effects:
    """It is its attempt's, or waits in suspense; told before, nothing."""
    seen = _seen(event.data)
    if seen.amount <= 0:
        yield Refuse("amount_not_positive")
        return
    yield from onchain.credited(event, view, seen)


@handles(REVERSED, Told, ingress=INTERNAL)
def reversed_(event: Event[Told], view: View) -> Effects:
    """What it paid is open again; its payer and people are told."""
    seen = _seen(event.data)
    undone = yield from onchain.take_back(event, view, seen)
    if undone is None:
        return
    payment, lost = undone
    yield told_of_failure(payment, seen.provider, REORGANISED, final=False)
    yield _for_people(payment, seen, lost)


def _seen(data: Told) -> Seen:
    return Seen(
        data.gateway,
        data.tx_hash,
        data.log_index,
        data.block_hash,
        data.block_ms,
        data.sender,
        data.wallet,
        data.currency,
        data.amount.minor(data.currency),
    )


def _for_people(payment: Payment, seen: Seen, lost: int) -> Emit:
    said = {
        "kind": "payment_taken_back",
        "payment_id": payment.payment_id,
        "provider": seen.provider,
        "provider_reference": seen.reference,
        "amount": json_number(seen.amount, seen.asset),
        "currency": seen.asset,
        "lost": json_number(lost, seen.asset),
    }
    return Emit("treasury.reconciliation.exception", said)
