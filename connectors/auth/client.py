"""The auth service's REST look-up of a tenant: GET /api/v1/tenants/{id} under a service's API key.

Its answer is read tolerantly: `id` must be the one asked for; name, status, country, currency, time
zone and mode are taken if they are there, and anything else is left (Bengo-Hub auth-api, README and
docs/integrations, "REST API Usage").
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from connectors.base import CallError
from connectors.http import exchange, require_safe
from streams.errors import Misconfigured, Unavailable
from streams.money import plain

NAME_CHARS_MAX = 200
_country = re.compile(r"[A-Z]{2}").fullmatch
_currency = re.compile(r"[A-Z0-9]{3,12}").fullmatch
_zone = re.compile(r"[A-Za-z0-9_+/-]{1,64}").fullmatch
_TRIED_AGAIN = frozenset({408, 425, 429})


class AuthService:
    """One auth service."""

    def __init__(self, session: aiohttp.ClientSession, url: str, api_key: str) -> None:
        """Raises `Misconfigured` for an address that is not safe."""
        require_safe(url, "the auth service")
        self._session, self._url, self._api_key = session, url.rstrip("/"), api_key

    async def tenant(self, tenant_id: str) -> Mapping[str, str] | None:
        """What it says of a tenant, by our names; None if it has none of this id.

        Raises `Unavailable` while it does not answer, `Misconfigured` when it refuses us or its
        answer is none.
        """
        url = f"{self._url}/api/v1/tenants/{quote(tenant_id, safe='')}"
        headers = {"Accept": "application/json", "X-API-Key": self._api_key}
        try:
            answer = await exchange(self._session, "GET", url, headers=headers)
        except CallError as error:
            raise Unavailable(f"the auth service does not answer: {error.reason}") from error
        if answer.status in _TRIED_AGAIN:
            raise Unavailable(f"the auth service answers {answer.status}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Misconfigured(f"the auth service refuses us: {answer.status}")
        return tenant_of(answer.body, tenant_id)


def tenant_of(body: bytes, tenant_id: str) -> Mapping[str, str]:
    """The members we know, as text. Raises `Misconfigured` for no tenant, or another one."""
    try:
        said = plain(body)
    except ValueError as error:
        raise Misconfigured("the auth service's answer is no JSON") from error
    if not isinstance(said, dict) or said.get("id") != tenant_id:
        raise Misconfigured("the auth service's answer is of another tenant, or of none")
    found = {
        "name": _text(said, "name", lambda text: text.isprintable()),
        "country": _text(said, "country", _country),
        "currency": _text(said, "currency", _currency),
        "time_zone": _text(said, "time_zone", _zone) or _text(said, "timezone", _zone),
        "mode": _text(said, "mode", lambda text: text in {"live", "sandbox"}),
        "status": "active" if said.get("status", "active") == "active" else "suspended",
    }
    return {name: text for name, text in found.items() if text}


def _text(said: Mapping[str, Any], name: str, fits: Any) -> str:
    value = said.get(name)
    is_fit = isinstance(value, str) and len(value) <= NAME_CHARS_MAX and fits(value)
    return value if is_fit and isinstance(value, str) else ""
