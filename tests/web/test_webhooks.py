"""A tenant's webhook endpoints over HTTP: registered, changed, rotated, tested, replayed."""

import json
from dataclasses import replace

import pytest

from agents.roles.secret_store import SecretStore
from connectors.webhooks.addresses import read_networks
from streams.partitioner import partition_of
from tests.connectors.webhooks.test_addresses import REFUSED
from tests.web.conftest import KEYRING
from tests.web.desk import project
from tests.web.test_lists import walk

URL = "https://hooks.example.com/treasury"
PATH = "/api/v1/alpha/webhook-endpoints"


@pytest.fixture
async def hooked(listed, desk):
    """A cluster of eight partitions, where endpoints can be registered."""
    desk.partitions = 8
    return listed


async def register(api, url=URL, *, tenant="alpha", **members):
    return await api.command(
        f"/{tenant}/webhook-endpoints", {"url": url, **members}, token=api.token(tenant)
    )


async def act(api, endpoint_id, verb, **members):
    return await api.command(f"/alpha/webhook-endpoints/{endpoint_id}/{verb}", members)


async def change(api, endpoint_id, **members):
    return await api.request(
        "PUT",
        f"{PATH}/{endpoint_id}",
        headers={"Content-Type": "application/json"},
        data=json.dumps({"url": URL, **members}),
    )


async def secrets_of(database) -> dict[str, str]:
    found = await SecretStore(database.archiver, KEYRING).resolve("alpha", "webhook.")
    return {name: each.value.get_secret_value() for name, each in found.items()}


class TestAnEndpoint:
    async def test_is_registered_with_a_secret_that_is_shown_once(self, hooked, database):
        made = (await register(hooked, event_types=["treasury.invoice.paid"])).json
        secret = made.pop("secret")
        assert secret.startswith("whsec_")
        one = await hooked.get(f"{PATH}/{made['endpoint_id']}")
        assert one.json == made
        everything = await hooked.get(PATH)
        assert everything.json["data"] == [made]
        log = await hooked.get("/api/v1/alpha/audit-log")
        assert log.json["data"][0]["action"] == "webhook_endpoint.create"
        hidden = await hooked.get("/api/v1/alpha/secrets")
        for answer in (one, everything, log, hidden):
            assert secret.encode() not in answer.raw
        assert await secrets_of(database) == {f"webhook.{made['endpoint_id']}": secret}

    @pytest.mark.parametrize("url", [*REFUSED, ""])
    async def test_at_a_place_we_do_not_connect_to_is_refused(self, hooked, url):
        refused = await register(hooked, url)
        assert refused.status == 422
        assert refused.json["errors"][0]["pointer"] == "/url"

    async def test_may_be_near_where_the_installation_says_so(
        self, hooked, serve, context, database
    ):
        local = replace(context.settings, webhook_networks=read_networks("127.0.0.0/8"))
        near = await serve(replace(context, pool=database.app, settings=local))
        assert (await register(near, "http://127.0.0.1:9000/")).status == 200
        assert (await register(near, "http://10.0.0.1:9000/")).code == "url-refused"

    async def test_hears_known_events_only(self, hooked):
        refused = await register(hooked, event_types=["treasury.invoice.paid", "treasury.x"])
        assert (refused.status, refused.code) == (422, "unknown-event-type")

    async def test_is_changed_disabled_enabled_and_deleted(self, hooked):
        endpoint_id = (await register(hooked)).json["endpoint_id"]
        changed = await change(hooked, endpoint_id, url=URL + "/2", description="till")
        assert (changed.json["url"], changed.json["description"]) == (URL + "/2", "till")
        assert (await act(hooked, endpoint_id, "disable")).json["status"] == "disabled"
        assert (await act(hooked, endpoint_id, "enable")).json["status"] == "enabled"
        gone = await hooked.request("DELETE", f"{PATH}/{endpoint_id}")
        assert gone.json["status"] == "deleted"
        assert (await hooked.get(f"{PATH}/{endpoint_id}")).status == 404
        assert (await hooked.get(PATH)).json["data"] == []
        for verb in ("enable", "disable", "test", "rotate"):
            assert (await act(hooked, endpoint_id, verb)).status == 404
        assert (await change(hooked, endpoint_id)).status == 404

    async def test_keeps_its_old_secret_beside_the_new_one(self, hooked, database):
        made = (await register(hooked)).json
        rotated = await act(hooked, made["endpoint_id"], "rotate", overlap_s=60)
        assert rotated.json["previous_until"] is not None
        name = f"webhook.{made['endpoint_id']}"
        assert await secrets_of(database) == {
            name: rotated.json["secret"],
            f"{name}.previous": made["secret"],
        }

    async def test_that_is_deleted_leaves_no_secret(self, hooked, database):
        kept, gone = [(await register(hooked)).json["endpoint_id"] for _ in range(2)]
        await act(hooked, gone, "rotate")
        await hooked.request("DELETE", f"{PATH}/{gone}")
        assert list(await secrets_of(database)) == [f"webhook.{kept}"]

    async def test_of_another_tenant_is_not_found(self, hooked):
        made = (await register(hooked, tenant="beta")).json
        foreign = made["endpoint_id"]
        assert (await hooked.get(f"{PATH}/{foreign}")).status == 404
        assert (await hooked.get(f"{PATH}/{foreign}/deliveries")).status == 404
        assert (await change(hooked, foreign)).status == 404
        for verb in ("enable", "disable", "test", "rotate", "deliveries/x/replay"):
            assert (await act(hooked, foreign, verb)).status == 404
        replayed = await act(
            hooked, foreign, "replay", **{"from": "2020-01-01", "to": "2030-01-01"}
        )
        assert replayed.status == 404
        assert (await hooked.request("DELETE", f"{PATH}/{foreign}")).status == 404

    async def test_is_listed_page_by_page(self, hooked):
        for number in range(5):
            await register(hooked, f"{URL}/{number}")
        whole = (await hooked.get(PATH)).json["data"]
        assert len(whole) == 5
        assert await walk(hooked, PATH, 2) == whole


class TestDeliveries:
    @pytest.fixture
    async def endpoint(self, hooked, desk, database) -> str:
        """An endpoint of alpha, after three invoices of it and one of beta."""
        for number in range(3):
            await desk.hear("cafe.order.created", order_id=f"o{number}", total_amount="10.00")
        await desk.hear("cafe.order.created", "beta", order_id="o1", total_amount="99.00")
        await project(desk, database)
        return (await register(hooked)).json["endpoint_id"]

    async def test_of_a_test_is_an_event_that_means_nothing(self, hooked, endpoint, database):
        tested = (await act(hooked, endpoint, "test")).json
        [row] = (await hooked.get(f"{PATH}/{endpoint}/deliveries")).json["data"]
        assert (row["event_id"], row["event_type"]) == (
            tested["event_id"],
            "treasury.webhook.test",
        )
        assert (row["state"], row["attempts"], row["history"]) == ("pending", 0, [])
        stored = await database.owner.fetchrow("SELECT * FROM webhook_deliveries")
        assert json.loads(stored["body"])["data"] == {"endpoint_id": endpoint}
        assert stored["partition"] == partition_of("alpha", 8)

    async def test_of_a_range_are_replayed_once_each(self, hooked, endpoint):
        said = {"from": "2020-01-01", "to": "2099-01-01"}
        types = ["treasury.invoice.created"]
        for _ in range(2):
            replayed = await act(hooked, endpoint, "replay", **said, event_types=types)
            assert replayed.json == {"replayed": 3}
        path = f"{PATH}/{endpoint}/deliveries"
        rows = await walk(hooked, path, 2)
        assert {row["event_type"] for row in rows} == set(types)
        assert len({row["event_id"] for row in rows}) == len(rows) == 3
        before = {"from": "2020-01-01", "to": "2020-02-01"}
        assert (await act(hooked, endpoint, "replay", **before)).json == {"replayed": 0}

    async def test_are_narrowed(self, hooked, endpoint):
        await act(hooked, endpoint, "test")
        path = f"{PATH}/{endpoint}/deliveries"
        for query, count in (
            ("state=pending", 1),
            ("state=delivered", 0),
            ("event_type=treasury.webhook.test", 1),
            ("event_type=treasury.invoice.paid", 0),
            ("to=2020-01-01", 0),
        ):
            assert len((await hooked.get(f"{path}?{query}")).json["data"]) == count, query

    async def test_of_one_event_is_replayed_after_it_was_delivered(
        self, hooked, endpoint, database
    ):
        event_id = await database.owner.fetchval(
            "SELECT event_id FROM emitted WHERE tenant_id = 'alpha' LIMIT 1"
        )
        again = f"deliveries/{event_id}/replay"
        assert (await act(hooked, endpoint, again)).json == {"replayed": 1}
        await database.owner.execute(
            "UPDATE webhook_deliveries SET state = 'delivered', attempts = 3"
        )
        assert (await act(hooked, endpoint, again)).json == {"replayed": 1}
        [row] = (await hooked.get(f"{PATH}/{endpoint}/deliveries")).json["data"]
        assert (row["state"], row["attempts"]) == ("pending", 0)

    async def test_of_another_tenants_event_are_not_made(self, hooked, endpoint, database):
        event_id = await database.owner.fetchval(
            "SELECT event_id FROM emitted WHERE tenant_id = 'beta' LIMIT 1"
        )
        answer = await act(hooked, endpoint, f"deliveries/{event_id}/replay")
        assert answer.status == 404

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"from": "2026-01-01"},
            {"from": "yesterday-ish", "to": "2026-01-01"},
            {"from": "2026-01-01", "to": "2026-02-01", "event_types": ["x"]},
        ],
    )
    async def test_of_no_range_are_refused(self, hooked, endpoint, said):
        assert (await act(hooked, endpoint, "replay", **said)).status in {400, 422}
