"""Traffic leaves a gateway that fails, and comes back to it: real guards, real fakes."""

import asyncio

import pytest
import pytest_asyncio

from agents.roles.gateways import Gateways
from agents.roles.secret_store import SecretStore
from connectors.breaker import OPEN_S
from connectors.http import open_session
from connectors.instant.fake import FakeGateway
from connectors.routing import HALF_LIFE_S
from connectors.stripe.fake import FakeStripe, Fault
from tests.agents.roles.dispatching import start
from tests.agents.roles.test_bridge import until
from tests.agents.roles.test_dispatch import GRANTED, all_done
from tests.agents.roles.test_secret_store import OLD

pytestmark = pytest.mark.kafka
WITHIN_ATTEMPTS = 20


class Clock:
    """Monotonic time that a test may put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s


@pytest_asyncio.fixture
async def stripe():
    async with FakeStripe() as fake:
        yield fake


@pytest_asyncio.fixture
async def instant():
    async with FakeGateway() as fake:
        yield fake


async def test_it_leaves_within_twenty_attempts_and_returns(writer, database, stripe, instant):
    clock = Clock()
    settings = {"stripe": stripe.configuration, "instant": instant.configuration}
    async with open_session() as session:
        store = SecretStore(database.archiver, OLD)
        gateways = Gateways(session, settings, store, monotonic_s=clock)
        async with start(writer, gateways, final_after_s=0.1) as task:
            numbers = iter(range(1_000))

            async def attempt() -> tuple[str, str]:
                """Where the next attempt went, and why."""
                call_id = f"call-{next(numbers)}"
                about = {"gateway": "stripe", "gateways": ["stripe", "instant"]}
                await writer.call(call_id, **about)

                async def granted() -> bool:
                    return any(data["call_id"] == call_id for _, data in writer.said(GRANTED))

                await until(granted, "granted", task)
                [choice] = [d for _, d in writer.said(GRANTED) if d["call_id"] == call_id]
                if choice["gateway"] == "instant" or stripe.faults:
                    await until(lambda: all_done(writer, call_id), "done", task)
                return choice["gateway"], choice["reason"]

            assert await attempt() == ("stripe", "preferred")
            stripe.faults.extend(Fault(status=500) for _ in range(500))
            went = [await attempt() for _ in range(WITHIN_ATTEMPTS)]
            left = [gateway for gateway, _ in went].index("instant")
            print(f"left after {left} attempts")
            assert {gateway for gateway, _ in went[left:]} == {"instant"}
            assert {reason for _, reason in went[left:]} <= {
                "preferred_in_trouble",
                "preferred_open",
            }

            stripe.faults.clear()
            clock.ahead_s += OPEN_S + 3 * HALF_LIFE_S
            assert await attempt() == ("stripe", "preferred")
            assert await attempt() == ("stripe", "preferred")
