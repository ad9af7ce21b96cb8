"""What people ask of GavaConnect: checks, returns, numbers to pay by. Pure: no IO, no clock.

No money moves by any of it. What KRA answers is read by whatever case its members have; an error
may come with status 200, and only its own word or the thing that was asked for is success
(GavaConnect documentation, one page for each product).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from connectors.base import Ambiguous, Refused, TurnedAway
from connectors.http import Answer
from connectors.kra.translate import text_of, texts_of
from connectors.kra.words import (
    CURRENCY,
    DECIMALS,
    day_of,
    pin_of,
)
from connectors.reading import Unfit, Unreadable, object_of
from streams.money import Amount, BadAmount, decoder, format_minor, parse_minor

LINES_MAX, TEXT_CHARS = 1_000, 200
KINDS = frozenset({"KE", "NKE", "NKENRB", "COMP"})
"""Kinds of taxpayers whose PIN is looked for: citizen, resident, not resident, company."""
_DETAIL_CHARS = 200
_TRANSIENT = frozenset({"40005", "50000"})
_FAILURES: Mapping[str, str] = {
    "30002": "taxpayer_unknown",
    "40001": "invoice_unknown",
    "70001": "withholding_prn_refused",
    "82002": "return_invalid",
}
"""Codes that say no, and words for them."""
_FILING = frozenset({"compliance_application", "nil_return", "turnover_tax", "withholding_prn"})
"""Actions that leave something with KRA: without its own word it is not known whether they did."""

Values = Mapping[str, str]
Said = Mapping[str, Any]


class Withheld(msgspec.Struct, frozen=True):
    """Tax that was withheld of one invoice; `rate` in percent."""

    pin: str
    invoice: str
    invoice_day: str
    paid_day: str
    gross: Amount
    rate: Amount
    tax: Amount


class Task(NamedTuple):
    """How one thing is asked for: where, its body of plain values, and what is read of the answer.

    `reads` raises `Unreadable` for an answer that has not what was asked for.
    """

    path: str
    body: Callable[[Values], dict[str, Any]]
    reads: Callable[[Said], dict[str, Any]]


# -- to GavaConnect -------------------------------------------------------------------------------


def _pin(values: Values) -> dict[str, Any]:
    return {"KRAPIN": pin_of(values.get("pin", ""))}


def _pin_by_id(values: Values) -> dict[str, Any]:
    if values.get("kind") not in KINDS:
        raise Unfit("kind_unfit")
    return {"TaxpayerType": values["kind"], "TaxpayerID": _text(values, "id")}


def _compliance(values: Values) -> dict[str, Any]:
    return {
        "kraPIN": pin_of(values.get("pin", "")),
        "tccNumber": _text(values, "certificate"),
    }


def _compliance_application(values: Values) -> dict[str, Any]:
    details = {
        "TaxpayerPIN": pin_of(values.get("pin", "")),
        "ReasonForTCC": _text(values, "reason"),
    }
    return {"REQUEST": {"TAXPAYERDETAILS": details}}


def _obligations(values: Values) -> dict[str, Any]:
    return {"taxPayerPin": pin_of(values.get("pin", ""))}


def _nil_return(values: Values) -> dict[str, Any]:
    """Numbers are text: so they are in KRA's own samples."""
    code = values.get("obligation", "")
    if not (code.isascii() and code.isdigit() and len(code) <= 3):
        raise Unfit("obligation_unfit")
    details = {
        "TaxpayerPIN": pin_of(values.get("pin", "")),
        "ObligationCode": code,
        **_period(values),
    }
    return {"TAXPAYERDETAILS": details}


def _turnover_tax(values: Values) -> dict[str, Any]:
    details = {
        "TaxpayerPIN": pin_of(values.get("pin", "")),
        **_period(values),
        "GrossTurnover": _number(_cents(values.get("turnover", ""), "turnover_unfit")),
    }
    return {"TAXPAYERDETAILS": details}


def _withholding_prn(values: Values) -> dict[str, Any]:
    first, last = day_of(values.get("from", "")), day_of(values.get("to", ""))
    if first > last:
        raise Unfit("period_unfit")
    lines = _withheld(values.get("lines", ""))
    details = [_detail(line) for line in lines]
    gross = sum(_cents(line.gross.text, "amount_unfit") for line in lines)
    tax = sum(_cents(line.tax.text, "amount_unfit") for line in lines)
    header = {
        "withholderPin": pin_of(values.get("pin", "")),
        "transactionUniqueNo": _text(values, "reference"),
        "noOfTransactions": len(details),
        "taxObligation": "WHTVAT",
        "taxPeriodFrom": first.isoformat(),
        "taxPeriodTo": last.isoformat(),
        "totalGrossAmount": _number(gross),
        "totalTaxAmount": _number(tax),
    }
    return {"transactionHeader": header, "transactionDetails": details}


def _withheld(text: str) -> Sequence[Withheld]:
    try:
        lines: list[Withheld] = decoder(list[Withheld]).decode(text)
    except ValueError:
        raise Unfit("lines_unfit") from None
    if not 1 <= len(lines) <= LINES_MAX:
        raise Unfit("lines_unfit")
    return lines


def _detail(line: Withheld) -> dict[str, Any]:
    gross, tax = _cents(line.gross.text, "amount_unfit"), _cents(line.tax.text, "amount_unfit")
    if not 0 < tax <= gross:
        raise Unfit("amount_unfit")
    return {
        "withholdeePin": pin_of(line.pin),
        "invoiceNo": _text({"invoice": line.invoice}, "invoice"),
        "invoiceDate": day_of(line.invoice_day).isoformat(),
        "paymentDate": day_of(line.paid_day).isoformat(),
        "grossAmount": _number(gross),
        "taxRate": _number(_cents(line.rate.text, "rate_unfit")),
        "taxAmount": _number(tax),
    }


def _invoice_check(values: Values) -> dict[str, Any]:
    return {
        "invoiceNumber": _text(values, "number"),
        "invoiceDate": day_of(values.get("day", "")).isoformat(),
    }


def _period(values: Values) -> dict[str, str]:
    month, year = values.get("month", ""), values.get("year", "")
    if not (month.isascii() and month.isdigit() and len(month) <= 2 and 1 <= int(month) <= 12):
        raise Unfit("month_unfit")
    if not (year.isascii() and year.isdigit() and len(year) == 4 and year >= "1990"):
        raise Unfit("year_unfit")
    return {"Month": month.zfill(2), "Year": year}


def _text(values: Values, name: str) -> str:
    text = values.get(name, "").strip()
    if not (0 < len(text) <= TEXT_CHARS and text.isprintable()):
        raise Unfit(f"{name}_unfit")
    return text


def _cents(text: str, reason: str) -> int:
    """Hundredths of a number that is not below zero."""
    try:
        minor = parse_minor(text.strip(), DECIMALS)
    except BadAmount:
        raise Unfit(reason) from None
    if minor < 0:
        raise Unfit(reason)
    return minor


def _number(minor: int) -> msgspec.Raw:
    """A JSON number, without decimals where there are none: some clients only send whole ones."""
    return msgspec.Raw(format_minor(minor, DECIMALS).removesuffix(".00"))


# -- from GavaConnect -----------------------------------------------------------------------------


def said_of(action: str, answer: Answer) -> dict[str, Any]:
    """What came of an action.

    Raises `Refused` with a word for callers and KRA's own words, `TurnedAway` while KRA cannot
    look, `Ambiguous` for an answer that says neither yes nor no.
    """
    try:
        said = _unwrapped(object_of(answer.body))
    except Unreadable as error:
        if 400 <= answer.status < 500:
            raise Refused(f"status {answer.status}", failure=f"{action}_refused") from None
        raise Ambiguous("unreadable answer") from error
    code = text_of(said, "responsecode") or text_of(said, "errorcode")
    words = text_of(said, "message") or text_of(said, "errormessage")
    detail = f"{code or answer.status}: {words}"[:_DETAIL_CHARS]
    if code in _TRANSIENT:
        raise TurnedAway(detail, retry_after_s=answer.retry_after_s)
    if answer.status >= 300 or _is_refusal(said, code):
        raise Refused(detail, failure=_FAILURES.get(code, f"{action}_refused"))
    try:
        return TASKS[action].reads(said)
    except Unreadable as error:
        if code and action not in _FILING:
            raise Refused(detail, failure=f"{action}_refused") from None
        raise Ambiguous(f"unreadable answer: {error}") from error


def _is_refusal(said: Said, code: str) -> bool:
    status = text_of(said, "status").upper()
    is_error = bool(text_of(said, "errorcode") or text_of(said, "errormessage"))
    return is_error or code in _FAILURES or (bool(status) and status != "OK")


def _unwrapped(said: Said) -> Said:
    """The members of an answer by their names in small letters, whatever it is wrapped in."""
    small = _small(said)
    inner = small.get("response")
    return _small(inner) if isinstance(inner, Mapping) else small


def _small(said: Said) -> Said:
    return {name.strip().lower(): value for name, value in said.items()}


def _inner(said: Said, name: str) -> Said:
    inner = said.get(name)
    if not isinstance(inner, Mapping):
        raise Unreadable(f"no {name}")
    return inner


def _named(said: Said, name: str) -> str:
    text = text_of(said, name)
    if not text:
        raise Unreadable(f"no {name}")
    return text


def _told_of_pin(said: Said) -> dict[str, Any]:
    data = _small(_inner(said, "pindata"))
    return {
        "pin": _named(data, "krapin"),
        "name": text_of(data, "name"),
        "kind": text_of(data, "typeoftaxpayer"),
        "state": text_of(data, "statusofpin"),
    }


def _told_of_taxpayer(said: Said) -> dict[str, Any]:
    return {"pin": _named(said, "taxpayerpin"), "name": text_of(said, "taxpayername")}


def _told_of_certificate(said: Said) -> dict[str, Any]:
    """Which members it has is not documented: they are shown as they are."""
    return {"detail": text_of(said, "message"), "told": texts_of(_inner(said, "tccdata"))}


def _told_of_obligations(said: Said) -> dict[str, Any]:
    listed = said.get("obligationslist")
    if not isinstance(listed, list):
        raise Unreadable("no obligationslist")
    return {"obligations": [_obligation(each) for each in listed]}


def _obligation(said: object) -> dict[str, str]:
    if not isinstance(said, Mapping):
        raise Unreadable("an invalid obligation")
    small = _small(said)
    return {
        "id": _named(small, "obligationid"),
        "name": text_of(small, "obligationname"),
        "kind": text_of(small, "obligationtype"),
    }


def _told_of_return(said: Said) -> dict[str, Any]:
    return {"acknowledgement": _named(said, "acknumber"), "detail": text_of(said, "message")}


def _told_of_prn(said: Said) -> dict[str, Any]:
    data = _small(_inner(said, "responsedata"))
    return {
        "prn": _named(data, "prnnumber"),
        "day": text_of(data, "prndate"),
        "amount": text_of(data, "prnamount"),
        "currency": CURRENCY,
    }


def _told_as_it_is(said: Said) -> dict[str, Any]:
    """Of an answer whose members are not documented: KRA's own word, and all that it tells."""
    if text_of(said, "status").upper() != "OK" and text_of(said, "responsecode") != "40000":
        raise Unreadable("no status")
    inner = (value for value in said.values() if isinstance(value, Mapping))
    told = texts_of(said)
    for each in inner:
        told |= texts_of(each)
    return {"detail": text_of(said, "message"), "told": told}


TASKS: Mapping[str, Task] = {
    "pin": Task("/checker/v1/pinbypin", _pin, _told_of_pin),
    "pin_by_id": Task("/checker/v1/pin", _pin_by_id, _told_of_taxpayer),
    "compliance": Task("/v1/kra-tcc/validate", _compliance, _told_of_certificate),
    "compliance_application": Task(
        "/dtd/application/v1/tcc", _compliance_application, _told_as_it_is
    ),
    "obligations": Task("/dtd/checker/v1/obligation", _obligations, _told_of_obligations),
    "nil_return": Task("/dtd/return/v1/nil", _nil_return, _told_of_return),
    "turnover_tax": Task("/filing/v1/tot/paymentregistration", _turnover_tax, _told_as_it_is),
    "withholding_prn": Task("/generate/v1/prn/whtvat", _withholding_prn, _told_of_prn),
    "invoice_check": Task("/checker/v1/invoice", _invoice_check, _told_as_it_is),
}
"""By the name of the action, which is the name of its product (config.py)."""
