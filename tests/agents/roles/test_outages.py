"""What counts as an outage, beyond what the libraries call one."""

import asyncio
import struct

import asyncpg
import pytest
from structlog.testing import capture_logs

from agents.roles.outages import is_outage
from agents.roles.process import aside, or_die
from streams.errors import Unavailable


def _message(kind: bytes, body: bytes) -> bytes:
    """A message of PostgreSQL's protocol: its kind, its length, its body."""
    return kind + struct.pack("!i", 4 + len(body)) + body


_WELCOME = (
    _message(b"R", struct.pack("!i", 0))
    + _message(b"S", b"server_version\x0016.0\x00")
    + _message(b"Z", b"I")
)
_SHUTTING_DOWN = _message(b"E", b"SFATAL\x00VFATAL\x00C57P01\x00Mshutting down\x00\x00")


class TestPostgres:
    async def test_that_says_goodbye_to_an_idle_connection_is_an_outage_for_its_next_user(self):
        # What the client then raises is not among its errors of connections, nor of interfaces.
        clients: list[asyncio.StreamWriter] = []

        async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(4_096)
            writer.write(_WELCOME + _SHUTTING_DOWN)
            clients.append(writer)  # the connection stays open for a moment

        server = await asyncio.start_server(dying, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        dsn = f"postgresql://somebody:secret@127.0.0.1:{port}/database?sslmode=disable"
        connection = await asyncpg.connect(dsn)
        try:
            with pytest.raises(asyncpg.InternalClientError) as raised:
                await connection.execute("SELECT 1")
            assert is_outage(raised.value)
        finally:
            connection.terminate()
            clients[0].close()
            server.close()


class TestALibraryThatCancels:
    async def test_what_we_wait_for_ends_the_process(self):
        ended: list[BaseException] = []
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await or_die(never, ended.append)
        assert [type(error) for error in ended] == [Unavailable]

    async def test_is_told_from_our_own_cancelling(self):
        ended: list[BaseException] = []
        began = asyncio.Event()

        async def work() -> None:
            began.set()
            await asyncio.get_running_loop().create_future()

        task = asyncio.create_task(or_die(work(), ended.append))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == []


class TestWorkAside:
    async def test_begins_again_after_a_fault_whose_words_are_in_no_log(self):
        begun = asyncio.Queue[int]()

        async def work() -> None:
            begun.put_nowait(1)
            raise ValueError("wanjiru@example.com is no address")

        with capture_logs() as said:
            task = asyncio.create_task(aside(work, pause_s=0.01))
            for _ in range(3):
                await asyncio.wait_for(begun.get(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert {line["kind"] for line in said} == {"ValueError"}
        assert said[0]["place"].startswith("test_outages.py:")
        assert "wanjiru" not in repr(said)
