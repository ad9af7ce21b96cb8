"""Documents of the token issuer over HTTP: of bounded size, no redirect followed, no proxy."""

from urllib.parse import urlsplit

import aiohttp

from connectors.http import is_near

MAX_BYTES = 256 * 1024
FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError)
"""What is raised where a document cannot be had, or is not what it should be."""


async def download(url: str) -> bytes:
    """The document at an address. Raises one of `FAILURES`; the caller bounds the time."""
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise ValueError(f"status {response.status}")
        body = await response.content.read(MAX_BYTES + 1)
        while len(body) <= MAX_BYTES and not response.content.at_eof():
            body += await response.content.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise ValueError("larger than any such document")
        return body


def is_safe(url: str, *, near: bool = True) -> bool:
    """Whether what is read there is whose it seems: https, or (if `near`) http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or parts.username or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (near and parts.scheme == "http" and is_near(host))
