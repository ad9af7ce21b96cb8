"""The last resort: a process that may no longer own what it decides ends at once.

No unwinding, no final acks, no last writes: whatever is not committed is decided again, equally,
by whoever owns the partition next. A supervisor restarts the process.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from agents.roles.outages import uninterrupted
from streams.errors import Fenced, JournalBroken, LogBetrayed, Misconfigured

log = structlog.get_logger(__name__)

EXIT_FATAL, EXIT_FENCED, EXIT_REFUSED = 70, 75, 78
"""Anything else went wrong; another owner took over; an operator must act (do not just restart)."""

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


def exit_code(error: BaseException) -> int:
    """The exit code that tells a supervisor what kind of end this was."""
    if isinstance(error, Fenced):
        return EXIT_FENCED
    return (
        EXIT_REFUSED
        if isinstance(error, (Misconfigured, JournalBroken, LogBetrayed))
        else EXIT_FATAL
    )
