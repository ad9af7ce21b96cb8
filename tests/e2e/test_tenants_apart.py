"""What one tenant has, no other one sees or moves: every route, on two workers and Apache Kafka.

Each of two tenants has a row of every kind, with a word of its own (a canary) in every name,
reference, note and secret. Alpha asks every route for beta's; of neither is anything found where
the other one's things are.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import nats
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from compose.calling import Accepted, Caller
from compose.inspect import life_of
from compose.local.accounts import temporary_folder
from compose.seeing import outbound
from compose.up import Local, Running
from streams.kafka import PartitionReader
from tests.e2e.leaks import secrets_of, tables_of
from tests.e2e.rows import listed, row_of_every_kind
from tests.web.schema import answer_violations, body_of
from web.call import Route
from web.examples import example_of
from web.routes import ROUTES
from web.scopes import ALL

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
]
OWN, CANARY = (f"canary{uuid4().hex}" for _ in range(2))
"""Alpha's and beta's."""
MEMBERS = {
    name
    for route in ROUTES
    if route.scope is not None
    for name in re.findall(r"\{([a-z_]+)\}", route.path)
}
NO_ROWS = {"tenant", "account", "name", "provider", "action", "period"}
"""Members of paths that are no ids of rows: the tenant, an account's path, a secret's name, a
gateway and what it can do, a month.
"""
GATEWAY = {"provider": "mpesa", "action": "register", "period": "2026-03"}
BODY = dict[str, Any]


@dataclass
class Two:
    """Two tenants of an installation, each reached through a worker of its own."""

    running: Running
    session: aiohttp.ClientSession
    alpha: Caller
    beta: Caller
    beta_has: dict[str, str] = field(default_factory=dict)
    """An id of beta's for every member that a path can name."""
    shown_once: list[str] = field(default_factory=list)
    """Secrets that the API has shown to beta."""

    def token(self, tenant_id: str, **more: Any) -> str:
        return self.running.issuer.mint(tenant_id, ALL, subject="ann", **more)

    async def ask(
        self, method: str, path: str, tenant_id: str, body: BODY | None = None, worker: int = 0
    ) -> tuple[int, str]:
        """(status, text) of a request with this tenant's token and every scope."""
        headers = {
            "Authorization": f"Bearer {self.token(tenant_id)}",
            "Idempotency-Key": str(uuid4()),
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        for _ in range(60):
            async with self.session.request(
                method, self.running.urls[worker] + path, headers=headers, data=data
            ) as response:
                raw, kind = await body_of(response), response.content_type
            if response.status != 503:
                break
            await asyncio.sleep(0.25)
        assert answer_violations(method, path.partition("?")[0], response.status, kind, raw) == []
        return response.status, raw.decode()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def two(home_of_module: Path) -> AsyncIterator[Two]:
    local = Local(home_of_module, "apache", partitions=4, workers=2, port=0)
    async with Running(local, print) as running:
        await running.ready()
        client = await nats.connect(running.endpoints.nats)
        async with aiohttp.ClientSession() as session:
            accepted = Accepted()
            callers = [
                Caller(
                    session,
                    client,
                    running.urls[number],
                    f"tenant-{uuid4()}",
                    token=lambda actor, n=number: tokens[n](actor),
                    accepted=accepted,
                )
                for number in range(2)
            ]
            tokens = [
                lambda actor, tenant=caller.tenant_id: running.issuer.mint(
                    tenant, ALL, subject=actor
                )
                for caller in callers
            ]
            found = Two(running, session, *callers)
            for caller, name in zip(callers, (f"Alpha {OWN}", f"Beta {CANARY}"), strict=True):
                await caller.event(
                    "auth.tenant.created",
                    name=name,
                    mode="sandbox",
                    currency="KES",
                    country="KE",
                    time_zone="Africa/Nairobi",
                    settings={"tax_registered": True, "maker_checker": False},
                )
            made = await found.beta.done("api-keys", name="x", scopes=["balances:read"])
            found.shown_once.append(made["key"].rpartition(".")[2])
            made = await found.beta.done("webhook-endpoints", url="https://example.com/x")
            found.shown_once.append(made["secret"].removeprefix("whsec_"))
            found.beta_has = await row_of_every_kind(found.beta, CANARY)
            await row_of_every_kind(found.alpha, OWN)
            for caller, canary in ((found.alpha, OWN), (found.beta, CANARY)):
                path = f"/api/v1/{caller.tenant_id}/secrets/instant.api_key"
                secret = {"value": f"{canary}-secret"}
                assert (await found.ask("PUT", path, caller.tenant_id, secret))[0] == 200
            yield found
        await client.close()


@pytest.fixture(scope="module")
def home_of_module() -> Any:
    """A folder that the unprivileged account of PostgreSQL can enter."""
    with temporary_folder("treasury-apart-") as folder:
        yield folder / "home"


def _filled(route: Route, tenant_id: str, ids: dict[str, str]) -> str:
    known = {"tenant": tenant_id, "account": "bank:kcb", "name": "instant.api_key"}
    known |= GATEWAY | ids
    path = re.sub(r"\{([a-z_]+)\}", lambda member: known[member[1]], route.path)
    return path + ("?currency=KES" if "/accounts/" in path and path.endswith("/statement") else "")


def _body(route: Route) -> BODY | None:
    return None if route.model is None else example_of(route)


def _without(text: str, *ids: str) -> str:
    """An answer without what differs between two requests: their ids."""
    for each in ids:
        text = text.replace(each, "ID")
    return re.sub(r'"request_id":"[^"]*"', "", text)


GUARDED = [route for route in ROUTES if route.scope is not None and route.tier]
OF_ROWS = [route for route in GUARDED if set(re.findall(r"\{([a-z_]+)\}", route.path)) - NO_ROWS]


# Before one tenant asks with ids of the other, which stand in what it said from then on.


class TestTheCanary:
    """Of one tenant, looked for where the other one's things are."""

    @pytest.fixture(params=["alpha", "beta"])
    def sides(self, request, two) -> tuple[Caller, str, str]:
        """A tenant, its own canary and the other's."""
        both = [(two.alpha, OWN, CANARY), (two.beta, CANARY, OWN)]
        return both[request.param == "beta"]

    async def test_is_in_no_list(self, two, sides):
        caller, own, others = sides
        said = ""
        for route in GUARDED:
            if route.method == "GET" and route not in OF_ROWS:
                path = _filled(route, caller.tenant_id, {})
                status, text = await two.ask("GET", path, caller.tenant_id)
                assert status in {200, 404}, (route.name, text)
                assert others not in text, route.name
                said += text
        assert own in said

    async def test_is_in_no_row_that_bears_the_tenant(self, two, sides):
        """Entries, outbound events, dead letters, deliveries, calls, the audit log, everything."""
        caller, own, others = sides
        found = dict(await tables_of(two.running.settings().owner_dsn, caller.tenant_id))
        assert {table for table, text in found.items() if others in text} == set()
        wanted = {"entries", "emitted", "dead_letters", "resources", "webhook_endpoints"}
        assert wanted <= {table for table, text in found.items() if own in text}

    async def test_is_in_no_event_on_nats_or_kafka(self, two, sides):
        caller, own, others = sides
        client = await nats.connect(two.running.endpoints.nats)
        said = await outbound(client)
        await client.close()
        topic = two.running.settings().topics.events.name
        for partition in range(two.running.local.partitions):
            async with PartitionReader(two.running.endpoints.kafka, topic, partition) as reader:
                async for records in reader.read_range(*await reader.bounds()):
                    said += [record.value for record in records]
        bodies = [body.decode() for body in said]
        mine = [body for body in bodies if json.loads(body)["tenant_id"] == caller.tenant_id]
        assert len([body for body in mine if own in body]) > 5
        assert [body for body in mine if others in body] == []

    async def test_is_in_no_trace(self, two):
        settings, event_id = two.running.settings(), two.beta_has["event_id"]
        assert await life_of(settings, two.beta.tenant_id, event_id)
        assert await life_of(settings, two.alpha.tenant_id, event_id) == []

    async def test_secret_is_in_no_log_metric_or_table_and_the_others_in_no_log(self, two):
        logs = "".join(path.read_text() for path in two.running.local.home.rglob("run-*/*.log"))
        assert "worker_started" in logs
        assert "canary" not in logs
        for url in two.running.urls:
            async with two.session.get(f"{url}/metrics") as response:
                text = await response.text()
            assert "treasury_entries_total" in text
            assert "canary" not in text
            assert two.alpha.tenant_id not in text
            assert two.beta.tenant_id not in text
        tables = await tables_of(two.running.settings().owner_dsn)
        dump = "\n".join(text for _table, text in tables)
        assert CANARY in dump  # in names and references, which it is looked for beside
        assert f"{CANARY}-secret" not in dump
        assert f"{OWN}-secret" not in dump
        assert [secret for secret in secrets_of(two.running) if secret in dump] == []
        assert two.shown_once
        assert [secret for secret in two.shown_once if secret in dump + logs] == []


class TestAnIdOfAnotherTenant:
    async def test_there_is_one_for_every_kind_that_a_path_can_name(self, two):
        assert set(two.beta_has) == MEMBERS - NO_ROWS

    async def test_is_beta_s_own_to_see(self, two):
        for route in OF_ROWS:
            if route.method == "GET":
                path = _filled(route, two.beta.tenant_id, two.beta_has)
                status, text = await two.ask("GET", path, two.beta.tenant_id)
                assert status == 200, (route.name, text)

    @pytest.mark.parametrize("worker", [0, 1])
    async def test_answers_like_one_that_nobody_has(self, two, worker):
        alpha = two.alpha.tenant_id
        unknown = {member: f"unknown-{uuid4()}" for member in two.beta_has}
        for route in OF_ROWS:
            said = []
            for ids in (two.beta_has, unknown):
                path = _filled(route, alpha, ids)
                status, text = await two.ask(route.method, path, alpha, _body(route), worker)
                said.append((status, _without(text, *ids.values())))
            assert said[0] == said[1], route.name
            assert said[0][0] == 404, (route.name, said[0])
            assert CANARY not in said[0][1], route.name

    async def test_in_a_body_answers_like_one_that_nobody_has(self, two):
        alpha, has = two.alpha.tenant_id, two.beta_has
        for path, member, more in (
            ("/api/v1/payments/confirm", "payment_id", {"method": "instant"}),
            ("/api/v1/payments/intents", "invoice_id", {"amount": "5"}),
            (f"/api/v1/{alpha}/subscriptions", "plan_id", {"customer_id": "c"}),
        ):
            said = []
            for row_id in (has[member], f"unknown-{uuid4()}"):
                body = {member: row_id, **more}
                status, text = await two.ask("POST", path, alpha, body)
                said.append((status, _without(text, row_id)))
            assert said[0] == said[1], path
            assert said[0][0] >= 400, path

    async def test_was_not_moved_by_any_of_that(self, two):
        before = await two.beta.balances()
        await self.test_answers_like_one_that_nobody_has(two, 1)
        assert await two.beta.balances() == before


class TestAPathOfAnotherTenant:
    async def test_answers_like_one_of_a_tenant_that_does_not_exist(self, two):
        alpha = two.alpha.tenant_id
        for route in GUARDED:
            if "{tenant}" not in route.path:
                continue
            said = []
            for tenant_id in (two.beta.tenant_id, f"tenant-{uuid4()}"):
                path = _filled(route, tenant_id, two.beta_has)
                status, text = await two.ask(route.method, path, alpha, _body(route))
                said.append((status, _without(text)))
            assert said[0] == said[1], route.name
            assert said[0][0] == 403, route.name


class TestEqualRequests:
    async def test_of_fifty_at_once_one_counts_and_all_answers_are_equal(self, two):
        alpha = two.alpha.tenant_id
        for path, body in (
            ("/api/v1/payments/intents", {"amount": "12.50", "order_id": "fifty"}),
            (
                f"/api/v1/{alpha}/journals",
                {
                    "legs": [
                        {"account": "bank:fifty", "side": "debit", "amount": "7"},
                        {"account": "opening", "side": "credit", "amount": "7"},
                    ]
                },
            ),
        ):
            headers = {
                "Authorization": f"Bearer {two.token(alpha)}",
                "Idempotency-Key": f"fifty{path}".replace("/", "."),
                "Content-Type": "application/json",
            }

            async def send(number: int, path=path, body=body, headers=headers):
                url = two.running.urls[number % 2] + path
                async with two.session.post(url, json=body, headers=headers) as response:
                    replayed = response.headers.get("Idempotency-Replayed")
                    return response.status, await response.read(), replayed

            answers = await asyncio.gather(*(send(number) for number in range(50)))
            statuses = {status for status, _, _ in answers}
            assert statuses <= {200, 201, 409}, statuses
            good = [(text, replayed) for status, text, replayed in answers if status < 300]
            assert good
            assert len({text for text, _ in good}) == 1
            # Those that were there before the decision share it; who comes later is told so.
            again = await send(0)
            assert again[1:] == (good[0][0], "true")
            other, text, _ = await send(0, body={**body, "description": "x", "reference": "y"})
            assert other == 422, text
        rows = await two.alpha.until(lambda: listed(two.alpha, "payments/intents?order_id=fifty"))
        assert len(rows) == 1
        assert (await two.alpha.balances())["bank:fifty", "KES"] == "7.00"


class TestWebhooks:
    async def test_reach_their_tenant_and_nobody_else(self, two):
        got: list[tuple[str, BODY]] = []

        async def take(request: web.Request) -> web.Response:
            got.append((request.match_info["whose"], json.loads(await request.read())))
            return web.Response()

        app = web.Application()
        app.router.add_post("/{whose}", take)
        async with TestServer(app) as server:
            for name, caller in (("alpha", two.alpha), ("beta", two.beta)):
                url = str(server.make_url(f"/{name}"))
                await caller.done("webhook-endpoints", url=url)
            for number in range(5):
                await two.beta.event(
                    "cafe.order.created", order_id=f"hook-{number}", total_amount=10
                )

            async def there() -> bool:
                orders = [body["data"].get("order_id") for whose, body in got if whose == "beta"]
                return {f"hook-{number}" for number in range(5)} <= set(orders)

            await two.beta.until(there)
        assert {body["tenant_id"] for whose, body in got if whose == "beta"} == {two.beta.tenant_id}
        assert not [body for whose, body in got if whose == "alpha" and CANARY in str(body)]
        assert {body["tenant_id"] for whose, body in got if whose == "alpha"} <= {
            two.alpha.tenant_id
        }
