"""eTIMS's own book as the witness: answers are lost, workers die, and numbers have no gap.

The fake takes a document and hangs up, answers 500 before or after the work, is busy, says nothing
that can be read; the worker is killed at the seams of a call. (External notes, 4.2 and 10.)
"""

import asyncio
import random
from collections import deque

import aiohttp
import nats
import pytest

from compose.calling import Caller
from connectors.kra.fake import Fault
from tests.e2e.cluster import Cluster, seed_of_run
from tests.e2e.test_gateways import QUICK, Firm, firm

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

DOCUMENTS = 24  # of each tenant, over two branches


def branches(firm: Firm, caller: Caller) -> dict[str, str]:
    """Two of a tenant's own: all are one taxpayer at the fake."""
    number = 10 * firm.callers.index(caller)
    return {"*": f"{number:02d}", "kiosk": f"{number + 1:02d}"}


def faults(dice: random.Random) -> deque[Fault]:
    kinds = [
        *[Fault(drop=True, after=True)] * 12,
        *[Fault(status=500, after=True)] * 8,
        *[Fault(status=503)] * 5,
        *[Fault(result="990")] * 3,
        *[Fault(result="999", after=True)] * 5,
        *[Fault(cut=True, after=True)] * 5,
        *[Fault()] * 62,
    ]
    return deque(dice.choices(kinds, k=40 * DOCUMENTS))


async def sells(firm: Firm, caller: Caller) -> None:
    """Invoices and sales at tills, one of three credited in part."""
    await caller.done(
        "settings", settings={"tax_registered": True, "etims": branches(firm, caller)}
    )
    for number in range(DOCUMENTS // 4):
        invoice = await caller.done("/invoices", customer_id="c", amount=f"{100 + number}.37")
        sale = {"order_id": f"o-{number}", "outlet_id": "kiosk", "total_amount": 50 + number}
        await caller.event("pos.order.completed", **sale)
        await caller.done(f"invoices/{invoice['invoice_id']}/credit", amount="33.33")
        again = {"order_id": f"again-{number}", "outlet_id": "kiosk", "total_amount": 7}
        await caller.event("pos.order.completed", **again)


class TestNumbers:
    async def test_have_no_gap_and_are_kras_own_whatever_is_lost(self, home):
        dice = random.Random(seed_of_run())
        seams = ["S17", "S18", "S19", "S20"]
        dice.shuffle(seams)
        async with (
            Cluster(home, environment=QUICK) as cluster,
            aiohttp.ClientSession() as session,
        ):
            client = await nats.connect(cluster.running.endpoints.nats)
            made = await firm(cluster, session, client, tenants=2)
            cluster.running.sandbox.kra.faults = faults(dice)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(made.each(lambda caller: sells(made, caller)))
                await asyncio.sleep(2)
                tasks.create_task(self._killed(cluster, dice, seams[:2]))
            await cluster.running.ready()
            await made.over("tax-documents", lambda row: row["status"] == "declared")
            await self._judged(made)
            await made.proven()
            await client.close()

    @staticmethod
    async def _killed(cluster: Cluster, dice: random.Random, seams: list[str]) -> None:
        for seam in seams:
            deaths = cluster.running.supervisors[0].restarts
            await cluster.restart({"TREASURY_CRASH_AT": f"{seam}:{dice.randint(2, 4)}"})
            cluster.use({})
            await cluster.died(0, deaths)
            await cluster.end_leases()

    @staticmethod
    async def _judged(firm: Firm) -> None:
        """Document by document: KRA's book has each of ours once, under our number."""
        books = firm.cluster.running.sandbox.kra.documents
        ours = {(row["branch"], row["number"]): row for row in await firm.rows("tax-documents")}
        theirs = {(branch, each.number): each for branch, book in books.items() for each in book}
        assert len(ours) == DOCUMENTS * len(firm.callers)
        assert ours.keys() == theirs.keys()
        for place, row in ours.items():
            told = theirs[place]
            assert told.trader_number == row["document_id"]
            assert (told.total, told.kind) == (
                int(row["amount"].replace(".", "")),
                "R" if row["kind"] == "credit_note" else "S",
            )
            assert row["signature"] in {"", told.signature}  # what was lost is not told again
        for branch, book in books.items():
            assert [each.number for each in book] == list(range(1, len(book) + 1)), branch
