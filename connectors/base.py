"""What every gateway looks like from inside: its verbs, one result, four ways to have none.

A connector speaks to one provider and decides nothing: no retries, no money, no rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # callbacks say how calls stand, and so name what is here
    from connectors.callbacks import Callback, Heard

Outcome = Literal["succeeded", "failed", "pending", "unknown"]
NOT_APPROVED = "not_approved"
"""The failure of a call whose payer let the time pass, where nobody but we could take the money.

It is not asked about again: asking could take it from a payer who approves too late.
"""
NOT_FOUND = "not_found"
"""The detail of an unknown result when the provider says that it has no such call (yet)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the provider says of one call; `amount_minor` in minor units of `asset`, if it says.

    `failure` is a short stable word for callers, `detail` is for people. A provider status that
    is not known here is `pending`: only its explicit word is success or failure. `handle` is the
    provider's own name of a call that is not over, to ask by; `payer_action` is what its payer
    needs to go on: an address, or a client's secret. `says` is what else the provider says that
    belongs on paper, by name.
    """

    outcome: Outcome
    provider_reference: str = ""
    amount_minor: int | None = None
    asset: str = ""
    failure: str = ""
    detail: str = ""
    handle: str = ""
    payer_action: str = ""
    says: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """One journaled call: `key` is its idempotency key, `request` its JSON.

    `told_at` is an address where the provider may tell how it ended, for this call alone, to which
    a kind is appended; `handle` is the provider's name of it, as far as one is known.
    """

    operation: str
    key: str
    request: bytes
    told_at: str = ""
    handle: str = ""


class CallError(Exception):
    """A call that has no result; `reason` is a short word, never the request or a secret.

    `retry_after_s` is how long the provider asks not to be asked again.
    """

    def __init__(self, reason: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s = reason, retry_after_s


class NotSent(CallError):
    """Nothing reached the provider, for certain: no connection was made."""


class Ambiguous(CallError):
    """The provider may have done it: no answer in time, a broken connection, a server error."""


class TurnedAway(CallError):
    """The provider is busy and would not begin. It did not do it, this time."""


class Refused(CallError):
    """The provider would not hear this request. It did not do it, this time.

    Says nothing of an earlier attempt with the same key; neither does `TurnedAway`. That is why a
    refusal is raised and only an outcome is returned. `failure` is a stable word for callers.
    """

    def __init__(self, reason: str, *, failure: str = "refused") -> None:
        super().__init__(reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of an action: words for people, and what was heard by it.

    `sealed` are secrets that the provider gave, by the member they are: whoever asked seals them
    before all else, and shows them to nobody.
    """

    says: Mapping[str, Any]
    heard: "Sequence[Heard]" = ()
    sealed: Mapping[str, str] = field(default_factory=dict)


class Connector(Protocol):
    """One gateway. Every verb but `hear` raises a `CallError` when there is no result."""

    @property
    def name(self) -> str:
        """The gateway's name in calls."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do where everything is configured that it needs."""

    @property
    def operations(self) -> frozenset[str]:
        """What it can do as it is configured; nothing else is ever asked of it."""

    @property
    def doubted(self) -> frozenset[str]:
        """Operations of which a callback is no proof: it counts once a query says the same."""

    @property
    def public(self) -> Mapping[str, str]:
        """What payers may be shown: where they pay by hand."""

    @staticmethod
    def takes(asset: str) -> bool:
        """Whether it moves money of this currency."""

    def key_lifetime_s(self, asked: Asked) -> float:
        """How long the provider treats a repeat with the same key as the same call; 0: never."""

    async def perform(self, asked: Asked) -> Result:
        """Do it."""

    async def query(self, asked: Asked) -> Result:
        """What became of the call; unknown with `NOT_FOUND` if the provider has no such call."""

    async def end(self, asked: Asked) -> Result:
        """The last look at a call whose payer has had the time there was: end it, where one can.

        Failed only if it certainly never becomes money.
        """

    @property
    def actions(self) -> frozenset[str]:
        """What people may have it do besides calls; it moves no money."""

    async def act(self, action: str, told_at: str, values: Mapping[str, str]) -> Acted:
        """Do it; `told_at` is the tenant's own address. Raises a `CallError` where it is not done,
        `Refused` with a word for who asked.
        """

    async def hear(self, callback: "Callback") -> "Heard | None":
        """What the provider tells by itself; None for what is of no concern here.

        Raises `NotBelieved` (connectors/callbacks.py), or a `CallError` while it cannot be
        verified.
        """
