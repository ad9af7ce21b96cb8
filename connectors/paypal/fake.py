"""PayPal itself, as a small server on loopback, with a certificate authority of its own.

Written from its documentation, never from our own encoder: it answers a request id as it did the
first time, tells an order's status apart from its capture's, refuses a batch of payouts that it has
taken, and signs its webhooks with a certificate under its own root.

Magic amounts, by their cents: `.13` is declined at the capture, `.17` leaves it pending. Magic
receivers: `unclaimed@…` leaves an item UNCLAIMED, `failed@…` fails it, and anything without an @
has the whole batch refused. `faults` are taken by one request each.
"""

import asyncio
import base64
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.fake_server import FakeServer

NAME = "messageverificationcerts.paypal.com"
CERTIFICATE = "/v1/notifications/certs/CERT-1"
Object = dict[str, Any]


@dataclass
class Fault:
    """What becomes of one request: this status, before the work or after it; or no answer."""

    status: int = 0
    after: bool = False
    delay_s: float = 0.0
    drop: bool = False


class FakePayPal(FakeServer):
    """`orders` and `items` are its book, by id."""

    def __init__(
        self,
        *,
        client_id: str = "client",
        client_secret: str = "secret",  # noqa: S107  of a fake
        webhook_id: str = "8PT597110X687430LKGECATA",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.webhook_id, self._now = webhook_id, now
        self.orders: dict[str, Object] = {}
        self.returns: dict[str, Object] = {}
        """Where the payer of an order goes back to."""
        self.refunds: dict[str, Object] = {}
        self.items: dict[str, Object] = {}
        self.batches: dict[str, Object] = {}
        self.faults: deque[Fault] = deque()
        self.tokens = 0
        self.certificates_given = 0
        self._answers: dict[str, tuple[int, Object]] = {}
        self._numbers = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.root, self.certificate = _certificates(self._key, self._now())

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server."""
        return {
            "base_url": self.base_url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "webhook_id": self.webhook_id,
            "webhook_roots": self.root.public_bytes(serialization.Encoding.PEM).decode(),
        }

    @property
    def captured(self) -> list[Object]:
        """Captures whose money is here."""
        found = [capture for order in self.orders.values() for capture in _captures(order)]
        return [capture for capture in found if capture["status"] == "COMPLETED"]

    def approve(self, order_id: str) -> None:
        """Its payer approves an order."""
        self.orders[order_id]["status"] = "APPROVED"

    # -- life ---------------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Tokens, the certificate of webhooks, the payer's page, and all objects."""
        yield web.post("/v1/oauth2/token", self._give_token)
        yield web.get(CERTIFICATE, self._give_certificate)
        yield web.get("/pay", self._show_order)
        yield web.post("/pay", self._decide_order)
        for path in (
            "/v2/checkout/{kind:orders}",
            "/v2/payments/{kind:captures}",
            "/v2/payments/{kind:refunds}",
            "/v1/payments/{kind:payouts}",
            "/v1/payments/{kind:payouts-item}",
        ):
            for rest in ("", "/{id}", "/{id}/{verb}"):
                yield web.route("*", path + rest, self._serve)

    # -- the payer's page ---------------------------------------------------------------------

    async def _show_order(self, request: web.Request) -> web.Response:
        """What a payer sees: the amount, and two buttons."""
        order_id = request.query.get("token", "")
        if order_id not in self.orders:
            return web.Response(status=404, text="No such order.")
        amount = self.orders[order_id]["purchase_units"][0]["amount"]
        said = f"{amount['currency_code']} {amount['value']}"
        buttons = "".join(
            f'<button name="decision" value="{value}">{words}</button>'
            for value, words in (("return", "Pay"), ("cancel", "Cancel"))
        )
        text = (
            "<!doctype html><title>The fake PayPal</title><h1>The fake PayPal</h1>"
            f'<p>{said}</p><form method="post" action="/pay?token={order_id}">{buttons}</form>'
        )
        return web.Response(text=text, content_type="text/html")

    async def _decide_order(self, request: web.Request) -> web.Response:
        """The payer has decided, and goes back to where the order says."""
        order_id = request.query.get("token", "")
        decision = (await request.post()).get("decision")
        if order_id not in self.orders or decision not in {"return", "cancel"}:
            return web.Response(status=404, text="No such order.")
        if decision == "return":
            self.approve(order_id)
        back = self.returns[order_id].get(f"{decision}_url", "/")
        return web.Response(status=303, headers={"Location": f"{back}?token={order_id}"})

    # -- requests -----------------------------------------------------------------------------

    async def _give_certificate(self, _request: web.Request) -> web.Response:
        self.certificates_given += 1
        return web.Response(body=self.certificate, content_type="application/x-pem-file")

    async def _give_token(self, request: web.Request) -> web.Response:
        given = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        form = await request.post()
        if request.headers.get("Authorization") != f"Basic {given}":
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        self.tokens += 1
        said = {"access_token": f"A{self.tokens}", "token_type": "Bearer", "expires_in": 32_400}
        return web.json_response(said)

    async def _serve(self, request: web.Request) -> web.Response:
        if not self.tokens or request.headers.get("Authorization") != f"Bearer A{self.tokens}":
            return web.json_response({"error": "invalid_token"}, status=401)
        body = (
            json.loads(await request.text() or "{}", parse_float=str)
            if request.method == "POST"
            else {}
        )
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.status and not fault.after:
            return web.json_response({"name": "INTERNAL_SERVER_ERROR"}, status=fault.status)
        status, said = self._once(request, body)
        answer = web.json_response(said, status=status)  # as things stand now
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        if fault.status:
            return web.json_response({"name": "INTERNAL_SERVER_ERROR"}, status=fault.status)
        return answer

    def _once(self, request: web.Request, body: Object) -> tuple[int, Object]:
        """What it was answered the first time, under its request id; payouts do not look at it."""
        kind, object_id = request.match_info["kind"], request.match_info.get("id", "")
        verb = request.match_info.get("verb", "")
        if request.method == "GET":
            return self._got(kind, object_id)
        key = f"{request.path} {request.headers.get('PayPal-Request-Id', '')}"
        if kind != "payouts" and request.headers.get("PayPal-Request-Id") and key in self._answers:
            return 200, self._answers[key][1]
        answer = self._done(kind, object_id, verb, body)
        if answer[0] < 400:
            self._answers[key] = answer
        return answer

    def _got(self, kind: str, object_id: str) -> tuple[int, Object]:
        book = {
            "orders": self.orders,
            "captures": {capture["id"]: capture for capture in self.captured},
            "refunds": self.refunds,
            "payouts": self.batches,
            "payouts-item": self.items,
        }[kind]
        found = book.get(object_id)
        return (200, found) if found is not None else _error(404, "RESOURCE_NOT_FOUND")

    def _done(self, kind: str, object_id: str, verb: str, body: Object) -> tuple[int, Object]:
        match kind, verb:
            case "orders", "":
                return self._order(body)
            case "orders", "capture":
                return self._capture(object_id)
            case "captures", "refund":
                return self._refund(object_id, body)
            case "payouts", "":
                return self._payout(body)
            case "payouts-item", "cancel":
                return self._cancel(object_id)
        return _error(404, "RESOURCE_NOT_FOUND")

    # -- objects ------------------------------------------------------------------------------

    def _id(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}{self._numbers:08d}"

    def _order(self, body: Object) -> tuple[int, Object]:
        [unit] = body["purchase_units"]
        if unit["amount"]["currency_code"] == "KES":
            return _error(422, "CURRENCY_NOT_SUPPORTED")
        made: Object = {
            "id": self._id("5O"),
            "status": "PAYER_ACTION_REQUIRED",
            "purchase_units": [{**unit, "payments": {"captures": [], "refunds": []}}],
        }
        context = body.get("payment_source", {}).get("paypal", {}).get("experience_context", {})
        self.returns[made["id"]] = context
        href = f"{self.base_url}/pay?token={made['id']}"
        made["links"] = [{"rel": "payer-action", "href": href, "method": "GET"}]
        self.orders[made["id"]] = made
        return 201, made

    def _capture(self, order_id: str) -> tuple[int, Object]:
        order = self.orders.get(order_id)
        if order is None:
            return _error(404, "RESOURCE_NOT_FOUND")
        if order["status"] == "COMPLETED":
            return _error(422, "ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            return _error(422, "ORDER_NOT_APPROVED")
        [unit] = order["purchase_units"]
        cents = unit["amount"]["value"].rpartition(".")[2]
        if cents == "13":
            return _error(422, "INSTRUMENT_DECLINED")
        capture = {
            "id": self._id("3C"),
            "status": "PENDING" if cents == "17" else "COMPLETED",
            "amount": unit["amount"],
            "custom_id": unit.get("custom_id", ""),
            "final_capture": True,
            "supplementary_data": {"related_ids": {"order_id": order_id}},
        }
        unit["payments"]["captures"].append(capture)
        order["status"] = "COMPLETED"
        return 201, order

    def _refund(self, capture_id: str, body: Object) -> tuple[int, Object]:
        capture = next((c for c in self.captured if c["id"] == capture_id), None)
        if capture is None:
            return _error(404, "RESOURCE_NOT_FOUND")
        amount = body["amount"] if "amount" in body else capture["amount"]
        back = [r for r in self.refunds.values() if r["capture"] == capture_id]
        given = sum(_cents(refund["amount"]) for refund in back)
        if given + _cents(amount) > _cents(capture["amount"]):
            return _error(422, "REFUND_AMOUNT_EXCEEDED")
        made = {
            "id": self._id("1R"),
            "status": "COMPLETED",
            "amount": amount,
            "custom_id": body.get("custom_id", ""),
            "capture": capture_id,
        }
        self.refunds[made["id"]] = made
        [unit] = self.orders[_order_id(capture)]["purchase_units"]
        unit["payments"]["refunds"].append(made)
        return 201, made

    def _payout(self, body: Object) -> tuple[int, Object]:
        header = body["sender_batch_header"]
        for batch_id, known in self.batches.items():
            before = known["batch_header"]["sender_batch_header"]
            if before["sender_batch_id"] == header["sender_batch_id"]:
                code, said = _error(400, "USER_BUSINESS_ERROR", "DUPLICATE_SENDER_BATCH_ID")
                href = f"{self.base_url}/v1/payments/payouts/{batch_id}"
                return code, said | {"links": [{"rel": "self", "href": href, "method": "GET"}]}
        if any("@" not in item["receiver"] for item in body["items"]):
            return _error(400, "VALIDATION_ERROR", "INVALID_RECEIVER")
        batch_id = self._id("P")
        batch: Object = {
            "batch_header": {
                "payout_batch_id": batch_id,
                "batch_status": "PENDING",
                "sender_batch_header": header,
            },
            "items": [],
        }
        self.batches[batch_id] = batch
        for item in body["items"]:
            who = item["receiver"].partition("@")[0]
            status = {"unclaimed": "UNCLAIMED", "failed": "FAILED"}.get(who, "SUCCESS")
            item_id = self._id("I")
            self.items[item_id] = {
                "payout_item_id": item_id,
                "transaction_status": status,
                "payout_item": item,
            }
            batch["items"].append(self.items[item_id])
        return 201, {"batch_header": dict(batch["batch_header"])}

    def _cancel(self, item_id: str) -> tuple[int, Object]:
        item = self.items.get(item_id)
        if item is None or item["transaction_status"] != "UNCLAIMED":
            return _error(400, "ITEM_NOT_CANCELLABLE")
        item["transaction_status"] = "RETURNED"
        return 200, item

    # -- webhooks -----------------------------------------------------------------------------

    def event(
        self, event_type: str, resource_type: str, about: Object
    ) -> tuple[bytes, dict[str, str]]:
        """An event about an object as it is now: its bytes, and the headers that prove them."""
        at = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        said = {
            "id": self._id("WH-"),
            "create_time": at,
            "resource_type": resource_type,
            "event_type": event_type,
            "resource": about,
            "links": [],
        }
        body = json.dumps(said).encode()
        transmission = self._id("tr-")
        message = f"{transmission}|{at}|{self.webhook_id}|{zlib.crc32(body)}".encode()
        signature = self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return body, {
            "PAYPAL-TRANSMISSION-ID": transmission,
            "PAYPAL-TRANSMISSION-TIME": at,
            "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
            "PAYPAL-CERT-URL": f"{self.base_url}{CERTIFICATE}",
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
            "PAYPAL-AUTH-VERSION": "v2",
        }


def _captures(order: Object) -> list[Object]:
    [unit] = order["purchase_units"]
    found: list[Object] = unit["payments"]["captures"]
    return found


def _order_id(capture: Object) -> str:
    found: str = capture["supplementary_data"]["related_ids"]["order_id"]
    return found


def _cents(amount: Object) -> int:
    """Of currencies with two decimals."""
    whole, _, cents = amount["value"].partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0") or "0")


def _error(status: int, *issues: str) -> tuple[int, Object]:
    name = {404: "RESOURCE_NOT_FOUND", 422: "UNPROCESSABLE_ENTITY"}.get(status, issues[0])
    details = [{"issue": issue, "description": "…"} for issue in issues]
    return status, {"name": name, "message": "…", "debug_id": "d1", "details": details}


def _certificates(key: rsa.RSAPrivateKey, now: datetime) -> tuple[x509.Certificate, bytes]:
    """(a root of our own, the certificate of this key under it as PEM)."""
    root_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake root")])

    def begun(name: x509.Name, public: rsa.RSAPublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(authority)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=90))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
        )

    usage = x509.KeyUsage(
        **dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
        key_cert_sign=True,
        crl_sign=True,
    )
    root = (
        begun(authority, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    leaf = (
        begun(name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return root, leaf.public_bytes(serialization.Encoding.PEM)
