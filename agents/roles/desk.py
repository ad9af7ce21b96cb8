"""What the web layer sees of the writers: ask, answer, read. Implemented by `writers.Writers`.

Reads are of committed rows only; a command is answered after its journal record is committed
(and archived, when so configured).
"""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from agents.registry import View
from agents.roles.watching import Watch
from streams.errors import Unavailable
from streams.journal import Entry


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an event that was decided here; (partition, seq) is its position."""

    entry: Entry
    partition: int
    seq: int


class NotServing(Unavailable):
    """The partition is recovering, or moving between workers: try again in a moment."""


class Elsewhere(Unavailable):
    """Another worker owns the tenant's partition; `url` is where its web layer listens."""

    def __init__(self, url: str) -> None:
        super().__init__(f"owned by {url}")
        self.url = url


class AnswerUnknown(Unavailable):
    """The command is in the log, but its answer did not come in time: ask again, never assume."""


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """How a partition fares here; `lag` counts inbound records not yet decided."""

    partition: int
    state: str  # recovering | serving
    seq: int
    lag: int
    checkpoint_age_s: float
    throttled: bool = False  # waits for the archive: no stall of its own


class Desk(Protocol):
    """The writers of this process."""

    @property
    def partitions(self) -> int:
        """P, fixed at creation."""

    def statuses(self) -> list[PartitionStatus]:
        """The partitions assigned to this process."""

    async def decide(
        self,
        tenant_id: str,
        event_id: str,
        envelope: bytes,
        *,
        timeout_s: float,
        ingress: str = "http",
    ) -> Decision:
        """Append an envelope and wait for what becomes of it.

        Raises Elsewhere, NotServing (nothing was appended) or AnswerUnknown (it was).
        """

    def watch(self, tenant_id: str, prefix: bytes) -> AbstractContextManager[Watch]:
        """A watch over the tenant's rows under `prefix`. Raises Elsewhere or NotServing."""

    def view(self, tenant_id: str) -> AbstractAsyncContextManager[View]:
        """The tenant's rows as committed now. Raises Elsewhere or NotServing."""
