"""KCB Buni itself, as a small server on loopback.

Written from its documentation, never from our own encoder: it wants its own token, an account that
is the app's, and a reference that it has not seen; it takes a transfer at once and tells later how
it ended. Its notifications are signed with its own key over their bytes.

Magic ends of the account that is paid: …01 fails later, …02 is over a limit and not taken, …99
never ends, …98 ends with a word that nobody knows. `faults` are taken by one request each. Ids
follow from the order of requests; nothing is kept beyond the process.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connectors.fake_server import FakeServer

FAILS, OVER_LIMIT, NEVER_ENDS, UNHEARD_OF = "01", "02", "99", "98"
WAYS = frozenset({"IF", "RT", "PL", "EF"})
NAIROBI = timedelta(hours=3)
MEMBERS = frozenset(
    {
        *("companyCode", "transactionType", "debitAccountNumber", "creditAccountNumber"),
        *("debitAmount", "paymentDetails", "transactionReference", "currency"),
        *("beneficiaryDetails", "beneficiaryBankCode"),
    }
)
Object = dict[str, Any]
Telling = Literal["never", "once", "twice", "at_once", "before"]


@dataclass
class Fault:
    """What becomes of one request: this status, before the work or after it; or no answer."""

    status: int = 0
    after: bool = False
    body: bytes = b"{}"
    content_type: str = "application/json"
    retry_after: str = ""
    delay_s: float = 0.0
    drop: bool = False


@dataclass
class Transfer:
    """A transfer that was taken; `receipt` once it was paid."""

    reference: str
    merchant_id: str
    cents: int
    account: str
    way: str
    bank_code: str
    receipt: str = ""
    told: bytes = b""


class FakeBuni(FakeServer):
    """`transfers` is its book, by our reference; `balance` is in cents."""

    def __init__(
        self,
        *,
        consumer_key: str = "fake-key",
        consumer_secret: str = "fake-secret",  # noqa: S107  of a fake
        account: str = "1279258233",
        company_code: str = "KE0010001",
        biller: str = "522533",
        balance: int = 100_000_000,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.consumer_key, self.consumer_secret = consumer_key, consumer_secret
        self.account, self.company_code, self.biller = account, company_code, biller
        self.opening = self.balance = balance
        self._now, self._key = now, _key("kcb")
        self.transfers: dict[str, Transfer] = {}
        self.received: dict[str, int] = {}
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.replies: list[tuple[int, bytes]] = []
        self.tokens = 0
        self.telling: Telling = "once"
        self.callback_url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server, and to believe it."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "base_url": self.base_url,
            "consumer_key": self.consumer_key,
            "consumer_secret": self.consumer_secret,
            "account": self.account,
            "company_code": self.company_code,
            "biller": self.biller,
            "public_key": public.decode(),
        }

    # -- life ---------------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Tokens and transfers."""
        yield web.post("/token", self._authorize)
        yield web.post("/fundstransfer/1.0.0/api/v1/transfer", self._transfer)

    async def close(self) -> None:
        """As all fakes do; what was to be told later is not told."""
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await super().close()

    async def told(self) -> None:
        """Wait until everything was told that is to be told."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    # -- requests -----------------------------------------------------------------------------

    async def _authorize(self, request: web.Request) -> web.Response:
        given = base64.b64encode(f"{self.consumer_key}:{self.consumer_secret}".encode()).decode()
        is_asked = request.query.get("grant_type") == "client_credentials"
        if request.headers.get("Authorization") != f"Basic {given}" or not is_asked:
            return _fault_of(401, 900901, "Invalid Credentials")
        self.tokens += 1
        answer = {"access_token": self._token, "token_type": "Bearer", "expires_in": 3_600}
        return web.json_response(answer)

    @property
    def _token(self) -> str:
        return f"token-{self.tokens}"

    async def _transfer(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path))
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return _fault_of(401, 900902, "Missing Credentials")
        raw, fault = await request.read(), self.faults.popleft() if self.faults else Fault()
        if fault.status and not fault.after:
            return _faulty(fault)
        answer = await self._taken(raw if request.content_type == "application/json" else b"{}")
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        return _faulty(fault) if fault.status or fault.body != b"{}" else answer

    async def _taken(self, raw: bytes) -> web.Response:
        said = json.loads(raw, parse_float=Decimal)
        wrong = self._wrong(said)
        if wrong:
            return _said("1", "Error", wrong, None, len(self.requests))
        transfer = Transfer(
            said["transactionReference"],
            f"263eb626-3fe7-4662-813e-{len(self.transfers) + 1:012d}",
            _cents(said["debitAmount"]),
            said["creditAccountNumber"],
            said["transactionType"],
            said["beneficiaryBankCode"],
        )
        self.transfers[transfer.reference] = transfer
        await self._end(transfer)
        words = "Request received for processing"
        return _said("0", "Success", words, transfer.merchant_id, len(self.requests))

    def _wrong(self, said: Object) -> str:
        """What is wrong with a transfer; empty if it is taken."""
        if set(said) != MEMBERS:
            return "Validation failed: members"
        way, reference = said["transactionType"], said["transactionReference"]
        whose = (said["companyCode"], said["debitAccountNumber"], said["currency"])
        checks = {
            "debitAmount": _cents(said["debitAmount"]) <= 0,
            "account": whose != (self.company_code, self.account, "KES"),
            "transactionType": way not in WAYS,
            "beneficiaryBankCode": (way == "IF") != (said["beneficiaryBankCode"] == "01"),
            "details": not said["beneficiaryDetails"] or not said["paymentDetails"],
            "Duplicate transaction reference": reference in self.transfers,
            "limit rule": said["creditAccountNumber"].endswith(OVER_LIMIT),
        }
        wrong = [what for what, is_so in checks.items() if is_so]
        return f"Validation failed: {wrong[0]}" if wrong else ""

    async def _end(self, transfer: Transfer) -> None:
        """It is paid or not, and told of as `telling` says."""
        if transfer.account.endswith(NEVER_ENDS):
            return
        status = "SUCCESS"
        if transfer.account.endswith(FAILS) or transfer.cents > self.balance:
            status = "FAILED"
        elif transfer.account.endswith(UNHEARD_OF):
            status = "IN CLEARING"
        else:
            self.balance -= transfer.cents
            transfer.receipt = f"FT26060{len(self.transfers):05d}"
        transfer.told = self.ended(transfer, status)
        if self.telling == "before":
            await self._post("transfer", transfer.told, {})
        elif self.telling != "never" and self.callback_url:
            self._later(transfer.told)

    def _later(self, body: bytes) -> None:
        times = 1 if self.telling == "once" else 2

        async def tell() -> None:
            posts = [self._post("transfer", body, {}) for _ in range(times)]
            if self.telling == "at_once":
                await asyncio.gather(*posts)
                return
            for post in posts:
                await post

        task = asyncio.create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ended(self, transfer: Transfer, status: str) -> bytes:
        """How a transfer ended, as it is told."""
        said = {
            "ftReference": transfer.receipt,
            "transactionDate": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "amount": _decimal(transfer.cents),
            "transactionStatus": status,
            "transactionMessage": "Processed Successfully" if transfer.receipt else "Not processed",
            "beneficiaryAccountNumber": transfer.account,
            "beneficiaryName": "A PAYEE",
            "transactionReference": transfer.reference,
            "merchantId": transfer.merchant_id,
            "debitAccountNumber": self.account,
        }
        return json.dumps(said).encode()

    # -- notifications ------------------------------------------------------------------------

    def notice(self, cents: int, reference: str, *, biller: str = "") -> bytes:
        """A payment of so much, for a bill of ours; what is told of it."""
        receipt = f"FT25139M{len(self.received) + 1:04d}"
        self.received[receipt] = cents
        self.balance += cents
        at = self._now().astimezone(UTC) + NAIROBI
        said = {
            "header": {
                "messageID": f"message-{len(self.received)}",
                "originatorConversationID": f"conversation-{len(self.received)}",
                "channelCode": "202",
                "timeStamp": at.strftime("%Y%m%d%H%M%S"),
            },
            "requestPayload": {
                "primaryData": {
                    "businessKey": biller or self.biller,
                    "businessKeyType": "notifyBiller",
                },
                "additionalData": {
                    "notificationData": {
                        "businessKey": reference,
                        "businessKeyType": "BillReferenceNumber",
                        "debitMSISDN": "254700000001",
                        "transactionAmt": _decimal(cents),
                        "transactionDate": at.strftime("%a %b %d %H:%M:%S EAT %Y"),
                        "transactionID": receipt,
                        "firstName": "A",
                        "middleName": "",
                        "lastName": "PAYER",
                        "currency": "KES",
                        "narration": "payment",
                        "transactionType": "MPESA",
                        "balance": _decimal(self.balance),
                    }
                },
            },
        }
        return json.dumps(said, indent=1).encode()

    def signature(self, body: bytes, *, key: str = "kcb") -> str:
        """The signature of these bytes, by KCB's own key or by another."""
        given = _key(key).sign(body, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(given).decode()

    async def tell(self, body: bytes) -> None:
        """Post a notification, as `telling` has it; what was answered is in `replies`."""
        signed = {"signature": self.signature(body)}
        match self.telling:
            case "never":
                return
            case "at_once":
                await asyncio.gather(*(self._post("ipn", body, signed) for _ in range(2)))
            case "twice":
                await self._post("ipn", body, signed)
                await self._post("ipn", body, signed)
            case _:
                await self._post("ipn", body, signed)

    async def _post(self, kind: str, body: bytes, headers: dict[str, str]) -> None:
        headers = {"Content-Type": "application/json", **headers}
        url = f"{self.callback_url}/{kind}"
        async with self.session.post(url, data=body, headers=headers) as answer:
            self.replies.append((answer.status, await answer.read()))


@lru_cache(maxsize=4)
def _key(name: str) -> rsa.RSAPrivateKey:  # noqa: ARG001  one for each name
    """A key; made once, because making one takes long."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _cents(amount: object) -> int:
    """Cents of an amount; 0 for one that is no number, or has parts of a cent."""
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        return 0
    cents = Decimal(amount) * 100
    return int(cents) if cents == cents.to_integral_value() else 0


def _decimal(cents: int) -> str:
    """Cents as decimal text."""
    whole, rest = divmod(cents, 100)
    return f"{whole}.{rest:02d}"


def _said(code: str, message: str, words: str, merchant: str | None, number: int) -> web.Response:
    answer = {
        "statusCode": code,
        "statusMessage": message,
        "statusDescription": words,
        "merchantID": merchant,
        "retrievalRefNumber": f"PCI{number:06d}",
    }
    return web.json_response(answer)


def _fault_of(status: int, code: int, message: str) -> web.Response:
    said = {"fault": {"code": code, "message": message, "description": message}}
    return web.json_response(said, status=status)


def _faulty(fault: Fault) -> web.Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    return web.Response(
        status=fault.status or 200,
        body=fault.body,
        content_type=fault.content_type,
        headers=headers,
    )
