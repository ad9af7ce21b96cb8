"""eTIMS's own idea of a tax document, and its book: what was declared, by branch.

Every number is recomputed from the lines, in decimals, by rules written from the specification.
Pure but for the book; what is wrong has a name, which is the words of a 910.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")
RATES = {"A": 0, "B": 16, "C": 0, "D": 0, "E": 8}
NOT_REGISTERED = "P000000000Z"
"""A customer's PIN that KRA does not know."""
NEVER_ANSWERED = "P000000001Z"
"""A customer's PIN whose documents are neither taken nor answered: the line goes dead."""
_pin = re.compile(r"[AP]\d{9}[A-Z]").fullmatch
_item_code = re.compile(r"[A-Z]{2}\d[A-Z0-9]{2,7}\d{7}").fullmatch
_digits = re.compile(r"\d+").fullmatch
Object = dict[str, Any]


@dataclass(frozen=True)
class Declared:
    """A document as eTIMS keeps it; amounts in cents."""

    number: int
    kind: str
    """S for a sale, R for a credit note."""
    total: int
    tax: int
    signature: str
    internal_data: str
    receipt: int
    """Of its kind, in its branch."""
    original: int
    trader_number: str
    at: str
    """When it was confirmed, fourteen digits of Nairobi's clock."""


def signatures(seed: int, tin: str, branch: str, number: int) -> tuple[str, str]:
    """(signature of 16 letters, internal data of 26): they follow from what is signed."""
    digest = hashlib.sha256(f"{seed}/{tin}/{branch}/{number}".encode()).digest()
    letters = base64.b32encode(digest).decode().rstrip("=")
    return letters[:16], letters[16:42]


def cents(amount: object) -> int:
    """Cents of an amount of the wire."""
    return int(Decimal(str(amount)).scaleb(2))


def wrong_with(body: Object, declared: list[Declared], *, gross: bool) -> str:
    """The name of the first thing that is wrong with a document; empty if nothing is."""
    try:
        return next(_wrongs(body, declared, gross=gross), "")
    except (KeyError, TypeError, ArithmeticError, AttributeError) as error:
        return f"{type(error).__name__} {error}"


def _wrongs(body: Object, declared: list[Declared], *, gross: bool) -> Iterator[str]:
    yield from _wrong_form(body)
    items = body["itemList"]
    if body["totItemCnt"] != len(items) or not items:
        yield "totItemCnt"
    for seq, item in enumerate(items, 1):
        yield from _wrong_item(item, seq, gross=gross)
    yield from _wrong_sums(body, items)
    yield from _wrong_original(body, declared)
    if body["custTin"] == NOT_REGISTERED:
        yield "Customer PIN not registered on eTIMS"


def _wrong_form(body: Object) -> Iterator[str]:
    whole = ("invcNo", "orgInvcNo", "totItemCnt")
    yield from (name for name in whole if type(body[name]) is not int)
    if not 1 <= len(body["trdInvcNo"]) <= 50:
        yield "trdInvcNo"
    if body["custTin"] is not None and not _pin(body["custTin"]):
        yield "custTin"
    if len(body["custNm"] or "") > 60 or len(body["remark"] or "") > 400:
        yield "custNm, remark"
    fixed = {"salesTyCd": "N", "salesSttsCd": "02", "prchrAcptcYn": "N"}
    yield from (name for name, value in fixed.items() if body[name] != value)
    if body["rcptTyCd"] not in {"S", "R"} or not "01" <= body["pmtTyCd"] <= "07":
        yield "rcptTyCd, pmtTyCd"
    people = ("regrId", "regrNm", "modrId", "modrNm")
    yield from (name for name in people if not 1 <= len(body[name]) <= 20)
    moment, receipt = body["cfmDt"], body["receipt"]
    if not (_digits(moment) and len(moment) == 14 and body["salesDt"] == moment[:8]):
        yield "cfmDt, salesDt"
    if receipt["rcptPbctDt"] != moment or len(receipt["trdeNm"]) > 20:
        yield "receipt"


def _wrong_item(item: Object, seq: int, *, gross: bool) -> Iterator[str]:
    if item["itemSeq"] != seq or not 1 <= len(item["itemNm"]) <= 200:
        yield "itemSeq, itemNm"
    if not _item_code(item["itemCd"]) or not _digits(item["itemClsCd"]):
        yield "itemCd, itemClsCd"
    if not item["pkgUnitCd"] or not item["qtyUnitCd"]:
        yield "pkgUnitCd, qtyUnitCd"
    for name in ("qty", "pkg", "prc", "splyAmt", "taxblAmt", "taxAmt", "totAmt"):
        if Decimal(item[name]) % CENT:
            yield f"{name} has more than two decimals"
    if item["qty"] <= 0 or item["qty"] * Decimal(item["prc"]) != item["splyAmt"]:
        yield "splyAmt"
    total, rate = Decimal(item["totAmt"]), RATES[item["taxTyCd"]]
    if total < 0 or item["splyAmt"] - Decimal(item["dcAmt"]) != total:
        yield "totAmt of an item"
    tax = (total * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)
    if item["taxAmt"] != tax:
        yield "taxAmt of an item"
    if item["taxblAmt"] != (total if gross else total - tax):
        yield "taxblAmt of an item"


def _wrong_sums(body: Object, items: list[Object]) -> Iterator[str]:
    for letter, rate in RATES.items():
        of_letter = [item for item in items if item["taxTyCd"] == letter]
        if body[f"taxRt{letter}"] != rate:
            yield f"taxRt{letter}"
        for name in ("taxblAmt", "taxAmt"):
            if body[f"{name}{letter}"] != sum(item[name] for item in of_letter):
                yield f"{name}{letter}"
    for total, name in (("totTaxblAmt", "taxblAmt"), ("totTaxAmt", "taxAmt"), ("totAmt", "totAmt")):
        if body[total] != sum(item[name] for item in items):
            yield total


def _wrong_original(body: Object, declared: list[Declared]) -> Iterator[str]:
    """A credit note is about a sale of its branch, and all of them come to no more than that."""
    original = body["orgInvcNo"]
    if body["rcptTyCd"] == "S":
        if original != 0:
            yield "orgInvcNo"
        return
    if not body["rfdDt"] or not body["rfdRsnCd"]:
        yield "rfdDt, rfdRsnCd"
    sold = [each.total for each in declared if (each.number, each.kind) == (original, "S")]
    credited = sum(each.total for each in declared if each.original == original)
    if not sold or credited + cents(body["totAmt"]) > sold[0]:
        yield "orgInvcNo"
