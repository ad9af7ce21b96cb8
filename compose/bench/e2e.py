"""e2e: published to NATS, decided, archived, projected, and on NATS again as treasury.*.

Whole workers, every role on. Throughput is of a flood: from the first publication until every
reader of the archive has come to its end. Latency is open-loop at half of that: from the time an
event was due to be published to the arrival of what it caused, from the stream on disk.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import asyncpg
from nats.aio.client import Client

from agents.roles.jetstream import CONSUMER, INBOUND
from compose import seeing
from compose.bench.load import make_load, split
from compose.bench.report import BenchFailed, Options, Report, percentile
from compose.bench.stack import POLL_S, SLOWEST_EVENTS_PER_S, Installation, installation
from compose.bench.wire import Wire, frames
from compose.messaging import nats_client
from streams.envelope import Refusal
from streams.envelope import read as read_envelope
from streams.ids import derive
from tables.postgres.pool import open_pool
from tests.model.generator import Load, Message

EVENTS = 40_000
LATENCY_EVENTS_PER_S_AT_MOST = 5_000
SYNCS = ("default", "always")
CAUSED = ("treasury.invoice.created", "treasury.payment.success")
"""What an order or a sale causes at least one of."""
Tell = Callable[[str], None]


async def run(options: Options, tell: Tell) -> list[Report]:
    """At JetStream's default sync interval, then with every message synced."""
    return [await _with_sync(sync, options, tell) for sync in SYNCS]


async def _with_sync(sync: str, options: Options, tell: Tell) -> Report:
    flood = options.events or EVENTS
    paced = int(options.seconds * LATENCY_EVENTS_PER_S_AT_MOST)
    load = make_load(flood + paced, options.tenants)
    async with installation(tell, workers=options.workers, nats_sync=sync) as home:
        return await measure(home, load, flood, options.seconds, sync=sync, tell=tell)


async def measure(
    home: Installation, load: Load, flood: int, seconds: float, *, sync: str, tell: Tell
) -> Report:
    """Flood with the first `flood` messages of the load, then pace the rest for `seconds`."""
    # A contradiction must come after what it contradicts was decided, which no flood can promise.
    warm, rest = ([each for each in some if each.after is None] for some in split(load))
    async with (
        nats_client(home.settings.nats) as client,
        await open_pool(home.settings.archiver_dsn, max_size=2) as pool,
        await Wire.open(home.settings.nats, client.jetstream()) as wire,
    ):
        await wire.publisher.flood(frames(warm))
        await _settled(client, pool, len(warm))
        used_s = home.cpu_s()
        rate = await _throughput(wire, rest[:flood], client, pool, tell)
        used_s = home.cpu_s() - used_s
        tell(f"workers: {1e6 * used_s / flood:.0f} µs of processor time an event")
        some = rest[flood : flood + int(seconds * rate / 2)]
        latencies = await _latencies(wire, some, rate / 2, client, pool)
    return Report(
        f"e2e sync {sync}",
        broker=home.broker,
        events=flood,
        events_per_s=round(rate),
        p50_ms=round(1_000 * percentile(latencies, 0.5), 1),
        p99_ms=round(1_000 * percentile(latencies, 0.99), 1),
        rss_mib=home.rss_mib(),
    )


async def _throughput(
    wire: Wire, messages: Sequence[Message], client: Client, pool: asyncpg.Pool, tell: Tell
) -> float:
    data = frames(messages)
    started = time.monotonic()
    await wire.publisher.flood(data)
    published_s = time.monotonic() - started
    await _settled(client, pool, len(messages))
    seconds = time.monotonic() - started
    relayed_s = wire.listener.last_s - started
    tell(
        f"published in {published_s:.1f} s, last outbound event after {relayed_s:.1f} s,"
        f" all readers at the end after {seconds:.1f} s"
    )
    return len(messages) / seconds


async def _latencies(
    wire: Wire,
    messages: Sequence[Message],
    events_per_s: float,
    client: Client,
    pool: asyncpg.Pool,
) -> list[float]:
    """Seconds from due to there, sorted; one for each event that caused something."""
    causes = _causes(messages)
    started = await wire.publisher.pace(frames(messages), events_per_s)
    await _settled(client, pool, len(messages))
    latencies: dict[int, float] = {}
    for event_id, number in causes.items():
        came_s = wire.listener.first.get(event_id)
        if came_s is not None:
            latency_s = came_s - started - number / events_per_s
            latencies[number] = min(latency_s, latencies.get(number, latency_s))
    orders = len(set(causes.values()))
    if len(latencies) < 0.9 * orders:
        raise BenchFailed(f"only {len(latencies)} of {orders} orders caused something")
    return sorted(latencies.values())


def _causes(messages: Sequence[Message]) -> dict[bytes, int]:
    """The ids that may come out, by the number of the first message that may cause them."""
    found: dict[bytes, int] = {}
    for number, message in enumerate(messages):
        envelope = read_envelope(message.raw)
        if message.reason or isinstance(envelope, Refusal):
            continue
        for kind in CAUSED:
            event_id = derive(envelope.tenant_id, envelope.event_id, kind, 0)
            found.setdefault(event_id.encode(), number)
    return found


async def _settled(client: Client, pool: asyncpg.Pool, events: int) -> None:
    """Return when all that NATS carries is archived and every reader has come to its end.

    Unlike `seeing.decided`, without what is parked: that may wait for events yet to be sent.
    """
    within_s = 60 + events / SLOWEST_EVENTS_PER_S
    jetstream = client.jetstream()
    async with asyncio.timeout(within_s):
        while True:
            consumer = await jetstream.consumer_info(INBOUND, CONSUMER)
            if not consumer.num_pending and not consumer.num_ack_pending:
                break
            await asyncio.sleep(POLL_S)
    await seeing.read_everywhere(pool, await _archived(pool), within_s=within_s)


async def _archived(pool: asyncpg.Pool) -> dict[int, int]:
    """By partition, the seq of the last archived record."""
    rows = await pool.fetch("SELECT partition, seq FROM progress WHERE role = 'archive'")
    return {row["partition"]: row["seq"] for row in rows}
