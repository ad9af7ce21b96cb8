"""Every gateway there is, a line each, and the guarded connectors built from them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

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


def _taken(_callback: Callback) -> bytes:
    """What most are answered whose callback was taken."""
    return b"{}"


class Provider(NamedTuple):
    """A gateway: what builds its connector, and what that claims (capabilities, currencies).

    `secrets` are names of its own; `alias` is its neutral word in callback addresses, since M-Pesa
    refuses addresses that hold its name; `accepted` makes its answer (JSON) to a callback that was
    taken, now or before.
    """

    build: Build
    claims: Claims
    secrets: tuple[str, ...]
    alias: str = ""
    accepted: Callable[[Callback], bytes] = _taken


PROVIDERS: Mapping[str, Provider] = {
    "buni": Provider(buni, Buni, BUNI_SECRETS, "kcb", buni_accepted),
    "ethereum": Provider(partial(chain, Ethereum), Ethereum, CHAIN_SECRETS),
    "instant": Provider(instant, Instant, INSTANT_SECRETS),
    "jenga": Provider(jenga, Jenga, JENGA_SECRETS, "equity"),
    "kra": Provider(kra, Kra, KRA_SECRETS),
    "mpesa": Provider(mpesa, Mpesa, MPESA_SECRETS, "mobile", mpesa_accepted),
    "paypal": Provider(paypal, PayPal, PAYPAL_SECRETS, "wallet"),
    "polygon": Provider(partial(chain, Polygon), Polygon, CHAIN_SECRETS),
    "stripe": Provider(stripe, Stripe, STRIPE_SECRETS, "cards"),
}
SERVICES = "services"
"""Banks and sister services, who sign as we do ourselves (connectors/webhooks/verifying.py)."""
GATEWAYS: Mapping[str, Build] = {name: each.build for name, each in PROVIDERS.items()}
"""Gateway to the function that builds its connector from a session and its configuration."""
CONNECTORS: Mapping[str, Claims] = {name: each.claims for name, each in PROVIDERS.items()}
"""Gateway to what it claims: capabilities, doubted operations, currencies."""
_SEALED: Mapping[str, tuple[str, ...]] = {
    **{name: each.secrets for name, each in PROVIDERS.items()},
    "notifications": NOTIFICATIONS_SECRETS,
    SERVICES: ("webhook_secret", "webhook_secret_before"),
}
SECRETS: frozenset[str] = frozenset(
    f"{owner}.{name}" for owner, names in _SEALED.items() for name in names
)
"""Names of the secrets that tenants and the platform may set: gateway and member."""
ALIASES: Mapping[str, str] = {
    **{each.alias: name for name, each in PROVIDERS.items() if each.alias},
    SERVICES: SERVICES,
}
"""Neutral words of callback addresses, and whose they are."""


def accepted(gateway: str, callback: Callback) -> bytes:
    """What a gateway is answered whose callback was taken, now or before (JSON)."""
    return PROVIDERS[gateway].accepted(callback) if gateway in PROVIDERS else _taken(callback)


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
