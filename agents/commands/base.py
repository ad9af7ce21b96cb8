"""What commands share: who says it, and how the row they leave is answered."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from agents.effects import Answer, Effect, Refuse, Unfit
from agents.registry import View
from agents.shown import shown
from agents.words import OptionalId
from streams.money import Amount
from tables.row import Row

R = TypeVar("R", bound=Row)


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """Base of all commands; `actor` is the subject of the caller's token."""

    actor: OptionalId = ""


def answered(row: Row | None, status: int = 200) -> Iterator[Effect]:
    """The reply shows the row as the effects before it left it."""
    assert row is not None
    yield Answer(status, shown(row))


def unknown(what: str) -> Refuse:
    """404 for an id that the tenant does not have."""
    return Refuse(f"{what}_unknown", http_status=404)


def positive(given: Amount, asset: str) -> int:
    """Minor units of an amount above zero. Raises Unfit or BadAmount."""
    minor = given.minor(asset)
    if minor <= 0:
        raise Unfit("amount_not_positive")
    return minor


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
