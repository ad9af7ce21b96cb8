"""One attempt to hand an event to an endpoint: signed, bounded in time and size, no redirects."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import aiohttp

from connectors.webhooks.addresses import (
    AddressRefused,
    Network,
    PublicResolver,
    check_url,
)
from connectors.webhooks.signing import headers

TOTAL_S, CONNECT_S = 15.0, 5.0
ANSWER_BYTES_MAX = 64 * 1024
GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it: an HTTP status, or 0 and a short word why there is none."""

    status: int
    error: str
    duration_ms: int

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it."""
        return 200 <= self.status < 300


class Sender:
    """The client of this process for tenants' endpoints; open while it runs."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolver: PublicResolver | None = None,
        total_s: float = TOTAL_S,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._allowed, self._now_s = allowed, now_s
        self._session = aiohttp.ClientSession(
            # Names are looked up for each connection, and connections are not kept: the address
            # that was checked is the one that is spoken to.
            connector=aiohttp.TCPConnector(
                resolver=resolver or PublicResolver(allowed),
                use_dns_cache=False,
                force_close=True,
                limit=256,
            ),
            timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_line_size=8_190,
            max_field_size=8_190,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connections."""
        await self._session.close()

    async def send(self, url: str, event_id: str, body: bytes, secrets: Iterable[str]) -> Attempt:
        """POST the event under its id. Raises nothing that the endpoint could cause."""
        began_s = time.monotonic()
        status, error = await self._post(url, event_id, body, secrets)
        return Attempt(status, error, round((time.monotonic() - began_s) * 1_000))

    async def _post(
        self, url: str, event_id: str, body: bytes, secrets: Iterable[str]
    ) -> tuple[int, str]:
        signed = headers(event_id, int(self._now_s()), body, secrets)
        sent = {**signed, "Content-Type": "application/json", "User-Agent": "treasury"}
        try:
            target = check_url(url, self._allowed)
            async with self._session.post(
                target, data=body, headers=sent, allow_redirects=False
            ) as response:
                await response.content.read(ANSWER_BYTES_MAX)
                return response.status, ""
        except AddressRefused as error:
            return 0, f"address refused: {error}"
        except aiohttp.ClientConnectorDNSError as error:
            refused = "not public" in str(error.os_error)
            return 0, "address refused: not public" if refused else "name not found"
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
            return 0, "no valid certificate"
        except TimeoutError:
            return 0, "timeout"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return 0, f"no answer: {type(error).__name__}"
