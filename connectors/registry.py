"""Every gateway there is, one line each, and the guarded connectors built from them."""

from collections.abc import Callable, Mapping

import aiohttp

from connectors.base import Connector
from connectors.breaker import Breaker
from connectors.guard import Guard
from connectors.instant.config import SECRETS as INSTANT_SECRETS
from connectors.instant.connector import build as instant

Build = Callable[[aiohttp.ClientSession, Mapping[str, str]], Connector]

GATEWAYS: Mapping[str, Build] = {
    "instant": instant,
}
"""Gateway to the function that builds its connector from a session and its configuration."""


SECRETS: frozenset[str] = frozenset(
    f"{gateway}.{name}" for gateway, names in {"instant": INSTANT_SECRETS}.items() for name in names
)
"""Names of the secrets that tenants and the platform may set: gateway and member."""


def connect(
    session: aiohttp.ClientSession, gateway: str, configuration: Mapping[str, str], breaker: Breaker
) -> Guard:
    """A gateway with this configuration, guarded.

    Raises KeyError for one not known here, ValueError for a configuration that lacks something.
    """
    return Guard(GATEWAYS[gateway](session, configuration), breaker)
