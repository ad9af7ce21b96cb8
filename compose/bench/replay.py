"""replay: `treasury verify` of an archive: all raw events folded again, all digests compared."""

import asyncio
import os
import sys
import time
from collections.abc import Callable

import msgspec

from compose.bench.load import make_load, packed
from compose.bench.report import BenchFailed, Options, Report
from compose.bench.stack import SLOWEST_EVENTS_PER_S, Installation, installation
from compose.proof import Proof
from tables.postgres.pool import open_pool
from tests.model.generator import Load

EVENTS = 200_000
POLL_S = 0.2
Tell = Callable[[str], None]


async def run(options: Options, tell: Tell) -> list[Report]:
    """The whole command, the start of Python included; it takes the processes it thinks right."""
    load = make_load(options.events or EVENTS, options.tenants)
    async with installation(tell, workers=options.workers, roles=["writer", "archive"]) as home:
        return [await measure(home, load, tell)]


async def measure(home: Installation, load: Load, tell: Tell) -> Report:
    """Archive the load, stop the workers, verify."""
    taken = await home.take(packed(load.messages, home.signer))
    await _archived(home, taken.ends)
    for supervisor in home.running.supervisors:
        await supervisor.stop()
    started = time.monotonic()
    proof = await _verified(home)
    seconds = time.monotonic() - started
    if not proof.sound or proof.events < len(load.messages):
        raise BenchFailed(f"{proof.events} of {len(load.messages)} events, sound: {proof.sound}")
    tell(f"{proof.processes} processes; {proof.events_per_s} events/s without the start")
    return Report(
        "replay",
        broker=home.broker,
        events=proof.events,
        events_per_s=round(proof.events / seconds),
    )


async def _archived(home: Installation, ends: dict[int, int]) -> None:
    """Return when the archive holds all inbound before `ends`."""
    pool = await open_pool(home.settings.archiver_dsn, max_size=1)
    try:
        async with asyncio.timeout(60 + sum(ends.values()) / SLOWEST_EVENTS_PER_S):
            while True:
                home.must_be_whole()
                rows = await pool.fetch(
                    "SELECT partition, next_offset FROM progress WHERE role = 'archive'"
                )
                reached = {row["partition"]: row["next_offset"] for row in rows}
                if all(reached.get(partition, 0) >= end for partition, end in ends.items()):
                    return
                await asyncio.sleep(POLL_S)
    finally:
        await pool.close()


async def _verified(home: Installation) -> Proof:
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "compose.cli", "verify", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TREASURY_HOME": str(home.running.local.home)},
    )
    printed, _ = await command.communicate()
    return msgspec.json.decode(printed, type=Proof)
