"""Who is on the other side of a connection, where proxies of ours stand between.

`X-Forwarded-For` is read only when the peer is such a proxy, and from the right: what stands left
of the first address that is none of ours was written by whoever wanted to (RFC 7239, 8.1).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from connectors.webhooks.addresses import Network

FORWARDED_FOR = "X-Forwarded-For"
Address = IPv4Address | IPv6Address


def client_of(request: web.BaseRequest, trusted: Sequence[Network]) -> Address | None:
    """The nearest address that is no proxy of ours; None where it cannot be told."""
    client = _read(request.remote or "")
    told = ",".join(request.headers.getall(FORWARDED_FOR, [])).split(",")
    while client is not None and _is_in(client, trusted) and told and told[-1].strip():
        client = _read(told.pop().strip())
    return client


def is_allowed(client: Address | None, networks: Sequence[Network]) -> bool:
    """Whether a client may call; from anywhere, where no networks are named."""
    return not networks or (client is not None and _is_in(client, networks))


def _read(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(client: Address, networks: Sequence[Network]) -> bool:
    return any(client in network for network in networks)
