"""A call goes out under the credentials of its tenant, else the platform's, and no others."""

from datetime import UTC, datetime

import pytest
import pytest_asyncio

from agents.roles.counters import PROVIDER_S, REGISTRY
from agents.roles.gateways import Gateways, Outside
from agents.roles.secret_store import SecretStore
from connectors.chain.nonces import InMemory
from connectors.chain.signing import address_of
from connectors.http import open_session
from connectors.instant.fake import FakeGateway
from connectors.webhooks.addresses import read_networks
from streams.errors import Misconfigured, Unreadable
from tables.postgres.configuration import put_value
from tables.postgres.pool import tenant_transaction
from tables.postgres.secrets import PLATFORM
from tests.agents.roles.dispatching import start
from tests.agents.roles.test_bridge import until
from tests.agents.roles.test_dispatch import COMPLETED, all_done
from tests.agents.roles.test_secret_store import OLD, put, remove


@pytest_asyncio.fixture
async def fake():
    async with FakeGateway(api_key="platform", more_keys=["alpha", "alpha, newer"]) as fake:
        yield fake


@pytest_asyncio.fixture
async def gateways(fake, database):
    """As a worker has them, but without a key in its settings."""
    async with open_session() as session:
        store = SecretStore(database.archiver, OLD)
        yield Gateways(session, {"instant": {"base_url": fake.base_url}}, store)


def _answered() -> float:
    """How many requests to the instant gateway were answered, as Prometheus is told."""
    labels = {"gateway": "instant", "verb": "perform", "outcome": "answered"}
    name = "treasury_provider_request_duration_seconds_count"
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.kafka
class TestACall:
    async def test_bears_the_key_of_its_tenant_else_the_platforms(
        self, writer, fake, gateways, database
    ):
        await put(database, PLATFORM, "instant.api_key", "platform")
        await put(database, "alpha", "instant.api_key", "alpha")
        async with start(writer, gateways):
            await writer.call("of-alpha")
            await writer.call("of-beta", tenant_id="beta")
            await until(lambda: all_done(writer, "of-alpha", "of-beta"), "answered")
            await put(database, "alpha", "instant.api_key", "alpha, newer")
            await writer.call("of-alpha-later")
            await until(lambda: all_done(writer, "of-alpha-later"), "answered")
            await remove(database, "alpha", "instant.api_key")
            await writer.call("of-alpha-at-last")
            await until(lambda: all_done(writer, "of-alpha-at-last"), "answered")
        assert fake.used == {
            "of-alpha": "alpha",
            "of-beta": "platform",
            "of-alpha-later": "alpha, newer",
            "of-alpha-at-last": "platform",
        }
        assert {data["outcome"] for _, data in writer.said(COMPLETED)} == {"succeeded"}

    async def test_is_counted_and_timed_by_gateway_and_never_by_tenant(
        self, writer, gateways, database
    ):
        await put(database, PLATFORM, "instant.api_key", "platform")
        before = _answered()
        async with start(writer, gateways):
            await writer.call("c1")
            await until(lambda: all_done(writer, "c1"), "answered")
        assert _answered() == before + 1
        labels = {
            name for metric in PROVIDER_S.collect() for s in metric.samples for name in s.labels
        }
        assert labels == {"gateway", "verb", "outcome", "le"}

    async def test_without_any_key_is_not_made_and_fails(self, writer, fake, gateways):
        async with start(writer, gateways):
            await writer.call("c1")
            await until(lambda: all_done(writer, "c1"), "answered")
        [(_, data)] = writer.said(COMPLETED)
        assert (data["outcome"], data["failure"]) == ("failed", "not_configured")
        assert fake.calls == []

    async def test_whose_key_does_not_open_is_not_made_with_another(
        self, writer, fake, gateways, database
    ):
        await put(database, PLATFORM, "instant.api_key", "platform")
        await put(database, "alpha", "instant.api_key", "alpha")
        await database.owner.execute(
            "UPDATE secrets SET box = set_byte(box, 20, get_byte(box, 20) # 1)"
            " WHERE tenant_id = 'alpha'"
        )
        async with start(writer, gateways):
            await writer.call("c1")
            await writer.call("c2", tenant_id="beta")
            await until(lambda: all_done(writer, "c1", "c2"), "answered")
        outcomes = {data["call_id"]: data["outcome"] for _, data in writer.said(COMPLETED)}
        assert outcomes == {"c1": "failed", "c2": "succeeded"}
        assert fake.used == {"c2": "platform"}


class TestAGateway:
    async def test_is_the_same_until_its_credentials_change(self, gateways, database):
        await put(database, PLATFORM, "instant.api_key", "platform")
        first = await gateways.of("alpha", "instant")
        assert first.credentials == "instant.api_key:platform@1"
        assert (await gateways.of("beta", "instant")).gateway is first.gateway
        await put(database, "alpha", "instant.api_key", "alpha")
        own = await gateways.of("alpha", "instant")
        assert own.credentials == "instant.api_key:alpha@1"
        assert own.gateway is not first.gateway
        assert (await gateways.of("beta", "instant")).gateway is first.gateway
        await put(database, PLATFORM, "instant.api_key", "platform")
        assert (await gateways.of("beta", "instant")).credentials == "instant.api_key:platform@2"

    async def test_that_lacks_something_says_what(self, gateways, database):
        with pytest.raises(Misconfigured, match="api_key is missing"):
            await gateways.of("alpha", "instant")

    async def test_with_a_secret_that_does_not_open_is_refused(self, gateways, database):
        await put(database, "alpha", "instant.api_key", "alpha")
        await database.owner.execute("UPDATE secrets SET version = 2")
        with pytest.raises(Unreadable):
            await gateways.of("alpha", "instant")

    async def test_is_known_if_the_process_has_settings_for_it(self, gateways):
        assert gateways.knows("instant")
        assert not gateways.knows("mpesa")


class TestAChain:
    KEY, OWN = "0x" + "11" * 32, "0x" + "22" * 32
    NODE = {"rpc_url": "http://127.0.0.1:9", "chain_id": "80002"}

    @pytest_asyncio.fixture
    async def chains(self, database):
        """Of an installation that has a key, and a wallet in its settings."""
        settings = {**self.NODE, "private_key": self.KEY, "wallets": address_of(self.KEY)}
        async with open_session() as session:
            store = SecretStore(database.archiver, OLD)
            yield Gateways(
                session, {"polygon": settings}, store, database.archiver, nonces=InMemory()
            )

    @staticmethod
    async def says(database, tenant_id: str, *keys: str) -> None:
        wallets = ",".join(f'"{address_of(key)}"' for key in keys)
        async with tenant_transaction(database.app, tenant_id) as connection:
            await put_value(
                connection,
                tenant_id,
                "polygon",
                f'{{"wallets": [{wallets}]}}',
                by="ann",
                now=datetime.now(UTC),
            )

    async def test_shows_no_wallet_that_is_not_its_tenants_own(self, chains):
        assert (await chains.of("alpha", "polygon")).gateway.operations == {"anchor"}

    async def test_never_sends_by_the_installations_key_whatever_a_tenant_names(
        self, chains, database
    ):
        await self.says(database, "alpha", self.KEY)
        found = await chains.of("alpha", "polygon")
        assert found.gateway.operations == {"anchor", "collect"}

    @pytest.mark.parametrize(
        ("url", "allowed", "is_spoken_to"),
        [
            ("https://node.example/key", "", True),
            ("http://node.example/key", "", False),
            ("https://127.0.0.1/key", "", False),
            ("https://169.254.169.254/latest", "", False),
            ("http://127.0.0.1:8545/key", "127.0.0.0/8", True),
        ],
    )
    async def test_a_node_that_a_tenant_names_is_spoken_to_from_outside_alone(
        self, chains, database, url, allowed, is_spoken_to
    ):
        async with open_session() as outside:
            chains._outside = Outside(outside, read_networks(allowed))
            await put(database, "alpha", "polygon.rpc_url", url)
            if is_spoken_to:
                members, session = await chains.node("alpha", "polygon")
                assert (members["rpc_url"], session) == (url, outside)
                # The installation's key signs nothing by the word of such a node.
                assert (await chains.of("alpha", "polygon")).gateway.operations == set()
                await put(database, "alpha", "polygon.private_key", self.KEY)
                assert (await chains.of("alpha", "polygon")).gateway.operations == {"anchor"}
            else:
                for asking in (chains.node, chains.of):
                    with pytest.raises(Misconfigured, match="rpc_url"):
                        await asking("alpha", "polygon")
            members, session = await chains.node("beta", "polygon")
            assert (members["rpc_url"], session) == (self.NODE["rpc_url"], chains._session)

    async def test_sends_by_the_tenants_own_key_out_of_its_own_wallet(self, chains, database):
        await put(database, "alpha", "polygon.private_key", self.OWN)
        assert (await chains.of("alpha", "polygon")).gateway.operations == {"anchor"}
        await self.says(database, "alpha", self.OWN)
        found = await chains.of("alpha", "polygon")
        assert found.gateway.operations == {"anchor", "collect", "convert"}
        assert (await chains.of("beta", "polygon")).gateway.operations == {"anchor"}
