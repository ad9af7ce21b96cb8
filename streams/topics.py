"""The four topics and what must be true of them. Creates nothing by itself (compose does)."""

from collections.abc import Mapping
from dataclasses import dataclass

JOURNAL_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Topic:
    """A topic's name and the broker-side settings that safety depends on."""

    name: str
    config: Mapping[str, str]


@dataclass(frozen=True)
class Topics:
    """The names under one prefix; every topic has the same number of partitions.

    The changelog's name is Faust's: application id, table name, `changelog`.
    """

    prefix: str = "treasury"

    @property
    def inbound(self) -> Topic:
        """The one log that every fact enters; received_at is its LogAppendTime."""
        return Topic(
            f"{self.prefix}.inbound",
            {**_LOG, "message.timestamp.type": "LogAppendTime", "max.message.bytes": "1048588"},
        )

    @property
    def journal(self) -> Topic:
        """The commit point: one record per micro-batch."""
        return Topic(
            f"{self.prefix}.journal", {**_LOG, "max.message.bytes": str(JOURNAL_MAX_BYTES)}
        )

    @property
    def changelog(self) -> Topic:
        """The table's rows and the checkpoint row; compacted, so never a place of history."""
        config = {**_SAFE, "cleanup.policy": "compact", "max.message.bytes": str(JOURNAL_MAX_BYTES)}
        return Topic(f"{self.prefix}-state-changelog", config)

    @property
    def events(self) -> Topic:
        """Outbound events for Kafka consumers; a copy of what NATS carries."""
        return Topic(f"{self.prefix}.events", {**_SAFE, "cleanup.policy": "delete"})

    def all(self) -> tuple[Topic, ...]:
        """Every topic, in the order they are created."""
        return (self.inbound, self.journal, self.changelog, self.events)


_SAFE = {"unclean.leader.election.enable": "false"}
_LOG = {**_SAFE, "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
