"""What GavaConnect knows and answers: taxpayers, returns, numbers to pay by.

Many of its refusals come with status 200 and Status NOK. Errors have two spellings, and which one
is a matter of the product.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
Answered = tuple[int, Object]
PATHS = {
    "/checker/v1/pinbypin": "pin",
    "/checker/v1/pin": "pin_by_id",
    "/v1/kra-tcc/validate": "compliance",
    "/dtd/application/v1/tcc": "compliance_application",
    "/dtd/checker/v1/obligation": "obligations",
    "/dtd/return/v1/nil": "nil_return",
    "/filing/v1/tot/paymentregistration": "turnover_tax",
    "/generate/v1/prn/whtvat": "withholding_prn",
    "/checker/v1/invoice": "invoice_check",
}
_pin = re.compile(r"[AP]\d{9}[A-Z]").fullmatch


@dataclass
class Taxpayer:
    """Somebody whom KRA knows."""

    pin: str
    name: str
    kind: str = "COMP"
    taxpayer_id: str = ""
    state: str = "Active"
    certificate: str = ""
    obligations: dict[str, str] = field(default_factory=dict)
    """Code to name."""


def error(status: int, code: str, words: str, *, capitals: bool) -> Answered:
    """An error in one of its two spellings."""
    names = ("RequestId", "ErrorCode", "ErrorMessage")
    if not capitals:
        names = ("requestId", "errorCode", "errorMessage")
    return status, dict(zip(names, ("1234-567-1", code, words), strict=True))


class GavaBook:
    """Taxpayers by PIN, what was filed, and invoices that can be found."""

    def __init__(self) -> None:
        known = [
            Taxpayer(
                "P051234567Z",
                "Demo Cafe Limited",
                taxpayer_id="CPR/2020/1",
                certificate="KRATCC0001",
                obligations={"4": "Income Tax - Company", "9": "Value Added Tax (VAT)"},
            ),
            Taxpayer("A012345678Z", "Wanjiru Mwangi", "KE", "12345678"),
        ]
        self.taxpayers = {each.pin: each for each in known}
        self.filed: list[tuple[str, ...]] = []
        """Each return or application: what it is, of whom, about what."""
        self.invoices: set[tuple[str, str]] = set()
        """Number and day of invoices that KRA has."""
        self._numbers = 0

    def answer(self, product: str, body: Object) -> Answered:
        """What a product says to a body that is of the right form, or an error."""
        try:
            return self._answers(product, body)
        except (KeyError, TypeError, ArithmeticError, AttributeError) as wrong:
            words = f"{type(wrong).__name__} {wrong}"
            return error(400, "400.002.02", words, capitals=product == "withholding_prn")

    def _answers(self, product: str, body: Object) -> Answered:
        answers = {
            "pin": self._pin,
            "pin_by_id": self._pin_by_id,
            "compliance": self._compliance,
            "compliance_application": self._applied,
            "obligations": self._obligations,
            "withholding_prn": self._withholding,
            "invoice_check": self._invoice,
        }
        if product in answers:
            return answers[product](body)
        return self._returned(product, body["TAXPAYERDETAILS"])

    def _returned(self, product: str, details: Object) -> Answered:
        if not 1 <= int(details["Month"]) <= 12 or len(details["Year"]) != 4:
            return self._nok("82002", "Validation failed")
        period = f"{details['Year']}-{details['Month']}"
        if product == "nil_return":
            return self._filed(product, details, details["ObligationCode"], period)
        turnover = Decimal(details["GrossTurnover"])
        return self._filed(product, details, period, str(turnover))

    def _pin(self, body: Object) -> Answered:
        found = self.taxpayers.get(body["KRAPIN"])
        if found is None:
            return 200, {"ResponseCode": "23001", "Message": "Invalid PIN", "Status": "NOK"}
        data = {
            "KRAPIN": found.pin,
            "TypeOfTaxpayer": found.kind,
            "Name": found.name,
            "StatusOfPIN": found.state,
        }
        told = {"ResponseCode": "23000", "Message": "Valid PIN", "Status": "OK", "PINDATA": data}
        return 200, told

    def _pin_by_id(self, body: Object) -> Answered:
        wanted = body["TaxpayerType"], body["TaxpayerID"]
        for each in self.taxpayers.values():
            if (each.kind, each.taxpayer_id) == wanted:
                return 200, {"TaxpayerPIN": each.pin, "TaxpayerName": each.name}
        return error(200, "30002", "Taxpayer not found", capitals=True)

    def _compliance(self, body: Object) -> Answered:
        found = self.taxpayers.get(body["kraPIN"])
        if found is None or found.certificate != body["tccNumber"]:
            return 200, {"ResponseCode": "24001", "Message": "Invalid TCC", "Status": "NOK"}
        data = {"KRAPIN": found.pin, "TCCNumber": found.certificate, "ExpiryDate": "31/12/2026"}
        told = {"ResponseCode": "24000", "Message": "Valid TCC", "Status": "OK", "TCCData": data}
        return 200, told

    def _obligations(self, body: Object) -> Answered:
        found = self.taxpayers.get(body["taxPayerPin"])
        if found is None or not found.obligations:
            return 200, {"responseCode": "20001", "message": "No obligations found"}
        listed = [
            {"obligationId": int(code), "obligationName": name, "obligationType": "Monthly"}
            for code, name in found.obligations.items()
        ]
        return 200, {"ObligationsList": listed}

    def _invoice(self, body: Object) -> Answered:
        if (body["invoiceNumber"], body["invoiceDate"]) not in self.invoices:
            return 200, {"responseCode": "40001", "message": "Invoice not found"}
        told = {"invoiceNumber": body["invoiceNumber"], "salesDate": body["invoiceDate"]}
        return 200, {"responseCode": "40000", "message": "Found", "invoiceDetails": told}

    def _withholding(self, body: Object) -> Answered:
        header, details = body["transactionHeader"], body["transactionDetails"]
        gross = sum(Decimal(each["grossAmount"]) for each in details)
        tax = sum(Decimal(each["taxAmount"]) for each in details)
        fits = (
            header["noOfTransactions"] == len(details)
            and Decimal(header["totalGrossAmount"]) == gross
            and Decimal(header["totalTaxAmount"]) == tax
            and header["taxObligation"] == "WHTVAT"
            and all(_pin(each["withholdeePin"]) for each in details)
        )
        about = ("withholding_prn", header["withholderPin"], header["transactionUniqueNo"])
        if not fits or about in self.filed:
            return 200, {"responseCode": "70001", "status": "NOK", "message": "Duplicate or wrong"}
        self.filed.append(about)
        data = {"prnNumber": self._next("PRN"), "prnDate": "2026-03-01", "prnAmount": str(tax)}
        return 200, {"responseCode": "70000", "status": "OK", "responseData": data}

    def _applied(self, body: Object) -> Answered:
        details = body["REQUEST"]["TAXPAYERDETAILS"]
        return self._filed("compliance_application", details, details["ReasonForTCC"])

    def _filed(self, product: str, details: Object, *about: str) -> Answered:
        filed = (product, details["TaxpayerPIN"], *about)
        if details["TaxpayerPIN"] not in self.taxpayers or filed in self.filed:
            return self._nok("82002", "Validation failed: filed already, or no such taxpayer")
        self.filed.append(filed)
        told = {"ResponseCode": "82000", "Message": "Filed", "Status": "OK"}
        return 200, {"RESPONSE": {**told, "AckNumber": self._next("ACK")}}

    @staticmethod
    def _nok(code: str, words: str) -> Answered:
        return 200, {"RESPONSE": {"ResponseCode": code, "Message": words, "Status": "NOK"}}

    def _next(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}{self._numbers:08d}"
