"""M-Pesa's own book as the witness: whatever is lost, doubled, late or killed, both say the same.

The fake times out after the work is done, answers 500, tells never, twice, early and late; workers
die at every seam of a call. (External notes, 10; field notes, T18.)
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import nats
import pytest

from compose.calling import Accepted, Caller
from compose.proof import verify_all
from compose.repair import restore
from connectors.mpesa.client import B2C, STK_PUSH
from connectors.mpesa.fake_book import Fault
from tests.e2e.cluster import Cluster, seed_of_run
from web.scopes import ALL

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

UTILITY, COLLECTION = "gateway:mpesa:utility", "gateway:mpesa:collection"
UNKNOWN_AFTER_S = 5
DEAF_S = 6.0  # longer than anybody waits for an answer
QUICK = {"TREASURY_UNKNOWN_AFTER_S": str(UNKNOWN_AFTER_S), "TREASURY_REQUESTS_PER_S": "0"}
OVER_WITHIN_S = 420.0


class Firm:
    """Tenants of a cluster who speak for themselves, and the fake M-Pesa that all of them use."""

    def __init__(self, cluster: Cluster, callers: list[Caller]) -> None:
        self.cluster, self.callers = cluster, callers
        self.mpesa = cluster.running.sandbox.mpesa

    async def each(self, work: Callable[[Caller], Awaitable[Any]]) -> list[Any]:
        """The same of every tenant, at once."""
        return list(await asyncio.gather(*(work(caller) for caller in self.callers)))

    async def rows(self, path: str) -> list[dict[str, Any]]:
        """All rows of a list, of all tenants."""
        found: list[dict[str, Any]] = []
        for caller in self.callers:
            cursor = ""
            while True:
                page = await caller.get(f"{path}?limit=100{cursor and f'&cursor={cursor}'}")
                found += [{**row, "tenant": caller.tenant_id} for row in page["data"]]
                if not page["has_more"]:
                    break
                cursor = page["next_cursor"]
        return found

    async def cents(self, account: str) -> int:
        """Minor units of an account over all tenants, on its normal side."""
        told = await self.each(lambda caller: caller.balances())
        texts = (balances.get((account, "KES"), "0.00") for balances in told)
        return sum(int(text.replace(".", "")) for text in texts)

    async def over(self, path: str, is_over: Callable[[dict[str, Any]], bool]) -> None:
        """Return once every row of a list is over."""
        async with asyncio.timeout(OVER_WITHIN_S):
            while not all(map(is_over, await self.rows(path))):
                await asyncio.sleep(1)

    async def proven(self) -> None:
        """What was journaled folds to the same again, and breaks no invariant."""
        proof = await verify_all(self.cluster.settings)
        assert (proof.differences, proof.violations) == ([], [])


async def firm(
    cluster: Cluster, session: aiohttp.ClientSession, client: nats.NATS, tenants: int
) -> Firm:
    """Tenants on all partitions, spread over the workers."""
    callers = []
    for number in range(tenants):
        tenant_id = f"firm-{number}"
        callers.append(
            Caller(
                session,
                client,
                cluster.running.urls[number % len(cluster.running.urls)],
                tenant_id,
                token=lambda subject, tenant_id=tenant_id: cluster.running.issuer.mint(
                    tenant_id, ALL, subject=subject
                ),
                accepted=Accepted(),
            )
        )
    made = Firm(cluster, callers)
    await made.each(lambda caller: caller.event("auth.tenant.created", name=caller.tenant_id))
    return made


def phone(number: int) -> str:
    """A telephone of its own whose last two digits mean nothing to the fake."""
    return f"+2547{number:06d}50"


class TestPayouts:
    async def _begin(self, firm: Firm, payouts: int) -> None:
        """Money to pay from, and earnings to pay; then all payouts, a few at a time."""
        each = payouts // len(firm.callers)

        async def pays(caller: Caller) -> None:
            legs = [
                {"account": UTILITY, "side": "debit", "amount": "10000000"},
                {"account": "opening", "side": "credit", "amount": "10000000"},
            ]
            await caller.done("journals", legs=legs)
            first = firm.callers.index(caller) * each
            for number in range(first, first + each):
                payee = f"payee-{number}"
                earned = {"payee_id": payee, "period": "2026-11", "gross_amount": 100 + number}
                await caller.event("logistics.earnings.calculated", **earned)
                await caller.done(
                    "payouts",
                    target="earnings",
                    subject_id=payee,
                    provider="mpesa",
                    destination=phone(number),
                )

        await firm.each(pays)

    @staticmethod
    def _faults(firm: Firm, dice: random.Random, requests: int) -> None:
        kinds = [
            *[Fault(after=True, delay_s=DEAF_S)] * 30,
            *[Fault(status=500, after=True)] * 5,
            *[Fault(status=500)] * 5,
            *[Fault(drop=True, after=True)] * 5,
            *[Fault()] * 55,
        ]
        firm.mpesa.faults[B2C["v3"]] = deque(dice.choices(kinds, k=requests))
        ways = ["never"] * 2 + ["twice"] * 2 + ["before", "late"] + ["once"] * 4
        firm.mpesa.telling = deque(dice.choices(ways, k=20 * requests))

    async def _killed(self, cluster: Cluster, dice: random.Random, seams: list[str]) -> None:
        """The worker dies at one seam after the other."""
        for seam in seams:
            deaths = cluster.running.supervisors[0].restarts
            await cluster.restart({"TREASURY_CRASH_AT": f"{seam}:{dice.randint(2, 6)}"})
            cluster.use({})
            await cluster.died(0, deaths)
            await cluster.end_leases()

    async def _no_payee_is_paid_twice(self, home, payouts: int, rounds: int) -> None:
        seed = seed_of_run()
        dice = random.Random(seed)
        seams = ["S17", "S18", "S19", "S20"] * rounds
        dice.shuffle(seams)
        async with (
            Cluster(home, environment=QUICK) as cluster,
            aiohttp.ClientSession() as session,
        ):
            client = await nats.connect(cluster.running.endpoints.nats)
            made = await firm(cluster, session, client, tenants=4)
            self._faults(made, dice, requests=4 * payouts)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._begin(made, payouts))
                await asyncio.sleep(2)
                tasks.create_task(self._killed(cluster, dice, seams))
            await cluster.running.ready()
            await made.over("calls", lambda call: call["status"] in {"done", "unknown"})
            await self._resolved(made)
            await made.over("payouts", lambda row: row["status"] in {"completed", "failed"})
            await self._judged(made, payouts)
            await made.proven()
            await client.close()

    async def _resolved(self, firm: Firm) -> None:
        """Finance looks at M-Pesa's statement for what nobody knows of."""
        book = {payout.originator_id: payout for payout in firm.mpesa.book.payouts.values()}
        of = {caller.tenant_id: caller for caller in firm.callers}
        unknown = [call for call in await firm.rows("calls") if call["status"] == "unknown"]
        print(f"{len(unknown)} calls are for people")
        for call in unknown:
            # Most were never sent; of some every answer to our questions was lost.
            done = book.get(call["call_id"])
            wish = {"outcome": "failed", "reason": "not on the statement"}
            if done is not None and done.receipt:
                wish = {"outcome": "succeeded", "provider_reference": done.receipt}
            path = f"calls/{call['call_id']}/resolve"
            status, _ = await of[call["tenant"]].command(path, wish, actor="finance")
            assert status == 200

    async def _judged(self, firm: Firm, payouts: int) -> None:
        book = list(firm.mpesa.book.payouts.values())
        assert [to for to, times in Counter(p.to for p in book).items() if times != 1] == []
        rows = await firm.rows("payouts")
        assert len(rows) == payouts
        paid = {row["destination"].lstrip("+") for row in rows if row["status"] == "completed"}
        assert paid == {payout.to for payout in book if payout.receipt}
        assert len(paid) > payouts * 3 // 4
        assert await firm.cents("payout:pending") == 0
        opening = await firm.cents("opening")
        assert await firm.cents(UTILITY) == opening - 100 * firm.mpesa.book.paid_out
        assert Counter(path for path, _ in firm.mpesa.requests)[B2C["v3"]] > payouts

    async def test_no_payee_is_paid_twice_and_no_hold_is_left(self, home):
        await self._no_payee_is_paid_twice(home, payouts=200, rounds=1)

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_of_a_thousand_none_is_paid_twice(self, home):
        await self._no_payee_is_paid_twice(home, payouts=1_000, rounds=3)


class TestCollecting:
    PAYMENTS = 1_000

    async def test_a_thousand_pushes_on_two_workers_are_counted_once_each(self, home):
        seed = seed_of_run()
        dice = random.Random(seed)
        async with (
            Cluster(home, workers=2, environment=QUICK | {"TREASURY_UNKNOWN_AFTER_S": "60"}) as c,
            aiohttp.ClientSession() as session,
        ):
            client = await nats.connect(c.running.endpoints.nats)
            made = await firm(c, session, client, tenants=8)
            ways = ["never"] * 20 + ["twice"] * 20 + ["late"] * 10 + ["before"] * 10 + ["once"] * 40
            made.mpesa.telling = deque(dice.choices(ways, k=self.PAYMENTS))
            numbers = iter(range(self.PAYMENTS))

            async def collects(caller: Caller) -> None:
                for number in numbers:  # shared: whoever is free takes the next
                    wish = {"amount": str(10 + number), "currency": "KES"}
                    intent = await caller.done("/payments/intents", **wish)
                    about = {"payment_id": intent["payment_id"], "method": "mpesa"}
                    await caller.done("/payments/confirm", phone=phone(number), **about)

            await made.each(collects)
            await made.over("payments/intents", lambda payment: payment["status"] == "succeeded")
            await asyncio.sleep(made.mpesa.late_s + 1)
            await self._judged(made)
            await made.proven()
            await client.close()

    async def _judged(self, firm: Firm) -> None:
        pushes = list(firm.mpesa.book.pushes.values())
        assert len(pushes) == self.PAYMENTS
        assert len([path for path, _ in firm.mpesa.requests if path == STK_PUSH]) == self.PAYMENTS
        payments = await firm.rows("payments/intents")
        assert await firm.cents(COLLECTION) == 100 * firm.mpesa.book.received
        assert sum(int(p["received"].replace(".", "")) for p in payments) == (
            100 * firm.mpesa.book.received
        )
        # Those that were told have M-Pesa's receipt; a query names none.
        receipts = {push.receipt for push in pushes}
        named = [p for p in payments if p["provider_reference"] in receipts]
        assert len({p["provider_reference"] for p in named}) == len(named) > self.PAYMENTS * 7 // 10
        assert {p["provider_reference"] for p in payments if p not in named} <= {
            p["call_id"] for p in payments
        }


class TestACallback:
    async def test_whose_worker_dies_before_it_is_appended_counts_once(self, home):
        """Seam S13, and the same bytes again at another worker and after a restart."""
        seed_of_run()
        async with (
            Cluster(home, workers=2, environment=QUICK) as cluster,
            aiohttp.ClientSession() as session,
        ):
            client = await nats.connect(cluster.running.endpoints.nats)
            made = await firm(cluster, session, client, tenants=1)
            made.callers[0]._url = cluster.running.urls[1]
            sandbox, mpesa = cluster.running.sandbox, made.mpesa
            address = sandbox.triggers._address("mpesa", "firm-0", "c2b-confirmation")
            assert address.startswith(cluster.running.urls[0])
            deaths = cluster.running.supervisors[0].restarts
            await cluster.restart({"TREASURY_CRASH_AT": "S13:1"})
            await cluster.running.ready()
            cluster.use({})
            await mpesa.pay(700, "nobody's", tell=address)
            await cluster.died(0, deaths)
            assert mpesa.untold == [address]
            await cluster.running.ready()
            [paid] = mpesa.book.deposits
            elsewhere = address.replace(cluster.running.urls[0], cluster.running.urls[1])
            for url in (address, elsewhere, address):
                await mpesa._confirm(paid, url)
            assert mpesa.untold == [address]
            assert await made.cents(COLLECTION) == 100 * mpesa.book.received == 70_000
            assert await made.cents("suspense") == 70_000
            await made.proven()
            await client.close()


class TestWhenKafkaIsLost:
    async def test_after_a_restore_no_provider_is_asked_anything_again(self, home):
        seed_of_run()
        async with Cluster(home, environment=QUICK) as cluster, aiohttp.ClientSession() as session:
            client = await nats.connect(cluster.running.endpoints.nats)
            made = await firm(cluster, session, client, tenants=2)
            for number, method in enumerate(["mpesa", "card", "mpesa"] * 4):
                caller = made.callers[number % 2]
                intent = await caller.done("/payments/intents", amount="100", currency="KES")
                about = {"payment_id": intent["payment_id"], "method": method}
                told = {"phone": phone(number)} if method == "mpesa" else {}
                await caller.done("/payments/confirm", **about, **told)
            await made.over(
                "payments/intents", lambda row: row["status"] == "succeeded" or row["next_action"]
            )
            before = await made.cents(COLLECTION)
            assert before == 100 * made.mpesa.book.received > 0
            supervisor = cluster.running.supervisors[0]
            await supervisor.stop()
            asked = [list(made.mpesa.requests), list(cluster.running.sandbox.stripe.requests)]
            await cluster.lose_kafka()
            await restore(cluster.settings, print)
            await supervisor.start()
            await cluster.running.ready()
            assert await made.cents(COLLECTION) == before
            posts = [request for request in _posted(cluster) if request not in asked[1]]
            assert (made.mpesa.requests, posts) == (asked[0], [])
            await made.proven()
            await client.close()


def _posted(cluster: Cluster) -> list[tuple[str, str]]:
    """What Stripe was asked to do; that cards are still waited for is only looked at."""
    return [each for each in cluster.running.sandbox.stripe.requests if each[0] == "POST"]
