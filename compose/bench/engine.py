"""engine and single: from a filled inbound log to journal and checkpoint, the archive off.

Real workers with the role writer alone. They take the tenants first, stand still while the rest
is appended, and are timed by the journal: from the first record about the rest to the last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compose.bench.journal import Decided, checkpointed, read_journal
from compose.bench.load import Records, count_of, fill, make_load, packed, single, split
from compose.bench.peers import PEERS, run_peer
from compose.bench.report import BenchFailed, Options, Report
from compose.bench.stack import Installation, ends_of, frozen, installation
from streams.inbound import Signer
from tests.model.generator import Load, Message

EVENTS = 200_000
UNARCHIVED_BYTES = 1 << 40  # nobody archives: the writer must not wait for it
Tell = Callable[[str], None]
Pack = Callable[[Sequence[Message], Signer], Records]


@dataclass(frozen=True)
class Measured:
    """One run of the writers."""

    decided: Decided
    rss_mib: float | None


async def engine(options: Options, tell: Tell) -> list[Report]:
    """Records as the bridge packs them."""
    return await _against_peers("engine", packed, options, tell)


async def single_events(options: Options, tell: Tell) -> list[Report]:
    """One event a record."""
    return await _against_peers("single", lambda some, _signer: single(some), options, tell)


async def _against_peers(name: str, pack: Pack, options: Options, tell: Tell) -> list[Report]:
    load = make_load(options.events or EVENTS, options.tenants)
    async with installation(
        tell,
        workers=options.workers,
        roles=["writer"],
        environment={"TREASURY_UNARCHIVED_BYTES": str(UNARCHIVED_BYTES)},
    ) as home:
        ours = await measure(home, load, pack, tell)
        peers = PEERS if options.peer else ()
        rates = {peer: await _rate_of(peer, home, load, options, tell) for peer in peers}
        return [
            report_of(name, home.broker, ours, each) for each in rates.items() or [(None, None)]
        ]


async def _rate_of(
    peer: str, home: Installation, load: Load, options: Options, tell: Tell
) -> float | None:
    """Its events/s; None when it did not finish, which is its own fault and no reason to stop."""
    try:
        run = await run_peer(peer, home, *split(load), workers=options.workers, tell=tell)
    except BenchFailed as error:
        tell(str(error))
        return None
    return run.events_per_s


def report_of(
    name: str, broker: str, ours: Measured, theirs: tuple[str | None, float | None]
) -> Report:
    """Ours beside (name, events/s) of a peer."""
    peer, peer_rate = theirs
    rate = ours.decided.events_per_s()
    return Report(
        name,
        broker=broker,
        events=ours.decided.entries,
        events_per_s=round(rate),
        peer=peer,
        peer_events_per_s=round(peer_rate) if peer_rate else None,
        ratio=round(rate / peer_rate, 2) if peer_rate else None,
        rss_mib=ours.rss_mib,
    )


async def measure(home: Installation, load: Load, pack: Pack, tell: Tell) -> Measured:
    """Fill inbound and let the workers decide it all; what they journaled."""
    settings = home.settings
    signer = Signer(settings.derived_key("inbound"))
    warm, rest = (pack(messages, signer) for messages in split(load))
    topic = settings.topics.inbound.name
    await home.shared()
    await home.decided(await fill(settings.kafka, topic, warm), count_of(warm))
    starts = await ends_of(settings.kafka, topic, settings.partitions)
    used_s = home.cpu_s()
    with frozen(home.pids):
        ends = await fill(settings.kafka, topic, rest)
    await home.decided(ends, count_of(rest))
    used_s = home.cpu_s() - used_s
    tell(f"writers: {1e6 * used_s / count_of(rest):.0f} µs of processor time an event")
    await checkpointed(settings, ends)
    rss_mib = home.rss_mib()
    decided = await read_journal(settings, starts, ends)
    if decided.entries != count_of(rest):
        raise BenchFailed(f"{decided.entries} entries of {count_of(rest)} events")
    return Measured(decided, rss_mib)
