"""What an endpoint can do to whoever calls it: nothing, in bounded time and memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from connectors.webhooks.addresses import read_networks
from connectors.webhooks.sender import ANSWER_BYTES_MAX, Sender
from connectors.webhooks.signing import new_secret

LOOPBACK = read_networks("127.0.0.0/8")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


class Endpoint:
    """Says `says`, then `goes_on` again and again until the caller has gone."""

    def __init__(self) -> None:
        self.says, self.goes_on, self.sent = b"", b"", 0
        self.left = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.says)
        try:
            while self.goes_on:
                writer.write(self.goes_on)
                await writer.drain()
                self.sent += len(self.goes_on)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self.left.set()
            writer.close()


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    yield endpoint
    server.close()


async def attempt(endpoint: Endpoint, total_s: float = 0.4):
    async with Sender(LOOPBACK, total_s=total_s) as sender:
        return await sender.send(endpoint.url, "evt-1", b"{}", [new_secret()])


class TestAnAnswer:
    async def test_without_an_end_is_read_for_its_status_alone(self, endpoint):
        endpoint.says = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        endpoint.goes_on = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        assert (await attempt(endpoint, 5)).status == 200
        async with asyncio.timeout(5):
            await endpoint.left.wait()
        assert endpoint.sent < 200 * ANSWER_BYTES_MAX  # what the system's own buffers took

    @pytest.mark.parametrize(
        "says", [b"", b"HTTP/1.1 200 OK\r\n", HEAD + b"Content-Length: 9\r\n\r\n"]
    )
    async def test_that_does_not_come_is_not_waited_for(self, endpoint, says):
        endpoint.says = says
        found = await attempt(endpoint)
        assert (found.status, found.error) == (0, "timeout")
        assert found.duration_ms < 5_000

    @pytest.mark.parametrize(
        "says",
        [
            b"no http\r\n\r\n",
            HEAD + b"X-A: " + b"a" * 9_000 + b"\r\n\r\n",
            HEAD + b"Content-Length: -1\r\n\r\n",
        ],
    )
    async def test_that_is_none_is_a_failed_attempt(self, endpoint, says):
        endpoint.says = says
        found = await attempt(endpoint)
        assert not found.delivered
        assert found.error

    async def test_that_is_compressed_is_never_unpacked(self, endpoint):
        endpoint.says = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nbad"
        assert (await attempt(endpoint)).delivered
