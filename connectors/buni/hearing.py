"""What KCB tells by itself, by the kind that its address ends with. Pure.

A notification of money is signed. Of the end of a transfer no signature is documented: its proof
is the tenant's own address and our id of the call; one that is signed must be signed well.
"""

from collections.abc import Mapping
from dataclasses import replace

from connectors.buni import translate
from connectors.buni.config import Config
from connectors.buni.signature import is_signed
from connectors.callbacks import Callback, Deposit, NotBelieved, Report
from connectors.reading import Unreadable

HEADER = "signature"
NOTICE, TRANSFER = "ipn", "transfer"


def heard(config: Config, callback: Callback) -> Report | Deposit | None:
    """What one message says; None for money that went. Raises `NotBelieved`."""
    try:
        if callback.kind == NOTICE:
            return _deposit(config, callback)
        if callback.kind == TRANSFER:
            return _report(config, callback)
    except Unreadable as error:
        raise NotBelieved(f"{callback.kind}: {error}") from None
    raise NotBelieved("another kind")


def accepted(callback: Callback) -> bytes:
    """What KCB is answered whose message was taken: it wants its ids back, and the code 0."""
    return translate.reply(callback.body) if callback.kind == NOTICE else b"{}"


def _deposit(config: Config, callback: Callback) -> Deposit | None:
    """KCB signs for all its customers: the biller says whose money it is."""
    _require_signed(config, callback)
    notice = translate.notice_of(callback.body)
    if config.biller and notice.biller != config.biller:
        raise NotBelieved(f"{callback.kind}: another biller")
    if notice.is_debit:
        return None
    return Deposit(
        f"ipn.{notice.receipt}",
        notice.receipt,
        notice.biller or config.account,
        notice.minor,
        notice.asset,
        notice.reference,
        notice.payer,
        notice.paid_at,
    )


def _report(config: Config, callback: Callback) -> Report:
    if HEADER in callback.headers:
        _require_signed(config, callback)
    ended = translate.ended_of(callback.body)
    if callback.call_id not in {"", ended.call_id}:
        raise NotBelieved(f"{callback.kind}: the address is another call's")
    if ended.debited not in {"", config.account}:
        raise NotBelieved(f"{callback.kind}: another account")
    result = replace(ended.result, handle=ended.handle)
    ask = result.detail or "pending" if result.outcome == "pending" else ""
    return Report(f"transfer.{callback.digest}", ended.call_id, ended.handle, result, ask)


def _require_signed(config: Config, callback: Callback) -> None:
    headers: Mapping[str, str] = callback.headers
    if config.public_key is None:
        raise NotBelieved(f"{callback.kind}: no key to verify by")
    if not is_signed(config.public_key, callback.body, headers.get(HEADER, "")):
        raise NotBelieved(f"{callback.kind}: the signature does not fit")
