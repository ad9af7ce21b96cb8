"""The owner's guide, walked on the pure core: every event and every path that it names.

The same walk on a running installation is tests/e2e/test_guide.py.
"""

import json
import re
from collections import Counter

import pytest

import agents.services
from agents import registry
from agents.registry import HANDLED
from connectors.mpesa.client import B2B, B2C, C2B_SIMULATE, STK_PUSH
from connectors.notifications import config as notifications
from streams.timestamps import parse_ms
from tests.agents.core import Core
from tests.guide.guide import CONSUMED, PATHS, PUBLISHED, SHOWN, members_of, message_of
from tests.guide.walk import STEPS, TENANT, Step
from web.routes import ROUTES

CALLED = (
    *(STK_PUSH, C2B_SIMULATE, *B2C.values(), B2B),
    notifications.PATH,
)
"""Paths of others that our connectors call."""


def of_any_version(path: str) -> str:
    """A path without its version and the spelling of its members: the guide names older ones."""
    return re.sub(r"/v[0-9]+/|\{[^}]+\}", "/*/", path)


def walk(core: Core, steps: tuple[Step, ...] = STEPS) -> None:
    """Say everything, and see that it does what it must."""
    core.now_ms = parse_ms("2024-12-05T10:40:00Z")
    for step in steps:
        for name, _, data in step.commands:
            command = f"treasury.command.{name}"
            [entry, *_] = core.event(command, TENANT, data, event_id=name, ingress="http")
            assert entry.status == "applied", entry
        [entry, *_] = core.send(message_of(step.event_type))
        assert (entry.event_type, entry.status, entry.reason) == (step.event_type, "applied", "")
        sums = Counter[str]()
        for posting in entry.postings:
            sums[posting.account] += posting.minor
        assert dict(sums) == step.postings
        assert tuple(sorted(item.event_type for item in entry.emitted)) == tuple(
            sorted(step.emitted)
        )


class TestEvents:
    def test_the_walk_is_the_guides(self):
        assert {step.event_type for step in STEPS} == set(CONSUMED)
        assert len(CONSUMED) >= 15

    def test_each_does_what_it_must(self):
        walk(Core())

    @pytest.mark.parametrize("event_type", CONSUMED)
    def test_without_its_handler_the_walk_is_red(self, event_type, monkeypatch):
        monkeypatch.delitem(registry._handled, event_type)
        with pytest.raises((AssertionError, ValueError)):
            walk(Core())

    def test_each_is_handled_and_nothing_else_is_let_in_from_services(self):
        told = {name for name, each in HANDLED.items() if "nats" in each.ingress}
        assert told == set(CONSUMED)

    def test_the_guides_own_json_is_taken_byte_for_byte(self):
        assert set(SHOWN) & set(CONSUMED) == {"cafe.order.created"}
        assert message_of("cafe.order.created") == SHOWN["cafe.order.created"].encode()


class TestWhatIsTold:
    @pytest.fixture
    def told(self) -> dict[str, dict]:
        core = Core()
        walk(core)
        found = {}
        for entry in core.entries:
            for item in entry.emitted:
                found[item.event_type] = json.loads(item.body)
        return found

    @pytest.mark.parametrize("event_type", ["treasury.payment.success", "treasury.invoice.created"])
    def test_has_the_guides_members_in_its_order(self, told, event_type):
        said = told[event_type]
        wanted = json.loads(SHOWN[event_type])
        assert list(said) == list(wanted)
        assert list(said["data"])[: len(wanted["data"])] == list(members_of(event_type))

    def test_every_published_event_is_one_that_our_code_emits(self):
        from pathlib import Path

        root = Path(agents.services.__file__).parent
        source = "".join(path.read_text() for path in root.rglob("*.py"))
        emitted = set(re.findall(r'"(treasury\.[a-z_.]+)"', source))
        assert set(PUBLISHED) <= emitted
        ours = {
            "treasury.payment.refunded",
            "treasury.payout.failed",
            "treasury.payout.returned",
            "treasury.invoice.paid",
            "treasury.invoice.void",
            "treasury.dispute.opened",
            "treasury.dispute.closed",
            "treasury.reconciliation.exception",
            "treasury.budget.exceeded",
            "treasury.balance.threshold",
        }
        assert ours <= emitted


class TestPaths:
    @pytest.mark.parametrize(("method", "path"), [*PATHS])
    def test_each_is_ours_or_is_called_by_us(self, method, path):
        if path == "/api/v1/{tenantID}":
            assert all(route.path.startswith("/api/v1") for route in ROUTES if route.scope)
            return
        ours = {(route.method, route.path) for route in ROUTES}
        called = {of_any_version(each) for each in CALLED}
        assert (method, path) in ours or of_any_version(path) in called

    def test_those_that_we_call_are_the_guides(self):
        named = {of_any_version(path) for _, path in PATHS}
        assert {of_any_version(path) for path in CALLED} <= named
