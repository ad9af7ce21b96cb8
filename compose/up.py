"""`treasury up`: the local stack, fakes of all gateways, workers under a supervisor, a demo tenant.

Everything it starts it stops again, in order, on Ctrl-C.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
import msgspec
from nats.js import JetStreamContext
from pydantic import SecretStr

from agents.roles.jetstream import CONSUMER, INBOUND
from compose.local.installed import leave_settings
from compose.local.processes import Command, StartError, free_port, port_answers
from compose.local.stack import Endpoints, KafkaKind, Stack
from compose.local.supervisor import Supervisor
from compose.messaging import nats_client
from compose.repair import restore
from compose.sandbox import Sandbox
from compose.serve import migrate_database
from compose.settings import Settings, new_master_key
from compose.topics import prepare_topics
from connectors.callback_tokens import Addresses
from connectors.registry import ALIASES
from streams.topics import Topics
from tables.postgres.archived import last_record
from tables.postgres.pool import open_pool
from web.local_issuer import LocalIssuer
from web.scopes import ALL

DEMO_TENANT = "demo-cafe"
EMBEDDED_UNARCHIVED_BYTES = 1024 * 1024
READY_WITHIN_S = 120.0
Told = Callable[[str], None]


@dataclass(frozen=True)
class Local:
    """How a local installation is laid out and sized; `environment` overrides its workers'."""

    home: Path
    kafka: KafkaKind = "embedded"
    partitions: int = 8
    workers: int = 1
    port: int = 8080
    nats_sync: str = "default"
    environment: Mapping[str, str] = field(default_factory=dict)


class Running:
    """A local installation that runs; use as `async with`."""

    def __init__(self, local: Local, tell: Told) -> None:
        self.local, self._tell = local, tell
        self._exit = AsyncExitStack()
        self.stack = Stack(
            local.home / "stack",
            kafka=local.kafka,
            nats_sync="always" if local.nats_sync == "always" else "default",
            topics={topic.name: local.partitions for topic in Topics().all()},
        )
        self.sandbox = Sandbox()
        self.issuer = LocalIssuer.open(local.home / "issuer")
        self.supervisors: list[Supervisor] = []
        self.ports = [local.port + n if local.port else free_port() for n in range(local.workers)]
        self.endpoints: Endpoints | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    @property
    def urls(self) -> list[str]:
        """Where the workers' web layers listen."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def token(self, tenant_id: str) -> str:
        """A token with every scope, for the local installation only."""
        return self.issuer.mint(tenant_id, ALL, lifetime_s=12 * 3600)

    def settings(self, number: int = 0) -> Settings:
        """The settings of the n-th worker."""
        assert self.endpoints is not None
        return Settings.model_validate(
            {
                "kafka": self.endpoints.kafka,
                "nats": self.endpoints.nats,
                "postgres_dsn": self.endpoints.postgres_dsn,
                "master_key": _master_key(self.local.home / "master.key"),
                "partitions": self.local.partitions,
                "data_dir": self.local.home / f"worker-{number}",
                "worker_name": f"worker-{number}",
                "port": self.ports[number],
                "jwks_file": self.local.home / "issuer" / "jwks.json",
                "gateways": msgspec.json.encode(self.sandbox.configuration).decode(),
                "notifications": msgspec.json.encode(
                    self.sandbox.notifications.configuration
                ).decode(),
                "auth_url": self.sandbox.auth.base_url,
                "auth_api_key": self.sandbox.auth.api_key,
                "sandbox_url": self.sandbox.url,
                "trusted_proxies": "127.0.0.0/8",
                "webhook_networks": "127.0.0.0/8",
                "embedded": self.local.kafka == "embedded",
                "unarchived_bytes": EMBEDDED_UNARCHIVED_BYTES
                if self.local.kafka == "embedded"
                else 64 * 1024 * 1024,
            }
        )

    async def _start(self) -> None:
        for port in self.ports:
            if await port_answers(port):
                raise StartError(f"port {port} is taken; choose another with --port")
        self._exit.push_async_callback(self.stack.stop)
        self.endpoints = await self.stack.start(self._tell)
        await self._exit.enter_async_context(self.sandbox)
        keys = self.settings().derived_keys("callbacks")
        await self.sandbox.report_to(self.endpoints.nats)
        self.sandbox.call_back_to(Addresses(self.urls[0], ALIASES, keys))
        await self._prepare()
        left = leave_settings(self.local.home, environment_of(self.settings()))
        self._exit.callback(left.unlink, missing_ok=True)
        for number in range(self.local.workers):
            self._tell(f"starting worker {number}")
            supervisor = Supervisor(self.command(number), self._tell)
            self._exit.push_async_callback(supervisor.stop)
            await supervisor.start()
            self.supervisors.append(supervisor)

    async def _prepare(self) -> None:
        """Schema, topics, journals; a broker in memory is restored from the archive every time."""
        settings = self.settings()
        for name in await migrate_database(settings):
            self._tell(f"migration {name}")
        if self.local.kafka == "embedded":
            for number in range(self.local.workers):
                shutil.rmtree(self.settings(number).data_dir, ignore_errors=True)
            if await _has_archive(settings):
                await restore(settings, self._tell)
        done = await prepare_topics(settings)
        if done:
            self._tell(f"{len(done)} topics and journals made")

    def command(self, number: int) -> Command:
        """How to start the n-th worker."""
        return Command(
            f"worker {number}",
            [sys.executable, "-m", "compose.cli", "worker"],
            self.local.home / f"run-{number}",
            environment={**environment_of(self.settings(number)), **self.local.environment},
            death_signal=signal.SIGTERM,
        )

    async def ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Return once every worker answers /readyz; StartError if one gave up or takes too long."""
        try:
            async with asyncio.timeout(within_s), aiohttp.ClientSession() as session:
                for url, supervisor in zip(self.urls, self.supervisors, strict=True):
                    while not await self._is_ours(session, url):
                        if supervisor.gave_up is not None and supervisor.gave_up.done():
                            raise StartError(supervisor.gave_up.result())
                        await asyncio.sleep(0.1)
        except TimeoutError:
            logs = ", ".join(str(each.command.log_path) for each in self.supervisors)
            raise StartError(f"not ready within {within_s:g} s; see {logs}") from None

    async def _is_ours(self, session: aiohttp.ClientSession, url: str) -> bool:
        """Whether a worker that is ready shows our keys: another installation has its own."""
        if await _get(session, f"{url}/readyz") is None:
            return False
        return await _get(session, f"{url}/.well-known/jwks.json") == self.issuer.jwks()


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as environment variables of a worker."""
    values = settings.model_dump(mode="json", exclude_none=True)
    for name in values:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            values[name] = value.get_secret_value()
    return {
        f"TREASURY_{name.upper()}": value
        if isinstance(value, str)
        else msgspec.json.encode(value).decode()
        for name, value in values.items()
    }


def _master_key(path: Path) -> str:
    """The installation's master key; made once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_master_key())
    return path.read_text()


async def _has_archive(settings: Settings) -> bool:
    pool = await open_pool(settings.archiver_dsn, max_size=1)
    try:
        for partition in range(settings.partitions):
            if await last_record(pool, partition) is not None:
                return True
        return False
    finally:
        await pool.close()


async def _get(session: aiohttp.ClientSession, url: str) -> bytes | None:
    """The body of a 200; None for everything else."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
            return await response.read() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


async def seed_demo(nats_url: str, *, within_s: float = 30.0) -> bool:
    """A tenant, an outlet and a few orders, as their services would send them; safe to repeat.

    Returns whether all that NATS carries was decided within the time, and so what they made shows.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    async with nats_client(nats_url) as client:
        stream = client.jetstream()
        for event_type, name, data in _DEMO:
            envelope = {
                "event_id": f"demo-{name}",
                "event_type": event_type,
                "tenant_id": DEMO_TENANT,
                "timestamp": now,
                "data": data,
            }
            await stream.publish(event_type, msgspec.json.encode(envelope), timeout=10)
        return await _all_decided(stream, within_s)


async def _all_decided(stream: JetStreamContext, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        consumer = await stream.consumer_info(INBOUND, CONSUMER)
        if not consumer.num_pending and not consumer.num_ack_pending:
            return True
        await asyncio.sleep(0.05)
    return False


_DEMO = [
    (
        "auth.tenant.created",
        "tenant",
        {"name": "Demo Café", "mode": "sandbox", "settings": {"tax_registered": True}},
    ),
    ("auth.outlet.created", "outlet", {"outlet_id": "westlands", "name": "Westlands"}),
    *(
        (
            "cafe.order.created",
            f"order-{number}",
            {
                "order_id": f"order-{number}",
                "customer_id": f"customer-{number}",
                "total_amount": 1000 + 250 * number,
                "outlet_id": "westlands",
            },
        )
        for number in range(1, 4)
    ),
    (
        "pos.order.completed",
        "sale-1",
        {"order_id": "sale-1", "total_amount": 580, "outlet_id": "westlands"},
    ),
]
