"""Every gateway there is, one line each, and the guarded connectors built from them."""

from collections.abc import Callable, Mapping

import aiohttp

from connectors.base import Connector
from connectors.breaker import Breaker
from connectors.guard import Guard
from connectors.instant.connector import build as instant

Build = Callable[[aiohttp.ClientSession, Mapping[str, str]], Connector]

GATEWAYS: Mapping[str, Build] = {
    "instant": instant,
}
"""Gateway to the function that builds its connector from a session and its configuration."""


def connect(
    session: aiohttp.ClientSession, configurations: Mapping[str, Mapping[str, str]]
) -> dict[str, Guard]:
    """The configured gateways, each behind its own breaker; KeyError for one not known here."""
    return {
        name: Guard(GATEWAYS[name](session, configuration), Breaker())
        for name, configuration in configurations.items()
    }
