"""The notifications service's one request: a message to be queued, under an idempotency key.

The key is known for a day (its API contract, "Idempotency-Key"), so that a repeat within a day
writes to nobody twice. That a message is queued says nothing of its delivery: that is reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from connectors.base import Ambiguous, Refused, TurnedAway
from connectors.http import Answer, exchange
from connectors.notifications.config import Config
from connectors.notifications.translate import Message, encoded
from connectors.reading import Unreadable, object_of

KEY_LIFETIME_S = 24 * 3600.0
_TAKEN = frozenset({200, 202})
_NOT_BEGUN = frozenset({408, 425, 429})
_FAILURES: Mapping[int, str] = {401: "not_configured", 403: "not_configured", 402: "no_credit"}
_STATUSES: Mapping[str, bool] = {"queued": False, "duplicate": True}
_TITLE_CHARS_MAX, _ID_CHARS_MAX = 100, 200
"""Of an id as many as a report is read of (delivery.py), and nothing that a row cannot hold."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that will be sent, or had been taken before; `request_id` is the service's name
    of it, empty if it gave none.
    """

    request_id: str
    duplicate: bool


class Client:
    """Speaks to one notifications service."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session, self._config = session, config

    async def send(self, message: Message) -> Accepted:
        """POST a message. Raises any `CallError`.

        `Ambiguous` and `TurnedAway` may be tried again under the same key; `Refused` may not
        before something is changed: `not_configured` (our key), `no_credit` (the tenant's balance
        of messages), `refused` (the message itself).
        """
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, application/problem+json",
            "Idempotency-Key": message.key,
            "X-API-Key": self._config.api_key,
        }
        url = self._config.url_of(message.tenant_id)
        body = encoded(message)
        return _heard(await exchange(self._session, "POST", url, body=body, headers=headers))


def _heard(answer: Answer) -> Accepted:
    if answer.status in _TAKEN:
        return _accepted(answer.body)
    if answer.status in _NOT_BEGUN:
        raise TurnedAway(f"status {answer.status}", retry_after_s=answer.retry_after_s)
    if answer.status == 409:
        raise Ambiguous("status 409")  # a request under this key is at work
    failure = _FAILURES.get(answer.status, "refused")
    raise Refused(f"status {answer.status}{_title_of(answer.body)}", failure=failure)


def _accepted(body: bytes) -> Accepted:
    said = _read(body)
    status, request_id = said.get("status"), said.get("requestId")
    if not isinstance(status, str) or status not in _STATUSES:
        raise Ambiguous("unreadable answer")
    if not isinstance(request_id, str) or not request_id.isprintable():
        request_id = ""
    return Accepted(request_id[:_ID_CHARS_MAX], _STATUSES[status])


def _title_of(body: bytes) -> str:
    """What kind of problem it is (RFC 7807, `title`), or the service's own word for it.

    Not `detail`, which may repeat whom the message was for.
    """
    said = _read(body)
    title = said.get("title") or said.get("error")
    if not isinstance(title, str) or not title.isprintable():
        return ""
    return f": {title[:_TITLE_CHARS_MAX]}"


def _read(body: bytes) -> Mapping[str, Any]:
    """The object of a body; an empty one where there is none."""
    try:
        return object_of(body)
    except (Unreadable, RecursionError):
        return {}
