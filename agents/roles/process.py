"""The last resort: a process that may no longer own what it decides ends at once.

No unwinding, no final acks, no last writes: whatever is not committed is decided again, equally,
by whoever owns the partition next. A supervisor restarts the process.
"""

import asyncio
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import structlog

from agents.roles.outages import uninterrupted
from streams.errors import Fenced, JournalBroken, LogBetrayed, Misconfigured

log = structlog.get_logger(__name__)

EXIT_FATAL, EXIT_FENCED, EXIT_REFUSED = 70, 75, 78
"""Anything else went wrong; another owner took over; an operator must act (do not just restart)."""

ASIDE_PAUSE_S = 30.0

Die = Callable[[BaseException], NoReturn]


def exit_now(error: BaseException) -> NoReturn:
    """Say why and end the process immediately."""
    log.critical("process_ends", error=f"{type(error).__name__}: {error}", exc_info=error)
    sys.stderr.flush()
    os._exit(exit_code(error))


async def or_die(work: Awaitable[object], die: Die) -> None:
    """Await the work; whatever ends it, save its orderly end or our cancelling it, ends us."""
    try:
        await uninterrupted(work)
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        die(error)


async def aside(
    work: Callable[[], Awaitable[object]], *, pause_s: float = ASIDE_PAUSE_S
) -> NoReturn:
    """Work that no money waits for: a fault in it ends nothing, and it begins again after a while.

    Of a fault only its kind and place are logged: its words may hold what the work was about.
    """
    while True:
        try:
            await uninterrupted(work())
        except Exception as error:
            log.critical("fault aside", kind=type(error).__name__, place=place_of(error))
        await asyncio.sleep(pause_s)


def place_of(error: BaseException) -> str:
    """Where an error was raised, without its words, which may hold what the work was about."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def exit_code(error: BaseException) -> int:
    """The exit code that tells a supervisor what kind of end this was."""
    if isinstance(error, Fenced):
        return EXIT_FENCED
    return (
        EXIT_REFUSED
        if isinstance(error, (Misconfigured, JournalBroken, LogBetrayed))
        else EXIT_FATAL
    )
