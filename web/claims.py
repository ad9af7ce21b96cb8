"""What a verified token or key says of its bearer."""

from dataclasses import dataclass

SUPERUSER = "superuser"
"""The role of the platform's own people: tier-1 configuration of any tenant, and nothing else."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who calls, for which tenant, and what they may do there."""

    subject: str
    tenant_id: str
    scopes: frozenset[str]
    roles: frozenset[str] = frozenset()
    name: str = ""
    email: str = ""

    @property
    def is_superuser(self) -> bool:
        """Whether they may configure any tenant."""
        return SUPERUSER in self.roles
