"""The auth service's REST look-ups, under a service's API key: a tenant, and its outlets.

Answers are read tolerantly: ids must be the ones asked for, what is misshapen among the rest is
left, and what is not known here too (Bengo-Hub auth-api, README and docs/integrations, "REST API
Usage"). Outlets are found by the tenant's slug there, and listed whole or in pages (its shared
pagination library: `page` and `hasMore`, or `cursor` and `next_cursor`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp

from connectors.base import CallError
from connectors.http import exchange, require_safe
from streams.errors import Misconfigured, Unavailable
from streams.ids import valid_id
from streams.money import plain

NAME_CHARS_MAX = 200
PAGE, PAGES_MAX = 50, 200
"""Outlets asked for at a time, and how often."""
_country = re.compile(r"[A-Z]{2}").fullmatch
_currency = re.compile(r"[A-Z0-9]{3,12}").fullmatch
_zone = re.compile(r"[A-Za-z0-9_+/-]{1,64}").fullmatch
_slug = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}").fullmatch
_TRIED_AGAIN = frozenset({408, 425, 429})
_LISTS = ("data", "outlets", "items")


@dataclass(frozen=True, slots=True)
class Outlet:
    """A place of sale of a tenant; texts are empty where the service does not say."""

    outlet_id: str
    name: str
    status: Literal["active", "closed"]
    code: str = ""
    time_zone: str = ""


class Page(NamedTuple):
    """Outlets of one answer, and what asks for the next one; empty where it is the last."""

    outlets: Sequence[Outlet]
    then: Mapping[str, str]


class AuthService:
    """One auth service."""

    def __init__(self, session: aiohttp.ClientSession, url: str, api_key: str) -> None:
        """Raises `Misconfigured` for an address that is not safe."""
        require_safe(url, "the auth service")
        self._session, self._url, self._api_key = session, url.rstrip("/"), api_key

    async def tenant(self, tenant_id: str) -> Mapping[str, str] | None:
        """What it says of a tenant, by our names; None if it has none of this id.

        `slug` is what its outlets are found by.

        Raises `Unavailable` while it does not answer, `Misconfigured` when it refuses us or its
        answer is none.
        """
        body = await self._got("tenants", tenant_id)
        return None if body is None else tenant_of(body, tenant_id)

    async def outlets(self, tenant_id: str, *, slug: str = "") -> Sequence[Outlet] | None:
        """All outlets of a tenant; None if it has no such tenant. Raises as `tenant`.

        Without its slug the tenant is asked for first. An outlet of another tenant spoils the
        list, and so does one that does not end.
        """
        place = slug or await self._slug(tenant_id)
        if place is None:
            return None
        found: dict[str, Outlet] = {}
        then: Mapping[str, str] = {"page": "1"}
        for _ in range(PAGES_MAX):
            body = await self._got("tenants", place, "outlets", limit=str(PAGE), **then)
            if body is None:
                return None
            outlets, then = outlets_of(body, tenant_id, int(then.get("page", "1")))
            new = found | {outlet.outlet_id: outlet for outlet in outlets}
            if not then:
                return tuple(new.values())
            if len(new) == len(found):
                break
            found = new
        raise Misconfigured("the auth service's list of outlets does not end")

    async def _slug(self, tenant_id: str) -> str | None:
        """By what a tenant's outlets are found: its slug, or its id where it has none."""
        body = await self._got("tenants", tenant_id)
        if body is None:
            return None
        return _text(_tenant(body, tenant_id), "slug", _slug) or tenant_id

    async def _got(self, *parts: str, **conditions: str) -> bytes | None:
        """The body of an answer; None where there is no such thing."""
        path = "/".join(quote(part, safe="") for part in parts)
        query = f"?{urlencode(conditions)}" if conditions else ""
        url = f"{self._url}/api/v1/{path}{query}"
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
        return answer.body


def tenant_of(body: bytes, tenant_id: str) -> Mapping[str, str]:
    """The members we know, as text. Raises `Misconfigured` for no tenant, or another one."""
    said = _tenant(body, tenant_id)
    found = {
        "name": _text(said, "name", str.isprintable),
        "country": _text(said, "country", _country),
        "currency": _text(said, "currency", _currency),
        "time_zone": _text(said, "time_zone", _zone) or _text(said, "timezone", _zone),
        "mode": _text(said, "mode", lambda text: text in {"live", "sandbox"}),
        "status": "active" if said.get("status", "active") == "active" else "suspended",
        "slug": _text(said, "slug", _slug),
    }
    return {name: text for name, text in found.items() if text}


def outlets_of(body: bytes, tenant_id: str, page: int) -> Page:
    """Outlets in an answer that is a list, or a page of one.

    Raises `Misconfigured` for neither, and for an outlet without an id or of another tenant.
    """
    said = _read(body)
    listed = said if isinstance(said, list) else _list_in(said)
    if listed is None:
        raise Misconfigured("the auth service's answer is no list of outlets")
    then = _next(said, page) if isinstance(said, dict) else {}
    return Page([_outlet(each, tenant_id) for each in listed], then)


def _tenant(body: bytes, tenant_id: str) -> Mapping[str, Any]:
    said = _read(body)
    if not isinstance(said, dict) or said.get("id") != tenant_id:
        raise Misconfigured("the auth service's answer is of another tenant, or of none")
    return said


def _list_in(said: object) -> list[Any] | None:
    """The list of a page, by the names that it goes by."""
    if not isinstance(said, dict):
        return None
    for name in _LISTS:
        listed = said.get(name)
        if isinstance(listed, list):
            return listed
    return None


def _next(said: Mapping[str, Any], page: int) -> Mapping[str, str]:
    """What asks for the page after this one."""
    if not (said.get("hasMore") is True or said.get("has_more") is True):
        return {}
    cursor = said.get("next_cursor")
    if isinstance(cursor, str) and cursor:
        return {"cursor": cursor}
    return {"page": str(page + 1)}


def _outlet(said: object, tenant_id: str) -> Outlet:
    outlet_id = said.get("id") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(outlet_id, str) or not valid_id(outlet_id):
        raise Misconfigured("the auth service lists an outlet without an id")
    if said.get("tenant_id", tenant_id) != tenant_id:
        raise Misconfigured("the auth service lists an outlet of another tenant")
    return Outlet(
        outlet_id,
        _text(said, "name", str.isprintable),
        "active" if said.get("status", "active") == "active" else "closed",
        _text(said, "code", str.isprintable),
        _text(said, "time_zone", _zone) or _text(said, "timezone", _zone),
    )


def _read(body: bytes) -> Any:
    try:
        return plain(body)
    except (ValueError, RecursionError) as error:
        raise Misconfigured("the auth service's answer is no JSON") from error


def _text(said: Mapping[str, Any], name: str, fits: Any) -> str:
    value = said.get(name)
    is_fit = isinstance(value, str) and len(value) <= NAME_CHARS_MAX and fits(value)
    return value if is_fit and isinstance(value, str) else ""
