"""Each event of a sister service has a committed example, and the product takes it as it is."""

import json
from pathlib import Path

import pytest

import agents.services
from agents.registry import HANDLED, PLATFORM, SERVICES
from streams.timestamps import parse_ms
from tests.agents.core import Core

EXAMPLES = Path(agents.services.__file__).with_name("examples")
TOLD = sorted(name for name, each in HANDLED.items() if each.ingress in (PLATFORM, SERVICES))


class TestExamples:
    def test_there_is_one_for_every_event_and_none_besides(self):
        assert [path.name.removesuffix(".json") for path in sorted(EXAMPLES.iterdir())] == TOLD

    @pytest.mark.parametrize("event_type", TOLD)
    def test_is_applied_as_it_is(self, event_type):
        core = Core()
        core.now_ms = parse_ms("2024-12-05T10:40:00Z")
        tenant = (EXAMPLES / "auth.tenant.created.json").read_bytes()
        example = (EXAMPLES / f"{event_type}.json").read_bytes()
        core.send(tenant)
        if example != tenant:
            core.send(example)
        assert core.entries[-1].status == "applied"
        assert core.entries[-1].event_type == event_type

    def test_of_the_order_is_the_guides_own(self):
        example = json.loads((EXAMPLES / "cafe.order.created.json").read_bytes())
        assert example["data"] == {
            "order_id": "order-uuid",
            "customer_id": "customer-uuid",
            "total_amount": 1500.00,
        }
