"""Gateways as a tenant sees them, and the page of what each can do."""

import json
import re
from dataclasses import replace

import pytest_asyncio

from connectors.http import open_session
from connectors.instant.fake import FakeGateway
from connectors.kra.fake import FakeKra
from connectors.mpesa import fake_bodies as bodies
from connectors.mpesa.fake import FakeDaraja
from connectors.mpesa.fake_book import Fault, Paid
from connectors.registry import CONNECTORS
from streams.errors import Misconfigured
from tests.web.conftest import ADDRESSES, NoSecrets
from tests.web.desk import project
from tests.web.test_callbacks import OfFakes, attempt, post
from web.call import Callbacks


@pytest_asyncio.fixture
async def here(context, database, serve):
    """A worker with one gateway, and what it has of it."""
    async with FakeGateway() as fake, open_session() as session:
        gateways = OfFakes(session, instant=fake.configuration)
        callbacks = Callbacks(ADDRESSES, gateways, NoSecrets())
        api = await serve(replace(context, pool=database.app, callbacks=callbacks))
        yield api, gateways


async def instant_of(api, tenant="alpha"):
    """What a tenant is shown of the instant gateway."""
    answer = await api.get(f"/api/v1/{tenant}/connectors", token=api.token(tenant))
    return {row["provider"]: row for row in answer.json["data"]}["instant"]


class TestTheList:
    async def test_says_what_each_can_do_and_whether_it_can_be_used(self, here):
        api, _ = here
        shown = {
            row["provider"]: row for row in (await api.get("/api/v1/alpha/connectors")).json["data"]
        }
        assert set(shown) == set(CONNECTORS)
        assert shown["instant"]["state"] == "usable"
        assert (shown["instant"]["breaker"], shown["instant"]["trouble"]) == ("closed", 0)
        assert "collect" in shown["instant"]["operations"]
        assert (shown["mpesa"]["state"], shown["mpesa"]["operations"]) == ("not_here", [])
        assert shown["mpesa"]["methods"] == ["mpesa"]

    async def test_says_why_one_cannot_be_used(self, here):
        api, gateways = here
        gateways.error = Misconfigured("instant: api_key is missing")
        row = await instant_of(api)
        assert (row["state"], row["reason"]) == ("not_configured", "instant: api_key is missing")

    async def test_while_postgres_is_away_one_is_told_to_come_again(self, here):
        api, gateways = here
        gateways.error = OSError("Postgres is away")
        answer = await api.get("/api/v1/alpha/connectors")
        assert (answer.status, answer.code) == (503, "configuration-unavailable")

    async def test_counts_how_the_tenants_own_calls_ended(self, here, desk, database):
        api, _ = here
        for outcome, call_id in (
            ("succeeded", await attempt(desk, "instant", "")),
            ("failed", await attempt(desk, "instant", "")),
            ("", await attempt(desk, "instant", "")),
        ):
            about = {"call_id": call_id, "nonce": "n"}
            if outcome:
                await desk.hear(
                    "treasury.call.granted", ingress="internal", valid_for_ms=1, **about
                )
                await desk.hear(
                    "treasury.call.completed", ingress="internal", outcome=outcome, **about
                )
        await project(desk, database)
        await database.owner.execute("UPDATE resources SET created_at = now()")
        row = await instant_of(api)
        assert row["last_day"] == {"succeeded": 1, "failed": 1, "unknown": 0, "open": 1}
        row = await instant_of(api, "beta")
        assert set(row["last_day"].values()) == {0}

    async def test_its_address_is_for_who_may_configure_it(self, here):
        api, _ = here
        for scopes, is_shown in (("settings:read", False), ("settings:read settings:write", True)):
            token = api.token(scope=scopes.split())
            answer = (await api.get("/api/v1/alpha/connectors", token=token)).json
            [row] = [row for row in answer["data"] if row["provider"] == "stripe"]
            told = row["callback_url"], answer["services"]["callback_url"]
            wanted = ADDRESSES.of("stripe", "alpha"), ADDRESSES.of("services", "alpha")
            assert told == (wanted if is_shown else ("", ""))


class TestActions:
    @pytest_asyncio.fixture
    async def acting(self, context, serve):
        async with FakeDaraja() as mpesa, open_session() as session:
            gateways = OfFakes(session, mpesa=mpesa.configuration)
            api = await serve(
                replace(context, callbacks=Callbacks(ADDRESSES, gateways, NoSecrets()))
            )
            yield api, mpesa

    async def ask(self, api, action, **values):
        path = f"/api/v1/alpha/connectors/mpesa/{action}"
        sent = {"Content-Type": "application/json"}
        body = json.dumps({"values": values}).encode()
        return await api.request("POST", path, headers=sent, data=body)

    async def test_a_tenants_addresses_are_registered(self, acting):
        api, mpesa = acting
        assert (await self.ask(api, "register")).status == 200
        address = mpesa.c2b_urls["ConfirmationURL"].removeprefix(ADDRESSES.base_url)
        _, _, alias, tenant, token, kind = address.split("/")
        assert ADDRESSES.read(alias, tenant, token) == ("mpesa", "")
        assert kind == "c2b-confirmation"

    async def test_what_was_never_told_is_counted_once_whoever_tells_it_first(self, acting, desk):
        api, mpesa = acting
        mpesa.may_pull = True
        mpesa.book.deposits += [Paid(f"TCA{n}", 100, "nothing", "254712345678") for n in range(4)]
        told = bodies.confirmation(mpesa.book.deposits[0], mpesa.short_code, "20260301093055")
        path = ADDRESSES.of("mpesa", "alpha").removeprefix(ADDRESSES.base_url)
        await post(api, f"{path}/c2b-confirmation", json.dumps(told).encode())
        span = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
        for _ in range(2):
            assert (await self.ask(api, "pull", **span)).json == {"found": 4}
        rows = desk.working.scan(b"pi\x00", 10)
        assert [row.received for row in rows] == [10_000] * 4
        assert len({row.provider_reference for row in rows}) == 4

    async def test_what_a_gateway_does_not_do_is_said_so(self, acting):
        api, _ = acting
        assert (await self.ask(api, "dance")).code == "not-found"
        answer = await self.ask(api, "pull", since="yesterday")
        assert (answer.status, answer.code) == (422, "provider-refused")
        assert "instant_unfit" in answer.json["detail"]

    async def test_while_it_does_not_answer_one_is_told_to_come_again(self, acting):
        api, mpesa = acting
        mpesa.faults["/mpesa/c2b/v2/registerurl"].append(Fault(status=503))
        answer = await self.ask(api, "register")
        assert (answer.status, answer.code) == (503, "provider-unavailable")


class TestTheMatrix:
    async def test_says_of_each_gateway_what_it_claims_and_no_more(self, context, serve):
        api = await serve(context)
        page = (await api.request("GET", "/docs/connectors", headers={"Authorization": None})).raw
        rows = re.findall(r"<tr>(.*?)</tr>", page.decode())
        head = re.findall(r"<th>(.*?)</th>", rows[0])
        told = {}
        for row in rows[1:]:
            cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", row)
            told[cells[0]] = dict(zip(head, cells, strict=True))
        assert set(told) == set(CONNECTORS)
        for gateway, cells in told.items():
            claimed = {name for name, cell in cells.items() if cell == "yes"}
            assert claimed == CONNECTORS[gateway].capabilities
        assert told["mpesa"]["among these currencies"] == "KES"
        assert told["mpesa"]["callbacks need a query"] == "collect"


class TestSecretsThatAProviderGives:
    async def test_are_sealed_and_shown_to_nobody(self, context, database, serve):
        async with FakeKra(installed=False) as fake, open_session() as session:
            gateways = OfFakes(session, kra=fake.configuration)
            callbacks = Callbacks(ADDRESSES, gateways, NoSecrets())
            api = await serve(replace(context, pool=database.app, callbacks=callbacks))
            path = "/api/v1/alpha/connectors/kra/device"
            headers = {"Content-Type": "application/json"}
            answer = await api.request("POST", path, data=b"{}", headers=headers)
            assert (answer.status, answer.json["branch"]) == (200, "00")
            [key] = fake.keys.values()
            assert key.encode() not in answer.raw
        found = await api.get("/api/v1/alpha/secrets/kra.cmc_key")
        assert (found.json["state"], found.json["version"]) == ("set", 1)
