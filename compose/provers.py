"""Partitions verified side by side: one process per core, each with one partition after the other.

A prover ends when its pipe does, so none outlives us; Ctrl-C reaches us alone and we end them.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeAlias

import agents.services  # noqa: F401  fills the registry
from agents.roles.verify import Report, verify
from streams.errors import TreasuryError
from tables.postgres.pool import open_pool

Seen: TypeAlias = Callable[[Report], None]
"""Is told now and then how far a partition is, and at its end."""

WORTH_A_PROCESS_BYTES = 32 * 1024 * 1024
"""Of journal; less is verified sooner than another process has begun."""

_spawned = multiprocessing.get_context("spawn")


class ProverFailed(TreasuryError):
    """A process that verified could not go on; nothing is proved or disproved by that."""


def useful_processes(partitions: int, total_bytes: int) -> int:
    """How many processes are worth while for so many partitions and bytes of journal."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, partitions, 1 + total_bytes // WORTH_A_PROCESS_BYTES))


async def prove(
    dsn: str, wanted: Sequence[int], partitions: int, processes: int, seen: Seen
) -> list[Report]:
    """The complete reports of the partitions `wanted`, which are begun in this order."""
    left, done = iter(wanted), list[Report]()
    if processes == 1:
        await _here(dsn, left, partitions, seen, done)
        return done
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(processes):
                tasks.create_task(_elsewhere(dsn, left, partitions, seen, done))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return done


async def _here(
    dsn: str, left: Iterator[int], partitions: int, seen: Seen, done: list[Report]
) -> None:
    pool = await open_pool(dsn, max_size=2)
    try:
        for partition in left:
            report = Report(partition)
            async for report in verify(pool, partition, partitions):
                seen(report)
            done.append(report)
    finally:
        await pool.close()


# -- our side of a process --------------------------------------------------------------------


async def _elsewhere(
    dsn: str, left: Iterator[int], partitions: int, seen: Seen, done: list[Report]
) -> None:
    """Have a process of its own take partitions from `left` until none is left."""
    ours, theirs = _spawned.Pipe()
    process = _spawned.Process(target=_prover, args=(theirs, dsn, partitions), daemon=True)
    _start_deaf(process)
    theirs.close()
    try:
        while (partition := next(left, None)) is not None:
            done.append(await _result(ours, process, partition, seen))
    finally:
        ours.close()
        process.terminate()
        await asyncio.shield(asyncio.to_thread(process.join))


def _start_deaf(process: BaseProcess) -> None:
    """Start it so that Ctrl-C, which goes to all of a terminal's programs, is ours alone."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)


async def _result(ours: Connection, process: BaseProcess, partition: int, seen: Seen) -> Report:
    """Hand over a partition; its report once that is complete."""
    try:
        ours.send(partition)
        while True:
            await _readable(ours)
            said: tuple[Report, bool] | str = ours.recv()
            if isinstance(said, str):
                raise ProverFailed(f"partition {partition}: {said}")
            report, complete = said
            seen(report)
            if complete:
                return report
    except (EOFError, OSError):
        await asyncio.to_thread(process.join)
        code = process.exitcode
        raise ProverFailed(f"partition {partition}: its process ended with code {code}") from None


async def _readable(ours: Connection) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(ours.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(ours.fileno())


# -- its own side -----------------------------------------------------------------------------


def _prover(theirs: Connection, dsn: str, partitions: int) -> None:
    """Verify each partition that comes through the pipe; ends with it.

    Without garbage collection: a replay makes no cycles, and has millions of rows to look at.
    """
    gc.disable()
    try:
        asyncio.run(_prove_as_told(theirs, dsn, partitions))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        theirs.send(f"{type(error).__name__}: {error}")


async def _prove_as_told(theirs: Connection, dsn: str, partitions: int) -> None:
    pool = await open_pool(dsn, max_size=2)
    while True:
        partition = theirs.recv()
        report = Report(partition)
        async for report in verify(pool, partition, partitions):
            theirs.send((report, False))
        theirs.send((report, True))
