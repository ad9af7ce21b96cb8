"""The streams and our durable consumers, as they must be.

A client library neither applies nor compares a configuration to what is there already; this file
does. It creates what is missing and refuses what differs: changing a stream is for people.
"""

from collections.abc import Iterable
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    ReplayPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError, NotFoundError, ServerError

from streams.errors import Misconfigured

OUTBOUND, INBOUND, CONSUMER = "TREASURY_OUT", "TREASURY_IN", "treasury-bridge"
REPORTS, REPORTS_CONSUMER = "TREASURY_REPORTS", "treasury-reports"
OUTBOUND_SUBJECTS = ("treasury.>",)
INBOUND_SUBJECTS = ("auth.>", "cafe.>", "pos.>", "logistics.>", "inventory.>", "projects.>")
_DAY_S = 24 * 3600.0
OUTBOUND_KEPT_S = 7 * _DAY_S
INBOUND_KEPT_S = 30 * _DAY_S  # also the longest time that we may be away
DUPLICATE_WINDOW_S = 120.0
# All workers share it, and each bounds itself (at most 20,000 messages, 8 MB): this bound is not
# the one to reach first, or a worker whose partitions wait would leave the others nothing.
MAX_ACK_PENDING = 4 * 20_000
REPORTS_ACK_PENDING = 1_000

_STREAM_FIELDS = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "num_replicas",
    "max_age",
    "max_msgs",
    "max_bytes",
    "max_msgs_per_subject",
    "max_msg_size",
    "duplicate_window",
    "no_ack",
)
_CONSUMER_FIELDS = (
    "ack_policy",
    "ack_wait",
    "max_deliver",
    "max_ack_pending",
    "deliver_policy",
    "replay_policy",
    "filter_subject",
    "filter_subjects",
    "deliver_subject",
    "backoff",
    "headers_only",
    "inactive_threshold",
)


def outbound_stream(*, replicas: int = 1) -> StreamConfig:
    """Where sister services read what we say; kept for a week."""
    return _stream(OUTBOUND, OUTBOUND_SUBJECTS, replicas, OUTBOUND_KEPT_S)


def inbound_stream(*, replicas: int = 1) -> StreamConfig:
    """What sister services tell us; kept for a month whether or not we have read it."""
    return _stream(INBOUND, INBOUND_SUBJECTS, replicas, INBOUND_KEPT_S)


def reports_stream(subject: str, *, replicas: int = 1) -> StreamConfig:
    """What the notifications service reports, where nobody else keeps it."""
    return _stream(REPORTS, (subject,), replicas, OUTBOUND_KEPT_S)


def reports_consumer(subject: str, *, ack_wait_s: float = 30.0) -> ConsumerConfig:
    """Our place among reports, in whosever stream they are."""
    return ConsumerConfig(
        durable_name=REPORTS_CONSUMER,
        filter_subject=subject,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        replay_policy=ReplayPolicy.INSTANT,
        ack_wait=ack_wait_s,
        max_deliver=-1,
        max_ack_pending=REPORTS_ACK_PENDING,
    )


def inbound_consumer(
    *, ack_wait_s: float = 30.0, max_ack_pending: int = MAX_ACK_PENDING
) -> ConsumerConfig:
    """Our place in the inbound stream: from the first message on, and never giving one up."""
    return ConsumerConfig(
        durable_name=CONSUMER,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        replay_policy=ReplayPolicy.INSTANT,
        ack_wait=ack_wait_s,
        max_deliver=-1,
        max_ack_pending=max_ack_pending,
    )


async def ensure_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Create the stream, or raise `Misconfigured` naming each setting that differs."""
    try:
        info = await jetstream.stream_info(wanted.name)
    except NotFoundError:
        try:
            # Adding the same stream twice is no error: several workers start at once.
            info = await jetstream.add_stream(wanted)
        except (BadRequestError, ServerError) as error:
            raise Misconfigured(f"stream {wanted.name}: {error.description}") from error
    _compare(f"stream {wanted.name}", info.config, wanted, _STREAM_FIELDS)


async def ensure_consumer(jetstream: JetStreamContext, stream: str, wanted: ConsumerConfig) -> None:
    """Create the durable consumer, or raise `Misconfigured` naming each setting that differs."""
    name = wanted.durable_name
    try:
        info = await jetstream.consumer_info(stream, name)
    except NotFoundError:
        try:
            info = await jetstream.add_consumer(stream, wanted)
        except (BadRequestError, ServerError) as error:
            raise Misconfigured(f"consumer {stream}/{name}: {error.description}") from error
    _compare(f"consumer {stream}/{name}", info.config, wanted, _CONSUMER_FIELDS)


def _stream(name: str, subjects: tuple[str, ...], replicas: int, kept_s: float) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=list(subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        num_replicas=replicas,
        max_age=kept_s,
        max_msgs=-1,
        max_bytes=-1,
        max_msgs_per_subject=-1,
        max_msg_size=-1,
        duplicate_window=DUPLICATE_WINDOW_S,
        no_ack=False,
    )


def _compare(what: str, found: Any, wanted: Any, fields: Iterable[str]) -> None:
    differing = [
        f"{field} is {_plain(getattr(found, field))}, not {_plain(getattr(wanted, field))}"
        for field in fields
        if _plain(getattr(found, field)) != _plain(getattr(wanted, field))
    ]
    if differing:
        raise Misconfigured(f"{what}: " + "; ".join(differing))


def _plain(value: Any) -> Any:
    """One form for what the server leaves out and what it answers as text."""
    if isinstance(value, list):
        return sorted(value) or None
    return getattr(value, "value", value) or None
