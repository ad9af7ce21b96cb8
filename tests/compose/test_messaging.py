"""The connection to NATS comes back from any outage; one that would not ends the process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, cast

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.inlet import Inlet
from agents.roles.jetstream import CONSUMER, INBOUND
from compose import container
from compose.container import Worker
from compose.local.nats import NatsServer
from compose.local.processes import free_port
from compose.messaging import close_nats, connect_nats, watch_nats
from compose.settings import Settings, new_master_key
from streams.errors import Unavailable
from streams.journal import Position

WITHIN_S = 30
GIVEN_UP_S = 1.0
DEFAULT_ATTEMPTS = 60  # of the client, after which it would close for good


async def _never() -> NoReturn:
    raise AssertionError("closed")


@pytest_asyncio.fixture
async def server(tmp_path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture
async def client(server) -> AsyncIterator[Client]:
    client = Client()
    await connect_nats(client, server.url, name="test", closed=_never, attempt_every_s=0.01)
    yield client
    client._closed_cb = None
    await close_nats(client)


class NothingYet:
    """The progress of an archive that nothing reaches."""

    def get(self, partition: int) -> tuple[int, Position]:
        return -1, Position(0, 0)

    async def wait_for(self, partition: int, position: Position, timeout_s: float) -> None:
        await asyncio.Event().wait()

    async def wait_past(self, partition: int, seq: int, timeout_s: float) -> None:
        await asyncio.Event().wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


class TestReconnecting:
    async def test_goes_on_beyond_the_clients_own_patience(self, server, client):
        guard = asyncio.create_task(watch_nats(client, given_up_s=GIVEN_UP_S))
        await server.kill()
        [pool] = client._server_pool
        await until(lambda: pool.reconnects > 2 * DEFAULT_ATTEMPTS)
        assert not guard.done(), "an outage is nothing to end for"
        await server.start()
        await until(lambda: client.is_connected)
        guard.cancel()

    async def test_that_ended_at_an_unexpected_error_is_noticed(self, server, client, monkeypatch):
        async def unexpected() -> None:
            raise RuntimeError

        monkeypatch.setattr(client, "_process_connect_init", unexpected)
        await self._is_noticed(server, client)
        assert client._reconnection_task is not None
        with pytest.raises(RuntimeError):
            client._reconnection_task.result()

    async def test_that_waits_for_a_connection_to_close_is_noticed(
        self, server, client, monkeypatch
    ):
        waiting = asyncio.Event()
        monkeypatch.setattr(client._transport, "wait_closed", waiting.wait)
        await self._is_noticed(server, client)
        waiting.set()

    async def _is_noticed(self, server: NatsServer, client: Client) -> None:
        guard = asyncio.create_task(watch_nats(client, given_up_s=GIVEN_UP_S))
        await server.kill()
        await server.start()
        with pytest.raises(Unavailable, match="tried no server for 1 s"):
            await asyncio.wait_for(guard, WITHIN_S)
        assert client.is_reconnecting


class TestClosing:
    async def test_raises_no_cancellation_that_nobody_asked_for(self, server, client, monkeypatch):
        """The client cancels its own wait for the old socket, and then waits for it itself."""
        client._closed_cb = None
        monkeypatch.setattr(client._transport, "close", lambda: None)
        await server.kill()
        await until(lambda: client.is_reconnecting)
        await close_nats(client)
        assert client.is_closed

    async def test_can_be_cancelled(self, client, monkeypatch):
        monkeypatch.setattr(client, "close", asyncio.Event().wait)
        closing = asyncio.create_task(close_nats(client))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        monkeypatch.undo()


class TestTheWorkersConnection:
    @pytest.fixture
    def ended(self, monkeypatch) -> list[BaseException]:
        ended: list[BaseException] = []
        monkeypatch.setattr(container, "exit_now", ended.append)
        return ended

    @pytest_asyncio.fixture
    async def worker(self, stack) -> Worker:
        worker = Worker(Settings(nats=stack.nats.url, master_key=new_master_key()))
        worker._stack.push_async_callback(worker._close_nats)
        await worker._connect_nats()
        return worker

    async def test_ends_the_process_when_it_closes_for_good(self, worker, ended):
        await worker.nats.close()
        assert [type(error) for error in ended] == [Unavailable]
        await worker.__aexit__()

    async def test_outlives_a_server_that_answers_late(self, server, client, ended, monkeypatch):
        """Later than the client waits, whichever of the two was frozen, to every question once."""
        worker = Worker(Settings(nats=server.url, master_key=new_master_key()))
        worker._stack.push_async_callback(worker._close_nats)
        worker.archived = cast(ArchiveProgress, NothingYet())
        worker.inlet = Inlet(worker.settings.kafka, worker.signer, worker.settings.topics)
        ask, late = worker.nats.request, set[str]()

        async def patiently(subject: str, *args: Any, **options: Any) -> Any:
            if subject not in late:
                late.add(subject)
                raise NatsTimeout
            return await ask(subject, *args, **options)

        monkeypatch.setattr(worker.nats, "request", patiently)
        await worker._connect_nats()
        assert len(late) == 4  # to look for each of the streams, and to make it
        worker._start_bridge()
        async with asyncio.timeout(WITHIN_S):
            while not await self._has_consumer(client):
                await asyncio.sleep(0.05)
        assert len(late) > 4
        await worker.__aexit__()
        assert ended == []

    @staticmethod
    async def _has_consumer(client: Client) -> bool:
        found = await client.jetstream().consumers_info(INBOUND)
        return [each.name for each in found] == [CONSUMER]

    async def test_closes_quietly_with_the_worker(self, worker, ended):
        await worker.__aexit__()
        assert worker.nats.is_closed
        assert ended == []

    async def test_is_given_up_with_the_worker_though_it_never_was(self, ended):
        nowhere = f"nats://127.0.0.1:{free_port()}"
        worker = Worker(Settings(nats=nowhere, master_key=new_master_key()))
        worker._stack.push_async_callback(worker._close_nats)
        connecting = worker._spawn(worker._connect_nats())
        await until(lambda: any(server.reconnects for server in worker.nats._server_pool))
        await asyncio.wait_for(worker.__aexit__(), WITHIN_S)
        assert connecting.done()
        assert ended == []
