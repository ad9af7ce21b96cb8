"""Payments out of our own wallet, against a fake node whose book is the witness."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from connectors.base import NOT_FOUND, Ambiguous, NotSent, Refused, TurnedAway
from connectors.chain.client import Client
from connectors.chain.fake import USDC, FakeNode, Fault
from connectors.chain.nonces import InMemory
from connectors.chain.sending import Payment, Sender, native, token
from connectors.chain.signing import Transaction, address_of, opened, signed
from connectors.chain.words import (
    data_of,
)
from connectors.reading import Unfit

KEY = "0x" + "11" * 32
PAYEE = "0x" + "bb" * 20
GWEI, ETHER = 10**9, 10**18
REFUSALS = ["already known", "AlreadyKnown", "nonce too low", "replacement transaction underpriced"]


@pytest.fixture
def nonces() -> InMemory:
    return InMemory()


@pytest.fixture
def sender(client, config, nonces, node) -> Sender:
    sender = Sender(client, replace(config, private_key=KEY), nonces)
    node.fund(sender.address, 100 * ETHER)
    node.fund(sender.address, 1_000_000_000, USDC)
    return sender


async def result_of(sender: Sender, key: str):
    return (await sender.standing(key)).result


def nonce_of(sent) -> int:
    return opened(sent.raw).transaction.nonce


class TestOnePayment:
    async def test_in_the_chains_own_currency_is_made(self, sender, node):
        sent = await sender.send("p-1", native(PAYEE, ETHER))
        assert (await result_of(sender, "p-1")).outcome == "pending"
        node.mine(3)
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.provider_reference) == ("succeeded", sent.tx_hash)
        assert (result.amount_minor, result.asset) == (ETHER, "POL")
        assert node.chain.received(PAYEE) == ETHER

    async def test_in_a_token_is_made(self, sender, node):
        await sender.send("p-1", token(USDC, PAYEE, 1_500_000))
        node.mine(3)
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.amount_minor, result.asset) == (
            "succeeded",
            1_500_000,
            "USDC",
        )
        assert node.chain.received(PAYEE, USDC) == 1_500_000

    async def test_counts_only_at_its_depth(self, sender, node):
        await sender.send("p-1", native(PAYEE, 5))
        for depth, outcome in ((1, "pending"), (2, "pending"), (3, "succeeded")):
            node.mine()
            assert (await result_of(sender, "p-1")).outcome == outcome, depth

    async def test_counts_at_once_in_a_block_that_is_final(self, sender, node):
        node.finality = 0
        await sender.send("p-1", native(PAYEE, 5))
        node.mine()
        assert (await result_of(sender, "p-1")).outcome == "succeeded"

    async def test_is_kept_before_it_is_sent(self, sender, nonces, node):
        node.errors["eth_sendRawTransaction"].append((-32603, "internal"))
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))
        [kept] = await nonces.pending(80_002, sender.address)
        assert node.sent("eth_sendRawTransaction") == [[data_of(kept.signed[0].raw)]]

    async def test_of_which_nothing_is_known_is_not_found(self, sender):
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.detail) == ("unknown", NOT_FOUND)

    async def test_that_fails_in_its_block_has_failed(self, sender, node):
        await sender.send("p-1", token(USDC, PAYEE, 600_000_000))
        await sender.send("p-2", token(USDC, PAYEE, 600_000_000))
        node.mine(3)
        assert (await result_of(sender, "p-1")).outcome == "succeeded"
        result = await result_of(sender, "p-2")
        assert (result.outcome, result.failure) == ("failed", "reverted")
        assert node.chain.received(PAYEE, USDC) == 600_000_000

    async def test_may_leave_its_block_before_it_counts(self, sender, node):
        sent = await sender.send("p-1", native(PAYEE, 5))
        node.mine(2)
        node.reorg(2, longer=0, without=[sent.tx_hash])
        assert (await result_of(sender, "p-1")).outcome == "pending"
        await sender.rebroadcast()
        node.mine(3)
        assert (await result_of(sender, "p-1")).outcome == "succeeded"

    async def test_has_its_bytes_and_block_for_a_proof(self, sender, node):
        sent = await sender.send("p-1", Payment(sender.address, 0, b"TRSY"))
        assert (await sender.standing("p-1")).block_hash == ""
        node.mine(3)
        standing = await sender.standing("p-1")
        assert (standing.signed, standing.block_hash) == (sent, node.chain.blocks[1].hash)


class TestManyPayments:
    async def test_at_once_have_consecutive_nonces_and_none_is_lost(self, sender, node):
        """A33."""
        sent = await asyncio.gather(
            *(sender.send(f"p-{each}", native(PAYEE, each)) for each in range(1, 11))
        )
        assert sorted(map(nonce_of, sent)) == list(range(10))
        node.mine(3)
        assert node.chain.received(PAYEE) == sum(range(1, 11))
        for each in range(1, 11):
            assert (await result_of(sender, f"p-{each}")).amount_minor == each

    async def test_begin_where_the_wallet_stands(self, sender, node, client, config):
        """A wallet that was used before: its nonces are the node's."""
        other = Sender(client, replace(config, private_key=KEY), InMemory())
        await other.send("elsewhere", native(PAYEE, 1))
        node.mine()
        assert nonce_of(await sender.send("p-1", native(PAYEE, 2))) == 1

    async def test_wait_behind_a_gap_and_follow_once_it_is_closed(self, sender, nonces, node):
        """A process died between a nonce and its bytes."""
        assert await nonces.reserve(80_002, sender.address, "died", 0) == 0
        await sender.send("p-1", native(PAYEE, 5))
        node.mine(3)
        assert (await result_of(sender, "p-1")).outcome == "pending"
        assert nonce_of(await sender.send("died", native(PAYEE, 7))) == 0
        node.mine(3)
        assert node.chain.received(PAYEE) == 12

    async def test_wait_behind_a_gap_that_can_be_closed_with_nothing(self, sender, nonces, node):
        await nonces.reserve(80_002, sender.address, "died", 0)
        await sender.send("p-1", native(PAYEE, 5))
        await sender.cancel("died")
        node.mine(3)
        assert (await result_of(sender, "p-1")).outcome == "succeeded"
        assert (await result_of(sender, "died")).failure == "cancelled"
        await sender.send("died", native(PAYEE, 7))
        assert (await result_of(sender, "died")).failure == "cancelled"
        assert node.chain.received(PAYEE) == 5


class TestRepeats:
    async def test_send_the_same_bytes(self, sender, node):
        first = await sender.send("p-1", native(PAYEE, 5))
        again = await sender.send("p-1", native(PAYEE, 5))
        assert again == first
        sent = node.sent("eth_sendRawTransaction")
        assert sent[0] == sent[1]
        node.mine(3)
        assert await sender.send("p-1", native(PAYEE, 5)) == first
        assert node.chain.received(PAYEE) == 5

    @pytest.mark.parametrize("after", [True, False])
    @pytest.mark.parametrize("fault", [Fault(status=503), Fault(drop=True)])
    async def test_after_an_answer_that_was_none_pay_once(self, sender, node, fault, after):
        await sender.balance()
        node.faults.extend([Fault(), replace(fault, after=after)])
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))
        assert len(node.chain.mempool) == int(after)
        await sender.send("p-1", native(PAYEE, 5))
        node.mine(3)
        assert node.chain.received(PAYEE) == 5

    async def test_of_bytes_that_are_kept_are_never_taken_for_unsent(self, sender, node, config):
        """No connection the second time: the bytes may have been sent the first time."""
        await sender.send("p-1", native(PAYEE, 5))
        await node._runner.cleanup()
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))
        with pytest.raises(NotSent):
            await sender.send("p-2", native(PAYEE, 5))

    @pytest.mark.parametrize("status", [401, 429])
    async def test_that_a_node_turns_away_may_be_made_all_the_same(self, sender, node, status):
        """The bytes are kept: they may be sent again, by whoever sends what is pending."""
        await sender.send("p-1", native(PAYEE, 5))
        node.faults.append(Fault(status=status))
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))

    async def test_of_a_key_with_another_payment_are_refused(self, sender, node):
        await sender.send("p-1", native(PAYEE, 5))
        for other in (native(PAYEE, 6), token(USDC, PAYEE, 5)):
            with pytest.raises(Refused) as caught:
                await sender.send("p-1", other)
            assert caught.value.failure == "key_reused"
        assert len(node.chain.mempool) == 1

    async def test_of_all_that_is_pending_bring_back_what_a_node_forgot(self, sender, node):
        for each in (1, 2):
            await sender.send(f"p-{each}", native(PAYEE, each))
        node.chain.mempool.clear()
        await sender.rebroadcast()
        node.mine(3)
        assert node.chain.received(PAYEE) == 3
        for each in (1, 2):
            assert (await result_of(sender, f"p-{each}")).outcome == "succeeded"
        before = len(node.sent("eth_sendRawTransaction"))
        await sender.rebroadcast()
        assert len(node.sent("eth_sendRawTransaction")) == before


class TestWordsOfNodes:
    @pytest.mark.parametrize("words", ["already known", "AlreadyKnown", "known transaction: 0x1"])
    async def test_that_know_it_are_success(self, sender, node, words):
        node.errors["eth_sendRawTransaction"].append((-32000, words))
        await sender.send("p-1", native(PAYEE, 5))
        assert len(node.sent("eth_sendRawTransaction")) == 1

    async def test_that_its_nonce_is_used_have_the_hash_looked_up(self, sender, node):
        sent = await sender.send("p-1", native(PAYEE, 5))
        node.mine()
        assert await sender.send("p-1", native(PAYEE, 5)) == sent
        assert node.sent("eth_getTransactionByHash") == [[sent.tx_hash]]

    async def test_that_its_nonce_is_used_by_another_are_for_people(
        self, sender, node, client, config
    ):
        node.errors["eth_sendRawTransaction"].append((-32000, "insufficient funds for gas"))
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))
        other = Sender(client, replace(config, private_key=KEY), InMemory())
        await other.send("elsewhere", native(PAYEE, 1))
        node.mine(2)
        with pytest.raises(Ambiguous, match="used"):
            await sender.send("p-1", native(PAYEE, 5))
        assert (await result_of(sender, "p-1")).outcome == "pending"
        node.mine()
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.detail) == ("unknown", "nonce_taken")

    async def test_that_want_more_raise_both_fees_by_a_tenth_at_least(self, sender, node):
        node.errors["eth_sendRawTransaction"].extend(
            [(-32000, "replacement transaction underpriced")] * 2
        )
        sent = opened((await sender.send("p-1", native(PAYEE, 5))).raw).transaction
        raws = [bytes.fromhex(each[0][2:]) for each in node.sent("eth_sendRawTransaction")]
        made = [opened(each).transaction for each in raws]
        assert made[-1] == sent
        for before, after in pairwise(made):
            assert 10 * after.max_fee >= 11 * before.max_fee
            assert 10 * after.tip >= 11 * before.tip
            assert replace(after, max_fee=before.max_fee, tip=before.tip) == before
        node.mine(3)
        assert (await result_of(sender, "p-1")).outcome == "succeeded"

    async def test_that_have_another_of_its_nonce_take_it_for_more(
        self, sender, nonces, node, client, config
    ):
        """Two programs with one key: of the two payments one is made, and the other is not."""
        other = Sender(client, replace(config, private_key=KEY), InMemory())
        await other.send("elsewhere", native(PAYEE, 1))
        await nonces.reserve(80_002, sender.address, "p-1", 0)
        await sender.send("p-1", native(PAYEE, 2))
        node.mine(3)
        assert node.chain.received(PAYEE) == 2
        assert (await result_of(sender, "p-1")).outcome == "succeeded"
        assert (await result_of(other, "elsewhere")).detail == "nonce_taken"

    async def test_that_want_more_and_more_come_to_an_end(self, sender, node):
        node.errors["eth_sendRawTransaction"].extend([(-32000, REFUSALS[-1])] * 50)
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))
        assert len(node.sent("eth_sendRawTransaction")) == 6

    async def test_that_refuse_what_is_kept_do_not_make_it_fail(self, sender, node):
        """It could be made tomorrow, by the same bytes."""
        node.errors["eth_sendRawTransaction"].append((-32000, "txpool is full"))
        with pytest.raises(Ambiguous):
            await sender.send("p-1", native(PAYEE, 5))
        assert (await result_of(sender, "p-1")).outcome == "pending"


class TestNothingIsKept:
    async def test_of_what_cannot_be_paid_for(self, sender, nonces, node):
        for payment, failure in (
            (native(PAYEE, 101 * ETHER), "insufficient_funds"),
            (native(PAYEE, 100 * ETHER), "insufficient_funds"),
            (token(USDC, PAYEE, 2_000_000_000), "would_fail"),
        ):
            with pytest.raises(Refused) as caught:
                await sender.send("p-1", payment)
            assert caught.value.failure == failure
        assert await nonces.find(80_002, sender.address, "p-1") is None

    async def test_while_fees_are_above_what_is_allowed(self, sender, nonces, node):
        node.chain.base_fee = 2_000 * GWEI
        node.mine()
        with pytest.raises(TurnedAway):
            await sender.send("p-1", native(PAYEE, 5))
        assert await nonces.find(80_002, sender.address, "p-1") is None

    async def test_on_another_chain(self, config, session, nonces):
        async with FakeNode(chain_id=1) as other:
            url = other.configuration["rpc_url"]
            away = replace(config, rpc_url=url, private_key=KEY)
            with pytest.raises(Refused):
                await Sender(Client(session, away), away, nonces).send("p-1", native(PAYEE, 5))
            assert other.sent("eth_sendRawTransaction") == []

    @pytest.mark.parametrize(
        ("to", "amount"),
        [(PAYEE, 0), (PAYEE, -1), ("0x" + "00" * 20, 5), ("0x1", 5)],
    )
    def test_of_what_is_no_payment(self, to, amount):
        with pytest.raises(Unfit):
            native(to, amount)
        with pytest.raises(Unfit):
            token(USDC, to, amount)

    def test_without_a_key(self, client, config, nonces):
        with pytest.raises(Unfit, match="not_a_key"):
            Sender(client, config, nonces)


class TestWhatIsStuck:
    async def test_is_made_quicker_and_paid_once(self, sender, node):
        slow = await sender.send("p-1", native(PAYEE, 5))
        node.chain.base_fee = 100 * GWEI
        node.mine(3)
        assert (await result_of(sender, "p-1")).outcome == "pending"
        quick = await sender.hasten("p-1")
        assert nonce_of(quick) == nonce_of(slow)
        node.mine(3)
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.provider_reference) == ("succeeded", quick.tx_hash)
        assert node.chain.received(PAYEE) == 5

    async def test_is_cancelled_and_then_has_failed(self, sender, node):
        await sender.send("p-1", token(USDC, PAYEE, 5))
        node.chain.base_fee = 100 * GWEI
        node.mine()
        await sender.cancel("p-1")
        assert (await result_of(sender, "p-1")).outcome == "pending"
        node.mine(3)
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.failure) == ("failed", "cancelled")
        assert node.chain.received(PAYEE, USDC) == 0

    async def test_may_be_paid_before_it_is_cancelled(self, sender, node):
        await sender.send("p-1", native(PAYEE, 5))
        node.mine()
        with pytest.raises(Ambiguous):
            await sender.cancel("p-1")
        node.mine(2)
        assert (await result_of(sender, "p-1")).outcome == "succeeded"

    async def test_is_not_made_quicker_at_any_price(self, sender, node, config, client, nonces):
        careful = replace(config, private_key=KEY, max_fee=4 * GWEI)
        sender = Sender(client, careful, nonces)
        await sender.send("p-1", native(PAYEE, 5))
        await sender.hasten("p-1")
        await sender.hasten("p-1")
        with pytest.raises(Ambiguous, match="above what is allowed"):
            await sender.hasten("p-1")
        fees = [opened(bytes.fromhex(raw[2:])) for [raw] in node.sent("eth_sendRawTransaction")]
        assert max(each.transaction.max_fee for each in fees) <= 4 * GWEI

    @pytest.mark.parametrize("verb", ["hasten", "cancel"])
    async def test_is_something_that_was_sent(self, sender, verb):
        with pytest.raises(Refused) as caught:
            await getattr(sender, verb)("p-1")
        assert caught.value.failure == NOT_FOUND


class TestTokensThatSayNothing:
    async def test_have_not_paid_by_succeeding(self, sender, node):
        """Some contracts answer with false instead of failing: the log decides."""
        silent = "0x" + "99" * 20
        node.chain.tokens.pop(silent, None)
        await sender.send("p-1", token(silent, PAYEE, 5))
        node.mine(3)
        result = await result_of(sender, "p-1")
        assert (result.outcome, result.detail) == ("unknown", "no_transfer")


class TestSignatures:
    MADE = Transaction(137, 7, PAYEE, 5, b"\x01", 30_000, 3 * GWEI, GWEI)

    def test_come_back_as_they_were_made(self):
        made = signed(self.MADE, KEY)
        found = opened(made.raw)
        assert (found.transaction, found.tx_hash) == (self.MADE, made.tx_hash)
        assert found.sender == address_of(KEY)

    def test_are_the_same_for_the_same(self):
        assert signed(self.MADE, KEY) == signed(self.MADE, KEY)

    @pytest.mark.parametrize("raw", [b"", b"\x02", b"\x01\xc0", b"\xf8", b"\x02\xc0", b"\x02rest"])
    def test_of_something_else_are_refused(self, raw):
        with pytest.raises(Unfit):
            opened(raw)

    def test_with_bytes_after_them_are_refused(self):
        with pytest.raises(Unfit):
            opened(signed(self.MADE, KEY).raw + b"\x00")

    def test_are_by_a_key_of_32_bytes(self):
        for text in ("", "0x11", "0x" + "00" * 32, "key"):
            with pytest.raises(Unfit) as caught:
                address_of(text)
            assert caught.value.reason == "not_a_key"
