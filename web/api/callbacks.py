"""Callbacks of gateways: raw bytes, verified, made an event, and answered once that is committed.

An address that is not ours, a tenant that is not, and a client from elsewhere get the same 404.
What is verified and of no concern here is answered and forgotten; what is not verified leaves a
line in the log and nothing else. A provider that cannot be verified at the moment is told to come
again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import structlog
from aiohttp import web

from agents.gateways.told import DISPUTED, FUNDS, RECEIVED, REPORTED
from agents.roles.gateways import Gateway
from connectors.base import CallError, Result
from connectors.callback_tokens import Named
from connectors.callbacks import (
    Callback,
    Deposit,
    Disputed,
    Funds,
    Heard,
    NotBelieved,
    Report,
    Rows,
    Told,
)
from connectors.registry import SERVICES, accepted
from streams.errors import Misconfigured, Unreadable
from streams.ids import derive
from streams.money import exponent_of, format_minor
from streams.signals import crash_here
from streams.timestamps import format_ms
from web.api import services
from web.bodies import read_any
from web.call import Call, Callbacks
from web.clients import client_of, is_allowed
from web.pages import page
from web.problems import Problem, not_found, unavailable

BODY_BYTES_MAX = 256 * 1024
RAW_CHARS_MAX = 16 * 1024
"""Of a callback's own text, so much is kept beside what it says."""

_CAME_BACK: Mapping[str, tuple[str, str]] = {
    "return": ("Thank you", "Your payment is on its way. You can close this page."),
    "cancel": ("Nothing was paid", "You can close this page, and try again where you came from."),
}
_log = structlog.get_logger("web.callbacks")


async def hear(call: Call) -> web.StreamResponse:
    """What a gateway tells: 200 once it is committed, or was before."""
    callbacks = call.context.callbacks
    named = _named(call, callbacks)
    match = call.request.match_info
    kind = match["kind"]
    timeout_s = call.context.settings.body_timeout_s
    body = await read_any(call.request, bytes_max=BODY_BYTES_MAX, timeout_s=timeout_s)
    at = datetime.fromtimestamp(call.context.clock_ms() / 1000, UTC)
    given = call.request.headers
    # Sent twice it is one list (RFC 9110, 5.2), and so no signature of anybody's.
    headers = {name.lower(): ",".join(given.getall(name)) for name in given}
    callback = Callback(kind, headers, body, at, named.call_id)
    if named.gateway == SERVICES:
        await services.take(call, callback)
        call.context.metrics.called_back(SERVICES, "taken")
        return web.Response(body=b"{}", content_type="application/json")
    gateway = await gateway_of(callbacks, match["tenant"], named.gateway)
    heard = await _believed(call, gateway, named.gateway, callback)
    if heard is not None:
        raw = body.decode("utf-8", "replace")[:RAW_CHARS_MAX]
        await append(call, match["tenant"], named.gateway, heard, raw)
    call.context.metrics.called_back(
        named.gateway, "taken" if heard is not None else "of_no_concern"
    )
    return web.Response(body=accepted(named.gateway, callback), content_type="application/json")


async def came_back(call: Call) -> web.StreamResponse:
    """A payer comes back from a provider's own page: the provider is asked at once how it stands.

    Nothing that the payer brings is believed. At most one question a minute.
    """
    callbacks, match = call.context.callbacks, call.request.match_info
    named = callbacks.addresses.read(match["alias"], match["tenant"], match["token"])
    words = _CAME_BACK.get(match["kind"])
    if named is None or not named.call_id or words is None:
        return page("gone", status=404)
    minute = call.context.clock_ms() // 60_000
    why = Result("pending", detail=f"the payer came back: {match['kind']}")
    report = Report(
        f"{match['kind']}.{named.call_id}.{minute}", named.call_id, "", why, "the payer came back"
    )
    await append(call, match["tenant"], named.gateway, report)
    return page("returned", title=words[0], words=words[1])


def _named(call: Call, callbacks: Callbacks) -> Named:
    """What the address names. Raises `Problem` 404 for one that is not for this client."""
    match = call.request.match_info
    named = callbacks.addresses.read(match["alias"], match["tenant"], match["token"])
    client = client_of(call.request, callbacks.trusted)
    if named is None or not is_allowed(client, callbacks.networks.get(named.gateway, ())):
        gateway, outcome = (named.gateway, "from_elsewhere") if named else ("", "not_ours")
        call.context.metrics.called_back(gateway, outcome)
        raise not_found()
    return named


async def gateway_of(callbacks: Callbacks, tenant_id: str, name: str) -> Gateway:
    """A gateway as the tenant has it. Raises `Problem` 404 for none, 503 while it is not usable."""
    try:
        return (await callbacks.gateways.of(tenant_id, name)).gateway
    except KeyError:
        raise not_found() from None
    except (Misconfigured, Unreadable) as error:
        _log.warning("callback not verifiable", gateway=name, tenant_id=tenant_id, error=str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _log.warning("callback not verifiable", gateway=name, error=type(error).__name__)
    raise unavailable("callback-not-verifiable", "Tell it again in a while.")


async def _believed(call: Call, gateway: Gateway, name: str, callback: Callback) -> Heard | None:
    """What it says, if it is the provider's word. Raises `Problem` 400, or 503 to be told again."""
    try:
        return await gateway.hear(callback)
    except NotBelieved as error:
        tenant_id = call.request.match_info["tenant"]
        _log.warning("callback refused", gateway=name, tenant_id=tenant_id, reason=error.reason)
        call.context.metrics.called_back(name, "refused")
        raise Problem(400, "callback-refused", "This is not taken.") from None
    except CallError as error:
        _log.warning("callback not verifiable", gateway=name, reason=error.reason)
        raise unavailable("callback-not-verifiable", "Tell it again in a while.") from None


async def append(call: Call, tenant_id: str, gateway: str, heard: Heard, raw: str = "") -> None:
    """Have it decided. Raises what says that it was not, or that nobody knows."""
    if isinstance(heard, Rows):  # whoever asked for it reads it in (web/api/connectors.py)
        _log.warning("statement not asked for", gateway=gateway, tenant_id=tenant_id)
        return
    event_type, name, data = _event(gateway, heard)
    event_id = derive(tenant_id, f"{gateway}/{name}", "callback", 0)
    said = {"gateway": gateway, **data, "raw": raw}
    envelope = {
        "event_id": event_id,
        "event_type": event_type,
        "tenant_id": tenant_id,
        "timestamp": format_ms(call.context.clock_ms()),
        "data": said,
    }
    crash_here("S13")
    decision = await call.context.desk.decide(
        tenant_id,
        event_id,
        msgspec.json.encode(envelope),
        ingress="webhook",
        timeout_s=call.context.settings.decide_timeout_s,
    )
    entry = decision.entry
    if entry.status not in {"applied", "duplicate", "parked"}:
        # It is among the dead letters, whole: telling it again would change nothing.
        _log.warning("callback kept apart", gateway=gateway, event_id=event_id, reason=entry.reason)


def _event(gateway: str, heard: Heard) -> tuple[str, str, dict[str, Any]]:
    """(type, a name that the same message has again, data)."""
    match heard:
        case Report():
            # The same message can be proof today and a reason to ask tomorrow.
            name = f"{heard.event_id}/ask" if heard.ask else heard.event_id
            return REPORTED, name, _report(heard)
        case Deposit():
            return RECEIVED, heard.event_id, _deposit(heard)
        case Disputed():
            return DISPUTED, heard.event_id, _dispute(heard)
        case Told():
            return FUNDS, heard.event_id, {"funds": [_funds(each) for each in heard.funds]}
    raise TypeError(f"{gateway} tells something else")


def _report(heard: Report) -> dict[str, Any]:
    result = heard.result
    amount, currency = _amount(result)
    return {
        "call_id": heard.call_id,
        "handle": heard.handle,
        "outcome": "pending" if result.outcome == "unknown" else result.outcome,
        "provider_reference": result.provider_reference,
        "amount": amount,
        "currency": currency,
        "failure": result.failure[:200],
        "detail": result.detail[:200],
        "ask": heard.ask[:200],
    }


def _amount(result: Result) -> tuple[str | None, str]:
    if result.amount_minor is None:
        return None, ""
    return format_minor(result.amount_minor, exponent_of(result.asset)), result.asset


def _deposit(heard: Deposit) -> dict[str, Any]:
    return {
        "receipt": heard.receipt,
        "account": heard.account,
        "amount": format_minor(heard.amount_minor, exponent_of(heard.asset)),
        "currency": heard.asset,
        "reference": heard.reference[:200],
        "payer": heard.payer[:200],
        "paid_at": "" if heard.paid_at is None else heard.paid_at.isoformat(),
    }


def _dispute(heard: Disputed) -> dict[str, Any]:
    return {
        "dispute_id": heard.dispute_id,
        "reference": heard.reference,
        "state": heard.state,
        "amount": format_minor(heard.amount_minor, exponent_of(heard.asset)),
        "currency": heard.asset,
        "fee": format_minor(heard.fee_minor, exponent_of(heard.asset)),
        "reason": heard.reason[:200],
    }


def _funds(each: Funds) -> dict[str, Any]:
    def text(minor: int) -> str:
        return format_minor(minor, exponent_of(each.asset))

    return {
        "account": each.account,
        "currency": each.asset,
        "current": text(each.current_minor),
        "available": text(each.available_minor),
    }
