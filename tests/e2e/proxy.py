"""A TCP proxy that can be slow, hold one direction back, fall silent, and hang up.

What is held back arrives when the fault is over, as retransmitted packets do; nothing that was
sent is left out of the middle of a connection.
"""

import asyncio
from contextlib import suppress
from typing import Final

from compose.local.processes import free_port

UP: Final = "up"
"""From the client to the server."""
DOWN: Final = "down"
CHUNK_BYTES = 64 * 1024
AFTER_S = 1e-6  # timers of one moment keep no order


class Proxy:
    """One service's other address, `port`."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self.taken = 0
        """Connections so far."""
        self._target_port = target_port
        self._open = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.heal()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- faults -------------------------------------------------------------------------------

    def cut(self, *directions: str) -> None:
        """Hold back what goes there; connections stay, new ones are taken."""
        for direction in directions:
            self._open[direction].clear()

    def heal(self) -> None:
        """Let everything through, at once."""
        self.delay_s = 0.0
        for held in self._open.values():
            held.set()

    def hang_up(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    # -- connections --------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()  # the service itself is not there
            return
        self.taken += 1
        self._writers |= {writer, far[1]}
        for pipe in ((reader, far[1], UP), (far[0], writer, DOWN)):
            task = asyncio.create_task(self._carry(*pipe))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str
    ) -> None:
        loop, arrives_at = asyncio.get_running_loop(), 0.0
        with suppress(ConnectionError):
            while True:
                data = await reader.read(CHUNK_BYTES)
                await self._open[direction].wait()
                arrives_at = max(loop.time() + self.delay_s, arrives_at + AFTER_S)
                if not data:
                    break
                loop.call_at(arrives_at, writer.write, data)
                await writer.drain()
        loop.call_at(arrives_at + AFTER_S, writer.close)
