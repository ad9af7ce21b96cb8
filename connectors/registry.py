"""Every gateway there is, one line each, and the guarded connectors built from them."""

from collections.abc import Callable, Mapping

import aiohttp

from connectors.base import Connector
from connectors.breaker import Breaker
from connectors.guard import Guard, Observe
from connectors.instant.config import SECRETS as INSTANT_SECRETS
from connectors.instant.connector import Instant
from connectors.instant.connector import build as instant
from connectors.kra.config import SECRETS as KRA_SECRETS
from connectors.kra.connector import Kra
from connectors.kra.connector import build as kra
from connectors.mpesa.config import SECRETS as MPESA_SECRETS
from connectors.mpesa.connector import Mpesa
from connectors.mpesa.connector import build as mpesa
from connectors.mpesa.hearing import accepted as mpesa_accepted
from connectors.paypal.config import SECRETS as PAYPAL_SECRETS
from connectors.paypal.connector import PayPal
from connectors.paypal.connector import build as paypal
from connectors.routing import Health
from connectors.stripe.config import SECRETS as STRIPE_SECRETS
from connectors.stripe.connector import Stripe
from connectors.stripe.connector import build as stripe
from connectors.tokens import Shelf

Build = Callable[[aiohttp.ClientSession, Mapping[str, str], Shelf | None], Connector]

GATEWAYS: Mapping[str, Build] = {
    "instant": instant,
    "kra": kra,
    "mpesa": mpesa,
    "paypal": paypal,
    "stripe": stripe,
}
"""Gateway to the function that builds its connector from a session and its configuration."""
CONNECTORS: Mapping[str, type[Instant] | type[Kra] | type[Mpesa] | type[PayPal] | type[Stripe]] = {
    "instant": Instant,
    "kra": Kra,
    "mpesa": Mpesa,
    "paypal": PayPal,
    "stripe": Stripe,
}
"""Gateway to what it claims: capabilities, doubted operations, currencies."""
_SEALED: Mapping[str, tuple[str, ...]] = {
    "instant": INSTANT_SECRETS,
    "kra": KRA_SECRETS,
    "mpesa": MPESA_SECRETS,
    "paypal": PAYPAL_SECRETS,
    "stripe": STRIPE_SECRETS,
}
SERVICES = "services"
"""Banks and sister services, who sign as we do ourselves (connectors/webhooks/verifying.py)."""
SECRETS: frozenset[str] = frozenset(
    f"{gateway}.{name}" for gateway, names in _SEALED.items() for name in names
) | {f"{SERVICES}.webhook_secret", f"{SERVICES}.webhook_secret_before"}
"""Names of the secrets that tenants and the platform may set: gateway and member."""
ALIASES: Mapping[str, str] = {
    "mobile": "mpesa",
    "cards": "stripe",
    "wallet": "paypal",
    SERVICES: SERVICES,
}
"""Neutral words of callback addresses: M-Pesa refuses addresses that hold its name."""


def accepted(gateway: str, kind: str) -> bytes:
    """What a gateway is answered whose callback was taken (JSON)."""
    return mpesa_accepted(kind) if gateway == "mpesa" else b"{}"


def connect(
    session: aiohttp.ClientSession,
    gateway: str,
    configuration: Mapping[str, str],
    breaker: Breaker,
    health: Health | None = None,
    *,
    shelf: Shelf | None = None,
    observe: Observe = lambda *_: None,
) -> Guard:
    """A gateway with this configuration, guarded; its tokens lie on the shelf, if there is one.

    `observe` is told of every request.

    Raises KeyError for one not known here, ValueError for a configuration that lacks something.
    """
    made = GATEWAYS[gateway](session, configuration, shelf)
    return Guard(made, breaker, health, observe=observe)
