"""For those who run the service: alive, ready, metrics, and the local issuer's keys."""

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from web.call import Call
from web.lists import json_response
from web.problems import RETRY_AFTER_S, not_found

DATABASE_TIMEOUT_S = 1.0


async def healthz(_call: Call) -> web.StreamResponse:
    """The process answers. Nothing else is promised: restarting it helps nobody who is down."""
    return json_response({"status": "ok"})


async def readyz(call: Call) -> web.StreamResponse:
    """Whether every assigned partition serves, and at least one is assigned."""
    statuses = call.context.desk.statuses()
    ready = bool(statuses) and all(status.state == "serving" for status in statuses)
    body = {
        "status": "ready" if ready else "not-ready",
        "partitions": [
            {
                "partition": status.partition,
                "state": status.state,
                "seq": status.seq,
                "lag": status.lag,
                "checkpoint_age_ms": round(status.checkpoint_age_s * 1000),
            }
            for status in statuses
        ],
        "lists": await _database(call),
    }
    headers = {} if ready else {"Retry-After": str(RETRY_AFTER_S)}
    return json_response(body, status=200 if ready else 503, headers=headers)


async def _database(call: Call) -> str:
    """State of the read models' database; without it lists fail and commands go on."""
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_S), call.context.pool.acquire() as connection:
            await connection.fetchval("SELECT 1")
    except Exception as error:
        return f"unavailable: {type(error).__name__}"
    return "ok"


async def metrics(call: Call) -> web.StreamResponse:
    """Prometheus text."""
    text = generate_latest(call.context.metrics.registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def key_set(call: Call) -> web.StreamResponse:
    """The JWKS of the local issuer; 404 where an auth service has its own."""
    if call.context.key_set is None:
        raise not_found()
    return web.Response(body=call.context.key_set, content_type="application/json")
