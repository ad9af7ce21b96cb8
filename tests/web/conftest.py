"""A real server on loopback over a desk in memory, and a client that holds good tokens."""

import asyncio
import json
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from connectors.callback_tokens import Addresses
from connectors.envelope import Keyring
from connectors.registry import ALIASES
from tests.databases import Database, migrated
from tests.web.desk import NOW_MS, MemoryDesk
from tests.web.schema import answer_violations, body_of
from web import scopes
from web.api_keys import ApiKeys
from web.call import Callbacks, Context, Settings
from web.catalogue import meaning_of
from web.local_issuer import LocalIssuer
from web.metrics import Metrics
from web.people import People
from web.server import Server

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
KEYRING = Keyring(b"m" * 32)
SETTINGS = Settings(cursor_key=b"c" * 32)
HASTY = replace(SETTINGS, body_timeout_s=0.2, head_timeout_s=0.2, read_timeout_s=0.2)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: object
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw, parse_float=lambda text: pytest.fail(f"a float: {text}"))

    @property
    def code(self):
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        assert self.json["request_id"] == self.headers["X-Request-Id"]
        assert meaning_of(self.json["code"]), f"{self.json['code']} is not in the catalogue"
        return self.json["code"]


class Api:
    """A client with a token of tenant `alpha` and every scope, unless told otherwise.

    `told`: every answer is what the specification says.
    """

    told = True

    def __init__(self, url, session, issuer):
        self.url, self.session, self.issuer = url, session, issuer

    def token(self, tenant_id="alpha", scope=scopes.ALL, **claims):
        return self.issuer.mint(tenant_id, scope, **claims)

    async def request(self, method, path, *, token=None, headers=None, **options):
        given = {"Authorization": f"Bearer {token or self.token()}", **(headers or {})}
        given = {name: value for name, value in given.items() if value is not None}
        async with self.session.request(
            method, self.url + path, headers=given, allow_redirects=False, **options
        ) as response:
            answer = Answer(response.status, response.headers, await body_of(response))
        if self.told:
            kind, place = response.content_type, urlsplit(path).path
            wrong = answer_violations(method, place, answer.status, kind, answer.raw)
            assert wrong == [], f"{method} {path}"
        return answer

    async def get(self, path, **options):
        return await self.request("GET", path, **options)

    async def command(self, path, body, *, key="key-1", headers=None, **options):
        """POST a JSON body (given as text or as members) under an idempotency key."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        sent = {"Content-Type": "application/json", "Idempotency-Key": key, **(headers or {})}
        return await self.request("POST", f"/api/v1{path}", headers=sent, data=data, **options)

    async def raw(self, request: bytes, *, close=False):
        """What the server answers to these bytes on a connection of their own."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(request)
        await writer.drain()
        if close:
            writer.write_eof()
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture(scope="session")
def issuer(tmp_path_factory) -> LocalIssuer:
    return LocalIssuer.open(tmp_path_factory.mktemp("issuer") / "keys")


@pytest_asyncio.fixture
async def desk() -> MemoryDesk:
    desk = MemoryDesk()
    await desk.hear("auth.tenant.created", name="Alpha", currency="KES")
    await desk.hear("auth.tenant.created", "beta", name="Beta", currency="KES")
    return desk


@pytest_asyncio.fixture
async def no_database():
    """A pool of a server that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    pool = await asyncpg.create_pool(
        host="127.0.0.1", port=port, user="nobody", database="none", min_size=0
    )
    yield pool
    pool.terminate()


@pytest_asyncio.fixture
async def database(database_dsn: str):
    async with migrated(database_dsn) as database:
        yield database


ADDRESSES = Addresses("https://treasury.example", ALIASES, [b"a key of callbacks, for tests only"])


async def no_link(_token):
    """Nobody has a payment link."""
    return


class NoSecrets:
    """Nobody has any."""

    async def resolve(self, _tenant_id, _prefix):
        return {}


class NoGateways:
    """Nothing is configured."""

    def knows(self, _gateway):
        return False

    async def of(self, _tenant_id, gateway):
        raise KeyError(gateway)


@pytest.fixture
def context(desk, no_database, issuer) -> Context:
    return Context(
        desk,
        no_database,
        issuer.verifier(),
        SETTINGS,
        Metrics(),
        ApiKeys(no_database),
        People(no_database),
        KEYRING,
        Callbacks(ADDRESSES, NoGateways(), NoSecrets()),
        no_link,
        key_set=issuer.jwks(),
        clock_ms=lambda: NOW_MS,
    )


@pytest_asyncio.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture
async def serve(session, issuer):
    """Start further servers; each call gives the client of a new one."""
    running = []

    async def start(context: Context) -> Api:
        server = Server(context, host="127.0.0.1", port=0)
        await server.start()
        running.append(server)
        return Api(server.url, session, issuer)

    yield start
    for server in running:
        await server.stop()


@pytest_asyncio.fixture
async def api(serve, context) -> Api:
    return await serve(context)


@pytest_asyncio.fixture
async def hasty(serve, context) -> Api:
    """The same without patience, for slow clients and for what it reads."""
    return await serve(replace(context, settings=HASTY))


@pytest_asyncio.fixture
async def listed(serve, context, database: Database) -> Api:
    """The same with the read models behind it."""
    return await serve(
        replace(
            context,
            pool=database.app,
            api_keys=ApiKeys(database.app, known_for_s=0, now=lambda: NOW),
            people=People(database.app),
        )
    )
