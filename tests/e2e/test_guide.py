"""The owner's guide, walked on a running installation: NATS in, postings, state, NATS out."""

import json
import time

import aiohttp
import nats
import pytest

from compose import seeing
from compose.calling import Accepted, Caller
from compose.up import Local, Running
from streams.timestamps import format_ms
from tests.guide.guide import SHOWN, message_of
from tests.guide.walk import STEPS, TENANT, Step

pytestmark = pytest.mark.timeout(600)


def restamped(event_type: str) -> bytes:
    """The guide's own JSON as it is; an example of ours with today's time."""
    raw = message_of(event_type)
    if event_type in SHOWN:
        return raw
    body = json.loads(raw, parse_float=str, parse_int=str)
    return raw.replace(body["timestamp"].encode(), format_ms(time.time_ns() // 1_000_000).encode())


async def walked(caller: Caller, step: Step) -> None:
    for _, path, body in step.commands:
        await caller.done(path, **body)
    raw = restamped(step.event_type)
    await caller.publish(step.event_type, raw)
    event_id = json.loads(raw)["event_id"]

    async def applied():
        entries = await caller.entries_of(event_id)
        return [entry for entry in entries if entry["status"] == "applied"]

    # The guide's own event is years old: the archive is asked about it first.
    [entry] = await caller.until(applied, f"{step.event_type} is not applied")
    sums: dict[str, int] = {}
    for leg in entry["postings"]:
        minor = int(leg["amount"].replace(".", "")) * (1 if leg["side"] == "debit" else -1)
        sums[leg["account"]] = sums.get(leg["account"], 0) + minor
    assert sums == step.postings, step.event_type
    story = await caller.get(f"events/{event_id}")
    told = sorted(item["event_type"] for item in story["emitted"])
    assert told == sorted(step.emitted), step.event_type
    if step.state is not None:
        path, members = step.state
        await caller.only(path, **members)


class TestTheGuide:
    async def test_every_event_does_what_it_must(self, home):
        async with Running(Local(home, "apache", partitions=2, port=0), print) as running:
            await running.ready()
            client = await nats.connect(running.endpoints.nats)
            async with aiohttp.ClientSession() as session:
                caller = Caller(
                    session,
                    client,
                    running.urls[0],
                    TENANT,
                    token=lambda _: running.token(TENANT),
                    accepted=Accepted(),
                )
                for step in STEPS:
                    await walked(caller, step)
                await caller.until(lambda: _outbound(client))
            await client.close()


async def _outbound(client) -> bool:
    """Whether everything that the walk tells of is on NATS."""
    told = {json.loads(body)["event_type"] for body in await seeing.outbound(client)}
    return {kind for step in STEPS for kind in step.emitted} <= told
