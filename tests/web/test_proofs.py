"""Proofs of settlements over HTTP: lines that are kept, a root on a chain, a file for each line."""

import json
from dataclasses import replace

import pytest_asyncio

from agents.roles.nonces import StoredNonces
from compose.chain_proof import verified
from connectors.base import Asked
from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.connector import Polygon
from connectors.chain.fake import FakeNode
from connectors.chain.proof import canonical, check
from connectors.chain.signing import address_of
from connectors.http import open_session
from streams import merkle
from tables.payments import GatewayCall
from tables.postgres.chains import read_in_block
from tables.settlements import Settlement, SettlementProof
from tests.web.desk import project
from web.api_keys import ApiKeys
from web.people import People

KEY = "0x" + "11" * 32


@pytest_asyncio.fixture
async def node():
    async with FakeNode() as node:
        node.fund(address_of(KEY), 10**18)
        yield node


class Shop:
    """A sandbox tenant with a settlement of two payments and a refund, whose day is over."""

    def __init__(self, api, desk, database, node):
        self.api, self.desk, self.database, self.node = api, desk, database, node
        self.token = api.token("shop")

    async def say(self, path, body, key):
        answer = await self.api.command(f"/shop{path}", body, key=key, token=self.token)
        assert answer.status < 300, answer.raw
        return answer.json

    async def get(self, path, token=None):
        return await self.api.get(f"/api/v1/shop{path}", token=token or self.token)

    async def ended(self, call_id, **said):
        about = {"call_id": call_id, "nonce": "n"}
        event = {"tenant_id": "shop", "ingress": "internal"}
        await self.desk.hear("treasury.call.granted", **event, **about, valid_for_ms=5_000)
        said = {"outcome": "succeeded", "provider_reference": f"R-{call_id[:8]}", **said}
        await self.desk.hear("treasury.call.completed", **event, **about, **said)

    async def pays(self, number):
        body = {"order_id": f"o-{number}", "amount": f"{number}00.00"}
        answer = await self.api.command(
            "/payments/intents", body, key=f"i-{number}", token=self.token
        )
        payment_id = answer.json["payment_id"]
        body = {"payment_id": payment_id, "method": "instant"}
        answer = await self.api.command(
            "/payments/confirm", body, key=f"c-{number}", token=self.token
        )
        await self.ended(answer.json["call_id"])
        return payment_id

    def row(self, kind):
        [found] = self.desk.working.scan(f"{kind.KIND}\x00shop\x00".encode(), 10)
        return found

    async def lives(self):
        await self.desk.hear("auth.tenant.created", "shop", mode="sandbox", name="Shop")
        self.payments = [await self.pays(1), await self.pays(2)]
        path = f"/payments/intents/{self.payments[0]}/refunds"
        refund = await self.say(path, {"amount": "30.00"}, "refund")
        self.refund_id = refund["refund_id"]
        await self.ended(refund["call_id"])
        self.settlement_id = self.row(Settlement).settlement_id
        self.path = f"/settlements/{self.settlement_id}/proof"
        return self

    async def day_ends(self):
        await self.say("/clock/advance", {"days": 2}, "clock")
        while self.row(Settlement).status == "collecting":
            await self.desk.hear("treasury.clock.ticked", "treasury", ingress="internal")
        await project(self.desk, self.database)

    async def anchored(self):
        """What dispatch does with the call, at a fake node."""
        proof = self.row(SettlementProof)
        values = {**self.node.configuration, "confirmations": "3", "private_key": KEY}
        config = Config.read(values)
        nonces = StoredNonces(self.database.archiver)
        request = json.dumps({"root": proof.root}).encode()
        async with open_session() as session:
            chain = Polygon(Client(session, config), config, nonces)
            asked = Asked("anchor", proof.call_id, request)
            await chain.perform(asked)
            self.node.mine(3)
            result = await chain.query(asked)
        await self.ended(proof.call_id, provider_reference=result.provider_reference)
        await project(self.desk, self.database)
        return result.provider_reference


@pytest_asyncio.fixture
async def shop(serve, context, desk, database, node):
    api = await serve(
        replace(
            context,
            pool=database.app,
            api_keys=ApiKeys(database.app, known_for_s=0),
            people=People(database.app),
            in_block=lambda tx_hash: read_in_block(database.archiver, tx_hash),
        )
    )
    return await Shop(api, desk, database, node).lives()


class TestAProof:
    async def test_of_every_line_leads_to_the_root_that_is_on_the_chain(self, shop, tmp_path):
        await shop.day_ends()
        said = await shop.say(shop.path, {}, "prove")
        assert (said["status"], said["size"]) == ("requested", 4)
        tx_hash = await shop.anchored()
        shown = (await shop.get(shop.path)).json
        assert (shown["status"], shown["tx_hash"]) == ("anchored", tx_hash)
        leaves = []
        for entry_id in (shop.settlement_id, *sorted(shop.payments), shop.refund_id):
            file = (await shop.get(f"{shop.path}/{entry_id}")).raw
            checked = check(file)
            assert checked.leaf["id"] == entry_id
            assert (checked.signer, checked.tx_hash) == (address_of(KEY), tx_hash)
            assert checked.root.hex() == said["root"]
            leaves.append(canonical(checked.leaf))
        assert merkle.root(leaves).hex() == said["root"]
        sums = {"gross": "300.00", "refunds": "30.00", "net": "270.00", "items": "3"}
        assert json.loads(leaves[0]).items() >= sums.items()

    async def test_has_the_items_that_the_settlement_lists(self, shop):
        await shop.day_ends()
        path = shop.path.removesuffix("/proof")
        found = (await shop.get(f"{path}/items")).json["data"]
        assert {(row["kind"], row["id"]) for row in found} == {
            *(("payment", payment_id) for payment_id in shop.payments),
            ("refund", shop.refund_id),
        }
        assert sorted(row["amount"] for row in found) == ["100.00", "200.00", "30.00"]
        assert (await shop.get(f"{path}x/items")).status == 404

    async def test_is_checked_by_itself_and_with_a_node(self, shop, tmp_path):
        await shop.day_ends()
        await shop.say(shop.path, {}, "prove")
        await shop.anchored()
        file = tmp_path / "proof.json"
        file.write_bytes((await shop.get(f"{shop.path}/{shop.payments[0]}")).raw)
        found = await verified(file, signer=address_of(KEY))
        assert (found["holds"], found["seen_by_node"]) == (True, False)
        assert found["line"]["amount"] in {"100.00", "200.00"}
        node = shop.node.configuration["rpc_url"]
        assert (await verified(file, node=node, confirmations=3))["seen_by_node"] is True
        assert "of 256 confirmations" in (await verified(file, node=node))["why"]
        shop.node.mine(256)
        assert (await verified(file, node=node))["seen_by_node"] is True
        assert "signed it" in (await verified(file, signer="0x" + "22" * 20))["why"]
        file.write_bytes(file.read_bytes().replace(b"00.00", b"01.00"))
        assert (await verified(file))["holds"] is False
        shop.node.reorg(259, without=[found["transaction"]])
        file.write_bytes((await shop.get(f"{shop.path}/{shop.payments[0]}")).raw)
        assert "no block" in (await verified(file, node=node))["why"]

    async def test_stays_the_same_when_the_rows_change(self, shop):
        await shop.day_ends()
        first = await shop.say(shop.path, {}, "prove")
        path = f"/payments/intents/{shop.payments[1]}/refunds"
        refund = await shop.say(path, {"amount": "5.00"}, "refund-2")
        await shop.ended(refund["call_id"])
        await project(shop.desk, shop.database)
        again = await shop.api.command(f"/shop{shop.path}", {}, key="prove", token=shop.token)
        assert (again.json, again.headers["Idempotency-Replayed"]) == (first, "true")
        other = await shop.api.command(f"/shop{shop.path}", {}, key="other", token=shop.token)
        assert other.code == "proof_exists"

    async def test_before_the_day_is_over_is_refused(self, shop):
        answer = await shop.api.command(f"/shop{shop.path}", {}, key="k", token=shop.token)
        assert (answer.status, answer.code) == (409, "settlement_collecting")
        assert (await shop.get(shop.path)).status == 404

    async def test_waits_for_lists_that_are_behind(self, shop):
        await project(shop.desk, shop.database)
        await shop.say("/clock/advance", {"days": 2}, "clock")
        while shop.row(Settlement).status == "collecting":
            await shop.desk.hear("treasury.clock.ticked", "treasury", ingress="internal")
        answer = await shop.api.command(f"/shop{shop.path}", {}, key="k", token=shop.token)
        assert (answer.status, answer.code) == (503, "lists-unavailable")

    async def test_is_no_file_before_its_root_is_on_the_chain(self, shop):
        await shop.day_ends()
        await shop.say(shop.path, {}, "prove")
        answer = await shop.get(f"{shop.path}/{shop.settlement_id}")
        assert (answer.status, answer.code) == (409, "proof-not-anchored")
        assert (await shop.get(f"{shop.path}/nobody")).status == 404

    async def test_is_not_another_tenants(self, shop):
        await shop.day_ends()
        await shop.say(shop.path, {}, "prove")
        await shop.anchored()
        for path in (shop.path, f"{shop.path}/{shop.settlement_id}"):
            assert (await shop.api.get(f"/api/v1/alpha{path}")).status == 404
        answer = await shop.api.command(f"/alpha{shop.path}", {}, key="k")
        assert answer.status == 404


class TestACall:
    async def test_asks_for_a_day_of_patience(self, shop):
        await shop.day_ends()
        await shop.say(shop.path, {}, "prove")
        proof = shop.row(SettlementProof)
        [wanted] = [
            call
            for batch in shop.desk.batches
            for entry in batch.entries
            for call in entry.calls
            if call.call_id == proof.call_id
        ]
        assert json.loads(wanted.request) == {"root": proof.root, "payer_has_s": 86_400}
        assert isinstance(proof, SettlementProof)
        assert GatewayCall.KIND == "ca"
