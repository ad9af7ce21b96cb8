"""What a chain tells about our money, against a fake node whose book is the witness."""

import random
from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Ambiguous, Refused, TurnedAway
from connectors.chain import following
from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.fake import USDC, FakeNode, Fault
from connectors.chain.fake_chain import TRANSFER_TOPIC, Log
from connectors.chain.following import STATES, Credited, Reversed, State
from connectors.chain.translate import Block, Moved, Receipt
from connectors.chain.watching import begin, follow
from connectors.http import open_session
from tests.connectors.chain.conftest import WALLET

OTHER = "0x" + "77" * 20


def word(address: str) -> str:
    return "0x" + address[2:].rjust(64, "0")


class Follower:
    """Follows a chain round by round; the state goes through its bytes every time."""

    def __init__(self, client, config) -> None:
        self.client, self.config = client, config
        self.state = State.begun(config.chain_id, 0)
        self.balance: dict[tuple, int] = {}

    async def round(self):
        """What one round tells; each transfer counts once, and is reversed only if it counts."""
        state, seen = await follow(self.client, self.config, self.state)
        self.state = STATES.decode(STATES.encode(state))
        for each in seen:
            key = (*each.transfer.key, each.transfer.block_hash)
            if isinstance(each, Credited):
                assert key not in self.balance
                self.balance[key] = each.transfer.amount_minor
            else:
                assert self.balance.pop(key) == each.transfer.amount_minor
        return list(seen)

    @property
    def sum(self) -> int:
        return sum(self.balance.values())


@pytest.fixture
def follower(client, config) -> Follower:
    return Follower(client, config)


class TestMoney:
    async def test_counts_at_the_depth_that_is_configured_and_not_before(self, follower, node):
        tx_hash = node.pay(WALLET, 1_500_000, USDC)
        node.mine(2)
        assert await follower.round() == []
        assert [each.amount_minor for each in follower.state.waiting] == [1_500_000]
        node.mine()
        [seen] = await follower.round()
        block = node.chain.blocks[1]
        assert isinstance(seen, Credited)
        assert seen.transfer == following.Transfer(
            chain_id=80_002,
            tx_hash=tx_hash,
            log_index=0,
            block_number=1,
            block_hash=block.hash,
            block_time_s=block.time_s,
            sender="0x" + "ca" * 20,
            wallet=WALLET,
            asset="USDC",
            amount_minor=1_500_000,
        )
        assert seen.transfer.at.isoformat() == "2026-03-01T06:30:17+00:00"
        node.mine()
        assert await follower.round() == []

    async def test_of_the_chain_itself_counts_too(self, follower, node):
        tx_hash = node.pay(WALLET, 10**21)
        node.mine(3)
        [seen] = await follower.round()
        assert seen.transfer.key == (80_002, tx_hash, -1)
        assert (seen.transfer.asset, seen.transfer.amount_minor) == ("POL", 10**21)

    async def test_counts_when_the_chain_calls_it_final_however_shallow(self, follower, node):
        node.finality = 0
        node.pay(WALLET, 7)
        node.mine()
        assert [each.transfer.amount_minor for each in await follower.round()] == [7]

    async def test_counts_by_depth_where_the_node_knows_nothing_final(self, follower, node):
        node.finality = None
        node.pay(WALLET, 7)
        node.mine(3)
        assert follower.sum == 0
        await follower.round()
        assert follower.sum == 7

    async def test_of_one_transaction_may_come_in_several_logs(self, follower, node):
        topics = (TRANSFER_TOPIC, word(OTHER), word(WALLET))
        node.chain.say(*(Log(USDC, topics, each.to_bytes(32, "big")) for each in (3, 4)))
        node.mine(3)
        seen = await follower.round()
        assert [(each.transfer.log_index, each.transfer.amount_minor) for each in seen] == [
            (0, 3),
            (1, 4),
        ]

    async def test_of_256_bits_loses_nothing(self, follower, node):
        node.pay(WALLET, 2**256 - 1, USDC)
        node.mine(2)
        await follower.round()
        node.mine()
        await follower.round()
        assert follower.sum == 2**256 - 1

    async def test_comes_in_the_order_of_blocks(self, follower, node):
        for amount in (5, 3, 9):
            node.pay(WALLET, amount)
            node.mine()
        node.mine(3)
        assert [each.transfer.amount_minor for each in await follower.round()] == [5, 3, 9]


class TestNoMoney:
    async def test_comes_by_a_failed_transaction(self, follower, node):
        """A block shows its value all the same: only the receipt says that it failed."""
        node.pay(WALLET, 10**18, fails=True)
        node.pay(WALLET, 5, USDC, fails=True)
        node.mine(2)
        await follower.round()
        assert len(follower.state.waiting) == 1
        node.mine(3)
        assert await follower.round() == []
        assert follower.state.waiting == ()

    async def test_comes_by_the_word_of_an_unknown_contract(self, follower, node):
        node.pay(WALLET, 10**12, "0x" + "99" * 20)
        node.mine(4)
        assert await follower.round() == []

    async def test_comes_by_a_thing_with_a_number(self, follower, node):
        """Four topics: ERC-721, whose last topic is no amount."""
        topics = (TRANSFER_TOPIC, word(OTHER), word(WALLET), word("0x" + "07" * 20))
        node.chain.say(Log(USDC, topics, b""))
        node.mine(4)
        assert await follower.round() == []

    async def test_comes_from_ourselves_or_by_a_transfer_of_nothing(self, follower, node):
        node.pay(WALLET, 5, payer=WALLET)
        node.pay(WALLET, 5, USDC, payer=WALLET)
        node.pay(WALLET, 0, USDC)
        node.mine(4)
        assert await follower.round() == []

    async def test_comes_to_somebody_else(self, follower, node):
        node.pay(OTHER, 5)
        node.pay(OTHER, 5, USDC)
        node.mine(4)
        assert await follower.round() == []

    async def test_of_the_chains_own_is_taken_where_it_is_not_wanted(self, client, config, node):
        follower = Follower(client, replace(config, native=None))
        node.pay(WALLET, 5)
        node.pay(WALLET, 6, USDC)
        node.mine(4)
        assert [each.transfer.amount_minor for each in await follower.round()] == [6]


class TestReplacedBlocks:
    async def test_take_back_what_had_counted(self, follower, node):
        tx_hash = node.pay(WALLET, 5, USDC)
        node.mine(3)
        [credited] = await follower.round()
        node.reorg(3, without=[tx_hash])
        [reverse] = await follower.round()
        assert reverse == Reversed(credited.transfer)
        node.mine(3)
        assert await follower.round() == []
        assert follower.sum == node.chain.received(WALLET, USDC) == 0

    async def test_may_hold_the_same_money_elsewhere(self, follower, node):
        tx_hash = node.pay(WALLET, 5, USDC)
        node.mine(3)
        [credited] = await follower.round()
        node.reorg(3)
        reverse, again = await follower.round()
        assert reverse == Reversed(credited.transfer)
        assert isinstance(again, Credited)
        assert again.transfer.key == credited.transfer.key == (80_002, tx_hash, 0)
        assert again.transfer.block_hash != credited.transfer.block_hash

    async def test_are_nothing_to_money_that_did_not_count_yet(self, follower, node):
        tx_hash = node.pay(WALLET, 5)
        node.mine(2)
        await follower.round()
        node.reorg(2, without=[tx_hash])
        node.mine(3)
        assert await follower.round() == []
        assert follower.state.waiting == ()

    async def test_leave_what_stands_below_them(self, follower, node):
        node.pay(WALLET, 1, USDC)
        node.mine()
        late = node.pay(WALLET, 2, USDC)
        node.mine(3)
        assert len(await follower.round()) == 2
        node.reorg(3, without=[late])
        assert [each.transfer.amount_minor for each in await follower.round()] == [2]
        assert follower.sum == 1

    async def test_twice_take_back_once(self, follower, node):
        gone = node.pay(WALLET, 5)
        node.mine(3)
        await follower.round()
        node.reorg(3, without=[gone])
        assert len(await follower.round()) == 1
        node.reorg(4)
        assert await follower.round() == []

    def test_count_for_nothing_and_are_read_again(self, config):
        """Also when they had counted: another block of that number begins from nothing."""
        blocks = tuple(Block(at, f"0x{at}", f"0x{at - 1}", at) for at in range(10))
        money = [
            following.Transfer(80_002, f"0x7{at}", 0, at, f"0x{at}", at, OTHER, WALLET, "USDC", 5)
            for at in range(10)
        ]
        state = State(80_002, 0, 7, blocks, tuple(money[6:]), tuple(money[:6]))
        theirs = [*blocks[:5], *(Block(at, f"0x{at}b", "", at) for at in range(5, 10))]
        state, gone = following.rolled_back(state, theirs)
        assert state == State(80_002, 0, 4, blocks[:5], (), tuple(money[:5]))
        assert [each.transfer for each in gone] == [money[5]]

    async def test_while_they_are_read_are_read_in_the_next_round(
        self, follower, node, client, monkeypatch
    ):
        """The blocks are not of the chain that the head was of: they do not follow on ours."""
        node.mine(3)
        await follower.round()
        gone = node.pay(WALLET, 5)
        node.mine()
        view = client.view

        async def changing(at=None):
            found = await view(at)
            node.reorg(3, without=[gone])
            return found

        with monkeypatch.context() as patch:
            patch.setattr(client, "view", changing)
            before = follower.state.blocks
            assert await follower.round() == []
            assert follower.state.blocks == before
        node.mine(3)
        assert await follower.round() == []
        assert follower.state.blocks[-1].hash == node.chain.blocks[-1].hash

    async def test_take_back_the_newest_first(self, follower, node):
        hashes = []
        for amount in (1, 2, 3):
            hashes.append(node.pay(WALLET, amount))
            node.mine()
        node.mine(3)
        await follower.round()
        node.reorg(6, without=hashes)
        assert [each.transfer.amount_minor for each in await follower.round()] == [3, 2, 1]

    async def test_back_to_where_it_began_are_begun_again(self, client, config, node):
        node.mine(5)
        follower = Follower(client, config)
        follower.state = await begin(client, config)
        assert follower.state.first == 6
        paid = node.pay(WALLET, 5)
        node.mine(3)
        assert len(await follower.round()) == 1
        node.reorg(4, without=[paid])
        assert [type(each) for each in await follower.round()] == [Reversed]
        assert follower.state.blocks[0].number == 6

    async def test_beyond_what_is_kept_are_for_people(self, follower, node, monkeypatch):
        monkeypatch.setattr(following, "BLOCKS_KEPT", 1)
        node.mine(20)
        await follower.round()
        before = follower.state
        assert len(before.blocks) == 6
        node.reorg(7)
        with pytest.raises(Refused) as caught:
            await follower.round()
        assert caught.value.failure == "too_deep"
        assert follower.state == before

    async def test_are_replaced_only_once_the_others_are_as_many(self, follower, node):
        """A node that is behind may show an older chain; that takes nothing back."""
        node.pay(WALLET, 5)
        node.mine(3)
        await follower.round()
        node.reorg(2)
        node.lag = 2
        assert await follower.round() == []
        assert follower.sum == 5
        node.lag = 0
        await follower.round()
        assert follower.sum == 5
        assert follower.state.blocks[-1].hash == node.chain.blocks[-1].hash


class TestNodes:
    async def test_that_are_behind_say_nothing(self, follower, node):
        node.pay(WALLET, 5)
        node.mine(3)
        await follower.round()
        before = follower.state
        node.lag = 2
        assert await follower.round() == []
        assert follower.state == before

    @pytest.mark.parametrize(
        "method", ["eth_getBlockByNumber", "eth_getLogs", "eth_getTransactionReceipt"]
    )
    async def test_that_are_behind_in_part_lose_nothing(self, follower, node, method):
        node.mine(2)
        await follower.round()
        node.pay(WALLET, 5, USDC)
        node.mine(3)
        node.lag_of = {method: 4}
        for _ in range(2):
            with suppress(TurnedAway):
                assert await follower.round() == []
            assert len(follower.state.waiting) <= 1
        node.lag_of = {}
        await follower.round()
        assert follower.sum == 5

    async def test_that_show_a_log_late_are_asked_for_it_again(self, follower, node):
        """The head came from one node, and the logs from another that did not have them yet."""
        node.pay(WALLET, 5, USDC)
        node.mine()
        node.lag_of = {"eth_getLogs": 1}
        await follower.round()
        assert (follower.state.tip, follower.state.waiting) == (1, ())
        node.lag_of = {}
        node.mine(2)
        await follower.round()
        assert follower.sum == 5

    async def test_that_fail_in_between_are_asked_again_and_nothing_counts_twice(
        self, follower, node
    ):
        node.pay(WALLET, 5)
        node.pay(WALLET, 6, USDC)
        node.mine(4)
        for good in range(6):
            node.faults.extend([Fault() for _ in range(good)] + [Fault(status=503)])
            with suppress(Ambiguous):
                await follower.round()
            node.faults.clear()
        await follower.round()
        assert follower.sum == 11

    async def test_are_asked_twice_for_every_block_and_no_more(self, follower, node):
        for _ in range(4):
            node.mine(2)
            await follower.round()
        asked = [params[0] for params in node.sent("eth_getLogs")]
        by_hash = [each["blockHash"] for each in asked if "blockHash" in each]
        assert by_hash == [each.hash for each in node.chain.blocks[: len(by_hash)]]
        ranges = [each for each in asked if "fromBlock" in each]
        assert [(each["fromBlock"], each["toBlock"]) for each in ranges] == [
            ("0x0", "0x2"),
            ("0x3", "0x4"),
            ("0x5", "0x6"),
            ("0x7", "0x8"),
        ]

    async def test_need_not_be_remembered_for_ever(self, follower, node, monkeypatch):
        monkeypatch.setattr(following, "BLOCKS_KEPT", 1)
        node.pay(WALLET, 5)
        node.mine(3)
        await follower.round()
        assert len(follower.state.credited) == 1
        node.mine(10)
        await follower.round()
        assert len(follower.state.blocks) == 6
        assert follower.state.credited == ()

    async def test_are_read_in_rounds_of_bounded_length(self, client, config, node):
        follower = Follower(client, replace(config, blocks_a_round=4))
        node.log_range_max = 2
        for amount in range(1, 11):
            node.pay(WALLET, amount, USDC)
            node.mine()
        node.mine(3)
        tips = []
        for _ in range(5):
            await follower.round()
            tips.append(follower.state.tip)
        assert tips == [3, 7, 11, 13, 13]
        assert follower.sum == 55

    async def test_that_change_while_they_are_read_are_read_again(self, follower, node, config):
        """A log of a block that is not the one that was read."""
        node.pay(WALLET, 5, USDC)
        node.mine()
        state = State.begun(config.chain_id, 0)
        blocks = [Block(0, "0x" + "00" * 32, "", 0), Block(1, "0x" + "01" * 32, "", 12)]
        moved = [Moved("0x7", 0, 1, "0x" + "02" * 32, OTHER, WALLET, USDC, 5)]
        with pytest.raises(TurnedAway):
            following.grown(config, state, blocks, moved)

    async def test_of_another_chain_are_no_place_for_a_state(self, client, config):
        with pytest.raises(ValueError, match="of chain 1"):
            await follow(client, config, State.begun(1, 0))


class TestFinality:
    def blocks(self, count: int) -> tuple[Block, ...]:
        return tuple(Block(at, f"0x{at:064x}", f"0x{at - 1:064x}", at) for at in range(count))

    def state(self, count: int) -> State:
        return msgspec.structs.replace(State.begun(80_002, 0), blocks=self.blocks(count))

    def test_of_a_block_that_is_not_ours_is_not_believed(self, config):
        state = self.state(20)
        assert following.final_number(config, state, None) == 17
        ours, theirs = state.blocks[19], Block(19, "0x" + "ff" * 32, "", 0)
        assert following.final_number(config, state, ours) == 19
        assert following.final_number(config, state, theirs) == 17

    def test_above_what_is_known_says_nothing_yet(self, config):
        """What is known may be of another branch than the block that is final."""
        above = Block(500, "0x" + "ff" * 32, "", 0)
        assert following.final_number(config, self.state(20), above) == 17

    def test_never_goes_back_by_itself(self, config):
        state = msgspec.structs.replace(self.state(20), final=18)
        assert following.final_number(config, state, None) == 18

    def test_links_blocks_up_to_the_first_that_does_not_follow(self):
        blocks = list(self.blocks(9))
        state = self.state(3)
        assert following.linked(state, blocks[3:6]) == tuple(blocks[3:6])
        assert following.linked(state, blocks[4:6]) == ()
        stray = Block(5, "0x" + "ee" * 32, "0x" + "ff" * 32, 5)
        assert following.linked(state, [*blocks[3:5], stray, blocks[6]]) == tuple(blocks[3:5])


class TestReceipts:
    """Only a receipt of the same block, with the same log, says how it ended."""

    @pytest.mark.parametrize(
        ("block", "succeeded", "moved", "ends"),
        [
            ("0xother", True, (0, WALLET, 5), "waits"),
            ("0xb", None, (0, WALLET, 5), "waits"),
            ("0xb", True, (1, WALLET, 5), "waits"),
            ("0xb", True, (0, OTHER, 5), "waits"),
            ("0xb", True, (0, WALLET, 4), "waits"),
            ("0xb", False, (0, WALLET, 5), "gone"),
            ("0xb", True, (0, WALLET, 5), "counts"),
        ],
    )
    def test_end_the_waiting(self, config, block, succeeded, moved, ends):
        index, to, amount = moved
        log = Moved("0x7", index, 1, block, OTHER, to, USDC, amount)
        receipt = Receipt("0x7", 1, block, succeeded, (log,))
        assert self.end_of(config, receipt) == ends

    def test_that_nobody_has_leave_it_waiting(self, config):
        assert self.end_of(config, None) == "waits"

    def end_of(self, config, receipt) -> str:
        transfer = following.Transfer(80_002, "0x7", 0, 1, "0xb", 12, OTHER, WALLET, "USDC", 5)
        state = State(80_002, 0, 0, (Block(1, "0xb", "0xa", 12),), (transfer,))
        state, credited = following.settled(config, state, 1, {"0x7": receipt})
        if credited:
            return "counts"
        return "waits" if state.waiting else "gone"


class TestAnyHistory:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 10**9))
    async def test_ends_with_what_the_book_says(self, seed):
        """Payments, blocks, replacements and faults in any order: in the end it is the book's."""
        chance = random.Random(seed)
        async with FakeNode() as node, open_session(total_s=60) as session:
            settings_of = {**node.configuration, "wallets": WALLET, "confirmations": "3"}
            config = Config.read(settings_of)
            follower = Follower(Client(session, config), config)
            for _ in range(chance.randrange(5, 25)):
                await one_step(chance, node, follower)
            node.lag, node.lag_of = 0, {}
            node.faults.clear()
            node.mine(4)
            await follower.round()
            await follower.round()
            book = [each for each in node.chain.book if each.to == WALLET]
            counted = {(key[1], key[3]): amount for key, amount in follower.balance.items()}
            assert counted == {(each.tx_hash, each.block_hash): each.amount for each in book}
            assert follower.state.waiting == ()


async def one_step(chance: random.Random, node: FakeNode, follower: Follower) -> None:
    step = chance.choice(["pay", "pay", "mine", "mine", "reorg", "round", "round", "lag", "fault"])
    if step == "pay":
        token, fails = chance.choice([None, USDC]), chance.random() < 0.2
        node.pay(WALLET, chance.randrange(1, 10**20), token, fails=fails)
    elif step == "mine":
        node.mine(chance.randrange(1, 4))
    elif step == "reorg":
        depth = chance.randrange(min(6, node.chain.head) + 1)
        gone = [each.tx_hash for each in node.chain.book if chance.random() < 0.3]
        node.reorg(depth, without=gone)
    elif step == "lag":
        methods = ["eth_getBlockByNumber", "eth_getTransactionReceipt", "eth_getLogs"]
        node.lag_of = {chance.choice(methods): chance.randrange(3)}
    elif step == "fault":
        node.faults.append(Fault(status=503, after=chance.random() < 0.5))
    with suppress(Ambiguous, TurnedAway):
        await follower.round()
