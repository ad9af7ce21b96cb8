"""The bridge: JetStream to `treasury.inbound`, at least once, in order per partition.

NATS is told that a message is done only when the archive (or the journal) has it. What cannot be
an event enters the log too, as a refused record with its raw bytes, so that nothing is lost and
the writer alone keeps the dead letters.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from agents.roles.counters import BRIDGED
from agents.roles.inlet import Inlet
from agents.roles.lanes import Carried, Lane, Progress
from agents.roles.outages import is_outage, together, uninterrupted
from agents.roles.pulling import Puller
from streams.envelope import Refusal, read
from streams.partitioner import partition_of
from streams.signals import crash_here

MAX_ENVELOPE_BYTES = 900_000
KEPT_BYTES = 64 * 1024  # of a message that does not fit into an inbound record
BATCH = 2_000
IN_FLIGHT_MESSAGES, IN_FLIGHT_BYTES = 20_000, 8 * 1024 * 1024
ACK_WAIT_S = 30.0
SUSPICIOUS_S = 30.0
PRESSED_POLL_S = 0.5
YIELD_EVERY = 200
_GIVE_BACK, _IN_PROGRESS = b"-NAK", b"+WPI"

log = structlog.get_logger(__name__)


def judge(subject: str, raw: bytes, partitions: int) -> tuple[int, str]:
    """(partition, reason to refuse it or empty) of a message; knows no types, no tenants."""
    if len(raw) > MAX_ENVELOPE_BYTES:
        return _any_partition(raw, partitions), "too_large"
    envelope = read(raw)
    if isinstance(envelope, Refusal):
        return _any_partition(raw, partitions), _reason(envelope)
    partition = partition_of(envelope.tenant_id, partitions)
    return partition, "" if envelope.event_type == subject else "subject_mismatch"


def kept(raw: bytes) -> bytes:
    """What a refused message leaves in the log: itself, or a JSON object that describes it.

    {"truncated": true, "size_bytes", "sha256" (hex, of the whole), "begins_with" (base64)}
    """
    if len(raw) <= MAX_ENVELOPE_BYTES:
        return raw
    return msgspec.json.encode(
        {
            "truncated": True,
            "size_bytes": len(raw),
            "sha256": hashlib.sha256(raw).hexdigest(),
            "begins_with": base64.b64encode(raw[:KEPT_BYTES]).decode(),
        }
    )


def _reason(refusal: Refusal) -> str:
    """Fit for a Kafka header: short, ASCII."""
    return str(refusal).encode("ascii", "replace").decode()[:200]


def _any_partition(raw: bytes, partitions: int) -> int:
    """The same one whenever the same bytes come, so that their repeats meet."""
    return int.from_bytes(hashlib.sha256(raw).digest()[:8], "big") % partitions


class Bridge:
    """One worker's part of the durable consumer; several workers may run one each.

    Fetches nothing while `pressed` says that no more can be remembered.
    """

    def __init__(
        self,
        client: Client,
        inlet: Inlet,
        progress: Progress,
        *,
        stream: str,
        consumer: str,
        partitions: int,
        ensure_consumer: Callable[[], Awaitable[None]],
        pressed: Callable[[], bool] = lambda: False,
        max_messages: int = IN_FLIGHT_MESSAGES,
        max_bytes: int = IN_FLIGHT_BYTES,
        ack_wait_s: float = ACK_WAIT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._puller = Puller(client, stream, consumer)
        self._ensure_consumer = ensure_consumer
        self._pressed = pressed
        self._partitions = partitions
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._ack_wait_s = ack_wait_s
        self._monotonic_s = monotonic_s
        self._lanes = [
            Lane(partition, inlet, progress, self._settle) for partition in range(partitions)
        ]
        self._in_flight: dict[str, Carried] = {}  # by ack subject, least recently touched first
        self._bytes = 0
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Carry messages for ever; on cancellation, what is not safe goes back to NATS."""
        await self._puller.start()
        try:
            async with together() as tasks:
                for lane in self._lanes:
                    tasks.create_task(uninterrupted(lane.append_for_ever()))
                    tasks.create_task(uninterrupted(lane.settle_for_ever()))
                tasks.create_task(uninterrupted(self._keep_alive()))
                tasks.create_task(uninterrupted(self._carry()))
        finally:
            await self._puller.stop()
            await self._settle(list(self._in_flight.values()), safe=False)

    # -- from NATS ----------------------------------------------------------------------------

    async def _carry(self) -> None:
        heard_s = self._monotonic_s()
        while True:
            if self._puller.idle:
                await self._ask()
            messages = await self._puller.take()
            if messages:
                crash_here("S1")
                await self._distribute(messages)
                heard_s = self._monotonic_s()
            elif self._puller.trouble or self._monotonic_s() - heard_s > SUSPICIOUS_S:
                await self._look_after_consumer()
                heard_s = self._monotonic_s()

    async def _ask(self) -> None:
        """Ask for more, once there is room for it and nobody is `pressed`.

        What is in flight goes on meanwhile, and so does time: our own events enter elsewhere.
        """
        while self._pressed():  # noqa: ASYNC110  what presses sends no signal
            await asyncio.sleep(PRESSED_POLL_S)
        least = self._puller.least_bytes
        while self._in_flight and (
            len(self._in_flight) >= self._max_messages or self._bytes + least > self._max_bytes
        ):
            self._room.clear()
            await self._room.wait()
        count = min(BATCH, self._max_messages - len(self._in_flight))
        await self._puller.ask(count, max(least, self._max_bytes - self._bytes))

    async def _distribute(self, messages: list[Msg]) -> None:
        now_s = self._monotonic_s()
        for number, message in enumerate(messages, start=1):
            partition, refused = judge(message.subject, message.data, self._partitions)
            value = kept(message.data) if refused else message.data
            BRIDGED.labels("refused" if refused else "carried").inc()
            if message.reply in self._in_flight:
                continue
            carried = Carried(message.reply, value, refused, now_s)
            self._in_flight[message.reply] = carried
            self._bytes += len(value)
            self._lanes[partition].add(carried)
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _look_after_consumer(self) -> None:
        """Silence or a refusal: the consumer may be gone, which no fetch would tell for sure."""
        if self._puller.trouble:
            log.warning("pull refused", trouble=self._puller.trouble)
        try:
            await self._ensure_consumer()
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("consumer cannot be looked at", error=repr(error))
        await asyncio.sleep(1)

    # -- back to NATS -------------------------------------------------------------------------

    async def _settle(self, carried: list[Carried], safe: bool) -> None:
        for number, each in enumerate(carried, start=1):
            await self._tell(each, b"" if safe else _GIVE_BACK)
            if self._in_flight.pop(each.reply, None) is not None:
                self._bytes -= len(each.value)
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        self._room.set()

    async def _keep_alive(self) -> None:
        """Tell NATS of messages that wait long, before it delivers them again."""
        while True:
            await asyncio.sleep(self._ack_wait_s / 10)
            if self._client.is_connected:
                await self._touch_before(self._monotonic_s() - self._ack_wait_s / 2)

    async def _touch_before(self, limit_s: float) -> None:
        while self._in_flight:
            oldest = next(iter(self._in_flight.values()))
            if oldest.touched_s > limit_s:
                return
            oldest.touched_s = self._monotonic_s()
            self._in_flight[oldest.reply] = self._in_flight.pop(oldest.reply)
            await self._tell(oldest, _IN_PROGRESS)

    async def _tell(self, carried: Carried, answer: bytes) -> None:
        """Best effort: a lost answer means another delivery, which is a duplicate."""
        try:
            await self._client.publish(carried.reply, answer)
        except (NatsError, OSError) as error:
            log.debug("answer to NATS lost", error=repr(error))
