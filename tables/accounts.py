"""What a tenant has said of one of its accounts.

States: none. Guarantees: where overdraft is not allowed, no command of a person takes more out of
the account than is available. Constraints: facts (a sale, a provider's word) are never refused for
it: the books show what is so.
"""

from tables.row import Row, register


@register
class AccountRule(Row, frozen=True):
    """One account in one asset; an account that nothing was said of may be overdrawn."""

    KIND = "ar"
    KEY = ("tenant_id", "account", "asset")

    tenant_id: str
    account: str
    asset: str
    overdraft: bool = True
    metadata: dict[str, str] = {}
    version: int = 1
