"""Stripe itself, as a small server on loopback.

Written from its documentation, never from our own encoder: it reads forms and refuses JSON, keeps
idempotency keys with their first answer (a stored 500 included), refuses a key with other members,
echoes the version, and signs its webhooks with one secret or two.

Magic payment methods, by `payment_method` of a confirmation, as Stripe's own tests have them:
`pm_card_visa` pays, `pm_card_visa_chargeDeclinedInsufficientFunds` is declined, any other asks for
the payer. `faults` are taken by one request each. Ids follow from the order of requests; nothing
is kept beyond the process.
"""

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from connectors.fake_server import FakeServer

PAYS, DECLINED = "pm_card_visa", "pm_card_visa_chargeDeclinedInsufficientFunds"
HUNDREDTHS = frozenset(["isk", "ugx"])
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
_bracketed = re.compile(r"[^\[\]]+").findall
Object = dict[str, Any]


@dataclass
class Fault:
    """What becomes of one request: this status, before the work or after it; or no answer."""

    status: int = 0
    after: bool = False
    delay_s: float = 0.0
    drop: bool = False


class FakeStripe(FakeServer):
    """`objects` is its book, by id."""

    def __init__(
        self,
        *,
        secret_key: str = "sk_test_fake",  # noqa: S107  of a fake
        webhook_secrets: Sequence[str] = ("whsec_fake",),
        livemode: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.secret_key, self.webhook_secrets = secret_key, list(webhook_secrets)
        self.livemode, self._now_s = livemode, now_s
        self.objects: dict[str, Object] = {}
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.webhook_url = ""
        self._answers: dict[str, tuple[str, bytes, int, bytes]] = {}
        self._numbers = 0

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server."""
        return {
            "base_url": self.base_url,
            "secret_key": self.secret_key,
            "webhook_secret": self.webhook_secrets[0],
        }

    def sum_of(self, kind: str, *statuses: str) -> int:
        """What its objects of a kind in these statuses come to, as it counts."""
        name = "amount_received" if kind == "payment_intent" else "amount"
        found = [o for o in self.objects.values() if o["object"] == kind]
        return sum(each[name] for each in found if each["status"] in statuses)

    # -- life ---------------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Every object of the API, and what is done to it."""
        for path in ("/v1/{kind}", "/v1/{kind}/{id}", "/v1/{kind}/{id}/{verb}"):
            yield web.route("*", path, self._serve)

    # -- requests -----------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path))
        if request.headers.get("Authorization") != f"Bearer {self.secret_key}":
            return self._said(request, *_error(401, "invalid_request_error", "api_key"))
        if request.method == "GET":
            return self._said(request, *self._got(request))
        if request.content_type != "application/x-www-form-urlencoded":
            return self._said(request, *_error(400, "invalid_request_error", "parameter_unknown"))
        body = await request.read()
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.status and not fault.after:
            return self._said(request, *_error(fault.status, "api_error", ""))
        answer = self._once(request, body, fault)
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        return answer

    def _once(self, request: web.Request, body: bytes, fault: Fault) -> web.Response:
        """The first answer under a key, for ever; another body under it is an error."""
        key = request.headers.get("Idempotency-Key", "")
        known = self._answers.get(key)
        if known is not None:
            path, before, status, kept = known
            if (path, before) != (request.path, body):
                return self._said(request, *_error(400, "idempotency_error", ""))
            replayed = {"Idempotent-Replayed": "true"}
            return web.Response(
                status=status, body=kept, content_type="application/json", headers=replayed
            )
        status, said = self._done(request, _unform(body.decode()))
        if fault.status:
            status, said = _error(fault.status, "api_error", "")
        begun = status != 400
        if key and begun:
            encoded = json.dumps(said).encode()
            self._answers[key] = (request.path, body, status, encoded)
        return self._said(request, status, said)

    def _got(self, request: web.Request) -> tuple[int, Object]:
        if "id" not in request.match_info:
            return 200, self._listed(request)
        found = self.objects.get(request.match_info["id"])
        if found is None:
            return _error(404, "invalid_request_error", "resource_missing")
        return 200, found

    def _listed(self, request: web.Request) -> Object:
        """The newest objects of a kind, first; refunds of one intent if that is asked for."""
        kind, wanted = request.match_info["kind"].removesuffix("s"), request.query
        found = [
            each
            for each in reversed(self.objects.values())
            if each["object"] == kind
            and wanted.get("payment_intent", each.get("payment_intent"))
            == each.get("payment_intent")
            and wanted.get("payout", each.get("payout")) == each.get("payout")
        ]
        ids = [each["id"] for each in found]
        if wanted.get("starting_after") in ids:
            found = found[ids.index(wanted["starting_after"]) + 1 :]
        limit = int(wanted.get("limit", "10"))
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}

    def pay(self, intent_id: str, method: str = PAYS) -> None:
        """Its payer confirms an intent on a page."""
        self._confirm(self.objects[intent_id], {"payment_method": method})

    def settle(self, payout_id: str, *lines: tuple[str, int, int]) -> None:
        """What a payout is made of: (category, amount, fee) of each line, integers of Stripe's."""
        for category, amount, fee in lines:
            self._numbers += 1
            line = {
                "id": f"txn_{self._numbers:06d}",
                "object": "balance_transaction",
                "amount": amount,
                "fee": fee,
                "net": amount - fee,
                "currency": self.objects[payout_id]["currency"],
                "reporting_category": category,
                "source": f"ch_{self._numbers:06d}",
                "payout": payout_id,
            }
            self.objects[str(line["id"])] = line

    def dispute(self, intent_id: str) -> Object:
        """The payer's bank takes an intent's money back."""
        intent = self.objects[intent_id]
        self._numbers += 1
        dispute = {
            "id": f"dp_{self._numbers:06d}",
            "object": "dispute",
            "amount": intent["amount_received"],
            "currency": intent["currency"],
            "payment_intent": intent_id,
            "reason": "fraudulent",
            "status": "needs_response",
            "balance_transactions": [{"fee": 1_500, "currency": intent["currency"]}],
        }
        self.objects[str(dispute["id"])] = dispute
        return dispute

    def arrive(self, payout_id: str) -> None:
        """A payout comes to its bank."""
        self.objects[payout_id]["status"] = "paid"

    def _said(self, request: web.Request, status: int, said: Object) -> web.Response:
        version = request.headers.get("Stripe-Version", "")
        return web.json_response(said, status=status, headers={"Stripe-Version": version})

    def _done(self, request: web.Request, form: Object) -> tuple[int, Object]:
        kind, object_id = request.match_info["kind"], request.match_info.get("id", "")
        verb = request.match_info.get("verb", "")
        make = {
            "payment_intents": self._intent,
            "refunds": self._refund,
            "payouts": self._payout,
        }.get(kind)
        if make is not None and not object_id:
            return make(form)
        found = self.objects.get(object_id)
        act = {"confirm": self._confirm, "capture": self._capture, "cancel": self._cancel}.get(verb)
        if found is None or act is None:
            return _error(404, "invalid_request_error", "resource_missing")
        return act(found, form)

    # -- objects ------------------------------------------------------------------------------

    def _new(self, kind: str, prefix: str, form: Object, **members: Any) -> Object:
        self._numbers += 1
        made = {
            "id": f"{prefix}_{self._numbers:06d}",
            "object": kind,
            "amount": int(form.get("amount", 0)),
            "currency": form.get("currency", ""),
            "metadata": form.get("metadata", {}),
            "livemode": self.livemode,
            "created": int(self._now_s()),
            **members,
        }
        self.objects[made["id"]] = made
        return made

    def _intent(self, form: Object) -> tuple[int, Object]:
        wrong = _wrong_amount(form)
        if wrong:
            return _error(400, "invalid_request_error", wrong)
        made = self._new(
            "payment_intent",
            "pi",
            form,
            status="requires_payment_method",
            amount_received=0,
            amount_capturable=0,
            capture_method=form.get("capture_method", "automatic"),
            client_secret="pi_secret",  # noqa: S106  of a fake
            last_payment_error=None,
        )
        return self._confirm(made, form) if form.get("confirm") == "true" else (200, made)

    def _confirm(self, intent: Object, form: Object) -> tuple[int, Object]:
        if intent["status"] in {"succeeded", "canceled"}:
            return _error(400, "invalid_request_error", "payment_intent_unexpected_state")
        method = form.get("payment_method", "")
        if method == DECLINED:
            error = {
                "code": "card_declined",
                "decline_code": "insufficient_funds",
                "message": "No.",
            }
            intent |= {"status": "requires_payment_method", "last_payment_error": error}
            return 402, {"error": {"type": "card_error", **error, "payment_intent": intent}}
        if method != PAYS:
            intent["status"] = "requires_action"
        elif intent["capture_method"] == "manual":
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        else:
            intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        return 200, intent

    def _capture(self, intent: Object, form: Object) -> tuple[int, Object]:
        amount = int(form["amount_to_capture"])
        if intent["status"] != "requires_capture" or amount > intent["amount_capturable"]:
            return _error(400, "invalid_request_error", "payment_intent_unexpected_state")
        intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
        return 200, intent

    def _cancel(self, intent: Object, _form: Object) -> tuple[int, Object]:
        if intent["status"] in {"succeeded", "canceled"}:
            return _error(400, "invalid_request_error", "payment_intent_unexpected_state")
        intent |= {"status": "canceled", "amount_capturable": 0}
        return 200, intent

    def _refund(self, form: Object) -> tuple[int, Object]:
        intent = self.objects.get(form.get("payment_intent", ""))
        if intent is None or intent["status"] != "succeeded":
            return _error(400, "invalid_request_error", "charge_not_captured")
        back = [
            each["amount"]
            for each in self.objects.values()
            if each["object"] == "refund" and each["payment_intent"] == intent["id"]
        ]
        amount = int(form["amount"])
        if amount + sum(back) > intent["amount_received"]:
            return _error(400, "invalid_request_error", "charge_already_refunded")
        said = {**form, "amount": amount, "currency": intent["currency"]}
        made = self._new("refund", "re", said, status="succeeded", payment_intent=intent["id"])
        return 200, made

    def _payout(self, form: Object) -> tuple[int, Object]:
        wrong = _wrong_amount(form)
        if wrong:
            return _error(400, "invalid_request_error", wrong)
        return 200, self._new("payout", "po", form, status="in_transit")

    # -- webhooks -----------------------------------------------------------------------------

    def event(
        self, event_type: str, about: Object, *, old_s: int = 0
    ) -> tuple[bytes, dict[str, str]]:
        """An event about an object as it is now: its bytes, and the headers that prove them.

        Signed so many seconds ago.
        """
        self._numbers += 1
        said = {
            "id": f"evt_{self._numbers:06d}",
            "object": "event",
            "created": int(self._now_s()),
            "type": event_type,
            "data": {"object": about},
            "livemode": self.livemode,
        }
        body = json.dumps(said, indent=2).encode()
        return body, {"Stripe-Signature": self.signature(body, old_s)}

    def signature(self, body: bytes, old_s: int = 0) -> str:
        """The header of these bytes, signed with every secret, and by a scheme that is past."""
        at = int(self._now_s()) - old_s
        signed = f"{at}.".encode() + body
        parts = [f"t={at}"]
        for secret in self.webhook_secrets:
            mac = hmac.new(secret.encode(), signed, hashlib.sha256)
            parts.append(f"v1={mac.hexdigest()}")
        return ",".join([*parts, "v0=" + "0" * 64])

    async def tell(self, event_type: str, about: Object) -> int:
        """Post an event to the webhook's address; the status of the answer."""
        body, headers = self.event(event_type, about)
        async with self.session.post(self.webhook_url, data=body, headers=headers) as answer:
            return answer.status


def _unform(text: str) -> Object:
    """The members of a form with bracketed names; of lists the last item only."""
    found: Object = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = _bracketed(name)
        place = found
        for part in rest:
            place = place.setdefault(first, {})
            first = part
        place[first] = value
    return found


def _wrong_amount(form: Object) -> str:
    """The code of what is wrong with an amount; empty if nothing is."""
    text, currency = str(form.get("amount", "")), str(form.get("currency", ""))
    if not (text.isascii() and text.isdigit()) or int(text) <= 0:
        return "parameter_invalid_integer"
    if len(currency) != 3 or not currency.islower():
        return "invalid_currency"
    hundred = currency in HUNDREDTHS and int(text) % 100
    ten = currency in THREE_DECIMALS and int(text) % 10
    return "invalid_amount" if hundred or ten else ""


def _error(status: int, kind: str, code: str) -> tuple[int, Object]:
    return status, {"error": {"type": kind, "code": code, "message": "…"}}
