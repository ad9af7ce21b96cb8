"""Conversions between currencies: quoted, then completed at the rate that it really was."""

from agents.accounting import conversions
from agents.commands.base import Command, answered, demand, found, positive, same
from agents.effects import Effects, Put
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Account, Code, Id, OptionalId
from streams.money import Amount
from tables.balances import Balance
from tables.journals import Conversion

CREATE = "treasury.command.conversion.create"
COMPLETE = "treasury.command.conversion.complete"
CANCEL = "treasury.command.conversion.cancel"
ACCOUNTS = ("bank:", "gateway:", "crypto:")
"""Where money can be converted."""


class CreateConversion(Command, frozen=True):
    """A quote: so much out of one account, so much (as promised) into another."""

    from_account: Account
    from_currency: Code
    from_amount: Amount
    to_account: Account
    to_currency: Code
    to_amount: Amount


class CompleteConversion(Command, frozen=True):
    """What really came in."""

    conversion_id: Id
    to_amount: Amount
    reference: OptionalId = ""


class OfConversion(Command, frozen=True):
    """A command about one conversion."""

    conversion_id: Id


@handles(CREATE, CreateConversion, ingress=COMMANDS)
def create(event: Event[CreateConversion], view: View) -> Effects:
    """Nothing is posted until it is completed."""
    data = event.data
    demand(data.from_currency != data.to_currency, "same_currency", http_status=422)
    both = data.from_account.startswith(ACCOUNTS) and data.to_account.startswith(ACCOUNTS)
    demand(both, "account_cannot_convert", f"one of {', '.join(ACCOUNTS)}…", 422)
    sold = positive(data.from_amount, data.from_currency)
    balance = view.row(Balance, event.tenant_id, data.from_account, data.from_currency)
    has = balance.posted - balance.pending_credits if balance else 0
    demand(has >= sold, "insufficient_balance", data.from_account, 422)
    row = Conversion(
        event.tenant_id,
        event.derive("conversion"),
        data.from_account,
        data.from_currency,
        sold,
        data.to_account,
        data.to_currency,
        positive(data.to_amount, data.to_currency),
        created_ms=event.now_ms,
    )
    yield Put(row)
    yield from answered(row, 201)


@handles(COMPLETE, CompleteConversion, ingress=COMMANDS)
def complete(event: Event[CompleteConversion], view: View) -> Effects:
    """Each currency balances through fx:clearing; the rest is fx:gain_loss."""
    row = _quote(event, view)
    bought = positive(event.data.to_amount, row.to_asset)
    yield from conversions.complete(row, bought, event.data.reference)
    yield from answered(same(view, Conversion, event.tenant_id, row.conversion_id))


def _quote(event: Event[CompleteConversion] | Event[OfConversion], view: View) -> Conversion:
    row = found(view, Conversion, event.tenant_id, event.data.conversion_id)
    demand(row.status == "quoted", f"conversion_{row.status}")
    return row


@handles(CANCEL, OfConversion, ingress=COMMANDS)
def cancel(event: Event[OfConversion], view: View) -> Effects:
    """The quote is not taken."""
    row = _quote(event, view)
    after = row.replaced(status="cancelled", version=row.version + 1)
    yield Put(after)
    yield from answered(after)
