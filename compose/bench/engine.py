"""engine and single: from a filled inbound log to journal and checkpoint, the archive off.

Real workers with the role writer alone. They take the tenants first, stand still while the rest
is appended, and are timed by the journal: from the first record about the rest to the last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compose.bench.journal import Decided, checkpointed, read_journal
from compose.bench.load import Records, count_of, make_load, packed, single, split
from compose.bench.peers import PEERS, run_peer
from compose.bench.report import BenchFailed, Options, Report
from compose.bench.stack import Installation, writers_only
from streams.inbound import Signer
from tests.model.generator import Load, Message

EVENTS = 200_000
Tell = Callable[[str], None]
Pack = Callable[[Sequence[Message], Signer], Records]


@dataclass(frozen=True)
class Measured:
    """One run of the writers."""

    decided: Decided
    rss_mib: float | None


async def run(options: Options, tell: Tell) -> list[Report]:
    """Records as the bridge packs them."""
    return await _against_peers("engine", packed, options, tell)


async def run_single(options: Options, tell: Tell) -> list[Report]:
    """One event a record."""
    return await _against_peers("single", lambda some, _signer: single(some), options, tell)


async def _against_peers(name: str, pack: Pack, options: Options, tell: Tell) -> list[Report]:
    load = make_load(options.events or EVENTS, options.tenants)
    async with writers_only(tell, options.workers) as home:
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
    """Let the workers take the tenants, then time what they journal of the rest."""
    warm, rest = (pack(messages, home.signer) for messages in split(load))
    count = count_of(rest)
    await home.shared()
    await home.take(warm)
    taken = await home.take(rest)
    tell(f"writers: {1e6 * taken.cpu_s / count:.0f} µs of processor time an event")
    await checkpointed(home.settings, taken.ends)
    rss_mib = home.rss_mib()
    decided = await read_journal(home.settings, taken.starts, taken.ends)
    if decided.entries != count:
        raise BenchFailed(f"{decided.entries} entries of {count} events")
    return Measured(decided, rss_mib)
