"""The demo's month: five tenants live through January on a running installation, then are compared.

Everything goes the way it goes in life: sister services over NATS, people over HTTP, money through
the instant gateway; only the clock is put forward, each day to the next noon. What it must come to
is said by tests/model alone. Then its books are closed (closing.py).
"""

import asyncio
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
from nats.aio.client import Client

from compose import closing, seeing
from compose.calling import Accepted, Caller
from compose.sending import NotAccepted
from compose.up import Running
from streams.money import plain
from tests.model.month import AT_UTC, DAYS, SETTINGS, Script, Step
from tests.model.month_books import MonthBooks, books_of
from web.scopes import ALL

SETTLES_WITHIN_S = 120.0
_braces = re.compile(r"\{([^}]+)\}")


@dataclass
class Month:
    """What a month came to; `differences` are from the model's books, one line each."""

    tenants: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: dict[str, closing.Closing] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


class _Tenant:
    """One tenant's part of the script, said in its order."""

    def __init__(self, caller: Caller, year: int) -> None:
        self.caller = caller
        self._kept: dict[str, str] = {"month": f"{year}-01"}
        self._said: list[str] = []

    async def live(self, steps: list[Step]) -> None:
        """Say everything of a day, and wait until it is decided."""
        for step in steps:
            if step.channel == "event":
                self._said.append(await self.caller.say(step.name, step.data))
            else:
                await self._applied()
                await self._say(step)
        await self._applied()

    async def _applied(self) -> None:
        """Everything that sister services said is decided, and was right."""
        said, self._said = self._said, []
        for event_id in said:
            entry = (await self.caller.entries_of(event_id))[-1]
            if entry["status"] != "applied":
                raise NotAccepted(f"{entry['event_type']} is {entry['status']}: {entry['reason']}")

    async def _say(self, step: Step) -> None:
        data = {name: await self._filled(value) for name, value in step.data.items()}
        name = await self._filled(step.name)
        if step.channel == "pay":
            self._keep(step, {"payment_id": await self.caller.pay(name, **data)})
        elif step.channel == "await":
            path, _, row_id = name.rpartition("/")
            await self.caller.become(path, row_id, data["status"])
        elif step.channel == "payout":
            await self.caller.event(name, **data)
            wanted = {"subject": data["payee_id"], "amount": data["amount"]}
            await self.caller.only(
                "payouts", status="completed", requested_by="logistics", **wanted
            )
        else:
            self._keep(step, await self.caller.done(name, actor=step.actor, **data))

    def _keep(self, step: Step, answer: dict[str, Any]) -> None:
        label, member = step.keep
        if label:
            self._kept[label] = answer[member]

    async def _filled(self, value: Any) -> Any:
        """Text with what its labels stand for."""
        if not isinstance(value, str):
            return value
        for label in _braces.findall(value):
            order = label.removeprefix("invoice of ")
            if order != label and label not in self._kept:
                row = await self.caller.only("invoices", order_id=order)
                self._kept[label] = row["invoice_id"]
            value = value.replace(f"{{{label}}}", self._kept[label])
        return value


async def live(
    script: Script, running: Running, connections: tuple[Client, asyncpg.Pool], accepted: Accepted
) -> Month:
    """Live through the month and compare; what was accepted is added to `accepted`."""
    found, started = Month(steps=len(script.steps)), time.monotonic()
    year = time.gmtime().tm_year + 1
    async with aiohttp.ClientSession() as session:
        callers = {
            name: _caller(running, session, connections[0], name, accepted) for name in SETTINGS
        }
        tenants = {name: _Tenant(caller, year) for name, caller in callers.items()}
        for name, caller in callers.items():
            about = {"name": name, "mode": "sandbox", "settings": SETTINGS[name]}
            await caller.event("auth.tenant.created", **about)
        await _all(caller.advance(f"{year}-01-01T{AT_UTC}") for caller in callers.values())
        for day in range(1, DAYS + 1):
            steps = script.of_day(day)
            await _all(
                tenant.live([step for step in steps if step.tenant == name])
                for name, tenant in tenants.items()
            )
            after = f"01-{day + 1:02d}" if day < DAYS else "02-01"
            await _all(caller.advance(f"{year}-{after}T{AT_UTC}") for caller in callers.values())
        books = books_of(script)
        await _compare(books, callers, connections, found)
        found.closed = await closing.close(books, callers, running.sandbox, year)
        found.differences += [
            line for closed in found.closed.values() for line in closed.differences
        ]
    found.seconds = round(time.monotonic() - started, 1)
    return found


def _caller(
    running: Running,
    session: aiohttp.ClientSession,
    client: Client,
    tenant_id: str,
    accepted: Accepted,
) -> Caller:
    tokens: dict[str, str] = {}

    def token(actor: str) -> str:
        if actor not in tokens:
            tokens[actor] = running.issuer.mint(tenant_id, ALL, subject=actor)
        return tokens[actor]

    url = running.urls[0]
    return Caller(session, client, url, tenant_id, token=token, accepted=accepted)


async def _all(work: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        for each in work:
            tasks.create_task(each)


async def _compare(
    books: MonthBooks,
    callers: dict[str, Caller],
    connections: tuple[Client, asyncpg.Pool],
    found: Month,
) -> None:
    """Balances and the trial balance over HTTP, invoices from Postgres, events from NATS."""
    client, pool = connections
    told = await _told(client, books)
    for name, caller in callers.items():
        shown = await caller.get("trial-balance")
        balances = Counter(
            {row["account"]: _minor(row["debit"]) - _minor(row["credit"]) for row in shown["data"]}
        )
        balances = Counter({account: minor for account, minor in balances.items() if minor})
        ties = all(total["ties"] for total in shown["totals"])
        invoices = await _invoices(pool, name, books.invoices[name])
        found.tenants[name] = {
            "accounts": len(balances),
            "debits": shown["totals"][0]["debit"],
            "trial_balance_ties": ties,
            "invoices": invoices.total(),
            "outbound_events": told[name].total(),
        }
        if not ties:
            found.differences.append(f"{name}: the trial balance does not tie")
        for what, wanted, is_so in (
            ("balance", books.balances[name], balances),
            ("told", books.told[name], told[name]),
            ("invoices", books.invoices[name], invoices),
        ):
            found.differences += [
                f"{name}, {what} {key}: expected {wanted[key]}, found {is_so[key]}"
                for key in sorted({*wanted, *is_so})
                if wanted[key] != is_so[key]
            ]


async def _told(client: Client, books: MonthBooks) -> dict[str, Counter[str]]:
    """Outbound events by tenant and type, each once; waits a while for those that must come."""
    wanted = sum(counts.total() for counts in books.told.values())
    ends = time.monotonic() + SETTLES_WITHIN_S
    while True:
        ids: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for body in await seeing.outbound(client):
            event = plain(body)
            if event["tenant_id"] in SETTINGS:
                ids[event["tenant_id"]][event["event_id"]] = event["event_type"]
        if sum(map(len, ids.values())) >= wanted or time.monotonic() > ends:
            return {name: Counter(ids[name].values()) for name in SETTINGS}
        await asyncio.sleep(0.5)


async def _invoices(pool: asyncpg.Pool, tenant_id: str, wanted: Counter[str]) -> Counter[str]:
    """Invoices by status in the read model, which may be a moment behind what is wanted."""
    ends = time.monotonic() + SETTLES_WITHIN_S
    while True:
        rows = await pool.fetch(
            """SELECT status, count(*) FROM resources
               WHERE kind = 'iv' AND tenant_id = $1 GROUP BY 1""",
            tenant_id,
        )
        found = Counter({row["status"]: row["count"] for row in rows})
        if found == wanted or time.monotonic() > ends:
            return found
        await asyncio.sleep(0.2)


def _minor(text: str) -> int:
    return int(text.replace(".", ""))
