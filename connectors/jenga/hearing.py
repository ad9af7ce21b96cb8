"""What Jenga tells by itself: bookings of the account, and payments. Pure.

Its proof is HTTP Basic with a user and a password of our own choice (Jenga documentation, "Account
alerts", "Instant payment notifications").
"""

import base64
import hmac

from connectors.callbacks import Callback, Deposit, NotBelieved
from connectors.jenga.config import Config
from connectors.jenga.translate import alert_of
from connectors.reading import Unreadable

KINDS = frozenset({"alert", "ipn"})


def heard(config: Config, callback: Callback) -> Deposit | None:
    """The money that came; None for what went, and for a payment that failed.

    An alert and a payment's own message of the same money are one event: both bear the bank's
    reference. That is used again on another day. Raises `NotBelieved`.
    """
    if callback.kind not in KINDS:
        raise NotBelieved("another kind")
    if not _is_ours(config, callback.headers.get("authorization", "")):
        raise NotBelieved(f"{callback.kind}: not by our user and password")
    try:
        alert = alert_of(callback.body, config.currency)
    except Unreadable as error:
        raise NotBelieved(f"{callback.kind}: {error}") from None
    if alert.account != config.account:
        raise NotBelieved(f"{callback.kind}: another account")
    if alert.side == "out" or not alert.succeeded:
        return None
    return Deposit(
        f"credit.{alert.account}.{alert.day}.{alert.receipt}",
        alert.receipt,
        alert.account,
        alert.minor,
        alert.asset,
        alert.reference,
        alert.payer,
        alert.paid_at,
    )


def _is_ours(config: Config, header: str) -> bool:
    """Whether a header bears our user and password; none of ours is refused, never any."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic" or not config.alert_user or not config.alert_password:
        return False
    try:
        said = base64.b64decode(given.strip(), validate=True)
    except ValueError:
        return False
    ours = f"{config.alert_user}:{config.alert_password}".encode()
    return hmac.compare_digest(said, ours)
