"""Every gateway there is, one line each, and the guarded connectors built from them."""

from collections.abc import Callable, Mapping
from functools import partial

import aiohttp

from connectors.base import Connector
from connectors.breaker import Breaker
from connectors.buni.config import SECRETS as BUNI_SECRETS
from connectors.buni.connector import Buni
from connectors.buni.connector import build as buni
from connectors.buni.hearing import accepted as buni_accepted
from connectors.callbacks import Callback
from connectors.chain.assets import TAKEN
from connectors.chain.config import SECRETS as CHAIN_SECRETS
from connectors.chain.connector import Ethereum, Polygon
from connectors.chain.connector import build as chain
from connectors.chain.nonces import Nonces
from connectors.guard import Guard, Observe
from connectors.instant.config import SECRETS as INSTANT_SECRETS
from connectors.instant.connector import Instant
from connectors.instant.connector import build as instant
from connectors.jenga.config import SECRETS as JENGA_SECRETS
from connectors.jenga.connector import Jenga
from connectors.jenga.connector import build as jenga
from connectors.kra.config import SECRETS as KRA_SECRETS
from connectors.kra.connector import Kra
from connectors.kra.connector import build as kra
from connectors.mpesa.config import SECRETS as MPESA_SECRETS
from connectors.mpesa.connector import Mpesa
from connectors.mpesa.connector import build as mpesa
from connectors.mpesa.hearing import accepted as mpesa_accepted
from connectors.notifications.config import SECRETS as NOTIFICATIONS_SECRETS
from connectors.paypal.config import SECRETS as PAYPAL_SECRETS
from connectors.paypal.connector import PayPal
from connectors.paypal.connector import build as paypal
from connectors.routing import Health
from connectors.stripe.config import SECRETS as STRIPE_SECRETS
from connectors.stripe.connector import Stripe
from connectors.stripe.connector import build as stripe
from connectors.tokens import Shelf

Build = Callable[..., Connector]

GATEWAYS: Mapping[str, Build] = {
    "buni": buni,
    "ethereum": partial(chain, Ethereum),
    "instant": instant,
    "jenga": jenga,
    "kra": kra,
    "mpesa": mpesa,
    "paypal": paypal,
    "polygon": partial(chain, Polygon),
    "stripe": stripe,
}
"""Gateway to the function that builds its connector from a session and its configuration."""
Claims = (
    type[Buni]
    | type[Ethereum]
    | type[Instant]
    | type[Jenga]
    | type[Kra]
    | type[Mpesa]
    | type[PayPal]
    | type[Polygon]
    | type[Stripe]
)
CONNECTORS: Mapping[str, Claims] = {
    "buni": Buni,
    "ethereum": Ethereum,
    "instant": Instant,
    "jenga": Jenga,
    "kra": Kra,
    "mpesa": Mpesa,
    "paypal": PayPal,
    "polygon": Polygon,
    "stripe": Stripe,
}
"""Gateway to what it claims: capabilities, doubted operations, currencies."""
_SEALED: Mapping[str, tuple[str, ...]] = {
    "buni": BUNI_SECRETS,
    "ethereum": CHAIN_SECRETS,
    "instant": INSTANT_SECRETS,
    "jenga": JENGA_SECRETS,
    "kra": KRA_SECRETS,
    "mpesa": MPESA_SECRETS,
    "notifications": NOTIFICATIONS_SECRETS,
    "paypal": PAYPAL_SECRETS,
    "polygon": CHAIN_SECRETS,
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
    "equity": "jenga",
    "kcb": "buni",
    SERVICES: SERVICES,
}
"""Neutral words of callback addresses: M-Pesa refuses addresses that hold its name."""


def accepted(gateway: str, callback: Callback) -> bytes:
    """What a gateway is answered whose callback was taken, now or before (JSON)."""
    if gateway == "buni":
        return buni_accepted(callback)
    return mpesa_accepted(callback.kind) if gateway == "mpesa" else b"{}"


def connect(
    session: aiohttp.ClientSession,
    gateway: str,
    configuration: Mapping[str, str],
    breaker: Breaker,
    health: Health | None = None,
    *,
    shelf: Shelf | None = None,
    nonces: Nonces | None = None,
    observe: Observe = lambda *_: None,
) -> Guard:
    """A gateway with this configuration, guarded; its tokens lie on the shelf, if there is one.

    `nonces` has what chains were sent, `observe` is told of every request.

    Raises KeyError for one not known here, ValueError for a configuration that lacks something.
    """
    signing = {"nonces": nonces} if gateway in TAKEN else {}
    made = GATEWAYS[gateway](session, configuration, shelf, **signing)
    return Guard(made, breaker, health, observe=observe)
