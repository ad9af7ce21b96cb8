"""What is an outage and how long to wait in one. An outage costs time, never an attempt or a place.

Anything else is a fault of ours and is not caught here.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from nats.errors import Error as NatsError

from streams.errors import Unavailable

_OUTAGES = (
    OSError,
    KafkaError,
    NatsError,
    Unavailable,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection whose server said goodbye while nobody asked
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,  # a server that is being failed over
)


Result = TypeVar("Result")
log = structlog.get_logger(__name__)


def is_outage(error: BaseException) -> bool:
    """Whether waiting can help: Kafka, NATS or Postgres did not answer as they should."""
    # A ValueError among asyncpg's interface errors is an argument it could not encode: ours.
    return isinstance(error, _OUTAGES) and not isinstance(error, ValueError)


async def uninterrupted(work: Awaitable[Result]) -> Result:
    """What the work comes to; a cancellation that nobody asked for is an outage (`Unavailable`).

    Libraries raise the cancellation of a task of theirs at us now and then, while they lose a
    connection. Task groups and everybody who waits for a task take it for an orderly end.
    """
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        assert task is not None
        if task.cancelling():
            raise
        raise Unavailable("a library has cancelled what we waited for") from error


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first error is raised by itself, and ends all others.

    So that an outage and a lost lease are seen as what they are.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group


class Backoff:
    """Pauses that double from `first_s` to `longest_s`, each shortened at random by up to half."""

    def __init__(self, *, first_s: float = 0.05, longest_s: float = 5.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """Start small again: things work."""
        self._next_s = self._first_s

    async def pause(self) -> None:
        """Wait, and longer the next time."""
        wait_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._longest_s)
        await asyncio.sleep(wait_s)


async def through_outages(action: Callable[[], Awaitable[Result]]) -> Result:
    """The action's result, tried again for as long as an outage lasts."""
    backoff = Backoff()
    while True:
        try:
            return await action()
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("outage", error=f"{type(error).__name__}: {error}")
        await backoff.pause()
