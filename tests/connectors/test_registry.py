"""Every capability that a gateway claims is executed under the contract, and nothing else is."""

import importlib
import pkgutil

import pytest

import tests.connectors
from connectors.base import Asked
from connectors.breaker import Breaker
from connectors.guard import UNSUPPORTED, Guard
from connectors.registry import ALIASES, CONNECTORS, GATEWAYS, SECRETS, SERVICES


def executed(gateway: str) -> set[str]:
    """Operations of a gateway that classes of its contract execute."""
    found: set[str] = set()
    folder = importlib.import_module(f"tests.connectors.{gateway}")
    for module in pkgutil.iter_modules(folder.__path__):
        if module.name == "test_contract":
            members = vars(importlib.import_module(f"{folder.__name__}.{module.name}"))
            for each in members.values():
                name, operations = getattr(each, "HELD_TO", ("", frozenset()))
                found |= operations if name == gateway else set()
    return found


@pytest.mark.parametrize("gateway", sorted(CONNECTORS))
class TestEveryGateway:
    def test_is_held_to_all_that_it_claims(self, gateway):
        assert executed(gateway) == CONNECTORS[gateway].capabilities

    def test_has_its_own_name(self, gateway):
        assert CONNECTORS[gateway].name == gateway
        assert gateway in GATEWAYS

    def test_doubts_only_what_it_claims(self, gateway):
        assert CONNECTORS[gateway].doubted <= CONNECTORS[gateway].capabilities

    async def test_what_it_does_not_claim_fails_unsent(self, gateway):
        claims = CONNECTORS[gateway]

        class Deaf:
            name, operations, doubted = gateway, claims.capabilities, claims.doubted

            def key_lifetime_s(self, _asked: Asked) -> float:
                raise AssertionError("nothing is asked of it")

            perform = query = key_lifetime_s

        guard = Guard(Deaf(), Breaker())
        for operation in ("collect", "authorize", "capture", "void", "payout", "refund", "dance"):
            if operation not in claims.capabilities:
                assert await guard.perform(operation, "key", b"{}") == UNSUPPORTED
                assert (await guard.query(operation, "key", b"{}")).outcome == "unknown"


class TestTheTables:
    def test_name_the_same_gateways(self):
        assert set(CONNECTORS) == set(GATEWAYS)
        assert set(ALIASES.values()) <= {*CONNECTORS, SERVICES}
        assert {name.partition(".")[0] for name in SECRETS} == {
            *CONNECTORS,
            SERVICES,
            "notifications",
        }

    def test_no_alias_is_a_word_that_a_provider_refuses(self):
        refused = ("mpesa", "safaricom", "exe", "cmd", "sql", "query")
        assert [alias for alias in ALIASES if any(word in alias for word in refused)] == []

    def test_is_the_folder_of_each_gateways_tests(self):
        folders = {each.name for each in pkgutil.iter_modules(tests.connectors.__path__)}
        assert set(CONNECTORS) <= folders
