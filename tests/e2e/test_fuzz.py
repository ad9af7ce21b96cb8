"""The API against its own specification, by schemathesis: whatever is asked is answered as told.

Every path names rows that are there, so that each operation is also seen to succeed. On the
embedded stack; nothing about losing or doubling is claimed here.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import nats
import pytest
import pytest_asyncio

from compose.calling import Accepted, Caller
from compose.local.accounts import temporary_folder
from compose.triggers import trigger
from compose.up import Local, Running
from connectors.callback_tokens import Addresses
from connectors.registry import ALIASES
from streams.timestamps import format_ms
from tests.e2e.cluster import seed_of_run
from tests.e2e.rows import BANK, LIMITS, Ids, row_for_each_command, row_of_every_kind
from tests.web.schema import answer_violations, body_of
from web.call import Route
from web.routes import ROUTES
from web.scopes import ALL

EXAMPLES = int(os.environ.get("TREASURY_FUZZ_EXAMPLES", "100"))
SEED = 20260302
"""Of the run in CI: what lands does not depend on luck; the long run draws another each time."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
TENANT = "/api/v1/{tenant}"
LEFT_OUT = (
    # What schemathesis cannot make or read to its end, and is asked for by hand here: lines of
    # JSON, text that is none, streams.
    "/metrics",
    f"{TENANT}/events:batch",
    f"{TENANT}/balances/live",
    # A file of a bank; tests/connectors/statements asks its readers with any bytes.
    f"{TENANT}/statements",
    # Their addresses are made by us and given to one each.
    "/webhooks/{alias}/{tenant}/{token}/{kind}",
    "/pay/{token}",
    "/pay/{token}/invoice",
    "/pay/{token}/receipts/{payment_id}",
    # It would let expire what the other operations need.
    f"{TENANT}/clock/advance",
)
NEEDS_A_BODY = ("POST /api/v1/payments/confirm",)
"""Operations that mean something only with an id in their body."""


@dataclass
class Seeded:
    """An installation with a tenant that has a row for everything."""

    running: Running
    caller: Caller
    token: str
    has: Ids
    of_commands: dict[str, Ids]

    def configuration(self) -> str:
        """schemathesis.toml: which ids to put into which paths."""
        everywhere = {"tenant": self.caller.tenant_id, "account": BANK, "name": "instant.api_key"}
        everywhere |= {"provider": "mpesa", "action": "register", "period": "2026-03"}
        lines = ['hooks = "tests.e2e.fuzz_hooks"']
        # A position that no journal has come to would be waited for, and then be 503.
        fixed = _inline(everywhere | self.has)[:-1] + ', "query.min_position" = "0.0"}'
        lines += [f"parameters = {fixed}"]
        for operation, ids in self.of_commands.items():
            method, path = operation.split()
            lines += [
                "[[operations]]",
                f"include-name = {json.dumps(f'{method} {TENANT}{path}')}",
                f"parameters = {_inline(ids)}",
            ]
        return "\n".join(lines) + "\n"


def _inline(ids: Ids) -> str:
    members = (f"{json.dumps(f'path.{name}')} = {json.dumps(text)}" for name, text in ids.items())
    return "{" + ", ".join(members) + "}"


@pytest.fixture
def home():
    with temporary_folder("treasury-fuzz-") as folder:
        yield folder / "home"


@pytest_asyncio.fixture
async def seeded(home: Path) -> AsyncIterator[Seeded]:
    environment = {"TREASURY_REQUESTS_PER_S": "0", "TREASURY_UNKNOWN_AFTER_S": "1"}
    local = Local(home, "embedded", partitions=1, port=0, environment=environment)
    async with Running(local, print) as running, aiohttp.ClientSession() as session:
        await running.ready()
        assert running.endpoints is not None
        client = await nats.connect(running.endpoints.nats)
        tenant_id = f"tenant-{uuid4()}"

        def token(subject: str, **claims: Any) -> str:
            return running.issuer.mint(tenant_id, ALL, subject=subject, **claims)

        caller = Caller(
            session, client, running.urls[0], tenant_id, token=token, accepted=Accepted()
        )
        settings = {**LIMITS, "payment_links": True}
        await caller.event("auth.tenant.created", mode="sandbox", settings=settings)
        yield Seeded(
            running,
            caller,
            token("fuzz", roles=["superuser"], lifetime_s=7_200),
            await row_of_every_kind(caller, "1"),
            await _rows_of_commands(caller),
        )
        await client.close()


async def _rows_of_commands(caller: Caller) -> dict[str, Ids]:
    """Beside those by path, what the bodies of the specification's examples name."""
    await caller.done("plans", plan_id="plan-1", name="Example", price="10", meters=[])
    await caller.event(
        "logistics.earnings.calculated",
        payee_id="subject-1",
        period="2026-W01",
        gross_amount=500,
        deductions=[],
    )
    return await row_for_each_command(caller)


async def _fuzz(seeded: Seeded, examples: int, phases: str, seed: int) -> None:
    running = seeded.running
    folder = running.local.home
    configuration = folder / "schemathesis.toml"
    configuration.write_text(seeded.configuration())
    options = [
        *("--url", running.urls[0]),
        *("--checks", ",".join(CHECKS)),
        *("--phases", phases),
        *("--max-examples", str(examples)),
        *("--seed", str(seed)),
        *("--workers", "2"),
        *("--request-timeout", "20"),
        *("-H", f"Authorization: Bearer {seeded.token}"),
        "--continue-on-failure",
        "--no-color",
    ]
    for path in LEFT_OUT:
        options += ["--exclude-path", path]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(configuration), "run", f"{running.urls[0]}/openapi.json"),
        *options,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    text = said.decode()
    print(text[-8_000:])
    assert process.returncode == 0
    assert "failures" not in text.rpartition("SUMMARY")[2]
    assert "Tested: " in text


async def _successes(seeded: Seeded) -> Counter[str]:
    """How often each route was answered with success, as the worker itself counted."""
    url = f"{seeded.running.urls[0]}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        text = await response.text()
    name = "treasury_http_request_duration_seconds_count"
    counted = re.compile(
        name + r'\{method="(\w+)",route="([^"]+)",status="2xx"\} ([0-9]+)'
    ).findall(text)
    return Counter({f"{method} {route}": int(count) for method, route, count in counted})


async def _asked(
    seeded: Seeded, method: str, path: str, kind: str = "", body: str | None = None
) -> None:
    """A request that succeeds, with an answer as it is told."""
    headers = {"Authorization": f"Bearer {seeded.token}"} | ({"Content-Type": kind} if kind else {})
    url = seeded.running.urls[0] + path
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=headers, data=body) as answer,
    ):
        raw = await body_of(answer)
    assert answer.status == 200, (method, path, raw)
    assert answer_violations(method, path, answer.status, answer.content_type, raw) == []


async def _page_of(caller: Caller, order_id: str) -> str:
    """The public page of a new order's invoice."""
    entry = await caller.event("cafe.order.created", order_id=order_id, total_amount=5)
    emitted = (await caller.get(f"events/{entry['event_id']}"))["emitted"]
    [path] = [each["body"]["data"]["path"] for each in emitted if "path" in each["body"]["data"]]
    return str(path)


async def _by_hand(seeded: Seeded) -> None:
    """What schemathesis is not given, asked for once and held to what is told of it."""
    caller, running, tenant_id = seeded.caller, seeded.running, seeded.caller.tenant_id
    page, paid_page = await _page_of(caller, "linked"), await _page_of(caller, "receipted")
    payment_id = await caller.pay(order_id="receipted")
    await caller.only("payments/intents", payment_id=payment_id, status="succeeded")
    addresses = Addresses("", ALIASES, running.settings().derived_keys("callbacks"))
    back = addresses.of("stripe", tenant_id, seeded.has["call_id"])
    line = {
        "event_id": str(uuid4()),
        "event_type": "cafe.order.created",
        "tenant_id": tenant_id,
        "timestamp": format_ms(time.time_ns() // 1_000_000),
        "data": {"order_id": "by-hand", "total_amount": "5"},
    }
    tenant, form = f"/api/v1/{tenant_id}", "application/x-www-form-urlencoded"
    asked = (
        ("POST", f"{tenant}/events:batch", "application/x-ndjson", json.dumps(line)),
        ("GET", f"{tenant}/balances/live", "", None),
        ("GET", f"{tenant}/statements", "", None),
        ("GET", page, "", None),
        ("GET", f"{page}/invoice", "", None),
        ("POST", page, form, "phone=%2B254712345678"),
        ("GET", f"{back}/return", "", None),
    )
    for each in asked:
        await _asked(seeded, *each)
    await _asked(seeded, "GET", f"{paid_page}/receipts/{payment_id}")
    by_hand = {"amount": "5", "reference": "by-hand", "phone": "254712000111"}
    said = {"tenant": tenant_id, **by_hand}
    await trigger(running.settings().sandbox_url, "mpesa.paybill", said)


def _is_fuzzed(route: Route) -> bool:
    return route.path not in LEFT_OUT and route.name not in NEEDS_A_BODY


class TestEveryOperation:
    @pytest.mark.timeout(3_000)
    async def test_answers_as_it_is_told_and_succeeds(self, seeded):
        await _by_hand(seeded)
        before = await _successes(seeded)
        assert all(before[name] for name in NEEDS_A_BODY)
        await _fuzz(seeded, EXAMPLES, "examples,fuzzing", SEED)
        after = await _successes(seeded) - before
        wanted = {route.name for route in ROUTES if _is_fuzzed(route)}
        missing = "\n".join(sorted(wanted - set(after)))
        assert not missing, missing
        never = {route.name for route in ROUTES} - set(await _successes(seeded))
        assert never == set()

    @pytest.mark.long
    @pytest.mark.timeout(3_600)
    async def test_answers_as_it_is_told_whatever_its_coverage_asks(self, seeded):
        await _fuzz(seeded, EXAMPLES, "examples,coverage,fuzzing", seed_of_run())
