"""Whether a webhook of a bank or a sister service is its word: Standard Webhooks 1.0.0, as we sign.

Pure. The id is signed with the bytes and is the nonce: it is the id of the event that the webhook
becomes, so that a replay is a duplicate and nothing of it can be lost between the two.
"""

import re
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Literal

from connectors.webhooks.signing import headers

TOLERANCE_S = 300
Age = Literal["fresh", "old"]
_message_id = re.compile(r"[A-Za-z0-9._:-]{1,128}").fullmatch
_seconds = re.compile(r"[0-9]{1,12}").fullmatch


class BadSignature(ValueError):
    """Not the sender's; the reason is for the log and holds no signature."""


def age_of(
    said: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: int
) -> tuple[str, Age]:
    """(id, how old) of a well-signed webhook; header names in lower case.

    `secrets` are those that are good now: two while they rotate. An old webhook is not believed,
    but it is a reason to ask. Raises `BadSignature`, and ValueError for an invalid secret.
    """
    message_id, timestamp = said.get("webhook-id", ""), said.get("webhook-timestamp", "")
    given = [each for each in said.get("webhook-signature", "").split() if each.startswith("v1,")]
    if not (_message_id(message_id) and _seconds(timestamp) and given):
        raise BadSignature("no id, time or signature of version 1")
    if not secrets:
        raise BadSignature("no secret to verify with")
    signed = headers(message_id, int(timestamp), body, secrets)["webhook-signature"].split()
    fits = [
        compare_digest(ours.encode(), theirs.encode(errors="replace"))
        for ours in signed
        for theirs in given
    ]
    if not any(fits):
        raise BadSignature("no signature fits")
    apart_s = now_s - int(timestamp)
    if apart_s < -TOLERANCE_S:
        raise BadSignature("from the future")
    return message_id, "fresh" if apart_s <= TOLERANCE_S else "old"
