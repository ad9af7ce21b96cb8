"""Webhooks of banks and sister services: one envelope each, signed as we sign ours.

Standard Webhooks, HMAC-SHA256 over id, time and raw bytes; the id is the event's own, so that a
replay is a duplicate. What they say enters by the same door as under the tenant's own token.
"""

import asyncpg
import structlog

from connectors.callbacks import Callback
from connectors.registry import SERVICES
from connectors.webhooks.verifying import BadSignature, age_of
from streams import strict_json
from streams.envelope import Envelope, Refusal, read
from streams.errors import Unreadable
from web.api.events import refusal_at_the_door
from web.call import Call
from web.problems import Problem, unavailable

_log = structlog.get_logger("web.callbacks")


async def take(call: Call, callback: Callback) -> None:
    """Have its event decided. Raises `Problem` 400 for what is not believed or not taken here."""
    tenant_id = call.request.match_info["tenant"]
    secrets = await _secrets(call, tenant_id)
    try:
        message_id, age = age_of(
            callback.headers, callback.body, secrets, int(callback.at.timestamp())
        )
    except BadSignature as error:
        raise _refused(call, tenant_id, str(error)) from None
    except ValueError:
        raise _refused(call, tenant_id, "the secret is none of this kind") from None
    if age == "old":
        raise _refused(call, tenant_id, "old")
    envelope = _envelope(callback.body)
    if envelope is None or envelope.event_id != message_id:
        raise _refused(call, tenant_id, "no event, or of another id than its signature's")
    refusal = refusal_at_the_door(envelope, tenant_id)
    if refusal:
        raise _refused(call, tenant_id, refusal)
    decision = await call.context.desk.decide(
        tenant_id,
        envelope.event_id,
        callback.body,
        timeout_s=call.context.settings.decide_timeout_s,
    )
    if decision.entry.status not in {"applied", "duplicate", "parked"}:
        _log.warning("callback kept apart", gateway=SERVICES, reason=decision.entry.reason)


async def _secrets(call: Call, tenant_id: str) -> list[str]:
    """The secrets that are good now: two while they rotate."""
    prefix = f"{SERVICES}."
    try:
        found = await call.context.callbacks.secrets.resolve(tenant_id, prefix)
    except (Unreadable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _log.warning("callback not verifiable", gateway=SERVICES, error=type(error).__name__)
        raise unavailable("callback-not-verifiable", "Tell it again in a while.") from None
    return [secret.value.get_secret_value() for secret in found.values()]


def _envelope(body: bytes) -> Envelope | None:
    if strict_json.check(body) is not None:
        return None
    envelope = read(body)
    return None if isinstance(envelope, Refusal) else envelope


def _refused(call: Call, tenant_id: str, reason: str) -> Problem:
    _log.warning("callback refused", gateway=SERVICES, tenant_id=tenant_id, reason=reason)
    call.context.metrics.called_back(SERVICES, "refused")
    return Problem(400, "callback-refused", "This is not taken.")
