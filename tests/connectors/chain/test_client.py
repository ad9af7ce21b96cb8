"""Requests to a node: batches, errors, ranges, nodes that are behind."""

from dataclasses import replace

import pytest

from connectors.base import Ambiguous, NotSent, Refused, TurnedAway
from connectors.chain import client as requests
from connectors.chain.client import Client
from connectors.chain.fake import EXTRA_DATA, USDC, FakeNode, Fault
from connectors.chain.rpc import Call
from connectors.http import open_session
from tests.connectors.chain.conftest import WALLET


class TestTheChain:
    async def test_is_asked_for_once_and_before_anything_else(self, client, node):
        await client.balance_of(WALLET)
        await client.balance_of(WALLET)
        methods = [method for method, _ in node.requests]
        assert methods == ["eth_chainId", "eth_getBalance", "eth_getBalance"]

    async def test_that_is_another_is_refused_and_nothing_is_asked_of_it(self, config, session):
        async with FakeNode(chain_id=137) as other:
            away = Client(session, replace(config, rpc_url=other.configuration["rpc_url"]))
            for _ in range(2):
                with pytest.raises(Refused) as caught:
                    await away.balance_of(WALLET)
                assert caught.value.failure == "wrong_chain"
            assert {method for method, _ in other.requests} == {"eth_chainId"}


class TestAnswers:
    async def test_of_a_batch_are_told_apart_by_id(self, client, node):
        node.mine(3)
        blocks = await client.heads(range(4))
        assert [each.number for each in blocks] == [0, 1, 2, 3]
        assert [each.parent for each in blocks[1:]] == [each.hash for each in blocks[:-1]]

    async def test_have_long_extra_data(self, client, node):
        """A34."""
        said = await client.call("eth_getBlockByNumber", "0x0", False)
        assert said["extraData"] == "0x" + EXTRA_DATA.hex()
        assert (await client.heads([0]))[0].hash == node.chain.blocks[0].hash

    async def test_that_are_errors_are_no_server_errors(self, client, node):
        node.errors["eth_getBalance"].append((-32601, "no such method"))
        with pytest.raises(Refused, match="error -32601"):
            await client.balance_of(WALLET)
        node.errors["eth_getBalance"].append((-32005, "request rate limited"))
        with pytest.raises(TurnedAway):
            await client.balance_of(WALLET)

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault(status=503), Ambiguous),
            (Fault(drop=True), Ambiguous),
            (Fault(body=b'{"jsonrpc":"2.0","id":0,"res'), Ambiguous),
            (Fault(body=b'{"jsonrpc":"2.0","id":0,"result":"0x00"}'), Ambiguous),
            (Fault(status=401, body=b"Must be authenticated!"), Refused),
            (Fault(status=429, headers={"Retry-After": "7"}), TurnedAway),
        ],
    )
    async def test_that_are_none_are_told_by_kind(self, client, node, fault, error):
        await client.verify()
        node.faults.append(fault)
        with pytest.raises(error) as caught:
            await client.balance_of(WALLET)
        assert "key-1" not in caught.value.reason
        if fault.headers:
            assert caught.value.retry_after_s == 7

    async def test_that_do_not_come_in_time_are_none(self, config, node):
        node.faults.append(Fault(delay_s=5))
        async with open_session(total_s=0.2) as session:
            with pytest.raises(Ambiguous):
                await Client(session, config).verify()

    async def test_that_are_errors_may_have_a_status_of_their_own(self, client, node):
        await client.verify()
        body = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"slow down"}}'
        node.faults.append(Fault(status=400, body=body))
        with pytest.raises(TurnedAway):
            await client.balance_of(WALLET)

    async def test_too_large_for_a_batch_are_asked_for_in_halves(self, client, node, monkeypatch):
        node.mine(7)
        await client.verify()
        monkeypatch.setattr(requests, "MAX_ANSWER_BYTES", 3_500)
        assert [each.number for each in await client.heads(range(8))] == list(range(8))

    async def test_from_nowhere_are_none(self, session, config):
        with pytest.raises(NotSent):
            await Client(session, replace(config, rpc_url="http://127.0.0.1:1")).verify()

    async def test_to_many_calls_come_in_several_requests(self, client, node):
        found = await client.ask([Call("eth_blockNumber")] * 7, batch=3)
        assert [each.value for each in found] == ["0x0"] * 7


class TestRangesOfLogs:
    @pytest.mark.parametrize("code", [-32005, -32602, -32000])
    async def test_that_are_too_wide_are_halved(self, client, node, code):
        hashes = []
        for amount in range(1, 11):
            hashes.append(node.pay(WALLET, amount, USDC))
            node.mine()
        node.log_range_max, node.log_error = 3, code
        found = await client.transfers([USDC], [WALLET], 1, 10)
        assert [each.amount for each in found] == list(range(1, 11))
        assert [each.tx_hash for each in found] == hashes

    async def test_with_too_many_results_are_halved(self, client, node):
        for _ in range(4):
            node.pay(WALLET, 1, USDC)
            node.mine()
        node.log_results_max = 1
        assert len(await client.transfers([USDC], [WALLET], 0, 4)) == 4

    async def test_of_one_block_that_are_too_wide_are_given_up(self, client, node):
        node.pay(WALLET, 1, USDC)
        node.pay(WALLET, 1, USDC)
        node.mine()
        node.log_results_max = 1
        with pytest.raises(TurnedAway):
            await client.transfers([USDC], [WALLET], 1, 1)

    async def test_are_not_believed_of_a_node_that_is_behind(self, client, node):
        node.pay(WALLET, 5, USDC)
        node.mine()
        node.lag = 1
        with pytest.raises(TurnedAway, match="behind"):
            await client.transfers([USDC], [WALLET], 1, 1)
        node.lag = 0
        assert len(await client.transfers([USDC], [WALLET], 1, 1)) == 1

    async def test_hold_nothing_of_other_tokens_and_payees(self, client, node):
        node.pay(WALLET, 5, "0x" + "99" * 20)
        node.pay("0x" + "77" * 20, 5, USDC)
        node.mine()
        assert await client.transfers([USDC], [WALLET], 0, 1) == ()


class TestTokens:
    async def test_say_their_decimals(self, client):
        assert await client.decimals_of(USDC) == 6
        await client.require_decimals()

    async def test_of_other_decimals_than_configured_are_refused(self, session, config):
        async with FakeNode(tokens={USDC: 18}) as other:
            url = other.configuration["rpc_url"]
            with pytest.raises(Refused) as caught:
                await Client(session, replace(config, rpc_url=url)).require_decimals()
        assert caught.value.failure == "wrong_decimals"

    async def test_that_are_no_contract_say_nothing(self, client):
        with pytest.raises(Ambiguous):
            await client.decimals_of(WALLET)

    async def test_are_counted_beside_the_chains_own_currency(self, client, node):
        node.fund(WALLET, 10**20)
        node.fund(WALLET, 1_500_000, USDC)
        assert await client.balance_of(WALLET) == 10**20
        assert await client.balance_of(WALLET, USDC) == 1_500_000


class TestTheFakeItself:
    @pytest.mark.parametrize("number", ["0x00", "0x01", "1"])
    async def test_refuses_quantities_that_are_none(self, client, number):
        with pytest.raises(Refused, match="-32602"):
            await client.call("eth_getBlockByNumber", number, False)

    async def test_knows_no_other_methods(self, client):
        with pytest.raises(Refused, match="-32601"):
            await client.call("eth_accounts")

    async def test_answers_batches_in_another_order(self, session, node):
        asked = [{"jsonrpc": "2.0", "id": each, "method": "eth_chainId"} for each in range(3)]
        async with session.post(node.configuration["rpc_url"], json=asked) as answer:
            assert [each["id"] for each in await answer.json()] == [2, 1, 0]
