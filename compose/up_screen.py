"""What `treasury up` shows: progress, an address, a token, three things to try."""

import asyncio
import signal
import time
from typing import Any

from rich.console import Console

from compose.up import DEMO_TENANT, Local, Running, Told, seed_demo


async def run_up(local: Local, console: Console) -> int:
    """Run until a signal; returns the exit code."""
    started = time.monotonic()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    with console.status("starting …") as status:

        def tell(line: str) -> None:
            console.print(
                f"[dim]{time.monotonic() - started:5.1f} s[/dim]  {line}", highlight=False
            )
            status.update(line)

        running = Running(local, tell)
        starting = asyncio.create_task(_started(running, tell))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await running.__aexit__()
            return 130
        starting.result()
    try:
        _welcome(console, running, time.monotonic() - started)
        return await _until_over(running, stopping, console)
    finally:
        with console.status("stopping …"):
            await running.__aexit__()
        console.print("everything is stopped")


async def _started(running: Running, tell: Told) -> None:
    await running.__aenter__()
    try:
        await running.ready()
        assert running.endpoints is not None
        if not await seed_demo(running.endpoints.nats):
            tell("the demo tenant's events are still being decided")
    except BaseException:
        await running.__aexit__()
        raise


async def _until_over(running: Running, stopping: "asyncio.Task[bool]", console: Console) -> int:
    gave_up = [supervisor.gave_up for supervisor in running.supervisors if supervisor.gave_up]
    waiting: list[asyncio.Future[Any]] = [stopping, *gave_up]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for future in gave_up:
        if future.done():
            console.print(f"[red]{future.result()}[/red]", highlight=False)
            return 1
    return 0


def _welcome(console: Console, running: Running, seconds: float) -> None:
    url, home = running.urls[0], running.local.home
    token_file = home / "token"
    token_file.write_text(running.token(DEMO_TENANT))
    token_file.chmod(0o600)
    console.print(f"\n[bold]Treasury runs at {url}[/bold] (ready in {seconds:.0f} s)\n")
    console.print("A token of the demo tenant, good for 12 hours:\n", highlight=False)
    console.print(f"  export TOKEN={token_file.read_text()}\n", soft_wrap=True, highlight=False)
    console.print("Try:\n")
    for line in _tries(url):
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"\nLogs and data are in {home}. Ctrl-C stops everything.", highlight=False)


def _tries(url: str) -> list[str]:
    json, order = "-H 'Content-Type: application/json'", '-d \'{"order_id": "order-1"}\''
    bearer = '-H "Authorization: Bearer $TOKEN"'
    return [
        f"curl {bearer} {url}/api/v1/{DEMO_TENANT}/balances",
        f"curl {bearer} -H 'Idempotency-Key: try-1' {json} {order} {url}/api/v1/payments/intents",
        f"curl {bearer} {url}/api/v1/{DEMO_TENANT}/invoices",
    ]
