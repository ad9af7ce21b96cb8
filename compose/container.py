"""How a worker is put together: every object made once, started in order, stopped in reverse."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, Self

import asyncpg
from nats.aio.client import Client
from prometheus_client import ProcessCollector

import agents.services  # noqa: F401  fills the registry
from agents.roles.archive import Archive
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.bridge import IN_FLIGHT_BYTES, Bridge
from agents.roles.chains import Chains
from agents.roles.conduct import Conductor
from agents.roles.counters import REGISTRY
from agents.roles.dispatch import Dispatch
from agents.roles.gateways import Gateways, Outside
from agents.roles.inlet import Inlet
from agents.roles.jetstream import (
    CONSUMER,
    INBOUND,
    ensure_consumer,
    ensure_stream,
    inbound_consumer,
    inbound_stream,
    outbound_stream,
)
from agents.roles.lease import Owner
from agents.roles.lookups import Lookups
from agents.roles.message_reports import MessageReports
from agents.roles.messages import Messages
from agents.roles.nonces import StoredNonces
from agents.roles.notifier import Notifier
from agents.roles.outages import through_outages
from agents.roles.process import aside, exit_now, or_die
from agents.roles.projector import Projector
from agents.roles.relay import Relay
from agents.roles.saying import Saying
from agents.roles.secret_store import KeyKeeper, SecretStore, require_keys
from agents.roles.takeover import Sources
from agents.roles.token_shelf import TokenShelf
from agents.roles.trimming import TRIM_S, Trimmer, trim
from agents.roles.webhooks import Webhooks
from agents.roles.writer import Limits
from agents.roles.writers import Writers, WriterSettings
from compose.credentials import Credentials
from compose.messaging import close_nats, connect_nats, watch_nats
from compose.settings import Settings
from compose.telemetry import Gauges
from compose.topics import require_topics
from compose.watchdog import Progress, end_if_blocked, watch
from connectors.auth.client import AuthService
from connectors.callback_tokens import Addresses
from connectors.chain.assets import TAKEN
from connectors.chain.library import library
from connectors.http import open_session
from connectors.registry import ALIASES
from connectors.webhooks.addresses import PublicResolver, read_networks
from connectors.webhooks.sender import Sender
from streams.app import AppSettings, create_app, fetch_often
from streams.errors import Misconfigured, Unavailable
from streams.inbound import Signer
from streams.kafka import POLL_OFTEN_MS, open_producer, poll_often
from tables.postgres.chains import read_in_block
from tables.postgres.gateways import tenant_of_link
from tables.postgres.isolation import require_isolation
from tables.postgres.migrate import require_current
from tables.postgres.pool import APP, ARCHIVER, open_pool
from web import call
from web.api_keys import ApiKeys
from web.auth import Keys, Verifier
from web.call import Callbacks, Context
from web.discovery import Discovery
from web.jwks import FixedKeys, RemoteKeys, read_key_set
from web.metrics import Metrics
from web.people import People
from web.server import Server

NATS_WITHIN_S = 5.0
COMMAND_TIMEOUT_S = 20.0  # of PostgreSQL: what a role does at a time takes a fraction of it
EMBEDDED_IN_FLIGHT_BYTES = 1024 * 1024  # that broker drops what exceeds some 5 MB a partition


class Worker:
    """One worker process: the roles its settings name, in one event loop."""

    def __init__(self, settings: Settings, credentials: Credentials | None = None) -> None:
        self.settings = settings
        self.credentials = credentials or Credentials(settings)
        self.signer = Signer(*settings.derived_keys("inbound"))
        self.writers: Writers | None = None
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[Any]] = []
        self._stopping = False
        self.nats = Client()
        self._connected = asyncio.Event()
        self._owner = Owner(settings.worker, self._is_near)
        self.url = ""

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self.settings
        self._spawn(end_if_blocked(settings.stall_timeout_s))
        if settings.embedded:
            poll_often()
        self.archive_pool = await self._pool(ARCHIVER, settings.archiver_dsn, 12)
        async with self.archive_pool.acquire() as connection:
            await require_current(connection)
            await require_keys(connection, settings.keyring)
        self.secrets = SecretStore(self.archive_pool, settings.keyring)
        await require_topics(settings, self.archive_pool)
        self.archived = ArchiveProgress(self.archive_pool)
        self._stack.push_async_callback(self.archived.close)
        self.inlet = Inlet(settings.kafka, self.signer, settings.topics)
        self._stack.push_async_callback(self.inlet.close)
        if {"bridge", "relay"} & set(settings.roles) or self._writes:
            self._stack.push_async_callback(self._close_nats)
            connecting = self._spawn(self._connect_nats())
            # Without NATS all else starts all the same: commands and queries need it not.
            await asyncio.wait({connecting}, timeout=NATS_WITHIN_S)
        self._start_readers()
        await self._start_roles()

    async def _start_roles(self) -> None:
        """Each that this worker has; the doors open last."""
        settings = self.settings
        if "keys" in settings.roles:
            age = timedelta(days=settings.key_age_days)
            keeper = KeyKeeper(self.archive_pool, self.secrets, self._owner, key_age_max=age)
            self._spawn(keeper.run())
        if "webhooks" in settings.roles:
            self._start_webhooks()
        if self._writes:
            await self._start_messages()
        if {"dispatch", "writer", "chains"} & set(settings.roles):
            self._connect_gateways()
        if "chains" in settings.roles:
            self._start_chains()
        if "dispatch" in settings.roles:
            self._start_dispatch()
        if "writer" in settings.roles:
            await self._start_writers()
            await self._start_web()
        if "bridge" in settings.roles:
            self._start_bridge()

    @property
    def _writes(self) -> bool:
        """Whether this worker writes to payers."""
        return "messages" in self.settings.roles and bool(self.settings.notification_settings)

    def _is_near(self, partition: int) -> bool:
        if "writer" not in self.settings.roles:
            return True
        return self.writers is not None and self.writers.decides(partition)

    async def _pool(self, login: str, dsn: str, size: int) -> asyncpg.Pool:
        pool = await open_pool(
            dsn,
            max_size=size,
            command_timeout_s=COMMAND_TIMEOUT_S,
            password=partial(self.credentials.password, login),
        )
        self._stack.push_async_callback(pool.close)
        return pool

    def _start_readers(self) -> None:
        """Roles that read the journal or the archive: one task per partition each."""
        settings, pool, owner = self.settings, self.archive_pool, self._owner
        journal = settings.topics.journal.name
        roles: dict[str, Callable[[int], Awaitable[Any]]] = {
            "archive": Archive(pool, settings.kafka, journal, self.archived, owner).run,
            "projector": Projector(pool, self.archived, owner).run,
        }
        if "relay" in settings.roles:
            relay = Relay(
                pool,
                self.archived,
                owner,
                client=self.nats,
                inlet=self.inlet,
                bootstrap=settings.kafka,
                events_topic=settings.topics.events.name,
                partitions=settings.partitions,
            )
            roles["relay"] = lambda partition: self._with_nats(partial(relay.run, partition))
        for role, run in roles.items():
            if role in settings.roles:
                for partition in range(settings.partitions):
                    self._spawn(run(partition))

    async def _connect_nats(self) -> None:
        """One connection that never gives up; if it closes for good, so does the process."""
        settings = self.settings
        self._spawn(watch_nats(self.nats))
        name = f"treasury {settings.worker}"
        await connect_nats(self.nats, settings.nats, name=name, closed=self._nats_closed)
        jetstream = self.nats.jetstream()
        for stream in (inbound_stream, outbound_stream):
            wanted = stream(replicas=settings.nats_replicas)
            await through_outages(partial(ensure_stream, jetstream, wanted))
        self._connected.set()

    async def _with_nats(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Begin work once NATS is there."""
        await self._connected.wait()
        await work()

    async def _close_nats(self) -> None:
        self._stopping = True
        await close_nats(self.nats)

    async def _nats_closed(self) -> None:
        if not self._stopping:
            exit_now(Unavailable("the NATS connection was closed for good"))

    def _start_bridge(self) -> None:
        async def ensure() -> None:
            await ensure_consumer(self.nats.jetstream(), INBOUND, inbound_consumer())

        async def run() -> None:
            await through_outages(ensure)
            await bridge.run()

        bridge = Bridge(
            self.nats,
            self.inlet,
            self.archived,
            stream=INBOUND,
            consumer=CONSUMER,
            partitions=self.settings.partitions,
            ensure_consumer=ensure,
            pressed=lambda: self.writers is not None and self.writers.pressed,
            max_bytes=EMBEDDED_IN_FLIGHT_BYTES if self.settings.embedded else IN_FLIGHT_BYTES,
        )
        self._spawn(self._with_nats(run))

    def _start_webhooks(self) -> None:
        sender = Sender(read_networks(self.settings.webhook_networks))
        self._stack.push_async_callback(sender.close)
        webhooks = Webhooks(
            self.archive_pool, self.archived, self._owner, secrets=self.secrets, sender=sender
        )
        for partition in range(self.settings.partitions):
            self._spawn(webhooks.run(partition))

    async def _start_messages(self) -> None:
        """Aside: no fault in it ends the worker, and its connections are its own."""
        settings = self.settings
        pool = await self._pool(ARCHIVER, settings.archiver_dsn, 4)
        session = open_session()
        self._stack.push_async_callback(session.close)
        messages = Messages(
            pool,
            self.archived,
            self._owner,
            sender=Notifier(
                session, settings.notification_settings, SecretStore(pool, settings.keyring)
            ),
            pages=settings.public_base,
            told=settings.message_types,
        )
        reports = MessageReports(self.nats, pool, replicas=settings.nats_replicas)
        for partition in range(settings.partitions):
            self._spawn(aside(partial(messages.run, partition)))
        self._spawn(aside(partial(self._with_nats, reports.run)))

    def _connect_gateways(self) -> None:
        settings = self.settings
        self._session = open_session()
        self._stack.push_async_callback(self._session.close)
        allowed = read_networks(settings.webhook_networks)
        outside = open_session(resolver=PublicResolver(allowed))
        self._stack.push_async_callback(outside.close)
        self.gateways = Gateways(
            self._session,
            settings.gateway_settings,
            self.secrets,
            self.archive_pool,
            TokenShelf(self.archive_pool, settings.keyring),
            nonces=StoredNonces(self.archive_pool),
            outside=Outside(outside, allowed),
        )
        if TAKEN.keys() & settings.gateway_settings.keys():
            library()  # takes a second, for which nothing waits yet
        keys = settings.derived_keys("callbacks")
        self.addresses = Addresses(settings.public_base, ALIASES, keys)

    def _start_chains(self) -> None:
        partitions = self.settings.partitions
        chains = Chains(
            self.archive_pool,
            self.inlet,
            self.gateways,
            owner=self._owner,
            partitions=partitions,
        )
        for partition in range(partitions):
            self._spawn(chains.run(partition))

    def _start_dispatch(self) -> None:
        settings = self.settings
        saying = Saying(self.inlet)
        conductor = Conductor(
            self.archive_pool,
            saying,
            self.gateways,
            told_at=self.addresses.of,
            final_after_s=settings.unknown_after_s,
        )
        tenants = None
        if settings.auth_url:
            key = settings.auth_api_key.get_secret_value()
            tenants = AuthService(self._session, settings.auth_url, key)
        dispatch = Dispatch(
            self.archive_pool,
            self.archived,
            saying,
            conductor=conductor,
            lookups=Lookups(self.archive_pool, saying, tenants),
            owner=self._owner,
        )
        for partition in range(settings.partitions):
            self._spawn(dispatch.run(partition))

    async def _start_web(self) -> None:
        """Listens from the start; requests are answered when partitions serve."""
        settings = self.settings
        assert self.writers is not None
        pool = await self._pool(APP, settings.app_dsn, 10)
        async with pool.acquire() as connection:
            await require_isolation(connection)
        metrics = Metrics(REGISTRY)
        metrics.registry.register(Gauges(self.writers, self.gateways))
        ProcessCollector(registry=metrics.registry)
        context = Context(
            self.writers,
            pool,
            self._verifier(),
            call.Settings(
                cursor_key=settings.derived_key("cursor"),
                webhook_networks=read_networks(settings.webhook_networks),
                requests_per_s=settings.requests_per_s,
                requests_at_once=settings.requests_at_once,
            ),
            metrics,
            ApiKeys(pool, mode=settings.mode),
            People(pool),
            settings.keyring,
            self._callbacks(),
            partial(tenant_of_link, self.archive_pool),
            settings.jwks_file.read_bytes() if settings.jwks_file else None,
            partial(read_in_block, self.archive_pool),
        )
        server = Server(context, host=settings.host, port=settings.port)
        await server.start()
        self._stack.push_async_callback(server.stop)
        self.url = server.url
        progress = Progress(
            stall_s=settings.stall_timeout_s, takeover_s=settings.takeover_timeout_s
        )
        inbound = settings.topics.inbound.name
        if not settings.embedded:  # the broker in memory forgets by itself
            self._spawn(self._trim(self.writers))
        self._spawn(watch(self.writers, settings.kafka, inbound, progress))

    async def _trim(self, writers: Writers) -> None:
        after_s = self.settings.trim_after_s
        trimmer = Trimmer(after_s)
        while True:
            await asyncio.sleep(min(TRIM_S, after_s))
            trimmer.note(writers.trimmable())
            await trim(self.settings.kafka, trimmer.due())

    def _callbacks(self) -> Callbacks:
        settings = self.settings
        networks = {name: read_networks(text) for name, text in settings.callback_networks.items()}
        trusted = read_networks(settings.trusted_proxies)
        return Callbacks(self.addresses, self.gateways, self.secrets, networks, trusted)

    def _verifier(self) -> Verifier:
        settings = self.settings
        keys: Keys
        if settings.jwks_file is not None:
            keys = FixedKeys(read_key_set(settings.jwks_file.read_bytes()))
        elif settings.jwks_url:
            keys = RemoteKeys(settings.jwks_url)
        elif "://" in settings.issuer:
            keys = RemoteKeys(Discovery(settings.issuer))
        else:
            raise Misconfigured(
                "set TREASURY_ISSUER to an address, or TREASURY_JWKS_URL"
                " (or TREASURY_JWKS_FILE on a local stack)"
            )
        return Verifier(keys, issuer=settings.issuer, audience=settings.audience)

    def _spawn(self, work: Awaitable[Any]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(or_die(work, exit_now))
        self._tasks.append(task)
        self._stack.push_async_callback(_cancelled, task)
        return task

    async def _start_writers(self) -> None:
        settings = self.settings
        app = create_app(
            AppSettings(
                settings.kafka,
                settings.topics,
                settings.partitions,
                settings.data_dir,
                settings.web_url,
                settings.worker,
                session_timeout_s=settings.session_timeout_s,
                heartbeat_interval_s=settings.heartbeat_interval_s,
            )
        )
        self.writers = Writers(
            app,
            WriterSettings(
                settings.worker,
                settings.topics,
                settings.partitions,
                settings.kafka,
                settings.ack_after == "archive",
                Limits(unarchived_bytes=settings.unarchived_bytes, seen_ids=settings.seen_ids),
                session_timeout_s=settings.session_timeout_s,
            ),
            signer=self.signer,
            inlet=self.inlet,
            sources=Sources(
                settings.kafka,
                settings.topics,
                self.archive_pool,
                changelog_forgets=settings.embedded,
            ),
            archived=self.archived,
            die=exit_now,
        )
        producer = await open_producer(settings.kafka)
        self._stack.push_async_callback(producer.stop)
        self.writers.use(producer)
        await app.start()
        self.writers.heartbeat.attach(app)
        if settings.embedded:
            fetch_often(app, POLL_OFTEN_MS)
        self._stack.push_async_callback(app.stop)
        self._stack.push_async_callback(self.writers.stop)


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
