"""KRA's connector under the contract of all: the key of a call is a document's own number."""

from dataclasses import dataclass

import pytest
import pytest_asyncio

from connectors.base import Asked, Result
from connectors.breaker import Breaker
from connectors.guard import Guard
from connectors.kra.connector import build
from connectors.kra.fake import Fault
from connectors.kra.fake_etims import NOT_REGISTERED
from tests.connectors.contract import ConnectorContract, Harness, Keyed, Refusing, no_sleep
from tests.connectors.kra.documents import STANDARD, encoded, sale

MINOR = {"succeeds": 116_000, "declined": 232_000, "hangs": 348_000, "breaks": 464_000}
NUMBERS = {"key-1": 1, "key-2": 2, "never": 1}


def document(kind: str, key: str) -> bytes:
    """A sale of the kind's amount under the key's number; the declined one is to a stranger."""
    times = MINOR[kind] // 116_000
    total, tax = f"{1_160 * times}.00", f"{160 * times}.00"
    return encoded(
        sale(
            NUMBERS[key],
            document_id=key,
            total=total,
            tax=tax,
            lines=[STANDARD | {"total": total, "tax": tax}],
            customer_pin=NOT_REGISTERED if kind == "declined" else "",
        )
    )


@dataclass
class Numbered(Harness):
    """Its requests are about documents, whose numbers have no gap."""

    def asked(self, kind: str, key: str = "key-1") -> Asked:
        return Asked(self.operation, key, document(kind, key))


class TestDeclaring(Keyed, Refusing, ConnectorContract):
    HELD_TO = "kra", frozenset({"declare"})

    @pytest_asyncio.fixture
    async def harness(self, fake, session):
        faults = {
            "hangs": Fault(delay_s=1.0, after=True),
            "breaks": Fault(drop=True, after=True),
        }

        def arrange(kind: str) -> None:
            if kind in faults:
                fake.faults.append(faults[kind])

        kra = build(session, fake.configuration)

        async def settle(asked: Asked, performed: Result | None) -> Result:
            """What has succeeded is over; only what is not known is asked about."""
            is_over = performed is not None and performed.outcome == "succeeded"
            return performed if is_over else await kra.query(asked)

        return Numbered(
            connector=kra,
            operation="declare",
            request=lambda kind: document(kind, "key-1"),
            effects=lambda key: sum(each.trader_number == key for each in fake.documents["00"]),
            minor=MINOR.__getitem__,
            stop=fake.stop,
            arrange=arrange,
            settle=settle,
            refuse=lambda: fake.faults.append(Fault(status=403)),
        )

    async def test_query_of_a_key_never_used_is_no_success(self, harness):
        """A question is a repeat here: what was never declared is declared by it, and once."""
        for _ in range(2):
            result = await harness.connector.query(harness.asked("succeeds", "never"))
            assert result.outcome == "succeeded"
        assert harness.effects("never") == 1

    @pytest.mark.parametrize("code", ["922", "991", "895"])
    async def test_another_refusal_of_a_repeat_says_nothing_of_the_first(self, harness, fake, code):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        harness.arrange("breaks")
        fake.faults.append(Fault(result=code))
        asked = harness.asked("breaks")
        result = await guard.perform("declare", asked.key, asked.request)
        assert result.outcome == "unknown"
        assert harness.effects("key-1") == 1

    async def test_a_guarded_call_is_repeated_until_it_is_recorded(self, harness, fake):
        guard = Guard(harness.connector, Breaker(), sleep=no_sleep)
        fake.faults.extend([Fault(status=502), Fault(drop=True, after=True)])
        asked = harness.asked("succeeds")
        result = await guard.perform("declare", asked.key, asked.request)
        assert (result.outcome, result.detail) == ("succeeded", "recorded")
        assert harness.effects("key-1") == 1
