"""A chain's two operations under the contract of all: harnesses, and what is special to them."""

from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from connectors.base import Asked, Result
from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.connector import NOT_PAID, Ethereum, Polygon
from connectors.chain.fake import FakeNode, Fault
from connectors.chain.following import Credited, State
from connectors.chain.library import library
from connectors.chain.nonces import InMemory
from connectors.chain.proof import anchor_data
from connectors.chain.signing import address_of, opened
from connectors.chain.watching import follow
from connectors.http import open_session
from tests.connectors.chain.conftest import WALLET
from tests.connectors.contract import ConnectorContract, Harness, Keyed

KEY = "0x" + "11" * 32
ETHER = 10**18
MINOR = {"succeeds": 1_500_050, "declined": 0, "hangs": 1_700_000, "breaks": 1_800_000}
ROOTS = {kind: at for at, kind in enumerate(("succeeds", "declined", "hangs", "breaks"))}


LATE = {"hangs": Fault(delay_s=2.5, after=True), "breaks": Fault(drop=True, after=True)}
"""The node does it, and gives no answer."""


class OnOneChain:
    """Fixtures for a connector at a node of its chain."""

    KIND: type[Ethereum] | type[Polygon]
    CHAIN_ID: int

    @pytest_asyncio.fixture
    async def node(self):
        library()  # takes a while, which is nobody's time-out
        async with FakeNode(chain_id=self.CHAIN_ID) as node:
            node.fund(address_of(KEY), ETHER)
            yield node

    @pytest_asyncio.fixture
    async def session(self):
        async with open_session(total_s=1.5) as session:
            yield session

    @pytest.fixture
    def config(self, node) -> Config:
        values = {**node.configuration, "wallets": WALLET, "confirmations": "3"}
        return Config.read({**values, "private_key": KEY})

    @pytest.fixture
    def nonces(self) -> InMemory:
        return InMemory()

    @pytest.fixture
    def connector(self, session, config, nonces):
        return self.KIND(Client(session, config), config, nonces)


def signed_for(nonces: InMemory, node: FakeNode, chain_id: int, key: str) -> int:
    """How many transactions that were signed for a key the chain has carried out."""
    sent = nonces._wallets.get((chain_id, address_of(KEY)))
    nonce = sent.keys.get(key) if sent else None
    if nonce is None:
        return 0
    mine = {each.tx_hash for each in sent.signed.get(nonce, ())}
    done = (each for block in node.chain.blocks for each in block.done)
    return sum(each.transaction.hash in mine and each.succeeded for each in done)


class Payer:
    """Pays what a payer was shown, and watches the chain until it counts."""

    def __init__(self, node, session, config, connector) -> None:
        self.node, self.connector, self.config = node, connector, config
        self.client = Client(session, config)
        self.state = State.begun(config.chain_id, 0)
        self.paid: dict[str, str] = {}

    async def settle(self, asked: Asked, performed: Result | None) -> Result:
        shown = performed or await self.connector.query(asked)
        about, _, query = shown.payer_action.removeprefix("ethereum:").partition("?")
        said = dict(pair.split("=") for pair in query.split("&"))
        token, _, rest = about.partition("@")
        assert rest == f"{self.config.chain_id}/transfer"
        tx = self.node.pay(said["address"].lower(), int(said["uint256"]), token.lower())
        self.paid[asked.key] = tx
        self.node.mine(3)
        self.state, seen = await follow(self.client, self.config, self.state)
        [each] = [each.transfer for each in seen if isinstance(each, Credited)]
        assert each.wallet == shown.handle
        return Result("succeeded", each.tx_hash, each.amount_minor, each.asset)

    def effects(self, key: str) -> int:
        return sum(each.tx_hash == self.paid.get(key) for each in self.node.chain.book)


class Collecting(OnOneChain, Keyed, ConnectorContract):
    @pytest.fixture
    def harness(self, connector, node, session, config):
        payer = Payer(node, session, config, connector)
        faults = {"hangs": Fault(delay_s=2.5), "breaks": Fault(drop=True)}

        def request(kind: str) -> bytes:
            currency = "USDC" if MINOR[kind] else "KES"
            amount = f"{MINOR[kind] // 10**6}.{MINOR[kind] % 10**6:06d}" if MINOR[kind] else "1.00"
            return msgspec.json.encode({"amount": amount, "currency": currency})

        def arrange(kind: str) -> None:
            if kind in faults:
                node.faults.append(faults[kind])

        return Harness(
            connector=connector,
            operation="collect",
            request=request,
            effects=payer.effects,
            minor=MINOR.__getitem__,
            stop=node.__aexit__,
            arrange=arrange,
            settle=payer.settle,
        )

    async def test_an_attempt_that_nobody_pays_has_failed_in_the_end(self, harness):
        await harness.perform("succeeds")
        ended = await harness.connector.end(harness.asked("succeeds"))
        assert (ended.outcome, ended.failure) == ("failed", NOT_PAID)

    async def test_who_is_asked_for_the_same_is_shown_the_next_wallet(self, session, config):
        other = "0x" + "6b" * 20
        two = replace(config, wallets=(WALLET, other))
        connector = self.KIND(Client(session, two), two)
        handles = []
        for turn in ("0", "1", "2"):
            wish = {"amount": "1", "currency": "USDC", "turn": turn}
            asked = Asked("collect", turn, msgspec.json.encode(wish))
            handles.append((await connector.perform(asked)).handle)
        assert handles == [WALLET, other, WALLET]

    async def test_a_token_of_other_decimals_is_not_taken(self, session, node, config):
        [contract] = node.chain.tokens
        node.chain.tokens[contract] = 18
        connector = self.KIND(Client(session, config), config)
        wish = msgspec.json.encode({"amount": "1", "currency": "USDC"})
        with pytest.raises(Exception, match="decimals"):
            await connector.perform(Asked("collect", "key-1", wish))

    async def test_the_chains_own_currency_is_asked_for_in_its_smallest_unit(self, connector):
        native = "ETH" if self.KIND is Ethereum else "POL"
        wish = msgspec.json.encode({"amount": "0.000000000000000007", "currency": native})
        result = await connector.perform(Asked("collect", "key-1", wish))
        assert result.payer_action.endswith(f"@{self.CHAIN_ID}?value=7")

    async def test_without_wallets_nothing_is_collected(self, session, config, nonces):
        none = replace(config, wallets=())
        assert self.KIND(Client(session, none), none, nonces).operations == {"anchor"}
        unsigned = replace(config, private_key="")
        assert self.KIND(Client(session, unsigned), unsigned, nonces).operations == {"collect"}
        assert self.KIND(Client(session, config), config).operations == {"collect"}

    async def test_tells_what_its_wallets_have(self, connector, node):
        node.pay(WALLET, 1_500_000, next(iter(node.chain.tokens)))
        node.mine()
        [said] = (await connector.act("balance", "", {})).says["wallets"].values()
        assert said["USDC"] == "1.500000"


class Anchoring(OnOneChain, Keyed, ConnectorContract):
    @pytest.fixture
    def harness(self, connector, node, nonces):
        def root(kind: str) -> bytes:
            return bytes([ROOTS[kind]]) * 32

        def arrange(kind: str) -> None:
            if kind == "declined":
                node.fund(address_of(KEY), -ETHER)
            # The node is asked for its chain, then for what a transaction needs, then to send it.
            faults = {
                "hangs": Fault(delay_s=2.5, after=True),
                "breaks": Fault(drop=True, after=True),
            }
            if kind in faults:
                node.faults += [Fault(), Fault(), faults[kind]]

        async def settle(asked: Asked, _performed: Result | None) -> Result:
            node.mine(3)
            return await connector.query(asked)

        return Harness(
            connector=connector,
            operation="anchor",
            request=lambda kind: msgspec.json.encode({"root": root(kind).hex()}),
            effects=lambda key: signed_for(nonces, node, self.CHAIN_ID, key),
            minor=lambda _kind: 0,
            stop=node.__aexit__,
            arrange=arrange,
            settle=settle,
        )

    async def test_the_transaction_bears_the_root_and_pays_nobody(self, harness, node):
        result = await harness.settled("succeeds", performed=await harness.perform("succeeds"))
        found = node.chain.blocks[1].done[0].transaction
        assert found.hash == result.provider_reference
        made = opened(found.raw).transaction
        assert (made.data, made.value, made.to) == (anchor_data(bytes(32)), 0, address_of(KEY))

    async def test_what_a_node_forgot_is_sent_again_as_the_same_bytes(self, harness, node):
        performed = await harness.perform("succeeds")
        node.chain.mempool.clear()
        assert (await harness.connector.query(harness.asked("succeeds"))).outcome == "pending"
        result = await harness.settled("succeeds", performed=performed)
        assert (result.outcome, result.provider_reference) == ("succeeded", performed.handle)

    async def test_a_number_without_bytes_is_closed_when_it_is_asked_about(
        self, harness, node, nonces
    ):
        await nonces.reserve(self.CHAIN_ID, address_of(KEY), "key-1", 0)  # and died
        later = await harness.perform("succeeds", "key-2")
        node.mine(3)
        asked = harness.asked("succeeds", "key-2")
        assert (await harness.connector.query(asked)).outcome == "pending"
        first = harness.asked("succeeds", "key-1")
        assert (await harness.connector.query(first)).outcome == "pending"
        node.mine(3)
        ended = await harness.connector.query(first)
        assert (ended.outcome, ended.failure) == ("failed", "cancelled")
        result = await harness.connector.query(asked)
        assert (result.outcome, result.provider_reference) == ("succeeded", later.handle)

    async def test_the_installations_key_signs_nothing_by_a_tenants_own_node(
        self, session, config, nonces
    ):
        """It could give the wallet of all a number that is never reached, and any fee."""
        for tenants, signs in (
            ({"node_is_tenants": True}, False),
            ({"node_is_tenants": True, "key_is_tenants": True}, True),
            ({"key_is_tenants": True}, True),
            ({}, True),
        ):
            other = replace(config, **tenants)
            connector = self.KIND(Client(session, other), other, nonces)
            assert ("anchor" in connector.operations) == signs

    async def test_whoever_waits_for_it_waits_as_for_a_payer(self, harness):
        performed = await harness.perform("succeeds")
        assert performed.payer_action == performed.handle
        assert (await harness.connector.query(harness.asked("succeeds"))).payer_action


class Converting(OnOneChain, Keyed, ConnectorContract):
    """What is sold is sent to who converts it, out of the tenant's own wallet."""

    PAYEE = "0x" + "bb" * 20

    @pytest.fixture
    def config(self, node) -> Config:
        values = {**node.configuration, "wallets": address_of(KEY), "confirmations": "3"}
        return Config.read({**values, "private_key": KEY, "key_is_tenants": "yes"})

    @pytest.fixture
    def harness(self, connector, node, nonces):
        [contract] = node.chain.tokens
        node.fund(address_of(KEY), 10 * MINOR["breaks"], contract)
        amounts = MINOR | {"declined": 10**12}

        def request(kind: str) -> bytes:
            minor = amounts[kind]
            amount = f"{minor // 10**6}.{minor % 10**6:06d}"
            wish = {"destination": self.PAYEE, "amount": amount, "currency": "USDC"}
            return msgspec.json.encode(wish)

        def arrange(kind: str) -> None:
            # Asked for: its chain, the token's decimals, what a transaction needs; then to send it.
            faults = {
                "hangs": Fault(delay_s=2.5, after=True),
                "breaks": Fault(drop=True, after=True),
            }
            if kind in faults:
                node.faults += [Fault(), Fault(), Fault(), faults[kind]]

        async def settle(asked: Asked, _performed: Result | None) -> Result:
            node.mine(3)
            return await connector.query(asked)

        return Harness(
            connector=connector,
            operation="convert",
            request=request,
            effects=lambda key: signed_for(nonces, node, self.CHAIN_ID, key),
            minor=amounts.__getitem__,
            stop=node.__aexit__,
            arrange=arrange,
            settle=settle,
        )

    async def test_arrives_at_who_converts_it_once(self, harness, node):
        [contract] = node.chain.tokens
        performed = await harness.perform("succeeds")
        await harness.perform("succeeds")
        await harness.settled("succeeds", performed=performed)
        assert node.chain.received(self.PAYEE, contract) == MINOR["succeeds"]

    async def test_the_chains_own_currency_is_sent_as_it_is(self, connector, node):
        name = "ETH" if self.KIND is Ethereum else "POL"
        wish = {"destination": self.PAYEE, "amount": "0.5", "currency": name}
        await connector.perform(Asked("convert", "key-1", msgspec.json.encode(wish)))
        node.mine(3)
        assert node.chain.received(self.PAYEE) == ETHER // 2

    @pytest.mark.parametrize(
        ("changed", "failure"),
        [
            ({"destination": "0x1"}, "bad_request"),
            ({"destination": "0x" + "00" * 20}, "bad_request"),
            ({"amount": "0"}, "bad_request"),
            ({"amount": "0.0000001"}, "bad_request"),
            ({"currency": "KES"}, "currency_unsupported"),
        ],
    )
    async def test_what_cannot_be_is_not_sent(self, connector, node, changed, failure):
        wish = {"destination": self.PAYEE, "amount": "1", "currency": "USDC"} | changed
        asked = Asked("convert", "key-1", msgspec.json.encode(wish))
        result = await connector.perform(asked)
        assert (result.outcome, result.failure) == ("failed", failure)
        assert node.requests == []

    async def test_another_wallets_key_sends_nothing(self, session, config, nonces):
        for changed in ({"wallets": (WALLET,)}, {"key_is_tenants": False}, {"wallets": ()}):
            other = replace(config, **changed)
            assert "convert" not in self.KIND(Client(session, other), other, nonces).operations
