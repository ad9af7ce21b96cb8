"""What providers told of calls by themselves, as dispatch keeps it and weighs it. Pure.

What is kept is the data of `treasury.gateway.reported`, as it stands in the log.
"""

import asyncio
from typing import Any

import msgspec

from agents.accounting.methods import CHAINS
from connectors.base import NOT_APPROVED, Result
from streams.journal import Batch
from streams.money import Amount, BadAmount, UnknownAsset, exponent_of, parse_minor, plain
from tables.payments import GatewayCall
from tables.postgres.calls import Report
from tables.row import decode

_CALLS = GatewayCall.prefix_of()


class Ear:
    """What was told of one call that is under way; `heard` ends a wait."""

    def __init__(self, told: bytes | None = None) -> None:
        self._event = asyncio.Event()
        self.told = told

    def hear(self, told: bytes | None) -> None:
        """It was told now: somebody should look."""
        self.told = told
        self._event.set()

    async def wait(self, longest_s: float) -> bool:
        """Whether anything was told within the time."""
        try:
            async with asyncio.timeout(max(0.0, longest_s)):
                await self._event.wait()
        except TimeoutError:
            return False
        finally:
            self._event.clear()
        return True


def counted_calls(batch: Batch) -> list[Report]:
    """Calls to chains whose money a record has counted: nobody but the ledger can tell them."""
    found = []
    for image in batch.images:
        if not image.key.startswith(_CALLS) or image.value is None:
            continue
        call = decode(image.key, image.value)
        if isinstance(call, GatewayCall) and call.gateway in CHAINS and call.counted:
            told = {"outcome": "succeeded", "provider_reference": call.counted}
            found.append(Report(call.call_id, "", msgspec.json.encode(told), proof=True))
    return found


def handle_in(told: bytes | None) -> str:
    """The provider's name of the call in what was told; empty for none."""
    return str(plain(told).get("handle", "")) if told else ""


def proof_in(told: bytes | None, handle: str) -> Result | None:
    """The outcome that was told: if it is one, no reason to ask, and of the call that we know as
    `handle`.
    """
    said: dict[str, Any] = plain(told) if told else {}
    if said.get("ask") or said.get("outcome") not in {"succeeded", "failed"}:
        return None
    if handle and said.get("handle", "") not in {"", handle}:
        return None
    minor, asset = _amount(said)
    return Result(
        said["outcome"],
        said.get("provider_reference", ""),
        minor,
        asset,
        failure=said.get("failure", ""),
        detail=said.get("detail", ""),
    )


def _amount(said: dict[str, Any]) -> tuple[int | None, str]:
    amount, asset = said.get("amount"), said.get("currency", "")
    text = amount.text if isinstance(amount, Amount) else amount
    if not isinstance(text, str):
        return None, ""
    try:
        return parse_minor(text, exponent_of(asset)), asset
    except (BadAmount, UnknownAsset):
        return None, ""


def agreed(queried: Result, told: Result | None, asked_amount: str) -> Result:
    """What to believe when both are known: the query's outcome, and from a message that says the
    same, and the amount that was asked for, its receipt.
    """
    if told is None or told.outcome != queried.outcome:
        return queried
    if told.outcome == "failed":
        return told
    asked = None
    if told.amount_minor is not None:
        asked = parse_minor(asked_amount, exponent_of(told.asset))
    return told if told.amount_minor == asked else queried


def changes(answer: bytes, told: bytes, operation: str) -> bool:
    """Whether what was told may change what a call was answered with."""
    said, heard = plain(answer), plain(told)
    outcome = str(heard.get("outcome", "pending"))
    if said["outcome"] == "unknown":
        return True
    if said.get("failure") == NOT_APPROVED:
        return outcome == "succeeded"
    if said["outcome"] == "failed":
        return outcome == "succeeded" or bool(heard.get("ask"))
    named = outcome == "succeeded" and bool(heard.get("provider_reference"))
    came_back = outcome == "failed" and operation in {"payout", "refund"}
    return came_back or (named and not said["provider_reference"])
