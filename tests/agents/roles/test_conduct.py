"""Calls of one gateway do not wait for those of another."""

import asyncio
from typing import Any

from agents.roles.conduct import Conductor
from agents.roles.gateways import Credentialed
from connectors.base import Result
from streams.journal import Entry
from tables.postgres.calls import CallRow


class Provider:
    """One that answers, or one that never does."""

    def __init__(self, *, silent: bool) -> None:
        self._silent, self.performed = silent, asyncio.Event()

    async def perform(self, *_: object, **_more: object) -> Result:
        self.performed.set()
        if self._silent:
            await asyncio.Event().wait()
        return Result("succeeded")


class Providers:
    """KRA hears and never answers; all others do."""

    def __init__(self) -> None:
        self.kra, self.instant = Provider(silent=True), Provider(silent=False)

    def knows(self, _gateway: str) -> bool:
        return True

    async def of(self, _tenant_id: str, gateway: str) -> Credentialed:
        return Credentialed(getattr(self, gateway), "t@1")  # type: ignore[arg-type]


class Granting:
    """Whoever asks is granted the call."""

    async def say(self, _partition: int, *, data: dict[str, Any], **_: object) -> Entry:
        raw = data["nonce"].encode()
        return Entry(0, 0, 0, "applied", "", "internal", 0, "t", "e", "treasury.call.granted", raw)


def call(name: str, gateway: str, operation: str) -> CallRow:
    return CallRow(name, "t", 0, 1, gateway, operation, b"{}", 0, f"nonce-{name}", ())


async def test_money_goes_out_while_the_tax_authority_is_silent():
    providers = Providers()
    conductor = Conductor(None, Granting(), providers, concurrent=1)  # type: ignore[arg-type]
    rows = [call("a", "kra", "declare"), call("b", "kra", "declare")]
    waiting = [asyncio.create_task(conductor.conduct(row, 60_000)) for row in rows]
    await asyncio.wait_for(providers.kra.performed.wait(), 5)
    paying = asyncio.create_task(conductor.conduct(call("c", "instant", "collect"), 60_000))
    await asyncio.wait_for(providers.instant.performed.wait(), 5)
    for task in (*waiting, paying):
        task.cancel()
    await asyncio.gather(*waiting, paying, return_exceptions=True)
