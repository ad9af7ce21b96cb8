"""What a node says, read from bytes that were written by hand."""

import pytest

from connectors.base import Refused, TurnedAway
from connectors.chain import rpc, translate
from connectors.chain.rpc import Call, Said
from connectors.chain.translate import NATIVE, Block, Moved
from connectors.reading import Unreadable
from streams.money import plain
from tests.connectors.chain import wire

SENDER = "0x" + "00" * 19 + "aa"


def log(**members):
    return wire.said(wire.LOG) | members


class TestBlocks:
    def test_have_long_extra_data_and_are_read(self):
        """A34."""
        block = wire.said(wire.BLOCK)
        assert len(block["extraData"]) == 2 + 2 * 200
        assert translate.block_of(block) == Block(
            32, wire.BLOCK_HASH, "0x" + "b0" * 32, 1_772_345_069
        )
        assert translate.base_fee_of(block) == 7

    def test_tell_which_transactions_move_their_currency(self):
        """Neither what moves nothing, nor what makes a contract."""
        [found] = translate.natives_of(wire.said(wire.BLOCK))
        assert found == Moved(
            "0x" + "01" * 32, NATIVE, 32, wire.BLOCK_HASH, SENDER, wire.WALLET, "", 10**18
        )

    @pytest.mark.parametrize("member", ["number", "hash", "parentHash", "timestamp"])
    @pytest.mark.parametrize("value", [None, "0x00", "", 5, "0xzz"])
    def test_with_a_broken_member_are_unreadable(self, member, value):
        with pytest.raises(Unreadable):
            translate.block_of(wire.said(wire.BLOCK) | {member: value})

    @pytest.mark.parametrize("member", ["number", "timestamp"])
    def test_whose_numbers_no_event_can_hold_are_unreadable(self, member):
        said = wire.said(wire.BLOCK)
        assert translate.block_of(said | {member: hex(2**43 - 1)})
        with pytest.raises(Unreadable):
            translate.block_of(said | {member: hex(2**43)})

    @pytest.mark.parametrize("said", [None, [], "block", 5])
    def test_are_objects(self, said):
        with pytest.raises(Unreadable):
            translate.block_of(said)


class TestLogs:
    def test_of_a_transfer_are_read(self):
        assert translate.tokens_of([log()]) == (
            Moved(wire.TX_HASH, 4, 32, wire.BLOCK_HASH, SENDER, wire.WALLET, wire.TOKEN, 1_500_000),
        )

    def test_with_four_topics_are_of_a_thing_and_no_amount(self):
        thing = log(topics=[*log()["topics"], "0x" + "00" * 31 + "07"], data="0x")
        assert translate.tokens_of([thing]) == ()

    def test_with_two_topics_are_none(self):
        assert translate.tokens_of([log(topics=log()["topics"][:2])]) == ()

    def test_of_another_kind_are_none(self):
        assert translate.tokens_of([log(topics=["0x" + "00" * 32, *log()["topics"][1:]])]) == ()

    @pytest.mark.parametrize("removed", [True, "false", 0])
    def test_that_are_removed_are_none(self, removed):
        assert translate.tokens_of([log(removed=removed)]) == ()

    def test_of_the_largest_amount_lose_nothing(self):
        [found] = translate.tokens_of([log(data="0x" + "ff" * 32)])
        assert found.amount == 2**256 - 1

    @pytest.mark.parametrize(
        "members",
        [
            {"data": "0x"},
            {"data": "0x" + "00" * 33},
            {"logIndex": None},
            {"logIndex": hex(2**64)},
            {"blockNumber": hex(2**64)},
            {"blockHash": None},
            {"address": "0x1"},
        ],
    )
    def test_that_cannot_be_read_are_not_passed_over(self, members):
        with pytest.raises(Unreadable):
            translate.tokens_of([log(**members)])

    def test_are_asked_for_by_contract_and_payee(self):
        assert translate.transfer_filter([wire.TOKEN], [wire.WALLET]) == {
            "address": [wire.TOKEN],
            "topics": [log()["topics"][0], None, [log()["topics"][2]]],
        }


class TestReceipts:
    @pytest.mark.parametrize(
        ("status", "succeeded"), [("0x1", True), ("0x0", False), (None, None), ("0x2", None)]
    )
    def test_say_by_one_word_alone_that_it_succeeded(self, status, succeeded):
        said = wire.said(wire.RECEIPT) | {"status": status}
        found = translate.receipt_of(said)
        assert found.succeeded == succeeded
        assert [(each.log_index, each.amount) for each in found.moved] == [(4, 1_500_000)]

    def test_hold_what_any_contract_said_and_are_read_all_the_same(self):
        strange = log(data="0x01", address="0x" + "99" * 20)
        said = wire.said(wire.RECEIPT) | {"logs": [strange, log(topics=[]), log()]}
        assert [each.log_index for each in translate.receipt_of(said).moved] == [4]

    def test_that_are_not_there_are_none(self):
        assert translate.receipt_of(None) is None


class TestCalls:
    def test_of_a_token_move_it(self):
        # external-apis.md, section 6: selector 0xa9059cbb, then address and uint256 as words
        assert translate.transfer_call(wire.WALLET, 1_500_000).hex() == (
            "a9059cbb"
            "0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
            "000000000000000000000000000000000000000000000000000000000016e360"
        )


class TestAnswers:
    def test_of_a_batch_come_in_any_order(self):
        found = rpc.said_of(wire.REORDERED.encode(), 3)
        assert found == [Said("a"), Said(code=-32000, message="header not found"), Said("c")]

    def test_that_are_errors_come_with_a_code(self):
        [found] = rpc.said_of(wire.ERROR.encode(), 1)
        assert found.code == -32005
        with pytest.raises(TurnedAway):
            found.result()
        with pytest.raises(Refused):
            Said(code=-32601).result()

    def test_that_are_one_error_are_said_to_the_whole_batch(self):
        assert [each.code for each in rpc.said_of(wire.ERROR.encode(), 3)] == [-32005] * 3

    def test_may_be_nothing(self):
        assert rpc.said_of(b'{"jsonrpc":"2.0","id":0,"result":null}', 1) == [Said(None)]
        assert rpc.said_of(b'{"jsonrpc":"2.0","id":0,"result":1,"error":null}', 1) == [Said(1)]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"[]",
            b'"0x1"',
            b'{"jsonrpc":"2.0","id":0}',
            b'{"jsonrpc":"2.0","id":7,"result":1}',
            b'{"jsonrpc":"2.0","id":false,"result":1}',
            b'[{"id":0,"result":1},{"id":0,"result":2}]',
            b'[{"id":0,"result":1},{"id":1,"result":2}]',
            b"[1]",
            b"[" * 100_000,
        ],
    )
    def test_to_other_calls_than_were_made_are_unreadable(self, body):
        with pytest.raises(Unreadable):
            rpc.said_of(body, 1)

    def test_to_fewer_calls_than_were_made_are_unreadable(self):
        with pytest.raises(Unreadable):
            rpc.said_of(b'[{"id":0,"result":1}]', 2)

    def test_are_to_calls_with_ids_of_their_own(self):
        one = rpc.body_of([Call("eth_chainId")])
        assert plain(one) == {"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []}
        two = plain(rpc.body_of([Call("eth_chainId"), Call("eth_call", ({}, "latest"))]))
        assert [each["id"] for each in two] == [0, 1]
