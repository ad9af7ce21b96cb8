"""What M-Pesa's numbers mean: of results, and of requests that were refused.

Sources: Daraja documentation (error tables of each API); what was seen and not documented is marked
so in the shared notes. A code that nobody knows is a failure with its own number and words.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Meaning(NamedTuple):
    """A word for callers; `ask_first`: the payer may have paid all the same, so query it."""

    failure: str
    ask_first: bool = False


STK_RESULTS: Mapping[str, Meaning] = {
    "1": Meaning("insufficient_funds"),
    "2": Meaning("amount_below_minimum"),
    "3": Meaning("amount_above_maximum"),
    "4": Meaning("daily_limit"),
    "8": Meaning("balance_limit"),
    "17": Meaning("same_payment_just_made"),
    "26": Meaning("system_busy", ask_first=True),
    "1001": Meaning("payer_busy", ask_first=True),
    "1019": Meaning("expired", ask_first=True),
    "1025": Meaning("prompt_not_sent", ask_first=True),
    "1032": Meaning("cancelled_by_payer"),
    "1037": Meaning("payer_not_reached", ask_first=True),
    "2001": Meaning("wrong_pin"),
    "2028": Meaning("not_permitted"),
    "8006": Meaning("credential_locked"),
    "9999": Meaning("prompt_not_sent", ask_first=True),
    "SFC_IC0003": Meaning("operator_unknown"),
}
PAYOUT_RESULTS: Mapping[str, Meaning] = {
    "1": Meaning("insufficient_float"),
    "2": Meaning("amount_below_minimum"),
    "3": Meaning("amount_above_maximum"),
    "4": Meaning("daily_limit"),
    "8": Meaning("balance_limit"),
    "11": Meaning("account_state"),
    "15": Meaning("duplicate"),
    "17": Meaning("not_configured"),
    "18": Meaning("not_configured"),
    "20": Meaning("not_configured"),
    "21": Meaning("initiator_not_allowed"),
    "22": Meaning("bad_request"),
    "24": Meaning("bad_request"),
    "25": Meaning("bad_request"),
    "26": Meaning("system_busy", ask_first=True),
    "2001": Meaning("not_configured"),
    "2006": Meaning("account_state"),
    "2028": Meaning("not_permitted"),
    "2040": Meaning("recipient_unregistered"),
    "8006": Meaning("credential_locked"),
    "R000001": Meaning("already_reversed"),
    "R000002": Meaning("original_not_found"),
    "SFC_IC0003": Meaning("operator_unknown"),
}
PENDING = "4999"
"""Seen as the result of a query while the payer decides."""

Refusal = Literal[
    "permanent", "not_configured", "busy", "locked", "unclear", "token", "pending", "accepted"
]

_REFUSALS: Mapping[str, Refusal] = {
    "404.001.03": "token",
    "401.002.01": "token",
    "400.003.01": "token",
    "500.002.1001": "accepted",
    "500.003.02": "busy",
    "500.003.03": "busy",
    "00.002.1001": "busy",
}
_BY_WORDS = frozenset({"500.001.1001", "500.003.1001"})
_SAID: Mapping[str, Refusal] = {
    "being processed": "pending",
    "already registered": "accepted",
    "unable to lock": "locked",
    "merchant does not exist": "not_configured",
    "wrong credentials": "not_configured",
}


def meaning_of(results: Mapping[str, Meaning], code: str) -> Meaning:
    """What a result's code means; one that nobody knows failed, and keeps its number."""
    return results.get(code) or Meaning(f"code_{code.lower()[:24]}")


def refusal_of(status: int, code: str, words: str) -> Refusal:
    """What an error envelope means for the call: `code` is errorCode, `words` errorMessage.

    `pending` and `accepted` are no failures: the payer is still asked, or M-Pesa has the request
    already (a repeated OriginatorConversationID). `busy` was not begun and can be repeated at once,
    `locked` (another request asks the same telephone) in a minute; `unclear` may have been done.
    """
    known = _REFUSALS.get(code)
    if known is not None:
        return known
    if code in _BY_WORDS:
        said = words.lower()
        return next((kind for phrase, kind in _SAID.items() if phrase in said), "unclear")
    if status >= 500:
        return "unclear"
    return "busy" if status == 429 else "not_configured" if status == 403 else "permanent"
