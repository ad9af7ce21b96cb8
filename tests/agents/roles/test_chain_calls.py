"""Calls to chains: a payer of whom the ledger alone knows, a transaction that takes its time."""

import msgspec
import pytest
import pytest_asyncio

from agents.gateways.onchain import CREDITED
from agents.roles.nonces import StoredNonces
from connectors.breaker import Breaker
from connectors.chain.fake import FakeNode
from connectors.chain.signing import address_of
from connectors.http import open_session
from connectors.registry import connect
from tables.payments import GatewayCall
from tables.row import encode
from tests.agents.roles.dispatching import start
from tests.agents.roles.test_bridge import until
from tests.agents.roles.test_dispatch import COMPLETED, all_done
from tests.journals import entry

KEY, WALLET = "0x" + "11" * 32, "0x" + "5a" * 20
pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture
async def node():
    async with FakeNode() as node:
        node.fund(address_of(KEY), 10**18)
        yield node


@pytest_asyncio.fixture
async def gateways(node, database):
    values = {
        **node.configuration,
        "wallets": WALLET,
        "private_key": KEY,
        "confirmations": "3",
    }
    async with open_session() as session:
        nonces = StoredNonces(database.archiver)
        yield {"polygon": connect(session, "polygon", values, Breaker(), nonces=nonces)}


def wish(**said) -> dict:
    return {"gateway": "polygon", "request": msgspec.json.encode(said)}


async def has_begun(writer) -> bool:
    return bool(writer.said("treasury.call.begun"))


class TestAPayerOnAChain:
    async def test_is_shown_what_to_pay_and_over_once_the_ledger_has_counted_it(
        self, writer, gateways
    ):
        asked = wish(amount="9.00", currency="USDC", payer_has_s=3_600)
        async with start(writer, gateways):
            await writer.call("of-a-payer", **asked)
            await until(lambda: has_begun(writer), "begun")
            [(_, begun)] = writer.said("treasury.call.begun")
            assert begun["handle"] == WALLET
            assert begun["payer_action"].endswith("&uint256=9000000")
            assert writer.said(COMPLETED) == []
            row = GatewayCall("alpha", "of-a-payer", "polygon", "collect", "p", counted="0xaa:0")
            seen = entry(len(writer.entries), event_id="seen", event_type=CREDITED)
            await writer.write(seen, images={row.key: encode(row)})
            await until(lambda: all_done(writer, "of-a-payer"), "answered")
        [(_, completed)] = writer.said(COMPLETED)
        assert (completed["outcome"], completed["provider_reference"]) == ("succeeded", "0xaa:0")

    async def test_is_not_told_of_a_call_that_nothing_was_counted_for(self, writer, gateways):
        async with start(writer, gateways):
            await writer.call("waits", **wish(amount="9", currency="USDC", payer_has_s=3_600))
            await until(lambda: has_begun(writer), "begun")
            rows = [
                GatewayCall("alpha", "waits", "polygon", "collect", "p"),
                GatewayCall("alpha", "other", "mpesa", "collect", "p", counted="T1"),
            ]
            seen = entry(len(writer.entries), event_id="seen", event_type=CREDITED)
            await writer.write(seen, images={row.key: encode(row) for row in rows})
            await writer.call("later", gateway="nobody")
            told = "SELECT count(*) FROM calls WHERE told IS NOT NULL"
            assert await writer.pool.fetchval(told) == 0
            assert writer.said(COMPLETED) == []


class TestARoot:
    async def test_is_waited_for_longer_than_a_call_lasts_and_sent_once(
        self, writer, gateways, node
    ):
        asked = wish(root="ab" * 32, payer_has_s=3_600)
        async with start(writer, gateways):
            await writer.call("of-a-root", operation="anchor", **asked)
            await until(lambda: has_begun(writer), "begun")
        node.chain.mempool.clear()  # the node forgets it while nobody is there
        async with start(writer, gateways):

            async def sent() -> bool:
                return bool(node.chain.mempool)

            await until(sent, "sent again")
            node.mine(3)
            await until(lambda: all_done(writer, "of-a-root"), "answered")
        [(_, completed)] = writer.said(COMPLETED)
        assert completed["outcome"] == "succeeded"
        done = [each for block in node.chain.blocks for each in block.done]
        assert [each.transaction.hash for each in done] == [completed["provider_reference"]]
