"""A headless Chromium as a payer has it: a small telephone, driven over the DevTools protocol.

chromedevtools.github.io/devtools-protocol. One process for a test; ends with it.
"""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

WITHIN_S = 30
_listening = re.compile(r"DevTools listening on (ws://\S+)").search
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


class Page:
    """One tab. `errors` is what its console and its network complained of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._ids = socket, itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def open(self) -> None:
        """A tab the size of a small telephone, without scripts of pages."""
        made = await self._call("Target.createTarget", url="about:blank")
        attached = await self._call(
            "Target.attachToTarget", targetId=made["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self._call(f"{domain}.enable")
        await self._call(
            "Emulation.setDeviceMetricsOverride",
            width=320,
            height=568,
            deviceScaleFactor=1,
            mobile=True,
        )

    async def without_scripts(self) -> None:
        """Pages run no scripts; what a test evaluates still does."""
        await self._call("Emulation.setScriptExecutionDisabled", value=True)

    async def go(self, url: str) -> None:
        """Open an address and wait until the page is there."""
        await self._call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; None while there is no page."""
        try:
            found = await self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        except RuntimeError:  # the page is on its way to another
            return None
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        """Return once the expression is true in the page."""
        async with asyncio.timeout(WITHIN_S):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.05)

    async def text(self) -> str:
        """What a reader sees."""
        return str(await self.evaluate("document.body.innerText"))

    async def picture(self) -> bytes:
        """What is seen, the whole page, as PNG."""
        found = await self._call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    async def printed(self) -> bytes:
        """The page as its own style sheet prints it, as PDF."""
        found = await self._call("Page.printToPDF", preferCSSPageSize=True)
        return base64.b64decode(found["data"])

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        heard = asyncio.get_running_loop().create_future()
        self._waiting[number] = heard
        said: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            said["sessionId"] = self._session
        await self._socket.send_str(json.dumps(said))
        async with asyncio.timeout(WITHIN_S):
            return await heard

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            heard = self._waiting.pop(said.get("id", 0), None)
            if heard is not None and not heard.done():
                if "error" in said:
                    heard.set_exception(RuntimeError(said["error"]["message"]))
                else:
                    heard.set_result(said["result"])
            elif said.get("method") == "Log.entryAdded":
                self.errors.append(said["params"]["entry"]["text"])
            elif said.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(said["params"]["exceptionDetails"]))
            elif said.get("method") == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])

    async def close(self) -> None:
        """Hear no more."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@asynccontextmanager
async def browsing() -> AsyncIterator[Page]:
    """A page of a browser of its own."""
    with tempfile.TemporaryDirectory(prefix="treasury-browser-") as folder:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run"),
            *("--disable-background-networking", "--disable-sync", "--no-proxy-server"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        draining: asyncio.Task[Any] | None = None
        try:
            url = await _address(process)
            assert process.stderr is not None
            draining = asyncio.create_task(_drained(process.stderr))
            async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
                page = Page(socket)
                await page.open()
                try:
                    yield page
                finally:
                    await page.close()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if draining is not None:
                await draining
            await asyncio.sleep(0.1)  # its children let go of the folder


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN_S):
        while line := await process.stderr.readline():
            found = _listening(line.decode(errors="replace"))
            if found:
                return found[1]
    raise RuntimeError("Chromium did not start")


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.read(4_096):
        pass
