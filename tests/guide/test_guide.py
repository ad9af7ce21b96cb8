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
from streams.timestamps import parse_ms
from tests.agents.core import Core
from tests.guide.guide import CONSUMED, PATHS, PUBLISHED, SHOWN, members_of, message_of
from tests.guide.walk import STEPS, TENANT, Step
from web.routes import ROUTES

PROVIDERS = {
    "/mpesa/stkpush/v1/processrequest": "M-Pesa: called by us once its connector stands",
    "/mpesa/c2b/v1/simulate": "the same",
    "/mpesa/b2c/v1/paymentrequest": "the same",
    "/mpesa/b2b/v1/paymentrequest": "the same",
    "/v1/{tenantId}/notifications/messages": "the notifications service: called by us later",
}
"""Paths of others. Each leaves this list with the connector that calls it."""


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
    def test_each_is_ours_or_on_the_list_of_others(self):
        ours = {(route.method, route.path) for route in ROUTES}
        for method, path in PATHS:
            if path in PROVIDERS or path == "/api/v1/{tenantID}":
                continue
            assert (method, path) in ours, f"{method} {path}"

    def test_the_list_of_others_holds_only_what_the_guide_names(self):
        assert set(PROVIDERS) <= {path for _, path in PATHS}
