"""Errors of the pipes. A business refusal is a value (agents/effects.py), never one of these.

TreasuryError
├── JournalBroken      the journal contradicts itself: stop reading, raise an alarm
├── LogBetrayed        Kafka lost or replaced what we decided on: only restore or rebase goes on
├── Fenced             another writer owns the partition: exit without answering
├── OutcomeUnknown     an append was sent and its fate is not known: exit, recover, never guess
├── Misconfigured      a setting or a topic is not what safety needs: refuse to start
├── Unreadable         a secret does not open: other key, other place, or changed: never use it
└── Unavailable        a part we depend on does not answer now: wait and try again
"""


class TreasuryError(Exception):
    """Base of all our errors."""


class JournalBroken(TreasuryError):
    """The journal contradicts itself."""


class LogBetrayed(TreasuryError):
    """Kafka lost or replaced records that were decided on; names the command to run."""


class Fenced(TreasuryError):
    """Another writer owns the partition."""


class OutcomeUnknown(TreasuryError):
    """An append was sent and its fate is not known."""


class Misconfigured(TreasuryError):
    """A setting, a topic or a schema is not what safety needs."""


class Unreadable(TreasuryError):
    """A secret does not open; says nothing of it, nor which part of it is wrong."""


class Unavailable(TreasuryError):
    """A part we depend on does not answer now."""
