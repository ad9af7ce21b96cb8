"""Between our tax documents and eTIMS's JSON, both ways. Pure: no IO, no clock.

Amounts contain their tax. The tax of a line is rounded half up to cents, all else is a sum of
lines; a document that does not add up so is refused here, and nothing is mended (OSCU
specification, "Sales Transaction Save"; VAT Act 2013).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from connectors.base import Ambiguous, Refused, Result, TurnedAway
from connectors.http import Answer
from connectors.kra.codes import EMPTY, OF_DEVICES, meaning_of
from connectors.kra.config import Config
from connectors.kra.words import (
    CURRENCY,
    DECIMALS,
    LETTERS,
    PAYMENTS,
    RATES,
    branch_of,
    instant_of,
    pin_of,
    timestamp,
)
from connectors.reading import Unfit, Unreadable, object_of
from streams.money import Amount, BadAmount, format_minor, json_number, parse_minor, tax_inclusive

DOCUMENT_ID_CHARS, NAME_CHARS, TRADER_CHARS, ITEM_CHARS, REMARK_CHARS = 50, 60, 20, 200, 400
_QUANTITY_DECIMALS, _SENT_DECIMALS = 6, 2
_UNIT = 10**_QUANTITY_DECIMALS
_DETAIL_CHARS = 200
_HUNDREDTH = 10 ** (_QUANTITY_DECIMALS - _SENT_DECIMALS)


class Line(msgspec.Struct, frozen=True):
    """What was sold; amounts are decimal text and contain the tax."""

    description: str
    quantity: str
    total: str
    tax: str
    treatment: Literal["standard", "zero", "exempt", "non_vat"]


class Document(msgspec.Struct, frozen=True):
    """What a journaled call says: a tax document under its number in its branch."""

    document_id: str
    kind: Literal["sale", "credit_note"]
    number: int
    issued_at: Annotated[datetime, msgspec.Meta(tz=True)]
    payment: Literal["cash", "credit", "mixed", "card", "mobile_money", "other"]
    currency: str
    total: str
    tax: str
    lines: tuple[Line, ...]
    trader_name: str = ""
    original_number: int = 0
    branch: str = ""
    customer_name: str = ""
    customer_pin: str = ""
    reason: str = ""


class Said(NamedTuple):
    """An answer of eTIMS: its result code, words for people, and what was asked for."""

    code: str
    words: str
    data: Mapping[str, Any]

    @property
    def detail(self) -> str:
        """Code and words: both are shown, so that people find what to mend."""
        return f"{self.code}: {self.words}"[:_DETAIL_CHARS]


class _Sold(NamedTuple):
    """A line that adds up, in cents."""

    line: Line
    letter: str
    total: int
    tax: int


read_document = msgspec.json.Decoder(Document).decode


# -- to eTIMS -------------------------------------------------------------------------------------


def branch_in(config: Config, document: Document) -> str:
    """The branch of a document. Raises `Unfit` for one that has no control unit of ours."""
    branch = branch_of(document.branch or config.branch)
    if branch not in config.cmc_keys:
        raise Unfit("branch_not_configured")
    return branch


def declaration(config: Config, document: Document) -> dict[str, Any]:
    """The body that declares a document. Raises `Unfit` for what cannot be declared.

    The same document makes the same body, each time.
    """
    sold = _adding_up(document)
    moment = timestamp(document.issued_at)
    customer_pin = pin_of(document.customer_pin) if document.customer_pin else None
    is_credit = document.kind == "credit_note"
    return {
        "trdInvcNo": _document_id(document),
        **_numbers(document),
        "custTin": customer_pin,
        "custNm": document.customer_name[:NAME_CHARS] or None,
        "salesTyCd": "N",
        "rcptTyCd": "R" if is_credit else "S",
        "pmtTyCd": PAYMENTS[document.payment],
        "salesSttsCd": "02",
        "cfmDt": moment,
        "salesDt": moment[:8],
        "stockRlsDt": moment,
        "cnclReqDt": None,
        "cnclDt": None,
        "rfdDt": moment if is_credit else None,
        "rfdRsnCd": config.credit_reason if is_credit else None,
        "totItemCnt": len(sold),
        **_header(config, sold),
        "prchrAcptcYn": "N",
        "remark": document.reason[:REMARK_CHARS] or None,
        "regrId": config.user,
        "regrNm": config.user,
        "modrId": config.user,
        "modrNm": config.user,
        "receipt": {
            "custTin": customer_pin,
            "custMblNo": None,
            "rcptPbctDt": moment,
            "trdeNm": document.trader_name[:TRADER_CHARS],
            "adrs": "",
            "topMsg": "",
            "btmMsg": "",
            "prchrAcptcYn": "N",
        },
        "itemList": [_item(config, seq, each) for seq, each in enumerate(sold, 1)],
    }


def minor_of(document: Document) -> int:
    """The total of a document in cents. Raises `Unfit`."""
    return _cents(document.total)


def _document_id(document: Document) -> str:
    if not 0 < len(document.document_id) <= DOCUMENT_ID_CHARS:
        raise Unfit("document_id_unfit")
    return document.document_id


def _numbers(document: Document) -> dict[str, int]:
    """Numbers have no gaps in a branch, so that what is credited has one before the credit note."""
    number, original = document.number, document.original_number
    if number < 1:
        raise Unfit("number_unfit")
    is_credit = document.kind == "credit_note"
    if not (1 <= original < number if is_credit else original == 0):
        raise Unfit("original_unfit")
    return {"invcNo": number, "orgInvcNo": original}


def _adding_up(document: Document) -> list[_Sold]:
    """Lines of a document whose sums and taxes are what they must be. Raises `Unfit`."""
    if document.currency != CURRENCY:
        raise Unfit("currency_unsupported")
    if not document.lines:
        raise Unfit("no_lines")
    sold = [_sold(line) for line in document.lines]
    total = _cents(document.total)
    if total == 0:
        raise Unfit("amount_not_positive")
    if sum(each.total for each in sold) != total:
        raise Unfit("total_differs_from_lines")
    if sum(each.tax for each in sold) != _cents(document.tax):
        raise Unfit("tax_differs_from_lines")
    return sold


def _sold(line: Line) -> _Sold:
    letter = LETTERS[line.treatment]
    total, tax = _cents(line.total), _cents(line.tax)
    if tax != tax_inclusive(total, (RATES[letter], 100))[1]:
        raise Unfit("tax_of_line_unfit")
    return _Sold(line, letter, total, tax)


def _cents(text: str) -> int:
    """Cents of an amount that is not below zero. Raises `Unfit`."""
    try:
        minor = parse_minor(text, DECIMALS)
    except BadAmount as error:
        raise Unfit(f"amount_{error.reason}") from None
    if minor < 0:
        raise Unfit("amount_not_positive")
    return minor


def _header(config: Config, sold: Sequence[_Sold]) -> dict[str, Any]:
    """Taxable amount, rate and tax of each letter, and the sums of all."""
    said: dict[str, Any] = {}
    for letter, rate in RATES.items():
        of_letter = [each for each in sold if each.letter == letter]
        said[f"taxblAmt{letter}"] = _number(sum(_taxable(config, each) for each in of_letter))
        said[f"taxRt{letter}"] = rate
        said[f"taxAmt{letter}"] = _number(sum(each.tax for each in of_letter))
    return {
        **said,
        "totTaxblAmt": _number(sum(_taxable(config, each) for each in sold)),
        "totTaxAmt": _number(sum(each.tax for each in sold)),
        "totAmt": _number(sum(each.total for each in sold)),
    }


def _taxable(config: Config, sold: _Sold) -> int:
    return sold.total if config.taxable == "gross" else sold.total - sold.tax


def _item(config: Config, seq: int, sold: _Sold) -> dict[str, Any]:
    name, quantity, price = _priced(sold)
    return {
        "itemSeq": seq,
        "itemCd": config.item_code,
        "itemClsCd": config.item_class,
        "itemNm": name,
        "bcd": None,
        "pkgUnitCd": config.package_unit,
        "pkg": quantity,
        "qtyUnitCd": config.quantity_unit,
        "qty": quantity,
        "prc": _number(price),
        "splyAmt": _number(sold.total),
        "dcRt": 0,
        "dcAmt": 0,
        "isrccCd": None,
        "isrccNm": None,
        "isrcRt": None,
        "isrcAmt": None,
        "taxTyCd": sold.letter,
        "taxblAmt": _number(_taxable(config, sold)),
        "taxAmt": _number(sold.tax),
        "totAmt": _number(sold.total),
    }


def _priced(sold: _Sold) -> tuple[str, msgspec.Raw, int]:
    """(name, quantity, price in cents), so that quantity × price is the total, to the cent.

    eTIMS has two decimals for both. What cannot be said so is one thing for the whole amount, with
    its quantity in its name.
    """
    line = sold.line
    name = line.description.strip()
    try:
        quantity = parse_minor(line.quantity, _QUANTITY_DECIMALS)
    except BadAmount:
        raise Unfit("quantity_unfit") from None
    if quantity <= 0:
        raise Unfit("quantity_unfit")
    if not name:
        raise Unfit("description_unfit")
    price, rest = divmod(sold.total * _UNIT, quantity)
    if rest or quantity % _HUNDREDTH:
        return f"{line.quantity} × {name}"[:ITEM_CHARS], msgspec.Raw("1.00"), sold.total
    sent = format_minor(quantity // _HUNDREDTH, _SENT_DECIMALS)
    return name[:ITEM_CHARS], msgspec.Raw(sent), price


def _number(minor: int) -> msgspec.Raw:
    return json_number(minor, CURRENCY)


# -- from eTIMS -----------------------------------------------------------------------------------


def said_in(body: bytes) -> Said:
    """What eTIMS says. Raises `Unreadable` for an answer without a result code.

    Names have been seen with a space at their end; a code may come as a number.
    """
    said = _stripped(object_of(body))
    code = said.get("resultCd")
    if isinstance(code, int) and not isinstance(code, bool):
        code = f"{code:03d}"
    if not isinstance(code, str) or not code.strip():
        raise Unreadable("no resultCd")
    data = said.get("data")
    return Said(
        code.strip(),
        text_of(said, "resultMsg"),
        _stripped(data) if isinstance(data, Mapping) else {},
    )


def result_of(config: Config, document: Document, answer: Answer) -> Result:
    """What became of a declaration. Raises a `CallError` for one that was not heard, or may be."""
    said = heard(answer)
    minor = minor_of(document)
    branch = document.branch or config.branch
    match meaning_of(said.code):
        case "done":
            says = signed(config, branch, said.data)
            if "signature" not in says:
                return Result("pending", detail="accepted without a signature")
            return Result("succeeded", says["signature"], minor, CURRENCY, says=says)
        case "recorded":
            says = signed(config, branch, said.data)
            reference = says.get("signature", "")
            return Result("succeeded", reference, minor, CURRENCY, detail="recorded", says=says)
        case "rejected":
            return Result("failed", failure="rejected", detail=said.detail)
        case "unknown":
            return Result("pending", detail=said.detail)
    raise refusal_of(said, answer)


def heard(answer: Answer) -> Said:
    """What an answer says, if it is one of eTIMS. Raises `Refused` or `Ambiguous`."""
    try:
        return said_in(answer.body)
    except Unreadable:
        pass
    if answer.status in {401, 403}:
        raise Refused(f"status {answer.status}", failure="not_configured")
    if answer.status == 408 or answer.status < 300:
        raise Ambiguous("unreadable answer")
    raise Refused(f"status {answer.status}")


def refusal_of(said: Said, answer: Answer) -> Ambiguous | Refused | TurnedAway:
    """What to raise for a request that has no result."""
    match meaning_of(said.code):
        case "busy":
            return TurnedAway(said.detail, retry_after_s=answer.retry_after_s)
        case "not_configured":
            return Refused(said.detail, failure="not_configured")
        case "not_now" | "rejected":
            return Refused(said.detail, failure=meaning_of(said.code))
    return Ambiguous(said.detail, retry_after_s=answer.retry_after_s)


def signed(config: Config, branch: str, data: Mapping[str, Any]) -> dict[str, str]:
    """What belongs on a document that eTIMS has signed, as far as it says it."""
    signature = text_of(data, "rcptSign")
    found = {
        "receipt_number": text_of(data, "curRcptNo") or text_of(data, "rcptNo"),
        "total_receipt_number": text_of(data, "totRcptNo"),
        "internal_data": text_of(data, "intrlData"),
        "signature": signature,
        "signed_at": instant_of(
            text_of(data, "sdcDateTime") or text_of(data, "vsdcRcptPbctDate"),
        ),
        "qr": config.qr_of(branch, signature) if signature else "",
    }
    return {name: value for name, value in found.items() if value}


# -- control units and notices --------------------------------------------------------------------


def device(config: Config, branch: str) -> dict[str, Any]:
    """The body that asks for the key of a branch's control unit. Raises `Unfit`."""
    serial = config.device_serials.get(branch)
    if serial is None:
        raise Unfit("branch_not_configured")
    return {"dvcSrlNo": serial}


def device_of(config: Config, branch: str, answer: Answer) -> dict[str, str]:
    """What eTIMS says of a control unit, its key among it, as the secret is from then on.

    Raises a `CallError`; `Refused` by name for one that is installed already.
    """
    said = heard(answer)
    if said.code in OF_DEVICES:
        raise Refused(said.detail, failure=OF_DEVICES[said.code])
    if meaning_of(said.code) != "done":
        raise refusal_of(said, answer)
    inner = said.data.get("info")
    info = _stripped(inner) if isinstance(inner, Mapping) else said.data
    key = text_of(info, "cmcKey")
    if not key:
        raise Ambiguous("a control unit without its key")
    return {
        "cmc_key": config.with_key(branch, key),
        "branch": branch,
        "device": text_of(info, "dvcId"),
        "control_unit": text_of(info, "sdcId") or text_of(info, "sdicId"),
        "machine": text_of(info, "mrcNo"),
        "trader_name": text_of(info, "taxprNm"),
        "branch_name": text_of(info, "bhfNm"),
    }


def notices_of(answer: Answer) -> list[dict[str, str]]:
    """KRA's notices to traders, under its own names. Raises a `CallError`."""
    said = heard(answer)
    if said.code == EMPTY:
        return []
    if meaning_of(said.code) != "done":
        raise refusal_of(said, answer)
    listed = said.data.get("noticeList")
    if not isinstance(listed, list):
        raise Ambiguous("no list of notices")
    return [texts_of(_stripped(each)) for each in listed if isinstance(each, Mapping)]


# -- reading --------------------------------------------------------------------------------------


def texts_of(said: Mapping[str, Any]) -> dict[str, str]:
    """The members that are text or numbers, as text."""
    found = {name: text_of(said, name) for name in said}
    return {name: text for name, text in found.items() if text}


def text_of(said: Mapping[str, Any], name: str) -> str:
    """A member as text, whether it came as text or as a number; empty for anything else."""
    value = said.get(name)
    if isinstance(value, Amount):
        return value.text
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


def _stripped(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name.strip(): value for name, value in said.items()}
