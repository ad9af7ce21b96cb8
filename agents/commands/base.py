"""What commands share: who says it, and how the row they leave is answered."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from agents.effects import Answer, Effect, Unfit
from agents.registry import View
from agents.shown import shown
from agents.words import OptionalId
from streams.money import Amount
from tables.row import Row

R = TypeVar("R", bound=Row)


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """Base of all commands; `actor` is the subject of the caller's token."""

    actor: OptionalId = ""


def answered(row: Row, status: int = 200) -> Iterator[Effect]:
    """The reply shows the row as the effects before it left it."""
    yield Answer(status, shown(row))


def found(view: View, kind: type[R], tenant_id: str, row_id: str, *, name: str = "") -> R:
    """The row that a command is about. Raises Unfit (404) if the tenant has none of this id.

    `name` is what people call it, if that is not the kind's own name.
    """
    row = view.row(kind, tenant_id, row_id)
    if row is None:
        raise unknown(name or kind.__name__.lower())
    return row


def unknown(what: str) -> Unfit:
    """404 for an id that the tenant does not have."""
    return Unfit(f"{what}_unknown", http_status=404)


def demand(condition: object, reason: str, detail: str = "", http_status: int = 409) -> None:
    """Raise Unfit unless the condition holds: nothing of the command happens then."""
    if not condition:
        raise Unfit(reason, detail, http_status)


def positive(given: Amount, asset: str) -> int:
    """Minor units of an amount above zero. Raises Unfit or BadAmount."""
    minor = given.minor(asset)
    if minor <= 0:
        raise Unfit("amount_not_positive")
    return minor


def wanted(given: Amount | None, asset: str, otherwise: int) -> int:
    """Minor units of an amount above zero, or those that are meant if none is given."""
    return positive(given, asset) if given is not None else otherwise


def not_below_zero(given: Amount | None, asset: str) -> int:
    """Minor units of an amount of at least zero, 0 if there is none. Raises Unfit or BadAmount."""
    minor = given.minor(asset) if given is not None else 0
    if minor < 0:
        raise Unfit("amount_not_positive")
    return minor


def same(view: View, kind: type[R], tenant_id: str, *parts: str) -> R:
    """The row, which is known to be there."""
    row = view.row(kind, tenant_id, *parts)
    assert row is not None
    return row
