"""Cash drawers of outlets, from one closing to the next.

A session is what lies between two closings. States: closed, and counted anew whenever a late sale
shows that more was in it. Guarantees: expected = float + cash moved ours + paid in - paid out -
drops; the drawer's account holds what was counted less what was deposited, plus what moved since.
Constraints: a closing belongs to an outlet and a moment, and comes once, also under its own id.
"""

from tables.row import Row, register


@register
class CashMoves(Row, frozen=True):
    """Cash that came (or went, below zero) in one minute of an outlet: second and minor units."""

    KIND = "cm"

    tenant_id: str
    outlet_id: str
    asset: str
    minute: int
    moves: tuple[tuple[int, int], ...] = ()

    @property
    def key(self) -> bytes:
        """(outlet, asset, minute in order)."""
        return moves_key(self.tenant_id, self.outlet_id, self.asset, self.minute)


def moves_key(tenant_id: str, outlet_id: str, asset: str, minute: int) -> bytes:
    """The key of one minute's moves."""
    return f"cm\x00{tenant_id}\x00{outlet_id}\x00{asset}\x00{minute:09d}".encode()


@register
class Drawer(Row, frozen=True):
    """The drawer of an outlet: until when it was closed last (milliseconds), 0 if never."""

    KIND = "dw"
    KEY = ("tenant_id", "outlet_id", "asset")

    tenant_id: str
    outlet_id: str
    asset: str
    closed_ms: int = 0


@register
class DrawerSession(Row, frozen=True):
    """One closing of a drawer; all amounts minor units. `moved` is what our books say came in.

    `carried` is what the closing before it left inside, `float_minor` what the till says it began
    with (None: nothing said, so the same).
    """

    KIND = "ds"

    tenant_id: str
    outlet_id: str
    asset: str
    closed_ms: int
    session_id: str
    counted: int
    deposit: int = 0
    paid_in: int = 0
    paid_out: int = 0
    drops: int = 0
    float_minor: int | None = None
    carried: int = 0
    moved: int = 0
    version: int = 1
    status: str = "closed"

    @property
    def key(self) -> bytes:
        """(outlet, asset, time in order)."""
        return session_key(self.tenant_id, self.outlet_id, self.asset, self.closed_ms)

    @property
    def begun_with(self) -> int:
        """The float."""
        return self.carried if self.float_minor is None else self.float_minor

    @property
    def expected(self) -> int:
        """What should have been inside."""
        return self.begun_with + self.moved + self.paid_in - self.paid_out - self.drops

    @property
    def left(self) -> int:
        """What stayed inside for the next session."""
        return self.counted - self.deposit


@register
class DrawerClosing(Row, frozen=True):
    """The closing (milliseconds) that a till's own id of a session names, to know it again."""

    KIND = "dc"
    KEY = ("tenant_id", "outlet_id", "asset", "session_id")

    tenant_id: str
    outlet_id: str
    asset: str
    session_id: str
    closed_ms: int


def session_key(tenant_id: str, outlet_id: str, asset: str, closed_ms: int) -> bytes:
    """The key of the session closed then."""
    return f"ds\x00{tenant_id}\x00{outlet_id}\x00{asset}\x00{closed_ms:015d}".encode()
