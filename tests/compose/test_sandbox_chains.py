"""The chains of a local installation: what its triggers do to them, without the installation."""

import asyncio

import pytest
import pytest_asyncio

from agents.roles.chains import Chains
from agents.roles.lease import Owner
from compose.sandbox import Sandbox
from compose.triggers import NotTriggered, trigger
from connectors.base import Asked
from connectors.breaker import Breaker
from connectors.http import open_session
from connectors.registry import connect
from tables.postgres.chains import read_batches
from tests.agents.roles.conftest import database  # noqa: F401  a fixture
from tests.agents.roles.test_chains import WALLET, Log, own


class Here:
    """The sandbox's chains, as all tenants have them."""

    def __init__(self, sandbox: Sandbox, session) -> None:
        self._values, self._session = sandbox.configuration, session

    def knows(self, gateway: str) -> bool:
        return gateway in self._values

    async def node(self, _tenant_id: str, gateway: str):
        return self._values[gateway], self._session


@pytest_asyncio.fixture
async def sandbox():
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("currency", "amount", "index"), [("USDC", "9.00", 0), ("POL", "0.000000000000000007", -1)]
)
async def test_a_payer_pays_and_blocks_are_replaced(sandbox, database, currency, amount, index):  # noqa: F811
    log = Log()
    async with open_session() as session:
        values = {**sandbox.configuration["polygon"], "wallets": WALLET}
        gateway = connect(session, "polygon", values, Breaker())
        request = f'{{"amount": "{amount}", "currency": "{currency}"}}'.encode()
        shown = await gateway.perform("collect", "key-1", request)
        await own(database)
        watch = Chains(
            *(database.archiver, log, Here(sandbox, session)),
            owner=Owner("w"),
            partitions=1,
        )
        [batch] = await read_batches(database.archiver)
        await watch.round(batch)

        async def told(kinds: list[str]) -> None:
            async with asyncio.timeout(30):
                while [kind.rpartition(".")[2] for _, kind, _ in log.events] != kinds:
                    await watch.round(batch)
                    await asyncio.sleep(0.1)

        said = await trigger(
            sandbox.url, "chain.transfer", {"tenant": "t", "request": shown.payer_action}
        )
        transaction = said.removeprefix("transaction ")
        await told(["credited"])
        data = log.events[0][2]
        assert (data["tx_hash"], data["log_index"]) == (transaction, index)
        assert data["currency"] == currency
        about = {"tenant": "t", "transaction": transaction}
        await trigger(sandbox.url, "chain.reorg.again", about)
        await told(["credited", "reversed", "credited"])
        await trigger(sandbox.url, "chain.reorg", about)
        await told(["credited", "reversed", "credited", "reversed"])
        with pytest.raises(NotTriggered):
            await trigger(sandbox.url, "chain.reorg", about)


async def test_what_cannot_happen_says_so(sandbox):
    for name, about in (
        ("chain.transfer", {"request": "ethereum:nobody"}),
        ("chain.transfer", {"request": f"ethereum:{WALLET}@1?value=1"}),
        ("chain.reorg", {"transaction": "0x00"}),
        ("chain.reorg.again", {"transaction": "0x00"}),
    ):
        with pytest.raises(NotTriggered):
            await trigger(sandbox.url, name, {"tenant": "t", **about})


async def test_a_root_is_written_by_the_sandboxs_own_key(sandbox, database):  # noqa: F811
    from agents.roles.nonces import StoredNonces

    async with open_session() as session:
        values = sandbox.configuration["ethereum"]
        nonces = StoredNonces(database.archiver)
        gateway = connect(session, "ethereum", values, Breaker(), nonces=nonces)
        asked = Asked("anchor", "key-1", b'{"root": "' + b"ab" * 32 + b'"}')
        await gateway.perform("anchor", asked.key, asked.request)
        async with asyncio.timeout(30):
            while True:
                result = await gateway.query("anchor", asked.key, asked.request)
                if result.outcome == "succeeded":
                    break
                await asyncio.sleep(0.2)
    assert sandbox.chain_key in sandbox.secrets
