"""query: one balance over HTTP, with a verified token, while the workers take in events.

Tenants and accounts are random among those that have balances; any worker is asked and forwards
what another owns. The client is another process. Ingest goes on at its own pace, whatever comes
of it, in records as the bridge packs them; the archive is off.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec

from compose.bench.asking import Answers, Job
from compose.bench.journal import read_journal
from compose.bench.load import SEED, make_load, packed, pour, split
from compose.bench.report import BenchFailed, Options, Report, percentile
from compose.bench.stack import Installation, ends_of, writers_only
from tests.model.generator import Message
from web.scopes import BALANCES_READ

BEFORE = 10_000
INGEST_PER_S = 10_000
ASK_PER_S = 1_000
REQUESTS = 5_000
Tell = Callable[[str], None]


async def run(options: Options, tell: Tell) -> list[Report]:
    """Flood for half of the time, then ask at the gate's rate for the other half."""
    events = BEFORE + int(INGEST_PER_S * options.seconds)
    load = make_load(events, options.tenants)
    async with writers_only(tell, options.workers) as home:
        warm, rest = split(load)
        before, during = [*warm, *rest[:BEFORE]], rest[BEFORE:]
        return await measure(home, before, during, ingest_per_s=INGEST_PER_S, ask_per_s=ASK_PER_S)


async def measure(
    home: Installation,
    before: Sequence[Message],
    during: Sequence[Message],
    *,
    ingest_per_s: float,
    ask_per_s: float,
) -> list[Report]:
    """Let `before` be decided, then ask while `during` comes in; queries, then the ingest."""
    settings = home.settings
    topic = settings.topics.inbound.name
    await home.take(packed(before, home.signer))
    seconds = len(during) / ingest_per_s
    job = Job(home.running.ports, await _requests(home), seconds / 2, ask_per_s)
    starts = await ends_of(settings.kafka, topic, settings.partitions)
    ends, answers = await asyncio.gather(
        pour(settings.kafka, topic, during, home.signer, events_per_s=ingest_per_s), _asked(job)
    )
    rss_mib = home.rss_mib()
    await home.decided(ends, len(during))
    decided = await read_journal(settings, starts, ends)
    if decided.entries != len(during):
        raise BenchFailed(f"{decided.entries} entries of {len(during)} events")
    if answers.refused:
        raise BenchFailed(f"{answers.refused} of {answers.answered} requests were not answered 200")
    return [
        Report(
            "query",
            broker=home.broker,
            events=answers.answered,
            events_per_s=round(answers.per_s),
            p50_ms=round(1_000 * percentile(answers.latencies_s, 0.5), 1),
            p99_ms=round(1_000 * percentile(answers.latencies_s, 0.99), 1),
            rss_mib=rss_mib,
        ),
        Report(
            "query ingest",
            broker=home.broker,
            events=decided.entries,
            events_per_s=round(decided.events_per_s()),
        ),
    ]


async def _requests(home: Installation) -> list[str]:
    """Whole GETs of random accounts, each with a token of its tenant."""
    balances = (await read_journal(home.settings, {}, {})).balances
    accounts = sorted({(tenant, account) for tenant, account, _ in balances})
    dice = random.Random(SEED)
    tokens: dict[str, str] = {}
    requests = []
    for _ in range(REQUESTS):
        tenant, account = dice.choice(accounts)
        if tenant not in tokens:
            tokens[tenant] = home.running.issuer.mint(tenant, [BALANCES_READ])
        path = f"/api/v1/{quote(tenant, safe='')}/accounts/{quote(account, safe='')}"
        lines = (f"GET {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {tokens[tenant]}")
        requests.append("\r\n".join([*lines, "", ""]))
    return requests


async def _asked(job: Job) -> Answers:
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "compose.bench.asking"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * job.seconds + 120):
            printed, _ = await client.communicate(msgspec.json.encode(job))
    except BaseException:
        client.kill()
        await client.wait()
        raise
    if client.returncode != 0:
        raise BenchFailed(f"the asking process ended with code {client.returncode}")
    return msgspec.json.decode(printed, type=Answers)
