"""Following chains into the log: nothing is lost or told twice, whatever is killed in between."""

import asyncio
import random
import time
from contextlib import suppress

import pytest
import pytest_asyncio

from agents.roles.chains import Chains, _event
from agents.roles.lease import Owner
from agents.roles.nonces import StoredNonces
from connectors.chain.fake import USDC, FakeNode, Fault
from connectors.chain.following import Credited, Reversed, Transfer
from connectors.chain.nonces import InMemory
from connectors.http import open_session
from streams.errors import Unavailable
from tables.postgres import chains as rows
from tables.postgres.pool import tenant_transaction
from tests.agents.accounting.test_onchain import COINS, Shop

WALLET, OTHER = "0x" + "5a" * 20, "0x" + "6b" * 20


def now_s() -> int:
    return int(time.time())


class Log:
    """An inlet that keeps what is said, and can die before or after it has it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str, dict]] = []
        self.dies = ""

    async def say(self, partition, *, tenant_id, event_type, event_id, data) -> int:
        assert partition == 0
        if self.dies == "before":
            raise Unavailable("died before")
        self.said.append((tenant_id, event_type, event_id, dict(data)))
        if self.dies == "after":
            raise Unavailable("died after")
        return len(self.said)

    @property
    def events(self) -> list[tuple[str, str, dict]]:
        """What a writer sees: each id once, in order; the same id says the same."""
        found: dict[str, tuple[str, str, dict]] = {}
        for tenant_id, event_type, event_id, data in self.said:
            assert found.setdefault(event_id, (tenant_id, event_type, data))[2] == data
        return list(found.values())


class Nodes:
    """One node for all tenants."""

    def __init__(self, node: FakeNode, session) -> None:
        self.values = {**node.configuration, "confirmations": "3"}
        self.session = session
        self.others: dict[str, dict[str, str]] = {}

    def knows(self, gateway: str) -> bool:
        return gateway == "polygon"

    async def node(self, tenant_id: str, _gateway: str):
        return self.others.get(tenant_id, self.values), self.session


@pytest_asyncio.fixture
async def node():
    async with FakeNode() as node:
        yield node


@pytest.fixture
def log() -> Log:
    return Log()


@pytest_asyncio.fixture
async def session():
    async with open_session() as session:
        yield session


@pytest.fixture
def watch(database, log, node, session):
    """A worker's watch; every call is another worker's."""

    def made() -> Chains:
        return Chains(
            database.archiver,
            log,
            Nodes(node, session),
            owner=Owner("w"),
            partitions=1,
            every_s=0.01,
        )

    return made


async def own(database, tenant_id: str = "t", *wallets: str) -> bool:
    async with tenant_transaction(database.app, tenant_id) as connection:
        return await rows.add_wallets(connection, tenant_id, "polygon", wallets or (WALLET,))


def batch_of(tenant_id: str) -> rows.Batch:
    return rows.Batch("polygon", tenant_id, 1, 0, (WALLET,))


async def rounds(database, watch: Chains) -> None:
    for batch in await rows.read_batches(database.archiver):
        await watch.round(batch)


class TestWallets:
    async def test_are_one_tenants_and_nobody_elses(self, database):
        assert await own(database, "t", WALLET)
        assert await own(database, "t", WALLET, OTHER)
        assert not await own(database, "u", OTHER)

    async def test_said_at_once_are_watched_together(self, database):
        await own(database, "t", WALLET)
        await own(database, "t", WALLET, OTHER)
        batches = await rows.read_batches(database.archiver)
        assert [(each.number, each.addresses) for each in batches] == [
            (1, (WALLET,)),
            (2, (OTHER,)),
        ]


class TestFollowing:
    async def test_money_that_counts_is_told_once(self, database, watch, node, log):
        await own(database)
        await rounds(database, watch())
        tx = node.pay(WALLET, 9_000_000, USDC)
        node.mine(2)
        await rounds(database, watch())
        assert log.events == []
        node.mine()
        for _ in range(3):
            await rounds(database, watch())
        [(tenant, kind, data)] = log.events
        assert (tenant, kind) == ("t", "treasury.chain.credited")
        assert (data["tx_hash"], data["amount"], data["currency"]) == (tx, "9.000000", "USDC")
        assert len(log.said) == 1

    async def test_what_was_paid_before_the_first_round_is_seen(self, database, watch, node, log):
        node.chain.clock = now_s
        await own(database)
        node.pay(WALLET, 9_000_000, USDC)
        node.mine(4)
        await rounds(database, watch())
        assert [kind for _, kind, _ in log.events] == ["treasury.chain.credited"]

    async def test_what_was_paid_before_the_wallet_was_said_is_not(
        self, database, watch, node, log
    ):
        node.pay(WALLET, 9_000_000, USDC)  # in a block of March
        node.mine(4)
        await own(database)
        await rounds(database, watch())
        assert log.events == []

    @pytest.mark.parametrize("dies", ["before", "after"])
    async def test_a_worker_that_dies_while_it_tells_leaves_the_rest_to_the_next(
        self, database, watch, node, log, dies
    ):
        await own(database)
        await rounds(database, watch())
        node.pay(WALLET, 1_000_000, USDC)
        node.pay(WALLET, 2_000_000, USDC)
        node.mine(3)
        log.dies = dies
        with pytest.raises(Unavailable):
            await rounds(database, watch())
        log.dies = ""
        node.reorg(3)  # meanwhile the chain changes its mind
        node.mine(3)
        for _ in range(3):
            await rounds(database, watch())
        kinds = [kind.rpartition(".")[2] for _, kind, _ in log.events]
        assert kinds == ["credited"] * 2 + ["reversed"] * 2 + ["credited"] * 2

    async def test_of_two_workers_at_once_one_moves_on(self, database, watch, node, log):
        await own(database)
        await rounds(database, watch())
        node.pay(WALLET, 1_000_000, USDC)
        node.mine(3)
        await asyncio.gather(*(rounds(database, watch()) for _ in range(4)))
        await rounds(database, watch())
        assert len(log.events) == 1

    async def test_a_node_that_is_away_costs_time_only(self, database, watch, node, log):
        await own(database)
        await rounds(database, watch())
        node.pay(WALLET, 1_000_000, USDC)
        node.mine(3)
        node.errors["eth_getLogs"].append((-32603, "internal error"))
        await rounds(database, watch())
        assert log.events == []
        await rounds(database, watch())
        assert len(log.events) == 1

    async def test_another_tenants_wallet_is_not_told_to_this_one(self, database, watch, node, log):
        await own(database, "t", WALLET)
        await own(database, "u", OTHER)
        await rounds(database, watch())
        node.pay(WALLET, 1_000_000, USDC)
        node.pay(OTHER, 2_000_000, USDC)
        node.mine(3)
        await rounds(database, watch())
        said = {(tenant, data["wallet"], data["amount"]) for tenant, _, data in log.events}
        assert said == {("t", WALLET, "1.000000"), ("u", OTHER, "2.000000")}

    async def test_money_between_wallets_of_one_tenant_is_no_income(
        self, database, watch, node, log
    ):
        await own(database, "t", WALLET)
        await own(database, "t", OTHER)  # said later, and so followed apart
        await own(database, "u", f"0x{'7c' * 20}")
        await rounds(database, watch())
        node.pay(WALLET, 1_000_000, USDC, payer=OTHER)
        node.pay(WALLET, 2_000_000, USDC, payer=f"0x{'7c' * 20}")
        node.mine(3)
        await rounds(database, watch())
        assert [data["amount"] for _, _, data in log.events] == ["2.000000"]

    async def test_a_node_that_hangs_keeps_only_its_own_tenant_waiting(
        self, database, watch, node, log
    ):
        await own(database, "t", WALLET)
        await own(database, "a", OTHER)  # is read before the other one
        working = watch()
        async with FakeNode() as deaf:
            deaf.faults.extend([Fault(delay_s=60)] * 9)
            working._nodes.others["a"] = {**working._nodes.values, **deaf.configuration}
            task = asyncio.create_task(working.run(0))
            try:
                async with asyncio.timeout(20):
                    while await rows.read_follow(database.archiver, batch_of("t")) is None:
                        await asyncio.sleep(0.05)
                    node.pay(WALLET, 1_000_000, USDC)
                    node.mine(3)
                    while not log.events:
                        await asyncio.sleep(0.05)
                assert await rows.read_follow(database.archiver, batch_of("a")) is None
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        assert [tenant for tenant, _, _ in log.events] == ["t"]

    async def test_a_chain_that_begins_anew_is_another_chain(
        self, database, watch, node, log, session
    ):
        await own(database)
        await rounds(database, watch())
        node.pay(WALLET, 1_000_000, USDC)
        node.mine(3)
        await rounds(database, watch())
        async with FakeNode(clock=now_s) as other:
            other.pay(WALLET, 2_000_000, USDC)
            other.mine(3)
            second = watch()
            second._nodes = Nodes(other, session)
            await rounds(database, second)
        assert [kind for _, kind, _ in log.events] == ["treasury.chain.credited"] * 2


class TestTheNameOfWhatIsSeen:
    def test_is_another_once_money_was_taken_back_between(self):
        transfer = Transfer(80_002, "0xaa", 0, 1, "0xbb", 1, OTHER, WALLET, "USDC", 1)
        batch = rows.Batch("polygon", "t", 1, 0, (WALLET,))
        about = [(Credited, 0), (Reversed, 0), (Credited, 1), (Reversed, 1)]
        ids = {_event(batch, kind(transfer), turn).event_id for kind, turn in about}
        assert len(ids) == len(about)
        again = _event(batch, Credited(transfer), 0)
        assert again == _event(batch, Credited(transfer), 0)


class TestAnyStory:
    @pytest.mark.parametrize("seed", range(6))
    async def test_the_ledger_has_what_the_chain_has(self, database, watch, node, log, seed):
        """Payments, reorganisations that drop some, deaths: the fake's book is the witness."""
        rng = random.Random(seed)
        await own(database)
        await rounds(database, watch())
        paid: list[str] = []
        for _ in range(25):
            what = rng.randrange(4)
            if what == 0:
                paid.append(node.pay(WALLET, rng.choice((9_000_000, 1_000_000)), USDC))
            elif what == 1 and node.chain.head > 8:
                depth = rng.randrange(1, 7)
                node.reorg(depth, without=[tx for tx in paid if rng.random() < 0.3])
            else:
                node.mine(rng.randrange(1, 4))
            log.dies = rng.choice(("", "", "before", "after"))
            with suppress(Unavailable):
                await rounds(database, watch())
        log.dies = ""
        node.mine(4)
        for _ in range(4):
            await rounds(database, watch())
        shop = Shop()
        shop.asked()
        for _, kind, data in log.events:
            shop.told(kind, data | {"block_ms": shop.core.now_ms})
        deep = node.chain.blocks[: node.chain.head - 1]
        hashes = {block.hash for block in deep}
        stands = sum(line.amount for line in node.chain.book if line.block_hash in hashes)
        assert shop.money().get(COINS, 0) == stands


class TestNonces:
    @pytest_asyncio.fixture(params=["memory", "postgres"])
    async def nonces(self, request, database):
        return InMemory() if request.param == "memory" else StoredNonces(database.archiver)

    async def test_ten_at_once_have_ten_and_a_key_keeps_its_own(self, nonces):
        keys = [f"k-{number}" for number in range(10)] * 2
        found = await asyncio.gather(*(nonces.reserve(1, WALLET, key, 5) for key in keys))
        assert sorted(set(found)) == list(range(5, 15))
        assert found[:10] == found[10:]
        assert await nonces.reserve(1, OTHER, "k-0", 0) == 0
        assert await nonces.reserve(2, WALLET, "k-0", 0) == 0

    async def test_keeps_bytes_in_their_order_until_it_ends(self, nonces):
        assert await nonces.find(1, WALLET, "k") is None
        nonce = await nonces.reserve(1, WALLET, "k", 0)
        assert (await nonces.find(1, WALLET, "k")).signed == ()
        for number in (2, 1, 2):
            await nonces.store(1, WALLET, nonce, bytes([number]), f"0x{number:064x}")
        kept = await nonces.find(1, WALLET, "k")
        assert [each.raw for each in kept.signed] == [b"\x02", b"\x01"]
        assert [each.key for each in await nonces.pending(1, WALLET)] == ["k"]
        await nonces.end(1, WALLET, nonce, "0xbb")
        assert await nonces.pending(1, WALLET) == []
        assert (await nonces.find(1, WALLET, "k")) == kept
