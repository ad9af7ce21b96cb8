"""Daraja itself, as a small server on loopback, with the telephones of its customers.

Written from Safaricom's documentation and what is known of the wire, never from our own encoder: it
recomputes passwords, decrypts security credentials with a key of its own, ends the old token when
a new one is asked for, registers addresses once, and tells an STK push and its C2B confirmation
under one receipt.

Magic telephones, by the last two digits; all others pay:

    …01  result 1, insufficient funds       …19  result 1019, expired
    …17  result 17, same payment just made  …25  result 1025, the prompt was not sent
    …32  result 1032, cancelled             …37  result 1037, not reached
    …41  result 2001, wrong PIN             …98  paid, and told as 1037
    …99  the payer never decides: a query says that it is being processed

`faults` are taken by one request each; `callbacks` says how results are told. Ids and receipts
follow from the seed and the order of requests. Nothing is kept beyond the process.
"""

import asyncio
import base64
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connectors.fake_server import FakeServer
from connectors.mpesa import fake_bodies as bodies
from connectors.mpesa.fake_book import (
    RESULTS,
    WORDS,
    Book,
    Fault,
    Paid,
    Payout,
    Push,
    Reversal,
    certificate_of,
)

EAST_AFRICA = timezone(timedelta(hours=3))
WINDOW = timedelta(minutes=10)
_Handler = Callable[[dict[str, Any]], Awaitable[web.Response]]
Told = Literal["once", "never", "twice", "before", "late"]


class FakeDaraja(FakeServer):
    """Daraja, and the telephones that it rings."""

    def __init__(
        self,
        *,
        short_code: str = "600999",
        consumer_key: str = "key",
        consumer_secret: str = "secret",  # noqa: S107  of a fake
        passkey: str = "testpasskey0001",
        initiator: str = "apiop",
        initiator_password: str = "Initiator-1",  # noqa: S107  of a fake
        token_lives: str | int = "3599",  # noqa: S107  seconds, as text or number
        seed: int = 1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.short_code, self.passkey = short_code, passkey
        self.consumer_key, self.consumer_secret = consumer_key, consumer_secret
        self.initiator, self.initiator_password = initiator, initiator_password
        self._token_lives, self._seed, self._now = token_lives, seed, now
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = certificate_of(self._key)
        self.book = Book()
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        """By path: what becomes of the next requests, in order."""
        self.callbacks: Told = "once"
        self.telling: deque[Told] = deque()
        """How the next results are told, in order; `callbacks` after these."""
        self.late_s = 5.0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.tokens = 0
        """How many tokens were given out; only the last one is good."""
        self.c2b_urls: dict[str, str] = {}
        self.may_pull = False
        self.untold: list[str] = []
        """Addresses that did not take what they were told."""
        self._numbers = 0
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server."""
        return {
            "base_url": self.base_url,
            "short_code": self.short_code,
            "consumer_key": self.consumer_key,
            "consumer_secret": self.consumer_secret,
            "passkey": self.passkey,
            "initiator": self.initiator,
            "initiator_password": self.initiator_password,
            "certificate": self.certificate,
        }

    # -- life ---------------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Tokens and every request of Daraja that we make."""
        yield web.get("/oauth/v1/generate", self._generate)
        for path, handler in (
            ("/mpesa/stkpush/v1/processrequest", self._push),
            ("/mpesa/stkpushquery/v1/query", self._query),
            ("/mpesa/b2c/v3/paymentrequest", self._pay_out),
            ("/mpesa/b2c/v1/paymentrequest", self._pay_out_without_id),
            ("/mpesa/b2b/v1/paymentrequest", self._pay_business),
            ("/mpesa/reversal/v1/request", self._reverse),
            ("/mpesa/transactionstatus/v1/query", self._status),
            ("/mpesa/c2b/v2/registerurl", self._register),
            ("/mpesa/c2b/v2/simulate", self._simulate),
            ("/mpesa/accountbalance/v1/query", self._balance),
            ("/pulltransactions/v1/register", self._allow_pull),
            ("/pulltransactions/v1/query", self._pull),
        ):
            yield web.post(path, self._guarded(path, handler))

    async def close(self) -> None:
        """As all fakes do, once everything is told."""
        await self.told()
        await super().close()

    async def told(self) -> None:
        """Return when everything that is to be told was told."""
        while self._telling:
            await asyncio.gather(*self._telling, return_exceptions=True)

    # -- tokens -------------------------------------------------------------------------------

    async def _generate(self, request: web.Request) -> web.Response:
        given = f"{self.consumer_key}:{self.consumer_secret}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(given).decode()}":
            return web.Response(status=400)
        if request.query.get("grant_type") != "client_credentials":
            return bodies.error(400, "400.008.02", "Invalid grant type passed")
        self.tokens += 1
        return web.json_response({"access_token": self._token, "expires_in": self._token_lives})

    @property
    def _token(self) -> str:
        return f"token-{self._seed}-{self.tokens}"

    def _guarded(self, path: str, handler: _Handler) -> Callable[..., Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {self._token}" or not self.tokens:
                return bodies.error(404, "404.001.03", "Invalid Access Token")
            if request.content_type != "application/json":
                return bodies.error(400, "400.002.05", "Invalid Request Payload")
            body = json.loads(await request.text(), parse_float=str)
            self.requests.append((path, body))
            faults = self.faults[path]
            fault = faults.popleft() if faults else Fault()
            if not fault.after:
                await asyncio.sleep(fault.delay_s)
            answer = None
            if fault.after or not (fault.status or fault.drop):
                answer = await handler(body)
            if fault.after:
                await asyncio.sleep(fault.delay_s)
            if fault.drop and request.transport is not None:
                request.transport.abort()
            if fault.status or fault.drop:
                answer = bodies.error(fault.status or 500, fault.code, fault.message, fault.body)
            assert answer is not None
            return answer

        return serve

    # -- collecting ---------------------------------------------------------------------------

    async def _push(self, body: dict[str, Any]) -> web.Response:
        refused = self._refused(body)
        if refused is not None:
            return refused
        phone, amount = str(body.get("PhoneNumber", "")), body.get("Amount")
        if not (type(amount) is int and 1 <= amount <= 250_000):
            return bodies.error(400, "400.002.02", "Bad Request - Invalid Amount")
        if not (len(phone) == 12 and phone.startswith("254") and phone.isdigit()):
            return bodies.error(400, "400.002.02", "Bad Request - Invalid PhoneNumber")
        if body.get("PartyA") != body.get("PhoneNumber"):
            return bodies.error(400, "400.002.02", "Bad Request - Invalid PartyA")
        if len(body["AccountReference"]) > 12 or len(body["TransactionDesc"]) > 13:
            return bodies.error(400, "400.002.02", "Bad Request - Invalid AccountReference")
        number = self._next()
        last = phone[-2:]
        result = None if last == "99" else RESULTS.get(last, 0)
        push = Push(
            f"{number}-{self._seed}-1",
            f"ws_CO_{number:08d}{phone[-9:]}",
            phone,
            amount,
            body["AccountReference"],
            body["CallBackURL"],
            result,
            self._receipt() if result == 0 or last == "98" else "",
        )
        self.book.pushes[push.checkout_id] = push
        if push.receipt and self.c2b_urls:
            self._confirm(Paid(push.receipt, amount, push.reference, phone))
        if result is not None:
            await self._told_of(push.callback_url, bodies.callback(push, self._moment))
        return web.json_response(
            {
                "MerchantRequestID": push.merchant_id,
                "CheckoutRequestID": push.checkout_id,
                "ResponseCode": "0",
                "ResponseDescription": "Success. Request accepted for processing",
                "CustomerMessage": "Success. Request accepted for processing",
            }
        )

    async def _query(self, body: dict[str, Any]) -> web.Response:
        refused = self._refused(body)
        if refused is not None:
            return refused
        push = self.book.pushes.get(body.get("CheckoutRequestID", ""))
        if push is None:
            return bodies.error(404, "404.001.01", "Resource not found")
        if push.result is None:
            return bodies.error(500, "500.001.1001", "The transaction is being processed")
        result = 0 if push.receipt else push.result
        return web.json_response(
            {
                "ResponseCode": "0",
                "ResponseDescription": "The service request has been accepted successfully",
                "MerchantRequestID": push.merchant_id,
                "CheckoutRequestID": push.checkout_id,
                "ResultCode": str(result),
                "ResultDesc": WORDS[result],
            }
        )

    def _refused(self, body: dict[str, Any]) -> web.Response | None:
        """Whether short code, password and timestamp are not what they must be."""
        if str(body.get("BusinessShortCode")) != self.short_code:
            return bodies.error(500, "500.001.1001", "Merchant does not exist")
        moment = str(body.get("Timestamp", ""))
        wanted = base64.b64encode(f"{self.short_code}{self.passkey}{moment}".encode()).decode()
        if body.get("Password") != wanted:
            return bodies.error(500, "500.001.1001", "Wrong credentials")
        try:
            at = datetime.strptime(moment, "%Y%m%d%H%M%S").replace(tzinfo=EAST_AFRICA)
        except ValueError:
            return bodies.error(400, "400.002.02", "Bad Request - Invalid Timestamp")
        if abs(at - self._now()) > WINDOW:
            return bodies.error(400, "400.002.02", "Bad Request - Invalid Timestamp")
        return None

    # -- paybill ------------------------------------------------------------------------------

    async def _register(self, body: dict[str, Any]) -> web.Response:
        if self.c2b_urls:
            return bodies.error(500, "500.003.1001", "Urls are already registered")
        words = ("mpesa", "safaricom", "exe", "cmd", "sql", "query")
        urls = {name: str(body.get(name, "")) for name in ("ConfirmationURL", "ValidationURL")}
        if any(word in url.lower() for url in urls.values() for word in words):
            return bodies.error(400, "400.003.02", "Bad Request - Invalid URL")
        self.c2b_urls = urls
        return web.json_response(
            {
                "OriginatorCoversationID": f"{self._next()}-{self._seed}-1",
                "ResponseCode": "0",
                "ResponseDescription": "Success",
            }
        )

    async def _simulate(self, body: dict[str, Any]) -> web.Response:
        if str(body.get("ShortCode")) != self.short_code or type(body.get("Amount")) is not int:
            return bodies.error(400, "400.003.02", "Bad Request - Invalid ShortCode")
        if not self.c2b_urls:
            return bodies.error(500, "500.003.1001", "Internal Server Error")
        reference = str(body.get("BillRefNumber") or "")
        paid = Paid(self._receipt(), body["Amount"], reference, str(body["Msisdn"]))
        self.book.deposits.append(paid)
        self._confirm(paid)
        number = f"{self._next()}-{self._seed}-1"
        return web.json_response(
            {
                "OriginatorCoversationID": number,
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )

    async def _balance(self, body: dict[str, Any]) -> web.Response:
        if body.get("CommandID") != "AccountBalance" or body.get("IdentifierType") != "4":
            return bodies.error(400, "400.002.02", "Bad Request - Invalid CommandID")
        if not self._knows(body.get("SecurityCredential", "")):
            return bodies.error(400, "400.002.02", "Bad Request - Invalid SecurityCredential")
        number = self._next()
        conversation_id, originator_id = f"AG_{number:08d}", f"{number}-{self._seed}-1"
        said = bodies.balances(self.book.received, self.book.paid_out)
        told = bodies.envelope(0, originator_id, conversation_id, self._receipt(), said)
        self._tell(body["ResultURL"], told)
        return bodies.accepted(conversation_id, originator_id)

    async def _allow_pull(self, body: dict[str, Any]) -> web.Response:
        self.may_pull = str(body.get("ShortCode")) == self.short_code
        status = "1000" if self.may_pull else "1001"
        words = "Success" if self.may_pull else "ShortCode not found"
        return web.json_response(
            {
                "ResponseRefID": f"{self._next()}-{self._seed}",
                "ResponseStatus": status,
                "ShortCode": body.get("ShortCode"),
                "ResponseDescription": words,
            }
        )

    async def _pull(self, body: dict[str, Any]) -> web.Response:
        """What customers paid by hand, three rows at a time."""
        if not self.may_pull:
            return bodies.error(404, "404.001.01", "Resource not found")
        offset = int(body["OffSetValue"])
        rows = [bodies.pulled(paid) for paid in self.book.deposits[offset : offset + 3]]
        return web.json_response(
            {
                "ResponseRefID": f"{self._next()}-{self._seed}",
                "ResponseCode": "1000",
                "ResponseMessage": "Success",
                "Response": [rows],
            }
        )

    async def pay(
        self, amount: int, bill_reference: str, phone: str = "254708374149", *, tell: str = ""
    ) -> str:
        """A customer pays to the paybill by hand; the receipt, once it was told (at `tell`)."""
        receipt = self._receipt()
        paid = Paid(receipt, amount, bill_reference, phone)
        self.book.deposits.append(paid)
        await self._confirm(paid, tell)
        return receipt

    async def tell_again(self, push: Push) -> None:
        """The callback of a push comes once more."""
        await self._tell(push.callback_url, bodies.callback(push, self._moment))

    async def tell_of_payout(self, payout: Payout) -> None:
        """How a payout ended, told once more."""
        told = bodies.b2b_result if "/b2b-" in payout.result_url else bodies.b2c_result
        await self._tell(payout.result_url, told(payout, self._receipt))

    async def tell_of_timeout(self, payout: Payout) -> None:
        """A payout waited too long in a queue, it says; what became of it is another thing."""
        url = payout.result_url.replace("-result", "-timeout")
        ids = payout.originator_id, payout.conversation_id
        await self._tell(url, bodies.envelope(1, *ids, self._receipt(), {}))

    def _confirm(self, paid: Paid, tell: str = "") -> "asyncio.Task[None]":
        said = bodies.confirmation(paid, self.short_code, self._moment)
        return self._tell(tell or self.c2b_urls["ConfirmationURL"], said)

    @property
    def _moment(self) -> str:
        """Now, as fourteen digits of East Africa's clock."""
        return self._now().astimezone(EAST_AFRICA).strftime("%Y%m%d%H%M%S")

    # -- paying out ---------------------------------------------------------------------------

    async def _pay_out(self, body: dict[str, Any]) -> web.Response:
        originator = str(body.get("OriginatorConversationID", ""))
        known = [p for p in self.book.payouts.values() if p.originator_id == originator]
        if known or not originator:
            return bodies.error(500, "500.002.1001", "Duplicate OriginatorConversationID")
        return await self._paid(body, originator)

    async def _pay_out_without_id(self, body: dict[str, Any]) -> web.Response:
        """Version 1: whoever asks twice pays twice."""
        if "OriginatorConversationID" in body:
            return bodies.error(400, "400.002.02", "Bad Request - Invalid Request")
        return await self._paid(body, f"{self._next()}-{self._seed}-1")

    async def _pay_business(self, body: dict[str, Any]) -> web.Response:
        """B2B: whoever asks twice pays twice."""
        wanted = {"BusinessBuyGoods": "2", "BusinessPayBill": "4"}.get(str(body.get("CommandID")))
        if body.get("RecieverIdentifierType") != wanted or body.get("SenderIdentifierType") != "4":
            return bodies.error(400, "400.002.02", "Bad Request - Invalid RecieverIdentifierType")
        if len(body["AccountReference"]) > 13 or (wanted == "4" and not body["AccountReference"]):
            return bodies.error(400, "400.002.02", "Bad Request - Invalid AccountReference")
        return await self._paid(body, f"{self._next()}-{self._seed}-1")

    async def _paid(self, body: dict[str, Any], originator: str) -> web.Response:
        to = str(body["PartyB"])
        allowed = self._knows(body.get("SecurityCredential", ""))
        result = RESULTS.get(to[-2:], 0) if allowed else 2001
        payout = Payout(
            f"AG_{self._next():08d}",
            originator,
            to,
            int(body["Amount"]),
            body["ResultURL"],
            result,
            "" if result else self._receipt(),
        )
        self.book.payouts[payout.conversation_id] = payout
        told = bodies.b2b_result if "SenderIdentifierType" in body else bodies.b2c_result
        await self._told_of(payout.result_url, told(payout, self._receipt))
        return bodies.accepted(payout.conversation_id, originator)

    def _knows(self, credential: str) -> bool:
        try:
            sealed = base64.b64decode(credential, validate=True)
            opened = self._key.decrypt(sealed, padding.PKCS1v15())
        except ValueError:
            return False
        return opened == self.initiator_password.encode()

    # -- giving back, and being asked ----------------------------------------------------------

    async def _reverse(self, body: dict[str, Any]) -> web.Response:
        receipt, amount = str(body["TransactionID"]), int(body["Amount"])
        number = self._next()
        reversal = Reversal(
            f"AG_{number:08d}", receipt, amount, body["ResultURL"], self._reversed(body)
        )
        reversal.receipt = "" if reversal.result else self._receipt()
        self.book.reversals.append(reversal)
        pairs = {"Amount": f"{amount}.00", "OriginalTransactionID": receipt}
        said = bodies.envelope(
            reversal.result,
            f"{number}-{self._seed}-1",
            reversal.conversation_id,
            reversal.receipt or self._receipt(),
            pairs if reversal.receipt else {},
        )
        await self._told_of(reversal.result_url, said)
        return bodies.accepted(reversal.conversation_id, f"{number}-{self._seed}-1")

    def _reversed(self, body: dict[str, Any]) -> int | str:
        """The result of a reversal: once, and of no more than was received."""
        receipt = str(body["TransactionID"])
        if not self._knows(body.get("SecurityCredential", "")):
            return 2001
        if any(r.receipt and r.receipt_reversed == receipt for r in self.book.reversals):
            return "R000001"
        known = self.book.amount_of(receipt)
        if known is None:
            return "R000002"
        return 1 if int(body["Amount"]) > known else 0

    async def _status(self, body: dict[str, Any]) -> web.Response:
        asked = str(body.get("OriginalConversationID", ""))
        number = self._next()
        conversation_id, originator_id = f"AG_{number:08d}", f"{number}-{self._seed}-1"
        found = next(
            (
                payout
                for payout in self.book.payouts.values()
                if asked in {payout.conversation_id, payout.originator_id}
            ),
            None,
        )
        pairs = {} if found is None else bodies.state(found)
        result: int | str = 0 if found is not None else "R000002"
        said = bodies.envelope(result, originator_id, conversation_id, self._receipt(), pairs)
        await self._told_of(body["ResultURL"], said)
        return bodies.accepted(conversation_id, originator_id)

    # -- telling ------------------------------------------------------------------------------

    async def _told_of(self, url: str, said: dict[str, Any]) -> None:
        """Tell of a result; before the request is answered, if it is to be so."""
        how = self.telling.popleft() if self.telling else self.callbacks
        telling = self._tell(url, said, how)
        if how == "before":
            await telling

    def _tell(self, url: str, said: dict[str, Any], how: Told = "once") -> "asyncio.Task[None]":
        task = asyncio.create_task(self._post(url, said, how))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return task

    async def _post(self, url: str, said: dict[str, Any], how: Told) -> None:
        if how == "late":
            await asyncio.sleep(self.late_s)
        for _ in range({"never": 0, "twice": 2}.get(how, 1)):
            try:
                async with self.session.post(url, json=said) as answer:
                    if answer.status != 200:
                        self.untold.append(url)
            except (aiohttp.ClientError, TimeoutError):
                self.untold.append(url)

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _receipt(self) -> str:
        """Ten letters and digits that no other receipt of this seed has."""
        seed = f"{self._seed}-{self._next()}".encode()
        return "T" + base64.b32encode(hashlib.sha256(seed).digest()).decode()[:9]
