"""Each event of a sister service has a committed example, and the product takes it as it is."""

import json
from pathlib import Path

import pytest

import agents.services
from agents.registry import HANDLED, PLATFORM, SERVICES
from streams.timestamps import parse_ms
from tests.agents.core import Core
from tests.guide.walk import FLOAT, PLAN, SUBSCRIPTION

EXAMPLES = Path(agents.services.__file__).with_name("examples")
TOLD = sorted(name for name, each in HANDLED.items() if each.ingress in (PLATFORM, SERVICES))
BEFORE_ALL = ("auth.tenant.created",)
BEFORE = {
    "auth.outlet.updated": ("auth.outlet.created",),
    "logistics.payout.requested": ("logistics.earnings.calculated",),
    "projects.expense.created": ("logistics.expense.created",),
}
COMMANDS_BEFORE = {
    "cafe.subscription.usage.metered": (
        ("treasury.command.plan.create", PLAN),
        ("treasury.command.subscription.create", SUBSCRIPTION),
    ),
    "logistics.payout.requested": (("treasury.command.journal.post", FLOAT),),
}


def example_of(event_type: str) -> bytes:
    """The committed example."""
    return (EXAMPLES / f"{event_type}.json").read_bytes()


class TestExamples:
    def test_there_is_one_for_every_event_and_none_besides(self):
        assert [path.name.removesuffix(".json") for path in sorted(EXAMPLES.iterdir())] == TOLD

    @pytest.mark.parametrize("event_type", TOLD)
    def test_is_applied_as_it_is(self, event_type):
        core = Core()
        core.now_ms = parse_ms("2024-12-05T10:40:00Z")
        for before in (*BEFORE_ALL, *BEFORE.get(event_type, ())):
            if before != event_type:
                assert core.send(example_of(before))[0].status == "applied"
        for command, data in COMMANDS_BEFORE.get(event_type, ()):
            core.event(command, "tenant-uuid", data, ingress="http")
        [entry, *_] = core.send(example_of(event_type))
        assert (entry.status, entry.reason) == ("applied", "")
        assert entry.event_type == event_type

    def test_of_the_order_is_the_guides_own(self):
        example = json.loads((EXAMPLES / "cafe.order.created.json").read_bytes())
        assert example["data"] == {
            "order_id": "order-uuid",
            "customer_id": "customer-uuid",
            "total_amount": 1500.00,
        }
