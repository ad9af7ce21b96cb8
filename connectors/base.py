"""What every gateway looks like from inside: two verbs, one result, three ways to have none.

A connector speaks to one provider and decides nothing: no retries, no money, no rows.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal["succeeded", "failed", "pending", "unknown"]
NOT_FOUND = "not_found"
"""The detail of an unknown result when the provider says that it has no such call (yet)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the provider says of one call; `amount_minor` in minor units of `asset`, if it says.

    `failure` is a short stable word for callers, `detail` is for people. A provider status that
    is not known here is `pending`: only its explicit word is success or failure.
    """

    outcome: Outcome
    provider_reference: str = ""
    amount_minor: int | None = None
    asset: str = ""
    failure: str = ""
    detail: str = ""


class CallError(Exception):
    """A call that has no result; `reason` is a short word, never the request or a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(CallError):
    """Nothing reached the provider, for certain: no connection was made."""


class Ambiguous(CallError):
    """The provider may have done it: no answer in time, a broken connection, a server error."""


class Refused(CallError):
    """The provider would not hear this request. It did not do it, this time.

    Says nothing of an earlier attempt with the same key.
    """


class Connector(Protocol):
    """One gateway. Both verbs raise a `CallError` when there is no result."""

    @property
    def name(self) -> str:
        """The gateway's name in calls."""

    @property
    def key_lifetime_s(self) -> float:
        """How long the provider treats a repeat with the same key as the same call; 0: never."""

    async def perform(self, operation: str, key: str, request: bytes) -> Result:
        """Do it; `key` is the idempotency key, `request` the JSON of the journaled call."""

    async def query(self, operation: str, key: str, request: bytes) -> Result:
        """What became of the call with this key; unknown with `NOT_FOUND` if there is none."""
