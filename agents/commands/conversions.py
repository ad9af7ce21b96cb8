"""Conversions between currencies: quoted, then completed at the rate that it really was.

Money on a chain may be executed between: sent to the address of who converts it, by a call.
"""

from typing import Any

from agents.accounting import chart, conversions, methods
from agents.accounting.accounts import afford
from agents.commands.base import Command, answered, demand, found, positive, same
from agents.effects import CALL_DEADLINE_MS, CallGateway, Effects, Put, Unfit
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Account, Code, Id, OptionalId
from connectors.chain.words import NOBODY, address
from connectors.reading import Unfit as NoAddress
from streams.money import Amount, exponent_of, format_minor
from tables.balances import Balance
from tables.journals import Conversion

CREATE = "treasury.command.conversion.create"
EXECUTE = "treasury.command.conversion.execute"
COMPLETE = "treasury.command.conversion.complete"
CANCEL = "treasury.command.conversion.cancel"
ACCOUNTS = ("bank:", "gateway:", "crypto:")
"""Where money can be converted."""
CONVERT, WAITS_S = "convert", 24 * 3600
"""A call's operation, and how long its transaction is waited for (seconds)."""


class CreateConversion(Command, frozen=True):
    """A quote: so much out of one account, so much (as promised) into another."""

    from_account: Account
    from_currency: Code
    from_amount: Amount
    to_account: Account
    to_currency: Code
    to_amount: Amount


class ExecuteConversion(Command, frozen=True):
    """Send what is sold, out of a wallet of ours on its chain, to who converts it."""

    conversion_id: Id
    destination: Id


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
        quoted_by=data.actor,
    )
    _require_there(event, view, row)
    yield Put(row)
    yield from answered(row, 201)


@handles(EXECUTE, ExecuteConversion, ingress=COMMANDS)
def execute(event: Event[ExecuteConversion], view: View) -> Effects:
    """It leaves its account now; a call sends it, once. As a payout, it may need two people."""
    data, row = event.data, _quote(event, view)
    chain, _, asset = row.from_account.removeprefix(chart.CRYPTO).partition(":")
    on_chain = row.from_account.startswith(chart.CRYPTO) and chain in methods.CHAINS
    fits = on_chain and asset == row.from_asset
    demand(fits, "conversion_not_on_chain", "only money on a chain is sent", 422)
    destination = _destination(data.destination)
    tenant = view.tenant(event.tenant_id)
    two = tenant.needs_two(tenant.settings.payout_limit, row.from_asset, row.sold)
    another = not two or data.actor != row.quoted_by
    demand(another, "same_person", "who quoted it does not send it", 403)
    _require_there(event, view, row)
    after = row.replaced(
        status="executing",
        destination=destination,
        call_id=event.derive("call"),
        failure="",
        version=row.version + 1,
    )
    yield conversions.move(after, chart.IN_TRANSIT)
    yield Put(after)
    request = {
        "destination": destination,
        "amount": format_minor(row.sold, exponent_of(row.from_asset)),
        "currency": row.from_asset,
        "payer_has_s": WAITS_S,
    }
    deadline_ms = event.log_ms + CALL_DEADLINE_MS
    yield CallGateway(after.call_id, chain, CONVERT, row.conversion_id, request, deadline_ms)
    yield from answered(after, 202)


def _destination(text: str) -> str:
    try:
        found = address(text)
    except NoAddress as error:
        raise Unfit("destination_unfit", f"an address on the chain: {error.reason}") from None
    demand(found != NOBODY, "destination_unfit", "nobody's", 422)
    return found


def _require_there(event: Event[Any], view: View, row: Conversion) -> None:
    balance = view.row(Balance, event.tenant_id, row.from_account, row.from_asset)
    has = balance.posted - balance.pending_credits if balance else 0
    demand(has >= row.sold, "insufficient_balance", row.from_account, 422)


@handles(COMPLETE, CompleteConversion, ingress=COMMANDS)
def complete(event: Event[CompleteConversion], view: View) -> Effects:
    """Each currency balances through fx:clearing; the rest is fx:gain_loss."""
    row = found(view, Conversion, event.tenant_id, event.data.conversion_id)
    demand(row.status in {"quoted", "executed"}, f"conversion_{row.status}")
    bought = positive(event.data.to_amount, row.to_asset)
    if row.status == "quoted":  # what was executed has left before
        afford(view, event.tenant_id, row.from_account, row.from_asset, row.sold)
    yield from conversions.complete(row, bought, event.data.reference)
    yield from answered(same(view, Conversion, event.tenant_id, row.conversion_id))


def _quote(event: Event[ExecuteConversion] | Event[OfConversion], view: View) -> Conversion:
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
