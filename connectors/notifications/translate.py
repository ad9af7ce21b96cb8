"""From our outbound events to messages for people. Pure: no IO, no clock.

Amounts are decimal text with their currency, as programs read them, and once more as people do.
Members of messages are the service's (its API contract, "POST notifications/messages"), templates
are ours by name and its own by text.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import msgspec

from connectors.reading import Unreadable
from streams.envelope import Refusal, read
from streams.ids import valid_id
from streams.money import Amount, BadAmount, UnknownAsset, decoder, exponent_of, format_minor

SOURCE = "treasury"
Channel = Literal["email", "sms", "push", "whatsapp"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
Value = str | int | bool
_EMAIL_CHARS_MAX = 254
_email = re.compile(r"[^@\s,;:<>()\"\\]{1,64}@[^@\s,;:<>()\"\\]{1,253}").fullmatch
_phone = re.compile(r"\+?([1-9][0-9]{7,14})").fullmatch
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to write to, and the channels they may be written to by; an address may be empty.

    A phone is international (E.164), with or without its plus. Raises ValueError for an address
    that is none, without repeating it. Nobody is reached by push: a device is no contact.
    """

    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    channels: tuple[Channel, ...] = ("email", "sms")

    def __post_init__(self) -> None:
        if self.email and not _is_email(self.email):
            raise ValueError("contact: email is no address")
        if self.phone and not _phone(self.phone):
            raise ValueError("contact: phone is no international number")
        if not set(self.channels) <= set(CHANNELS):
            raise ValueError("contact: channels has one that is not known")

    def address(self, channel: Channel) -> str:
        """Where they are reached by a channel; empty where they are not, or do not want it."""
        if channel not in self.channels:
            return ""
        if channel == "email":
            return self.email
        if channel in {"sms", "whatsapp"} and self.phone:
            return f"+{self.phone.removeprefix('+')}"
        return ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of one channel; `key` is the same for the same event and channel, always."""

    key: str
    tenant_id: str
    channel: Channel
    template: str
    to: tuple[str, ...] = field(repr=False)
    data: Mapping[str, Value]
    metadata: Mapping[str, str]


class _Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """What `treasury.invoice.created` and `treasury.invoice.due` both tell."""

    invoice_id: str
    amount: Amount
    currency: str
    due_date: str = ""
    customer_id: str = ""
    order_id: str = ""


class _Created(_Invoice, frozen=True, kw_only=True):
    tax_amount: Amount | None = None


class _Due(_Invoice, frozen=True, kw_only=True):
    """`step_days` are counted from the due date: before it they are negative."""

    step_days: int
    overdue: bool = False
    final: bool = False


class _Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What both ends of a payment tell."""

    payment_id: str
    amount: Amount
    currency: str
    order_id: str = ""
    provider: str = ""


class _Success(_Payment, frozen=True, kw_only=True):
    provider_reference: str = ""
    invoice_id: str = ""
    late: bool = False


class _Failed(_Payment, frozen=True, kw_only=True):
    reason: str = ""
    final: bool = False


class _Written(NamedTuple):
    template: str
    reference_type: Literal["invoice", "payment"]
    reference_id: str
    data: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Letter:
    """What an event says, before anybody is known whom it is said to."""

    event_id: str
    tenant_id: str
    template: str
    reference_type: Literal["invoice", "payment"]
    reference_id: str
    data: Mapping[str, Value]


def letter_of(event: bytes) -> Letter | None:
    """What people are told of an event; None for one that nobody is told of.

    Raises `Unreadable` for an invalid envelope, or data that lacks what a person has to be
    told.
    """
    envelope = read(event)
    if isinstance(envelope, Refusal):
        raise Unreadable(str(envelope))
    write = _LETTERS.get(envelope.event_type)
    if write is None:
        return None
    written = _written(write, envelope.data)
    return Letter(envelope.event_id, envelope.tenant_id, *written)


def messages_of(
    event: bytes, contacts: Sequence[Contact], about: Mapping[str, str] = _NOTHING
) -> tuple[Message, ...]:
    """What is to be sent about an event: one message for each channel that reaches anybody.

    None for an event that nobody is told of. `about` is what templates may show besides (the
    tenant's name, the address of an invoice's page); what the event says comes first. Raises
    `Unreadable` as `letter_of`.
    """
    letter = letter_of(event)
    if letter is None:
        return ()
    metadata = {
        "source_service": SOURCE,
        "reference_type": letter.reference_type,
        "reference_id": letter.reference_id,
    }
    return tuple(
        Message(
            key_of(letter.event_id, channel),
            letter.tenant_id,
            channel,
            letter.template,
            to,
            {**about, **letter.data},
            metadata,
        )
        for channel in CHANNELS
        if (to := _reached(contacts, channel))
    )


def key_of(event_id: str, channel: Channel) -> str:
    """The idempotency key of what is said about an event by a channel."""
    return f"{event_id}.{channel}"


def encoded(message: Message) -> bytes:
    """The body of its request."""
    return msgspec.json.encode(
        {
            "channel": message.channel,
            "tenant": message.tenant_id,
            "template": message.template,
            "to": message.to,
            "data": message.data,
            "metadata": message.metadata,
        }
    )


def for_people(amount: str, currency: str) -> str:
    """Decimal text as it is read by people: `KES 1,500.00`."""
    sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
    whole, point, decimals = digits.partition(".")
    return f"{currency} {sign}{int(whole):,}{point}{decimals}"


# -- letters --------------------------------------------------------------------------------------


def _created(data: bytes) -> _Written:
    said = decoder(_Created).decode(data)
    told = _of_invoice(said)
    if said.tax_amount is not None:
        told |= _money("tax_amount", said.tax_amount, said.currency)
    return _Written("invoice_created", "invoice", said.invoice_id, told)


def _due(data: bytes) -> _Written:
    """A reminder until the due date is over, dunning from then on."""
    said = decoder(_Due).decode(data)
    template = "dunning" if said.step_days > 0 else "payment_reminder"
    step = {"step_days": said.step_days, "overdue": said.overdue, "final": said.final}
    return _Written(template, "invoice", said.invoice_id, {**_of_invoice(said), **step})


def _success(data: bytes) -> _Written:
    said = decoder(_Success).decode(data)
    told: dict[str, Value] = {
        "provider_reference": said.provider_reference,
        "invoice_id": said.invoice_id,
        "late": said.late,
    }
    return _Written("payment_receipt", "payment", said.payment_id, {**_of_payment(said), **told})


def _failed(data: bytes) -> _Written:
    said = decoder(_Failed).decode(data)
    told: dict[str, Value] = {"reason": said.reason, "final": said.final}
    return _Written("payment_failed", "payment", said.payment_id, {**_of_payment(said), **told})


_LETTERS: Mapping[str, Callable[[bytes], _Written]] = {
    "treasury.invoice.created": _created,
    "treasury.invoice.due": _due,
    "treasury.payment.success": _success,
    "treasury.payment.failed": _failed,
}
TOLD = frozenset(_LETTERS)
"""Types of events that people are told of."""


def _written(write: Callable[[bytes], _Written], data: bytes) -> _Written:
    try:
        letter = write(data)
    except UnknownAsset as error:
        raise Unreadable("a currency that is not known") from error
    except BadAmount as error:
        raise Unreadable(f"an invalid amount: {error.reason}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no such data: {error}") from error
    if not valid_id(letter.reference_id):
        raise Unreadable("an invalid id")
    return letter


def _of_invoice(said: _Invoice) -> dict[str, Value]:
    return {
        "invoice_id": said.invoice_id,
        "order_id": said.order_id,
        "customer_id": said.customer_id,
        "due_date": said.due_date,
        **_money("amount", said.amount, said.currency),
        "currency": said.currency,
    }


def _of_payment(said: _Payment) -> dict[str, Value]:
    return {
        "payment_id": said.payment_id,
        "order_id": said.order_id,
        "provider": said.provider,
        **_money("amount", said.amount, said.currency),
        "currency": said.currency,
    }


def _money(name: str, amount: Amount, currency: str) -> dict[str, Value]:
    """An amount with all its decimals, and so as people read it."""
    text = format_minor(amount.minor(currency), exponent_of(currency))
    return {name: text, f"{name}_text": for_people(text, currency)}


def _reached(contacts: Iterable[Contact], channel: Channel) -> tuple[str, ...]:
    """Addresses of a channel, each once, in the order of the contacts."""
    found = dict.fromkeys(contact.address(channel) for contact in contacts)
    return tuple(address for address in found if address)


def _is_email(text: str) -> bool:
    return len(text) <= _EMAIL_CHARS_MAX and text.isprintable() and bool(_email(text))
