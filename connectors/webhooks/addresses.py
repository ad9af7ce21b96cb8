"""Where we may connect on behalf of a tenant: public addresses over https, nowhere inside.

Checked when an endpoint is registered and again at each connection, on the very address that is
connected to: a name may resolve to another one by then (OWASP, server-side request forgery).
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

URL_CHARS_MAX = 2_048
HTTPS_PORT, FIRST_FREE_PORT = 443, 1_024

Network = IPv4Network | IPv6Network
_label = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?").fullmatch
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class AddressRefused(ValueError):
    """An address that is not connected to; says why, for its owner."""


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks of our own that are allowed all the same, comma-separated; ValueError if not."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def check_url(text: str, allowed: Sequence[Network] = ()) -> URL:
    """The URL of an endpoint, if it may be one. Raises `AddressRefused`.

    A host that is a name is not looked up here. To an address in `allowed`, http will do.
    """
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise AddressRefused("write the URL in plain ASCII; names of other scripts as xn--")
    if len(text) > URL_CHARS_MAX:
        raise AddressRefused(f"a URL has at most {URL_CHARS_MAX} characters")
    try:
        url = URL(text)
        host, port = url.raw_host or "", url.port
    except ValueError:
        raise AddressRefused("this is no URL") from None
    literal = _literal(host)
    is_near = literal is not None and any(literal in network for network in allowed)
    if url.scheme != "https" and not (url.scheme == "http" and is_near):
        raise AddressRefused("the URL must begin with https://")
    if url.user is not None or url.password is not None or url.raw_fragment:
        raise AddressRefused("leave user, password and fragment out of the URL")
    if port is None or (port != HTTPS_PORT and port < FIRST_FREE_PORT):
        raise AddressRefused(f"the port must be {HTTPS_PORT}, or {FIRST_FREE_PORT} and above")
    if literal is not None:
        if not is_permitted(literal, allowed):
            raise AddressRefused("the address is not public")
    elif not _is_name(host):
        raise AddressRefused("the host must be a full domain name or a public IP address")
    return url


def is_permitted(address: IPv4Address | IPv6Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether this address is public, in every disguise it may wear, or allowed by us."""
    if any(address in network for network in allowed):
        return True
    hidden = _hidden_in(address)
    if hidden is not None:
        return is_permitted(hidden, allowed)
    return address.is_global and not address.is_multicast and not address.is_reserved


class PublicResolver(AbstractResolver):
    """Resolves names to addresses that may be connected to; one that may not spoils the name."""

    def __init__(
        self, allowed: Sequence[Network] = (), inner: AbstractResolver | None = None
    ) -> None:
        self._allowed = allowed
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses, all of them permitted; OSError otherwise, as for an invalid name."""
        found = await self._inner.resolve(host, port, family)
        for each in found:
            if not is_permitted(
                ipaddress.ip_address(each["host"].partition("%")[0]), self._allowed
            ):
                raise OSError(None, "the name resolves to an address that is not public")
        return found

    async def close(self) -> None:
        """Release what the resolver holds."""
        await self._inner.close()


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """A domain name of two labels or more; its last one is no number, decimal or other."""
    labels = host.split(".")
    return (
        len(host) <= 253
        and len(labels) > 1
        and all(_label(label) for label in labels)
        and labels[-1][0].isalpha()
    )


def _hidden_in(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
