"""Balances and holds of accounts.

States of a hold: held → captured | released | expired; a balance has none. Guarantees: `debits` and
`credits` only grow; over all accounts of a tenant and asset they are equal; a hold counts against
what is available exactly once, until it ends. Constraints: an account comes into being with its
first posting and never goes; a hold's amount and account never change.
"""

from tables.row import Row, register


@register
class Balance(Row, frozen=True):
    """One account in one asset; all amounts in minor units."""

    KIND = "ba"

    tenant_id: str
    account: str
    asset: str
    debits: int = 0
    credits: int = 0
    pending_debits: int = 0
    pending_credits: int = 0
    version: int = 0

    @property
    def key(self) -> bytes:
        """(tenant, account, asset)."""
        return f"ba\x00{self.tenant_id}\x00{self.account}\x00{self.asset}".encode()

    @property
    def posted(self) -> int:
        """Debits less credits: positive on the debit side."""
        return self.debits - self.credits


@register
class Hold(Row, frozen=True):
    """An amount set aside on an account: `minor` > 0 reserves debits, < 0 reserves credits."""

    KIND = "ho"
    KEY = ("tenant_id", "hold_id")

    tenant_id: str
    hold_id: str
    account: str
    asset: str
    minor: int
    captured: int = 0
    status: str = "held"  # held → captured | released | expired
    expires_ms: int = 0
