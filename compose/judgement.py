"""A quiet installation judged: against the model of its books, by replay, and by the invariants."""

from dataclasses import dataclass
from pathlib import Path

import asyncpg
from nats.aio.client import Client

from compose import seeing
from compose.invariants import Accepted, Evidence, check
from compose.proof import verify_all
from compose.sending import Payers, one_answer
from compose.up import Running
from tests.model.compare import Shown, differences
from tests.model.generator import Load
from tests.model.ledger import Books


@dataclass
class Judgement:
    """What the installation showed, and everything that is wrong with it."""

    shown: Shown
    differences: list[str]


async def judge(
    running: Running,
    connections: tuple[Client, asyncpg.Pool],
    payers: Payers,
    *,
    load: Load,
    sent: list[bytes],
    books: Books,
    within_s: float,
    kafka_complete: bool = True,
) -> Judgement:
    """Judge an installation that decided all that was `sent`, and nothing else from NATS.

    `payers` played the load's payments, `books` say what must have come of both.
    """
    client, pool = connections
    tenants = [tenant.tenant_id for tenant in load.tenants]
    found = await one_answer([payers.at(url) for url in running.urls], tenants[0])
    served, positions = await seeing.balances(payers, tenants)
    await seeing.read_everywhere(pool, positions, within_s=within_s)
    outbound = await seeing.outbound(client)
    shown = await seeing.shown(pool, seeing.published(outbound, tenants), served, set(tenants))
    evidence = Evidence(
        Accepted(sent, payers.answered),
        served,
        outbound,
        running.sandbox.instant.effects,
        load.canaries,
        [log for log in _logs(running) if log.exists()],
        kafka_complete,
    )
    findings = await check(pool, running.settings(), evidence)
    proof = await verify_all(running.settings())
    broken = (*proof.differences, *proof.violations, *findings.violations)
    return Judgement(shown, [*differences(books, shown), *found, *map(str, broken)])


def _logs(running: Running) -> list[Path]:
    return [running.command(number).log_path for number in range(running.local.workers)]
