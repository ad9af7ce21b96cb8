"""Events of a tenant we have not heard of: the auth service is asked, and they go on."""

import json

import pytest

from agents.parking import ASK_AGAIN_MS, DEADLINE_MS
from tables.balances import Balance
from tables.tenants import Outlet, Tenant
from tests.agents.core import Core

ORDER = {"order_id": "o", "total_amount": 10, "customer_id": "c"}
FOUND = {"name": "Alpha", "status": "active"}


@pytest.fixture
def core() -> Core:
    return Core()


def order(core, number=1, tenant_id="t"):
    data = {**ORDER, "order_id": f"o{number}"}
    [entry] = core.event("cafe.order.created", tenant_id, data, event_id=f"order-{number}")
    return entry


def asked(core):
    return [call for entry in core.entries for call in entry.calls]


def found(core, **data):
    return core.event("treasury.tenant.found", "t", FOUND | data, ingress="internal")


def tenant(core) -> Tenant:
    row = core.working.get(Tenant.key_of("t"))
    assert isinstance(row, Tenant)
    return row


class TestAsking:
    def test_once_for_many_events_and_again_after_a_while(self, core):
        for number in range(5):
            assert order(core, number).status == "parked"
        [call] = asked(core)
        assert (call.gateway, call.operation) == ("auth", "tenant")
        assert call.deadline_ms == core.now_ms + DEADLINE_MS
        core.now_ms += ASK_AGAIN_MS
        order(core, 5)
        order(core, 6)
        assert len(asked(core)) == 2
        assert core.violations() == []

    def test_not_about_a_tenant_that_is_known_and_frozen(self, core):
        found(core, status="suspended")
        assert order(core).status == "parked"
        assert asked(core) == []

    def test_for_a_command_too_whose_caller_is_told_to_wait(self, core):
        [entry] = core.event(
            "treasury.command.payment_intent.create", "t", {"amount": "5"}, ingress="http"
        )
        assert entry.reply is not None
        assert entry.reply.status == 202
        assert len(asked(core)) == 1


class TestFound:
    def test_what_waited_goes_on_in_its_order(self, core):
        for number in range(3):
            order(core, number)
        entries = found(core)
        assert [entry.status for entry in entries] == ["applied"] * 4
        assert [json.loads(e.raw)["event_id"] for e in entries[1:]] == [
            "order-0",
            "order-1",
            "order-2",
        ]
        assert tenant(core).looked_up
        assert tenant(core).name == "Alpha"
        assert core.violations() == []

    def test_twice_or_after_the_event_changes_nothing(self, core):
        core.event("auth.tenant.created", "t", {"name": "Told", "currency": "USD"})
        found(core, currency="KES")
        assert (tenant(core).name, tenant(core).currency) == ("Told", "USD")

    @pytest.mark.parametrize("door", ["nats", "http", "kafka"])
    def test_is_taken_from_ourselves_alone(self, core, door):
        [entry] = core.event("treasury.tenant.found", "t", FOUND, ingress=door)
        assert (entry.status, entry.reason) == ("rejected", "ingress_not_allowed")

    def test_in_a_currency_that_is_none_is_refused(self, core):
        [entry] = found(core, currency="ZZZ")
        assert entry.reason == "unknown_currency: ZZZ"


class TestFoundOutlets:
    def found(self, core, **data):
        return core.event(
            "treasury.outlet.found", "t", {"outlet_id": "o"} | data, ingress="internal"
        )

    def outlet(self, core):
        [row] = core.rows(Outlet)
        return row

    def test_are_there_until_their_own_event_tells_more(self, core):
        found(core)
        self.found(core, name="Westlands", status="closed")
        assert (self.outlet(core).name, self.outlet(core).status) == ("Westlands", "closed")
        [entry] = core.event("auth.outlet.created", "t", {"outlet_id": "o", "name": "Told"})
        assert (entry.status, self.outlet(core).name) == ("applied", "Told")
        [again] = core.event("auth.outlet.created", "t", {"outlet_id": "o", "name": "Again"})
        assert again.reason == "outlet_exists"
        self.found(core, name="Late")
        assert (self.outlet(core).name, self.outlet(core).version) == ("Told", 2)
        assert core.violations() == []

    @pytest.mark.parametrize("door", ["nats", "http", "kafka"])
    def test_are_taken_from_ourselves_alone(self, core, door):
        found(core)
        [entry] = core.event("treasury.outlet.found", "t", {"outlet_id": "o"}, ingress=door)
        assert entry.reason == "ingress_not_allowed"


class TestTheEventThatComesLater:
    def test_says_the_rest(self, core):
        found(core)
        created = {"name": "Told", "settings": {"tax_registered": True, "payment_links": True}}
        [entry] = core.event("auth.tenant.created", "t", created)
        assert entry.status == "applied"
        row = tenant(core)
        assert (row.name, row.tax_registered, row.looked_up) == ("Told", True, False)
        assert row.settings.payment_links
        [entry] = core.event("auth.tenant.created", "t", created)
        assert entry.reason == "tenant_exists"

    def test_may_name_another_currency_while_nothing_is_posted(self, core):
        found(core)
        core.event("auth.tenant.created", "t", {"currency": "UGX", "country": "UG"})
        assert (tenant(core).currency, tenant(core).country) == ("UGX", "UG")

    def test_may_not_once_something_is(self, core):
        found(core)
        order(core)
        assert core.rows(Balance)
        [entry] = core.event("auth.tenant.created", "t", {"currency": "UGX"})
        assert entry.reason == "tenant_exists"
        [entry] = core.event("auth.tenant.created", "t", {"settings": {"tax_registered": True}})
        assert entry.status == "applied"
        assert tenant(core).tax_registered

    def test_does_not_undo_what_was_told_after_it(self, core):
        found(core)
        later = {"name": "Newer", "settings": {"cut_off": "03:00"}}
        core.event("auth.tenant.updated", "t", later, timestamp_ms=core.now_ms - 1_000)
        earlier = {"name": "Old", "settings": {"tax_registered": True, "cut_off": "01:00"}}
        core.event("auth.tenant.created", "t", earlier, timestamp_ms=core.now_ms - 5_000)
        row = tenant(core)
        assert (row.name, row.tax_registered) == ("Newer", True)
        assert row.settings.cut_off_minutes == 180
