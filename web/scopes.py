"""Scopes of access tokens: what a caller may do within its own tenant, and nowhere else."""

PAYMENTS_READ = "payments:read"
PAYMENTS_WRITE = "payments:write"
PAYMENTS_CASH = "payments:cash"
"""Say that a person took cash: the only confirmation that no provider proves."""
BALANCES_READ = "balances:read"
INVOICES_READ = "invoices:read"
ENTRIES_READ = "entries:read"
EVENTS_READ = "events:read"
EVENTS_WRITE = "events:write"

ALL = (
    PAYMENTS_READ,
    PAYMENTS_WRITE,
    PAYMENTS_CASH,
    BALANCES_READ,
    INVOICES_READ,
    ENTRIES_READ,
    EVENTS_READ,
    EVENTS_WRITE,
)
