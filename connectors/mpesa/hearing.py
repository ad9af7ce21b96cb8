"""What M-Pesa tells, by the kind that its address ends with. Pure.

Nothing is signed: the address is the proof, together with our own record of the call (Daraja
documentation, "M-Pesa Express", "B2C", "Reversal", "Transaction Status", "Customer To Business").
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from connectors.base import Result
from connectors.callbacks import Callback, Deposit, Heard, NotBelieved, Report, Told
from connectors.mpesa import translate
from connectors.mpesa.config import Config
from connectors.mpesa.desk import balances_of
from connectors.mpesa.translate import AsyncResult
from connectors.mpesa.words import CURRENCY
from connectors.reading import Unreadable

TIMEOUTS = frozenset({"b2c-timeout", "b2b-timeout", "reversal-timeout", "status-timeout"})
_ENDS: Mapping[str, Callable[[AsyncResult], Result]] = {
    "b2c-result": translate.payout_result,
    "b2b-result": translate.payout_result,
    "reversal-result": translate.reversal_result,
    "status-result": translate.status_result,
}


def heard(config: Config, callback: Callback) -> Heard | None:
    """What one message says. Raises `NotBelieved`.

    A validation asks whether money may come: it may, from whomever, and it is none yet.
    """
    try:
        if callback.kind in {"c2b-confirmation", "c2b-validation"}:
            deposit = _deposit(config, callback)
            return deposit if callback.kind == "c2b-confirmation" else None
        if callback.kind in {"balance-timeout", "pull"}:
            return None
        if callback.kind == "balance-result":
            return _balances(callback)
        return _report(callback)
    except Unreadable as error:
        raise NotBelieved(f"{callback.kind}: {error}") from None


def _balances(callback: Callback) -> Told | None:
    """What the accounts have; nothing if M-Pesa could not tell."""
    told = translate.async_result(callback.body)
    text = told.parameters.get("AccountBalance", "")
    if told.code != translate.PAID or not text:
        return None
    return Told(f"balance.{callback.digest}", tuple(balances_of(text)))


def accepted(callback: Callback) -> bytes:
    """What M-Pesa is answered; a validation's code is text (Daraja, "Customer To Business")."""
    code = '"0"' if callback.kind == "c2b-validation" else "0"
    return f'{{"ResultCode":{code},"ResultDesc":"Accepted"}}'.encode()


def _report(callback: Callback) -> Report:
    if not callback.call_id:
        raise NotBelieved(f"{callback.kind}: the address names no call")
    event_id = f"{callback.kind}.{callback.digest}"
    if callback.kind == "stk":
        told = translate.stk_callback(callback.body)
        result, handle = translate.result_of(told), told.handle
    elif callback.kind in _ENDS:
        ended = translate.async_result(callback.body)
        # A status query has a conversation of its own.
        handle = "" if callback.kind == "status-result" else ended.conversation_id
        result = _ENDS[callback.kind](ended)
    elif callback.kind in TIMEOUTS:
        # Its body is not documented: all it says is that nothing is known.
        handle, result = "", Result("pending", detail="M-Pesa did not take it in time")
    else:
        raise NotBelieved("another kind")
    ask = result.detail or "pending" if result.outcome == "pending" else ""
    return Report(event_id, callback.call_id, handle, replace(result, handle=handle), ask)


def _deposit(config: Config, callback: Callback) -> Deposit:
    told = translate.c2b_confirmation(callback.body)
    if told.short_code not in {config.short_code, config.till}:
        raise NotBelieved(f"{callback.kind}: another short code")
    return Deposit(
        f"c2b.{told.receipt}",
        told.receipt,
        told.short_code,
        told.minor,
        CURRENCY,
        told.bill_reference,
        told.payer,
        told.paid_at,
    )
