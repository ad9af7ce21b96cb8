"""Purchase orders as goods come in and bills for them; grni = Σ received - cleared by bills.

States: none, an order is open as long as goods or bills may come. Guarantees: what bills clear
never exceeds what was received, so grni never has the wrong sign; the order of goods and bill does
not matter. Constraints: one currency per order.
"""

import msgspec

from tables.row import Row, register


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One item of an order: quantities in millionths, `price` minor units for one, value = Σ."""

    item_id: str
    received: int = 0
    value: int = 0
    billed: int = 0
    cleared: int = 0


@register
class Purchase(Row, frozen=True):
    """One purchase order; `received` and `cleared` minor units at the order's prices."""

    KIND = "pu"
    KEY = ("tenant_id", "order_id")

    tenant_id: str
    order_id: str
    supplier_id: str
    asset: str
    received: int = 0
    cleared: int = 0
    items: tuple[Item, ...] = ()
    waiting: tuple[str, ...] = ()
    project_id: str = ""
    version: int = 1
    created_ms: int = 0

    @property
    def unbilled(self) -> int:
        """Received and not billed, minor units."""
        return self.received - self.cleared
