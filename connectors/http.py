"""HTTP as all connectors use it: bounded in time and size, no redirects, no proxy of the machine.

Tells apart what reached the provider for certain not (`NotSent`) from what may have (`Ambiguous`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from connectors.base import Ambiguous, NotSent
from streams.errors import Misconfigured

TOTAL_S, CONNECT_S = 5.0, 3.0
MAX_BODY_BYTES = 64 * 1024
TOO_LARGE = "answer too large"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider sent back."""

    status: int
    body: bytes
    retry_after_s: float = 0.0
    """How long the provider asks not to be asked again."""


def open_session(
    *, total_s: float = TOTAL_S, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """The one client session of the process, `total_s` for each request; the caller closes it.

    With a `resolver`, names are looked up by it for each connection, and none is kept: the address
    that it was content with is the one that is spoken to.
    """
    connector = None
    if resolver is not None:
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        max_line_size=8_190,
        max_field_size=8_190,
    )


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str],
    speaks: Callable[[Answer], bool] = lambda _answer: False,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Answer:
    """One request. Raises `NotSent` without a connection, `Ambiguous` without a usable answer.

    An answer of more than `max_body_bytes` is none (`TOO_LARGE` is its reason).
    A redirect is an answer like any other: it is never followed. A server error is none, unless it
    `speaks`: some providers say with it what became of the call.
    """
    try:
        async with session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = await _bounded(response, max_body_bytes)
            answer = Answer(response.status, content, _patience_s(response))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotSent(f"no connection: {type(error).__name__}") from error
    except TimeoutError as error:
        raise Ambiguous("timeout") from error
    except aiohttp.ClientError as error:
        raise Ambiguous(f"connection broke: {type(error).__name__}") from error
    if answer.status >= 500 and not speaks(answer):
        raise Ambiguous(f"status {answer.status}", retry_after_s=answer.retry_after_s)
    return answer


def _patience_s(response: aiohttp.ClientResponse) -> float:
    """Seconds of a Retry-After, which may be a number or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo else 0.0


def require_safe(url: str, whose: str) -> None:
    """Raise `Misconfigured` unless a secret may be sent there: https, or http on this machine."""
    parts = urlsplit(url)
    near = is_near(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and near):
        raise Misconfigured(f"the address of {whose} must be https, or http on this machine")


def is_near(host: str) -> bool:
    """Whether a host is this machine by its name."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _bounded(response: aiohttp.ClientResponse, max_body_bytes: int) -> bytes:
    """The body; a larger one than any honest answer is no answer."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(8_192):
        content += chunk
        if len(content) > max_body_bytes:
            raise Ambiguous(TOO_LARGE)
    return bytes(content)
