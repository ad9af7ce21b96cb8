"""KRA itself, as a small server on loopback: eTIMS and GavaConnect.

Written from the specification and what is known of the wire, never from our own encoder. eTIMS
gives the key of a control unit once, looks at the three headers, recomputes every sum and tax, lets
numbers have no gap in a branch (922), and says of a number that it has already 994, or 921 if the
number is even. GavaConnect has tokens for each app, an app has some of the products, and a refusal
comes with status 200.

A customer of PIN P000000000Z is not registered: 910; of P000000001Z nothing is ever answered.
`faults` are taken by one request each; signatures follow from the seed and the number. Nothing is
kept beyond the process.
"""

import asyncio
import base64
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from aiohttp import web

from connectors.fake_server import FakeServer
from connectors.kra import fake_gava
from connectors.kra.fake_etims import NEVER_ANSWERED, Declared, cents, signatures, wrong_with
from connectors.kra.fake_gava import GavaBook

NAIROBI = timezone(timedelta(hours=3))
WORDS = {
    "000": "It is succeeded",
    "001": "There is no search result",
    "900": "There is no Header information.",
    "901": "It is not valid device",
    "902": "This device is installed",
    "910": "Request parameter error",
    "921": "Sales data which is received or declared already",
    "922": "Sales invoice data can be received after receiving the sales data",
    "994": "Overlapped data",
}
Object = dict[str, Any]


@dataclass
class Fault:
    """What becomes of one request, before the work or after it.

    `result` is a code that eTIMS answers; `cut` breaks the JSON off, `content_type` is another one.
    """

    status: int = 0
    result: str = ""
    after: bool = False
    delay_s: float = 0.0
    drop: bool = False
    cut: bool = False
    content_type: str = ""
    retry_after: str = ""

    @property
    def instead(self) -> bool:
        """Whether the request has another end than its work."""
        return bool(self.status or self.result or self.drop)


class FakeKra(FakeServer):
    """`documents` is eTIMS's book, by branch; `gava` is GavaConnect's."""

    def __init__(
        self,
        *,
        tin: str = "P051234567Z",
        serials: Mapping[str, str] | None = None,
        installed: bool = True,
        gross: bool = True,
        token_lives: str | int = "3599",  # noqa: S107  seconds, as text or number
        seed: int = 1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.tin, self._gross, self._seed, self._now = tin, gross, seed, now
        self.serials = dict(serials or {"00": "dvc-00", "01": "dvc-01"})
        self.keys: dict[str, str] = {}
        """Branch to the key of its control unit, once that is installed."""
        if installed:
            self.keys = {branch: self._key_of(branch) for branch in self.serials}
        self.documents: defaultdict[str, list[Declared]] = defaultdict(list)
        self.notices: list[Object] = []
        self.spaced, self.tells_again = False, False
        """Whether names have a space at their end; whether a repeat is told what was signed."""
        self.gava = GavaBook()
        self.apps: dict[tuple[str, str], frozenset[str]] = {
            ("key", "secret"): frozenset(fake_gava.PATHS.values()) - {"nil_return"},
            ("nil-key", "nil-secret"): frozenset({"nil_return"}),
        }
        """Key and secret of each app to its products."""
        self.tokens: Counter[str] = Counter()
        """How many tokens each app was given, by its key; only the last one is good."""
        self.token_lives = token_lives
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, Object]] = []

    @property
    def configuration(self) -> dict[str, str]:
        """What a connector needs to call this server."""
        return {
            "base_url": f"{self.base_url}/etims-api",
            "tin": self.tin,
            "cmc_key": json.dumps(self.keys) if self.keys else "",
            "device_serial": json.dumps(self.serials),
            "item_code": "KE3NTU0000001",
            "item_class": "5059690800",
            "qr_url": "https://etims-sbx.kra.go.ke",
            "gava_url": self.base_url,
            "consumer_key": "key",
            "consumer_secret": "secret",
            "nil_return_consumer_key": "nil-key",
            "nil_return_consumer_secret": "nil-secret",
        }

    # -- requests -----------------------------------------------------------------------------

    def routes(self) -> Iterator[web.RouteDef]:
        """Tokens of GavaConnect, eTIMS, and GavaConnect's products."""
        for path in ("/v1/token/generate", "/oauth/v1/generate"):
            yield web.get(path, self._token)
        yield web.post("/etims-api/{name}", self._served(self._etims))
        for path in fake_gava.PATHS:
            yield web.post(path, self._served(self._checked))

    def _served(self, work: Callable[[web.Request, Object], tuple[int, Object]]) -> Any:
        async def serve(request: web.Request) -> web.Response:
            body = json.loads(await request.text(), parse_float=Decimal)
            self.requests.append((request.path, body))
            fault = self.faults.popleft() if self.faults else Fault()
            if body.get("custTin") == NEVER_ANSWERED:
                fault = Fault(drop=True)
            if not fault.after:
                await asyncio.sleep(fault.delay_s)
            said: tuple[int, Object] = 0, {}
            if fault.after or not fault.instead:
                said = work(request, body)
            if fault.after:
                await asyncio.sleep(fault.delay_s)
            if fault.drop and request.transport is not None:
                request.transport.abort()
            return self._answer(fault, *said)

        return serve

    def _answer(self, fault: Fault, status: int, said: Object) -> web.Response:
        if fault.result:
            status, said = 200, self._result(fault.result)
        elif fault.instead:
            status, said = fault.status or 500, {"fault": {"faultstring": "busy"}}
        text = json.dumps(said)
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        return web.Response(
            status=status,
            text=text[: len(text) // 2] if fault.cut else text,
            content_type=fault.content_type or "application/json",
            headers=headers,
        )

    # -- eTIMS --------------------------------------------------------------------------------

    def _etims(self, request: web.Request, body: Object) -> tuple[int, Object]:
        name, branch = request.match_info["name"], request.headers.get("bhfId", "")
        stranger = self._stranger(request, branch, is_new=name == "selectInitOsdcInfo")
        if stranger:
            return 200, self._result(stranger)
        match name:
            case "selectInitOsdcInfo":
                return 200, self._installed(branch, body)
            case "saveTrnsSalesOsdc":
                return 200, self._declared(branch, body)
            case "selectNoticeList":
                return 200, self._noticed(str(body["lastReqDt"]))
        return 404, {}

    def _stranger(self, request: web.Request, branch: str, *, is_new: bool) -> str:
        """The code for whoever is no control unit of ours; empty for one that is."""
        headers = request.headers
        named = {"tin", "bhfId"} if is_new else {"tin", "bhfId", "cmcKey"}
        if request.content_type != "application/json" or any(each not in headers for each in named):
            return "900"
        if headers["tin"] != self.tin or branch not in self.serials:
            return "901"
        known = is_new or headers["cmcKey"] == self.keys.get(branch)
        return "" if known else "901"

    def _noticed(self, since: str) -> Object:
        found = [each for each in self.notices if str(each["regDt"]) >= since]
        return self._result("000", {"noticeList": found}) if found else self._result("001")

    def _installed(self, branch: str, body: Object) -> Object:
        if body.get("dvcSrlNo") != self.serials[branch]:
            return self._result("901")
        if branch in self.keys:
            return self._result("902")
        self.keys[branch] = self._key_of(branch)
        info = {
            "tin": self.tin,
            "taxprNm": "Demo Cafe Limited",
            "bhfId": branch,
            "bhfNm": "Headquarter" if branch == "00" else f"Branch {branch}",
            "dvcId": f"9999{branch}",
            "sdicId": f"KRACU{self._seed:06d}{branch}",
            "mrcNo": f"MRC{branch}",
            "cmcKey": self.keys[branch],
        }
        return self._result("000", {"info": info})

    def _declared(self, branch: str, body: Object) -> Object:
        book = self.documents[branch]
        number = body.get("invcNo")
        if type(number) is not int or number < 1:
            return self._result("910", words="invcNo")
        if number <= len(book):
            data = self._data(book[number - 1]) if self.tells_again else None
            return self._result("994" if number % 2 else "921", data)
        if number != len(book) + 1:
            return self._result("922")
        wrong = wrong_with(body, book, gross=self._gross)
        if wrong:
            return self._result("910", words=wrong)
        signature, internal_data = signatures(self._seed, self.tin, branch, number)
        kind = body["rcptTyCd"]
        declared = Declared(
            number,
            kind,
            cents(body["totAmt"]),
            cents(body["totTaxAmt"]),
            signature,
            internal_data,
            1 + sum(each.kind == kind for each in book),
            body["orgInvcNo"],
            body["trdInvcNo"],
            body["cfmDt"],
        )
        book.append(declared)
        return self._result("000", self._data(declared))

    def _data(self, declared: Declared) -> Object:
        """What is told of a signed document: one number is a number, the other is text."""
        data = {
            "curRcptNo": declared.receipt,
            "totRcptNo": str(declared.number),
            "intrlData": declared.internal_data,
            "rcptSign": declared.signature,
            "sdcDateTime": self._moment,
        }
        return {f"{name} ": value for name, value in data.items()} if self.spaced else data

    def _result(self, code: str, data: Object | None = None, *, words: str = "") -> Object:
        return {
            "resultCd": code,
            "resultMsg": words or WORDS.get(code, "Unknown"),
            "resultDt": self._moment,
            "data": data,
        }

    def _key_of(self, branch: str) -> str:
        return f"cmc-{self._seed}-{branch}"

    @property
    def _moment(self) -> str:
        """Now, as fourteen digits of Nairobi's clock."""
        return self._now().astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")

    # -- GavaConnect --------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        for key, secret in self.apps:
            given = base64.b64encode(f"{key}:{secret}".encode()).decode()
            if request.headers.get("Authorization") == f"Basic {given}":
                self.tokens[key] += 1
                told = {"access_token": self._token_of(key), "expires_in": self.token_lives}
                return web.json_response(told)
        status, said = fake_gava.error(401, "401.001.01", "Bad credentials", capitals=False)
        return web.json_response(said, status=status)

    def _token_of(self, key: str) -> str:
        return f"token-{key}-{self.tokens[key]}"

    def _checked(self, request: web.Request, body: Object) -> tuple[int, Object]:
        product = fake_gava.PATHS[request.path]
        bearers = {
            f"Bearer {self._token_of(key)}"
            for (key, _), products in self.apps.items()
            if product in products and self.tokens[key]
        }
        if request.headers.get("Authorization") not in bearers:
            return fake_gava.error(401, "401.003.01", "Invalid access token", capitals=True)
        return self.gava.answer(product, body)
