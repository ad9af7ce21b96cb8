"""Polygon under the contract of all."""

from connectors.chain.connector import Polygon
from tests.connectors.chain.held import Anchoring, Collecting, Converting


class TestCollecting(Collecting):
    HELD_TO = "polygon", frozenset({"collect"})
    KIND, CHAIN_ID = Polygon, 80_002


class TestAnchoring(Anchoring):
    HELD_TO = "polygon", frozenset({"anchor"})
    KIND, CHAIN_ID = Polygon, 80_002


class TestConverting(Converting):
    HELD_TO = "polygon", frozenset({"convert"})
    KIND, CHAIN_ID = Polygon, 80_002
