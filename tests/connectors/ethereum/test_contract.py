"""Ethereum under the contract of all."""

from connectors.chain.connector import Ethereum
from tests.connectors.chain.held import Anchoring, Collecting, Converting


class TestCollecting(Collecting):
    HELD_TO = "ethereum", frozenset({"collect"})
    KIND, CHAIN_ID = Ethereum, 11_155_111


class TestAnchoring(Anchoring):
    HELD_TO = "ethereum", frozenset({"anchor"})
    KIND, CHAIN_ID = Ethereum, 11_155_111


class TestConverting(Converting):
    HELD_TO = "ethereum", frozenset({"convert"})
    KIND, CHAIN_ID = Ethereum, 11_155_111
