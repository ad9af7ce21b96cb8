"""Jenga itself, as a small server on loopback.

Written from its documentation, never from our own encoder: it wants its Api-Key for a token, and
for all else that token and a signature of the merchant over the right fields in the right order.
Its accounts have bookings and balances that add up; a statement comes in pages.

Magic ends of account numbers: …404 is unknown to it, …403 is not the merchant's, …000 has no
balance that is free, …999 is told of in text instead of numbers. `faults` are taken by one request
each. Ids follow from the order of bookings; nothing is kept beyond the process.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connectors.fake_server import FakeServer

UNKNOWN, NOT_OURS, NOTHING_FREE, IN_TEXT = "404", "403", "000", "999"
NAIROBI = timedelta(hours=3)
Object = dict[str, Any]
Telling = Literal["never", "once", "twice", "at_once", "unsigned"]


@dataclass
class Fault:
    """What becomes of one request: this status, or this body as this type, or no answer."""

    status: int = 0
    body: bytes | None = None
    content_type: str = "application/json"
    retry_after: str = ""
    delay_s: float = 0.0
    drop: bool = False


@dataclass
class Account:
    """An account in cents; `bookings` are the oldest first, `held` is what is not free."""

    currency: str = "KES"
    opening: int = 0
    held: int = 0
    bookings: list[Object] = field(default_factory=list)

    @property
    def balance(self) -> int:
        """What it has now."""
        return self.after(len(self.bookings))

    def after(self, count: int) -> int:
        """What it had after so many bookings."""
        moved: list[int] = [each["cents"] for each in self.bookings[:count]]
        return self.opening + sum(moved)


class FakeJenga(FakeServer):
    """`accounts` is its book, by number.

    `newest_first`, `inclusive` (a page begins with the row that it goes on after), `cap` (fewer
    rows to a page than are asked for) and `deaf` (every page is the first) are how statements
    come; `token_lives` is what it says of a token's life.
    """

    def __init__(
        self,
        *,
        merchant_code: str = "0123456789",
        api_key: str = "fake-api-key",
        consumer_secret: str = "fake-consumer-secret",  # noqa: S107  of a fake
        alert_user: str = "treasury",
        alert_password: str = "fake-alert-password",  # noqa: S107  of a fake
        account: str = "0011547896523",
        token_lives: object = 900,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.merchant_code, self.api_key = merchant_code, api_key
        self.consumer_secret = consumer_secret
        self.alert_user, self.alert_password = alert_user, alert_password
        self.account, self.token_lives, self._now = account, token_lives, now
        self._key = _key()
        self.accounts: dict[str, Account] = {account: Account()}
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.tokens = 0
        self.newest_first = self.inclusive = self.deaf = False
        self.cap = 1_000
        self.telling: Telling = "once"
        self.alert_url = ""

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server, and to believe it."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "base_url": self.base_url,
            "merchant_code": self.merchant_code,
            "api_key": self.api_key,
            "consumer_secret": self.consumer_secret,
            "private_key": pem.decode(),
            "account": self.account,
            "alert_user": self.alert_user,
            "alert_password": self.alert_password,
        }

    # -- requests -----------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Tokens, balances and statements."""
        yield web.post("/authentication/api/v3/authenticate/merchant", self._authenticate)
        accounts = "/v3-apis/account-api/v3.0/accounts"
        yield web.get(f"{accounts}/balances/{{country}}/{{account}}", self._balances)
        yield web.post(f"{accounts}/fullStatement", self._statement)

    async def _authenticate(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path))
        said = await _json_of(request)
        wanted = {"merchantCode": self.merchant_code, "consumerSecret": self.consumer_secret}
        if request.headers.get("Api-Key") != self.api_key or said != wanted:
            return _no(401, 401103, "Invalid credentials")
        self.tokens += 1
        issued = self._now()
        lives: object = self.token_lives
        if isinstance(lives, timedelta):
            lives = (issued + lives).isoformat()
        answer = {
            "accessToken": self._token,
            "refreshToken": f"refresh-{self.tokens}",
            "expiresIn": lives,
            "issuedAt": issued.isoformat(),
            "tokenType": "Bearer",
        }
        return web.json_response(answer)

    @property
    def _token(self) -> str:
        return f"token-{self.tokens}"

    async def _balances(self, request: web.Request) -> web.Response:
        country, number = request.match_info["country"], request.match_info["account"]
        wrong = await self._wrong(request, f"{country}{number}", number)
        if wrong is not None:
            return wrong
        account = self.accounts[number]
        amounts = [("Current", account.balance)]
        if not number.endswith(NOTHING_FREE):
            amounts.append(("Available", account.balance - account.held))
        balances = [{"amount": _decimal(cents), "type": kind} for kind, cents in amounts]
        return _yes({"balances": balances, "currency": account.currency})

    async def _statement(self, request: web.Request) -> web.Response:
        said = await _json_of(request)
        number = str(said.get("accountNumber", ""))
        signed = f"{number}{said.get('countryCode', '')}{said.get('toDate', '')}"
        wrong = await self._wrong(request, signed, number)
        if wrong is not None:
            return wrong
        account = self.accounts[number]
        rows = [_row(account, at) for at in range(len(account.bookings))]
        rows = [row for row in rows if said["fromDate"] <= row["date"][:10] <= said["toDate"]]
        page = self._page(rows, said)
        data = {
            "balance": _decimal(account.balance),
            "currency": account.currency,
            "accountNumber": number,
            "transactions": page
            if number.endswith(IN_TEXT)
            else [_in_numbers(row) for row in page],
        }
        return _yes(data)

    def _page(self, rows: list[Object], said: Object) -> list[Object]:
        """Rows after the one whose words came back; none after one that is not there."""
        if self.newest_first:
            rows.reverse()
        begins, words = 0, ("reference", "serial", "postedDateTime", "date", "runningBalance")
        if said.get("serial") and not self.deaf:
            found = [all(str(row[word]) == str(said.get(word)) for word in words) for row in rows]
            begins = found.index(True) + (0 if self.inclusive else 1) if any(found) else len(rows)
        return rows[begins : begins + min(int(said["limit"]), self.cap)]

    async def _wrong(self, request: web.Request, signed: str, number: str) -> web.Response | None:
        """What is wrong with a request; None if it is to be answered."""
        self.requests.append((request.method, request.path))
        fault = self.faults.popleft() if self.faults else Fault()
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        if fault.status or fault.body is not None:
            return _faulty(fault)
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return _no(401, 401101, "Invalid or expired token")
        if not self._is_signed(request.headers.get("signature", ""), signed):
            return _no(401, 401102, "Invalid signature")
        if number.endswith(NOT_OURS):
            return _no(403, 403101, "Account does not belong to the merchant")
        if number.endswith(UNKNOWN) or number not in self.accounts:
            return web.json_response({"status": False, "code": 404101, "message": "No account"})
        return None

    def _is_signed(self, signature: str, text: str) -> bool:
        try:
            given = base64.b64decode(signature, validate=True)
            public = self._key.public_key()
            public.verify(given, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True

    # -- bookings -----------------------------------------------------------------------------

    def book(self, cents: int, text: str = "booking", *, number: str = "", **words: str) -> Object:
        """A booking of so much, below zero for what went; `words` are of the payer and the bill."""
        account = self.accounts[number or self.account]
        at = self._now().astimezone(UTC).replace(tzinfo=None) + NAIROBI
        made: Object = {
            "cents": cents,
            "text": text,
            "reference": f"S{1_000_001 + len(account.bookings)}",
            "at": at + timedelta(seconds=len(account.bookings)),
            **words,
        }
        account.bookings.append(made)
        return made

    def alert(self, booking: Object, *, kind: str = "ALT", number: str = "") -> bytes:
        """What is told of a booking: an alert of the account, or the message of a payment."""
        amount = abs(booking["cents"])
        went = booking["cents"] < 0
        reference = f" {booking['reference']}"
        said = {
            "callbackType": kind,
            "customer": {
                "name": booking.get("name"),
                "mobileNumber": booking.get("phone"),
                "reference": booking.get("customer_reference"),
            },
            "transaction": {
                "date": booking["at"].strftime("%Y-%m-%d %H:%M:%S"),
                "reference": reference,
                "paymentMode": "MPESA",
                "amount": _number(amount) if kind == "ALT" else _decimal(amount),
                "billNumber": booking.get("bill", reference),
                "orderAmount": _number(amount),
                "serviceCharge": 0,
                "status": booking.get("status", "SUCCESS"),
                "remarks": booking["text"],
            },
            "bank": {
                "reference": reference,
                "transactionType": ("Debit" if went else "Credit") if kind == "ALT" else "C",
                "account": number or self.account,
            },
        }
        return msgspec.json.encode(said)

    @property
    def alert_headers(self) -> dict[str, str]:
        """The headers that prove an alert."""
        given = base64.b64encode(f"{self.alert_user}:{self.alert_password}".encode()).decode()
        return {"Authorization": f"Basic {given}", "Content-Type": "application/json"}

    async def tell(self, booking: Object, *, kind: str = "ALT") -> list[int]:
        """Post what is told of a booking, as `telling` has it; the statuses of the answers."""
        body = self.alert(booking, kind=kind)
        match self.telling:
            case "never":
                return []
            case "twice":
                return [await self._post(body), await self._post(body)]
            case "at_once":
                return list(await asyncio.gather(self._post(body), self._post(body)))
        return [await self._post(body)]

    async def _post(self, body: bytes) -> int:
        headers = {} if self.telling == "unsigned" else self.alert_headers
        async with self.session.post(self.alert_url, data=body, headers=headers) as answer:
            return answer.status


@lru_cache(maxsize=1)
def _key() -> rsa.RSAPrivateKey:
    """The merchant's key; made once, because making one takes long."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


async def _json_of(request: web.Request) -> Object:
    if request.content_type != "application/json":
        return {}
    said = json.loads(await request.read(), parse_float=str)
    return said if isinstance(said, dict) else {}


def _row(account: Account, at: int) -> Object:
    """A row of a statement, all its amounts and numbers as text."""
    booking = account.bookings[at]
    return {
        "reference": booking["reference"],
        "date": booking["at"].strftime("%Y-%m-%dT00:00:00.000"),
        "description": booking["text"],
        "amount": _decimal(abs(booking["cents"])),
        "serial": str(at + 1),
        "postedDateTime": booking["at"].strftime("%Y-%m-%dT%H:%M:%S.000"),
        "type": "Debit" if booking["cents"] < 0 else "Credit",
        "runningBalance": {
            "currency": account.currency,
            "amount": _decimal(account.after(at + 1)),
        },
    }


def _in_numbers(row: Object) -> Object:
    running = {**row["runningBalance"], "amount": msgspec.Raw(row["runningBalance"]["amount"])}
    numbers = {name: msgspec.Raw(row[name]) for name in ("amount", "serial")}
    return {**row, **numbers, "runningBalance": running}


def _decimal(cents: int) -> str:
    """Cents as decimal text."""
    sign, (whole, rest) = "-" if cents < 0 else "", divmod(abs(cents), 100)
    return f"{sign}{whole}.{rest:02d}"


def _number(cents: int) -> msgspec.Raw:
    """Cents as a number of JSON."""
    return msgspec.Raw(_decimal(cents))


def _yes(data: Object) -> web.Response:
    said = {"status": True, "code": 0, "message": "success", "data": data}
    return web.Response(body=msgspec.json.encode(said), content_type="application/json")


def _no(status: int, code: int, message: str) -> web.Response:
    said = {"status": False, "code": code, "message": message}
    return web.json_response(said, status=status)


def _faulty(fault: Fault) -> web.Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    body = b"{}" if fault.body is None else fault.body
    return web.Response(
        status=fault.status or 200, body=body, content_type=fault.content_type, headers=headers
    )
