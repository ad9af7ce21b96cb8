"""Events reach the tenants' endpoints: signed, again after failures, never elsewhere."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
import standardwebhooks
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.roles import carrier
from agents.roles import webhooks as role
from agents.roles.archive_progress import ArchiveProgress
from agents.roles.carrier import AT_ONCE_A_LANE
from agents.roles.lease import Owner
from agents.roles.secret_store import SecretStore
from agents.roles.webhooks import RETRY_AFTER, Webhooks, secret_name
from connectors.webhooks.addresses import PublicResolver, read_networks
from connectors.webhooks.sender import Sender
from connectors.webhooks.signing import new_secret
from tables.postgres import webhooks as rows
from tables.postgres.pool import tenant_transaction
from tables.postgres.webhooks import Endpoint
from tests.agents.roles.archives import Shelf
from tests.agents.roles.test_secret_store import OLD, put
from tests.connectors.webhooks.test_addresses import Names
from tests.journals import Journal, emitted, entry

WITHIN_S = 60
LOOPBACK = read_networks("127.0.0.0/8")


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Receiver:
    """A tenant's server: `says` is the status of each answer in turn, the last one for ever."""

    def __init__(self) -> None:
        self.says = [200]
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.got.append((request.headers["webhook-id"], dict(request.headers), body))
        status = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        await self.hangs.wait()
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    @property
    def ids(self) -> list[str]:
        return [event_id for event_id, _, _ in self.got]


@pytest_asyncio.fixture
async def receivers():
    """Two receivers, and their URLs, on one server."""
    found = {"one": Receiver(), "two": Receiver()}
    app = web.Application()
    for name, receiver in found.items():
        app.router.add_post(f"/{name}", receiver.take)
    async with TestServer(app) as server:
        for name, receiver in found.items():
            receiver.url = str(server.make_url(f"/{name}"))
        yield found
        for receiver in found.values():
            receiver.hangs.set()


@pytest.fixture
def one(receivers) -> Receiver:
    return receivers["one"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(carrier, "LOOK_EVERY_S", 0.05)


@pytest_asyncio.fixture
async def shelf(database) -> Shelf:
    shelf = Shelf(database)
    shelf.journal = Journal()
    await shelf.put(shelf.journal.genesis())
    return shelf


async def register(database, url, *, tenant="alpha", endpoint="e1", types=()) -> str:
    """An endpoint with its secret."""
    secret = new_secret()
    async with tenant_transaction(database.app, tenant) as connection:
        await rows.insert_endpoint(
            connection,
            Endpoint(tenant, endpoint, url, types, ""),
            by="somebody",
            now=datetime.now(UTC),
        )
    await put(database, tenant, secret_name(endpoint), secret)
    return secret


async def say(shelf, *numbers, event_type="treasury.payment.success", **changes) -> None:
    """Archive a record in which each of these events emits one."""
    entries = [
        entry(number, emitted=[emitted(number, event_type)], **changes) for number in numbers
    ]
    await shelf.put(shelf.journal.batch(entries))


@asynccontextmanager
async def carrying(database, clock, **options):
    archived = ArchiveProgress(database.archiver)
    async with Sender(LOOPBACK, **options) as sender:
        store = SecretStore(database.archiver, OLD)
        webhooks = Webhooks(
            database.archiver, archived, Owner("test"), secrets=store, sender=sender, now=clock
        )
        task = asyncio.create_task(webhooks.run(0))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await archived.close()


async def until(condition, task) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await condition():
            if task.done():
                task.result()
            await asyncio.sleep(0.02)


async def states(database) -> dict[str, tuple[str, int]]:
    found = await database.owner.fetch("SELECT event_id, state, attempts FROM webhook_deliveries")
    return {row["event_id"]: (row["state"], row["attempts"]) for row in found}


async def all_in(database, *wanted: str) -> bool:
    found = await states(database)
    return bool(found) and {state for state, _ in found.values()} <= set(wanted)


@pytest.mark.usefixtures("quick")
class TestAnEvent:
    async def test_reaches_its_tenants_endpoint_signed_as_it_was_said(
        self, database, shelf, one, clock
    ):
        secret = await register(database, one.url)
        await say(shelf, 1, 2)
        await say(shelf, 3, tenant_id="beta")
        async with carrying(database, clock) as task:
            await until(lambda: all_in(database, "delivered"), task)
        assert sorted(one.ids) == ["out-1", "out-2"]
        for event_id, headers, body in one.got:
            standardwebhooks.Webhook(secret).verify(body, headers)
            assert json.loads(body)["event_id"] == event_id
            assert headers["Content-Type"] == "application/json"
        assert await states(database) == {"out-1": ("delivered", 1), "out-2": ("delivered", 1)}

    async def test_goes_to_those_that_want_its_type(self, database, shelf, receivers, clock):
        await register(database, receivers["one"].url, types=["treasury.invoice.paid"])
        await register(database, receivers["two"].url, endpoint="e2")
        await say(shelf, 1)
        await say(shelf, 2, event_type="treasury.invoice.paid")
        async with carrying(database, clock) as task:
            await until(lambda: all_in(database, "delivered"), task)
        assert receivers["one"].ids == ["out-2"]
        assert sorted(receivers["two"].ids) == ["out-1", "out-2"]

    async def test_is_put_on_its_way_once_whatever_restarts(self, database, shelf, one, clock):
        await register(database, one.url)
        await say(shelf, 1)
        for number in range(2, 5):
            async with carrying(database, clock) as task:
                await until(lambda: all_in(database, "delivered"), task)
                await say(shelf, number)
                await until(lambda n=number: _has(database, f"out-{n}"), task)
        async with carrying(database, clock) as task:
            await until(lambda: all_in(database, "delivered"), task)
        # An attempt that was cut off is made again, under the same id.
        assert set(one.ids) == {f"out-{n}" for n in range(1, 5)}
        assert len(one.ids) <= 4 + 3

    async def test_of_two_secrets_is_signed_by_both_while_they_overlap(
        self, database, shelf, one, clock
    ):
        old = await register(database, one.url)
        new = new_secret()
        await put(database, "alpha", f"{secret_name('e1')}.previous", old)
        await put(database, "alpha", secret_name("e1"), new)
        until_then = clock.now + timedelta(hours=1)
        await database.owner.execute("UPDATE webhook_endpoints SET previous_until = $1", until_then)
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            await until(lambda: all_in(database, "delivered"), task)
            clock.now = until_then
            await say(shelf, 2)
            await until(lambda: _delivered(database, 2), task)
        signatures = [headers["webhook-signature"].split() for _, headers, _ in one.got]
        assert [len(each) for each in signatures] == [2, 1]
        for secret in (old, new):
            standardwebhooks.Webhook(secret).verify(one.got[0][2], one.got[0][1])
        standardwebhooks.Webhook(new).verify(one.got[1][2], one.got[1][1])


async def _has(database, event_id) -> bool:
    return event_id in await states(database)


async def _delivered(database, count) -> bool:
    found = await states(database)
    return Counter(state for state, _ in found.values())["delivered"] == count


@pytest.mark.usefixtures("quick")
class TestAnEndpointThatFails:
    async def test_is_tried_again_by_the_schedule_and_then_no_more(
        self, database, shelf, one, clock, monkeypatch
    ):
        monkeypatch.setattr("connectors.breaker.FAILURES_TO_OPEN", 100)  # it would wait a minute
        await register(database, one.url)
        one.says = [500]
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            for attempts in range(1, len(RETRY_AFTER) + 2):
                await until(lambda n=attempts: _attempted(database, n), task)
                row = await database.owner.fetchrow("SELECT * FROM webhook_deliveries")
                if attempts <= len(RETRY_AFTER):
                    assert row["state"] == "pending"
                    assert row["next_at"] - clock.now == RETRY_AFTER[attempts - 1]
                    await asyncio.sleep(0.15)
                    assert len(one.got) == attempts, "it was tried before its time"
                    clock.now = row["next_at"]
        assert await states(database) == {"out-1": ("failed", len(RETRY_AFTER) + 1)}
        assert set(one.ids) == {"out-1"}
        assert sum(RETRY_AFTER, timedelta()) >= timedelta(hours=24)
        history = json.loads(row["history"])
        assert [each["status"] for each in history] == [500] * (len(RETRY_AFTER) + 1)

    async def test_then_succeeds_is_delivered(self, database, shelf, one, clock):
        await register(database, one.url)
        one.says = [503, 302, 200]
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            for attempts in (1, 2, 3):
                await until(lambda n=attempts: _attempted(database, n), task)
                clock.now += timedelta(days=1)
        assert await states(database) == {"out-1": ("delivered", 3)}

    async def test_that_is_gone_is_disabled_and_hears_no_more(self, database, shelf, one, clock):
        await register(database, one.url)
        one.says = [410]
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            await until(lambda: _attempted(database, 1), task)
            await say(shelf, 2)
            clock.now += timedelta(days=1)
            await asyncio.sleep(0.3)
        assert one.ids == ["out-1"]
        row = await database.owner.fetchrow("SELECT status, disabled_reason FROM webhook_endpoints")
        assert tuple(row) == ("disabled", "it answered 410 Gone")

    async def test_holds_up_no_other(self, database, shelf, receivers, clock):
        slow, quick = receivers["one"], receivers["two"]
        await register(database, slow.url)
        await register(database, quick.url, endpoint="e2", tenant="beta")
        slow.hangs.clear()
        await say(shelf, *range(1, 300))
        await say(shelf, *range(300, 350), tenant_id="beta")
        async with carrying(database, clock) as task:
            await until(lambda: _delivered(database, 50), task)
            assert len(slow.got) == AT_ONCE_A_LANE
            slow.hangs.set()
            await until(lambda: all_in(database, "delivered"), task)
        assert Counter(Counter(slow.ids).values()) == {1: 299}

    async def test_too_often_in_a_row_is_left_alone_for_a_while(self, database, shelf, one, clock):
        await register(database, one.url)
        one.says = [500]
        await say(shelf, *range(1, 60))
        async with carrying(database, clock) as task:
            await until(lambda: _attempted(database, 5), task)
            await asyncio.sleep(0.5)
        assert 5 <= len(one.got) <= 5 + AT_ONCE_A_LANE


async def _attempted(database, count) -> bool:
    return count <= await database.owner.fetchval(
        "SELECT coalesce(sum(attempts), 0) FROM webhook_deliveries"
    )


@pytest.mark.usefixtures("quick")
class TestWhereWeDoNotConnect:
    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("http://10.0.0.1:8080/", "address refused"),
            ("https://169.254.169.254/", "address refused"),
            ("https://evil.example/", "address refused: not public"),
            ("https://nowhere.example/", "name not found"),
        ],
    )
    async def test_an_address_inside_is_not_reached_though_it_was_registered(
        self, database, shelf, clock, url, error
    ):
        await register(database, url)
        await say(shelf, 1)
        names = Names(evil_example=[["10.0.0.1"]])
        resolver = PublicResolver(LOOPBACK, inner=names)
        async with carrying(database, clock, resolver=resolver) as task:
            await until(lambda: _attempted(database, 1), task)
        history = await database.owner.fetchval("SELECT history FROM webhook_deliveries")
        [attempt] = json.loads(history)
        assert attempt["status"] == 0
        assert attempt["error"].startswith(error)

    async def test_a_redirect_is_not_followed(self, database, shelf, one, clock):
        await register(database, one.url)
        one.says = [302]
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            await until(lambda: _attempted(database, 1), task)
        assert len(one.got) == 1
        assert (await states(database))["out-1"] == ("pending", 1)

    async def test_without_a_secret_that_opens_nothing_is_sent(self, database, shelf, one, clock):
        await register(database, one.url)
        await database.owner.execute("UPDATE secrets SET version = version + 1")
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            await until(lambda: _attempted(database, 1), task)
        assert one.got == []
        assert (await states(database))["out-1"] == ("pending", 1)


@pytest.mark.usefixtures("quick")
class TestOldDeliveries:
    async def test_are_forgotten_also_what_waits_for_its_endpoint(
        self, database, shelf, one, clock, monkeypatch
    ):
        monkeypatch.setattr(carrier, "FORGET_EVERY_S", 0.05)
        await register(database, one.url)
        one.says = [200, 410]
        await say(shelf, 1)
        async with carrying(database, clock) as task:
            await until(lambda: all_in(database, "delivered"), task)
            await say(shelf, 2)
            await until(lambda: _attempted(database, 2), task)
            clock.now += role.KEPT_FOR - timedelta(days=1)
            await asyncio.sleep(0.2)
            assert set(await states(database)) == {"out-1", "out-2"}
            clock.now += timedelta(days=2)
            await until(lambda: _only(database), task)


async def _only(database, *event_ids) -> bool:
    return set(await states(database)) == set(event_ids)
