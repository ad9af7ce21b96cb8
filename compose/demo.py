"""`treasury demo`: a seeded load through a throw-away installation, compared with the model.

The whole way is real: events over NATS, payments over HTTP, books from Postgres and HTTP,
outbound events from NATS. Equal or not is decided by tests/model alone.
"""

import os
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import msgspec
from nats.aio.client import Client
from rich.console import Console
from rich.table import Table

from compose import seeing
from compose.calling import Accepted
from compose.judgement import judge
from compose.local.accounts import temporary_folder
from compose.local.stack import KafkaKind
from compose.messaging import nats_client
from compose.month import Month, live
from compose.sending import Payers, publish
from compose.up import Local, Running
from tables.postgres.pool import open_pool
from tests.model.compare import Shown
from tests.model.generator import Load, generate
from tests.model.ledger import Books, expected
from tests.model.month import month

SLOWEST_EVENTS_PER_S = 200
PATIENCE_S = 120.0
DIFFERENCES_SHOWN = 40


@dataclass
class Report:
    """What was sent, what was expected, what was found, and how long it took in seconds."""

    seed: int
    events: int
    broker: str
    cores: int
    payments: int
    expected: dict[str, Any] = field(default_factory=dict)
    actual: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    start_s: float = 0.0
    publish_s: float = 0.0
    settled_s: float = 0.0
    payments_s: float = 0.0
    events_per_s: float = 0.0
    month: Month | None = None
    differences: list[str] = field(default_factory=list)


async def run_demo(
    *,
    events: int,
    seed: int,
    kafka: str = "embedded",
    json_output: bool = False,
    partitions: int = 8,
    workers: int = 1,
    with_month: bool = True,
) -> bool:
    """Run it and print the report; False on any difference.

    First a month of five tenants in sandbox mode, then `events` of a heavy day.
    """
    err = Console(stderr=True)

    def tell(line: str) -> None:
        err.print(f"[dim]{line}[/dim]", highlight=False)

    kind: KafkaKind = "apache" if kafka == "apache" else "embedded"
    with temporary_folder("treasury-demo-") as home:
        load = generate(seed, events, start_ms=time.time_ns() // 1_000_000)
        local = Local(home, kind, partitions=partitions, workers=workers, port=0)
        started = time.monotonic()
        async with Running(local, tell) as running:
            await running.ready()
            report = Report(
                seed,
                events,
                running.stack.kafka.version,
                os.cpu_count() or 1,
                len(load.stories),
                start_s=time.monotonic() - started,
            )
            await play(load, running, report, tell, with_month=with_month)
    _show(report, json_output=json_output)
    return not report.differences


async def play(
    load: Load, running: Running, report: Report, tell: Any, *, with_month: bool
) -> None:
    """Live the month, publish, pay, wait until settled, compare; fills the report."""
    assert running.endpoints is not None
    accepted = Accepted()
    async with (
        nats_client(running.endpoints.nats) as client,
        await open_pool(running.settings().archiver_dsn, max_size=4) as pool,
        aiohttp.ClientSession() as session,
    ):
        payers = Payers(session, running.urls[0], running.token, accepted.commands)
        if with_month:
            tell("five tenants live through January")
            script = month(report.seed)
            report.month = await live(script, running, (client, pool), accepted)
        tell(f"{len(load.messages)} events of a heavy day")
        await _send(load, running.endpoints.nats, (client, pool), report)
        await _pay(load, payers, report)
        tell("reading what the installation shows")
        await _compare(load, running, payers, (client, pool), report=report, before=accepted)


def _patience_s(load: Load) -> float:
    return PATIENCE_S + len(load.messages) / SLOWEST_EVENTS_PER_S


async def _send(
    load: Load, url: str, connections: tuple[Client, asyncpg.Pool], report: Report
) -> None:
    first = [message for message in load.messages if message.after is None]
    started = time.monotonic()
    await publish(url, first)
    report.publish_s = time.monotonic() - started
    await seeing.decided(*connections, within_s=_patience_s(load))
    report.settled_s = time.monotonic() - started
    report.events_per_s = round(len(first) / report.settled_s, 1)
    await publish(url, [message for message in load.messages if message.after is not None])
    await seeing.decided(*connections, within_s=_patience_s(load))


async def _pay(load: Load, payers: Payers, report: Report) -> None:
    started = time.monotonic()
    await payers.play(load.stories, within_s=_patience_s(load))
    report.payments_s = time.monotonic() - started


async def _compare(
    load: Load,
    running: Running,
    payers: Payers,
    connections: tuple[Client, asyncpg.Pool],
    *,
    report: Report,
    before: Accepted,
) -> None:
    books = expected(load.messages, load.stories)
    judgement = await judge(
        running,
        connections,
        payers,
        load=load,
        sent=[*before.messages, *(message.raw for message in load.messages)],
        books=books,
        within_s=_patience_s(load),
        kafka_complete=running.local.kafka == "apache",  # the other forgets
    )
    shown = judgement.shown
    report.statuses = await seeing.statuses(connections[1])
    report.expected, report.actual = _totals_expected(books), _totals_shown(shown, books.optional)
    report.differences = judgement.differences
    if report.month is not None:
        report.differences += report.month.differences


def _totals_expected(books: Books) -> dict[str, Any]:
    outbound = [wanted.event_type for wanted in books.outbound]
    return {
        "events applied": len(books.applied),
        "duplicates": books.duplicates,
        "dead letters": books.dead_letters.total(),
        "accounts with a balance": len(books.balances),
        "sum of all debit balances": sum(minor for minor in books.balances.values() if minor > 0),
        "sum of all balances": sum(books.balances.values()),
        "invoices": len(books.invoices),
        "invoices paid": sum(each.status == "paid" for each in books.invoices.values()),
        "outbound events": len(outbound),
        "payments succeeded": outbound.count("treasury.payment.success"),
        "payments failed": outbound.count("treasury.payment.failed"),
    }


def _totals_shown(shown: Shown, optional: frozenset[str]) -> dict[str, Any]:
    by_id = {event.event_id: event.event_type for event in shown.published}
    outbound = [kind for event_id, kind in by_id.items() if event_id not in optional]
    balances = [minor for minor in shown.balances.values() if minor]
    return {
        "events applied": len(shown.applied),
        "duplicates": shown.duplicates,
        "dead letters": shown.dead_letters.total(),
        "accounts with a balance": len(balances),
        "sum of all debit balances": sum(minor for minor in balances if minor > 0),
        "sum of all balances": sum(balances),
        "invoices": len(shown.invoices),
        "invoices paid": sum(each.status == "paid" for each in shown.invoices.values()),
        "outbound events": len(outbound),
        "payments succeeded": outbound.count("treasury.payment.success"),
        "payments failed": outbound.count("treasury.payment.failed"),
        # Of orders that the till completed before the café told of them.
        "outbound events of shares voided since": len(by_id) - len(outbound),
    }


def _show_month(found: Month, console: Console) -> None:
    title = f"January of five tenants: {found.steps:,} steps in {found.seconds:.0f} s"
    columns = ("accounts", "debits", "trial_balance_ties", "invoices", "outbound_events")
    table = Table("tenant", *(name.replace("_", " ") for name in columns), title=title)
    for name, told in found.tenants.items():
        table.add_row(name, *(str(told[column]) for column in columns))
    console.print(table)


def _show_closing(found: Month, console: Console) -> None:
    columns = ("lines", "matched", "exceptions", "settled", "documents", "proof")
    title = "The month is closed: bank, gateways, drawers and KRA say what our books say"
    table = Table("tenant", *columns, "matched by", title=title)
    for name, closed in found.closed.items():
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(closed.rules.items()))
        table.add_row(name, *(str(getattr(closed, column)) for column in columns), rules)
    console.print(table)


def _show(report: Report, *, json_output: bool) -> None:
    console = Console()
    if json_output:
        print(msgspec.json.encode(report).decode())
        return
    if report.month is not None:
        _show_month(report.month, console)
        _show_closing(report.month, console)
    table = Table("what", "expected", "actual", title=f"seed {report.seed}, {report.broker}")
    for name, found_here in report.actual.items():
        wanted = report.expected.get(name)
        table.add_row(name, "" if wanted is None else f"{wanted:,}", f"{found_here:,}")
    console.print(table)
    found = ", ".join(f"{status} {count:,}" for status, count in report.statuses.items())
    console.print(f"entries: {found}", highlight=False)
    console.print(
        f"{report.events:,} events and {report.payments} payments on {report.cores} cores:"
        f" start {report.start_s:.1f} s, published in {report.publish_s:.1f} s, settled in"
        f" {report.settled_s:.1f} s ({report.events_per_s:,.0f} events/s), payments in"
        f" {report.payments_s:.1f} s",
        highlight=False,
    )
    for line in report.differences[:DIFFERENCES_SHOWN]:
        console.print(f"[red]different[/red] {line}", highlight=False)
    if len(report.differences) > DIFFERENCES_SHOWN:
        console.print(f"and {len(report.differences) - DIFFERENCES_SHOWN} more differences")
    console.print("[green]equal[/green]" if not report.differences else "[red]different[/red]")
