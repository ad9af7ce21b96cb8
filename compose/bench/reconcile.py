"""reconcile: a gateway's statement over HTTP against as many payments, until every line is matched.

All roles run; the time is that of the caller, who sends the file and waits for its answer. Each
line is one payment's receipt, in another order than the payments came.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import aiohttp

from compose.bench.load import PARTITIONS, SEED, Record, Records
from compose.bench.report import BenchFailed, Options, Report
from compose.bench.stack import Installation, installation
from streams.inbound import Signer, Stamp, pack
from streams.partitioner import partition_of
from web.commands import POSITION
from web.scopes import ALL

LINES = 100_000
RECORD = 200
TENANT, ACCOUNT = "bench", "gateway:mpesa:collection"
DAYS = 28
PATIENCE_S = 600.0
QUERY = (
    f"account={ACCOUNT}&day=Day&amount=Amount&receipt=Receipt&text=Details&bank_reference=Receipt"
)


async def run(options: Options, tell: Callable[[str], None]) -> list[Report]:
    """A month of one short code."""
    async with installation(tell, workers=1) as home:
        return [await measure(home, options.events or LINES)]


async def measure(home: Installation, lines: int) -> Report:
    """Payments first, which are not measured; then their statement."""
    await home.take(_records(lines, home.signer))
    await _listed(home, lines)
    file = _statement(lines)
    started = time.monotonic()
    statement = await _sent(home, file)
    seconds = time.monotonic() - started
    if (statement["status"], statement["counted"]) != ("read", lines):
        raise BenchFailed(f"{statement} of {lines} lines")
    open_lines = await _open(home)
    if open_lines:
        raise BenchFailed(f"{open_lines} lines or more were not matched")
    return Report(
        "reconcile",
        broker=home.broker,
        events=lines,
        events_per_s=round(lines / seconds),
        p50_ms=round(1_000 * seconds),
        rss_mib=home.rss_mib(),
    )


def _records(payments: int, signer: Signer) -> Records:
    """The tenant, then a payment by hand a receipt, as our own door packs callbacks."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    partition = partition_of(TENANT, PARTITIONS)

    def record(ingress: str, envelopes: list[bytes]) -> Record:
        value = pack(envelopes)
        headers = list(signer.headers(Stamp(ingress), partition, value))
        return Record(value, None, headers, len(envelopes))

    def envelope(event_id: str, event_type: str, data: str) -> bytes:
        return (
            f'{{"event_id":"{event_id}","event_type":"{event_type}","tenant_id":"{TENANT}",'
            f'"timestamp":"{now}","data":{data}}}'
        ).encode()

    paid = [
        envelope(
            f"p-{number}",
            "treasury.gateway.received",
            f'{{"gateway":"mpesa","receipt":"{_receipt(number)}","account":"600999",'
            f'"amount":{_amount(number)},"currency":"KES"}}',
        )
        for number in range(payments)
    ]
    some = [record("webhook", paid[at : at + RECORD]) for at in range(0, payments, RECORD)]
    return {partition: [record("nats", [envelope("t", "auth.tenant.created", "{}")]), *some]}


def _statement(lines: int) -> bytes:
    """A CSV of the month before today."""
    numbers = list(range(lines))
    random.Random(SEED).shuffle(numbers)
    first = datetime.now(UTC).date() - timedelta(days=DAYS)
    rows = "".join(_rows(numbers, [str(first + timedelta(days=day)) for day in range(DAYS)]))
    return f"Day,Receipt,Details,Amount\n{rows}".encode()


def _rows(numbers: list[int], days: list[str]) -> Iterator[str]:
    for place, number in enumerate(numbers):
        day = days[place * len(days) // len(numbers)]
        words = f"Pay Bill from 2547******{number % 1000}"
        yield f"{day},{_receipt(number)},{words},{_amount(number)}\n"


def _receipt(number: int) -> str:
    return f"TB{number:08d}"


def _amount(number: int) -> str:
    return f"{100 + number % 900}.00"


async def _sent(home: Installation, file: bytes) -> dict[str, object]:
    path = f"/api/v1/{TENANT}/statements?{QUERY}"
    async with (
        aiohttp.ClientSession(headers=_bearer(home)) as session,
        session.post(
            home.running.urls[0] + path,
            data=file,
            headers={"Content-Type": "application/octet-stream"},
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
        ) as answer,
    ):
        said = await answer.json()
        if answer.status != 200:
            raise BenchFailed(f"the statement was answered {answer.status}: {said}")
    [statement] = said["data"]
    return dict(statement)


async def _listed(home: Installation, payments: int) -> None:
    """Return when the payments are archived and listed: what follows is the statement's alone."""
    async with aiohttp.ClientSession(headers=_bearer(home)) as session:
        url = f"{home.running.urls[0]}/api/v1/{TENANT}"
        wish = {"account": "suspense", "amount": "1.00"}
        headers = {"Idempotency-Key": "bench"}
        async with session.post(f"{url}/thresholds", json=wish, headers=headers) as answer:
            position = answer.headers[POSITION]
        async with asyncio.timeout(PATIENCE_S + payments / 100):
            while True:
                path = f"{url}/thresholds?min_position={position}"
                async with session.get(path) as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.5)


async def _open(home: Installation) -> int:
    path = f"/api/v1/{TENANT}/statement-lines?status=open"
    async with (
        aiohttp.ClientSession(headers=_bearer(home)) as session,
        session.get(home.running.urls[0] + path) as answer,
    ):
        return len((await answer.json())["data"])


def _bearer(home: Installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {home.running.issuer.mint(TENANT, ALL)}"}
