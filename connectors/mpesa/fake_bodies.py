"""What the fake Daraja answers and tells, as JSON: the shapes of Safaricom's documentation."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.mpesa.fake_book import WORDS, Paid, Payout, Push


def callback(push: Push, moment: str) -> dict[str, Any]:
    """How a push ended; only one that was paid has metadata."""
    told: dict[str, Any] = {
        "MerchantRequestID": push.merchant_id,
        "CheckoutRequestID": push.checkout_id,
        "ResultCode": push.result,
        "ResultDesc": WORDS[push.result or 0],
    }
    if push.result == 0:
        told["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": push.amount},
                {"Name": "MpesaReceiptNumber", "Value": push.receipt},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": int(moment)},
                {"Name": "PhoneNumber", "Value": int(push.phone)},
            ]
        }
    return {"Body": {"stkCallback": told}}


def confirmation(paid: Paid, short_code: str, moment: str) -> dict[str, Any]:
    """Money that came to a short code; its payer under a mask (version 2)."""
    return {
        "TransactionType": "Pay Bill",
        "TransID": paid.receipt,
        "TransTime": moment,
        "TransAmount": f"{paid.amount}.00",
        "BusinessShortCode": short_code,
        "BillRefNumber": paid.bill_reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": "",
        "ThirdPartyTransID": "",
        "MSISDN": f"{paid.phone[:4]} ***** {paid.phone[-3:]}",
        "FirstName": "A",
        "MiddleName": "",
        "LastName": "",
    }


def pulled(paid: Paid) -> dict[str, Any]:
    """A row of the list of what came; the Z of its time may mean nothing."""
    return {
        "transactionId": paid.receipt,
        "trxDate": "2026-03-01T09:30:05Z",
        "msisdn": int(paid.phone),
        "sender": "MPESA",
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": paid.bill_reference,
        "amount": f"{paid.amount}.00",
        "organizationname": "A Shop",
    }


def balances(received: int, paid_out: int) -> dict[str, Any]:
    """What the short code's accounts have, as one line of text; one of them is overdrawn."""
    working = f"Working Account|KES|{received}.00|{received}.00|0.00|0.00"
    utility = f"Utility Account|KES|{900000 - paid_out}.00|{900000 - paid_out}.00|0.00|0.00"
    charges = "Charges Paid Account|KES|-5.50|-5.50|0.00|0.00"
    return {"AccountBalance": f"{working}&{utility}&{charges}", "BOCompletedTime": 20260301093055}


def b2c_result(payout: Payout, new_receipt: Callable[[], str]) -> dict[str, Any]:
    """How a payout to a telephone ended; a failure has a receipt of its own that paid nobody."""
    pairs = {
        "TransactionAmount": payout.amount,
        "TransactionReceipt": payout.receipt,
        "ReceiverPartyPublicName": f"{payout.to} - A B",
        "B2CRecipientIsRegisteredCustomer": "Y",
    }
    return _ended(payout, pairs, new_receipt)


def b2b_result(payout: Payout, new_receipt: Callable[[], str]) -> dict[str, Any]:
    """How a payout to a business ended; a balance comes as text that is no JSON."""
    pairs = {
        "DebitAccountBalance": "{Amount={CurrencyCode=KES, MinimumAmount=618683}}",
        "Amount": f"{payout.amount}.00",
        "TransCompletedTime": "20260301093055",
        "ReceiverPartyPublicName": f"{payout.to} - A Shop",
        "Currency": "KES",
    }
    return _ended(payout, pairs, new_receipt)


def _ended(payout: Payout, pairs: dict[str, Any], new_receipt: Callable[[], str]) -> dict[str, Any]:
    return envelope(
        payout.result,
        payout.originator_id,
        payout.conversation_id,
        payout.receipt or new_receipt(),
        {} if payout.result else pairs,
    )


def state(payout: Payout) -> dict[str, Any]:
    """What a status query is told of a payout; one of its members has no value."""
    return {
        "DebitPartyName": "600999 - A Shop",
        "TransactionReason": None,
        "TransactionStatus": "Completed" if payout.receipt else "Failed",
        "Amount": payout.amount,
        "ReceiptNo": payout.receipt,
    }


def envelope(
    result: int | str, originator_id: str, conversation_id: str, receipt: str, pairs: dict[str, Any]
) -> dict[str, Any]:
    """What is told of a payout, a reversal or a query; a failure has no parameters."""
    told: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": result,
        "ResultDesc": WORDS[result],
        "OriginatorConversationID": originator_id,
        "ConversationID": conversation_id,
        "TransactionID": receipt,
        "ReferenceData": {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": "…"}},
    }
    if pairs:
        told["ResultParameters"] = {
            "ResultParameter": [
                {"Key": key} if value is None else {"Key": key, "Value": value}
                for key, value in pairs.items()
            ]
        }
    return {"Result": told}


def accepted(conversation_id: str, originator_id: str) -> web.Response:
    """A request that is told of later was taken."""
    return web.json_response(
        {
            "ConversationID": conversation_id,
            "OriginatorConversationID": originator_id,
            "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        }
    )


def error(status: int, code: str, message: str, body: str = "") -> web.Response:
    """An error envelope, or `body` as it is: what a machine before Daraja says."""
    if body:
        return web.Response(status=status, text=body)
    said = {"requestId": "1234-567-1", "errorCode": code, "errorMessage": message}
    return web.json_response(said, status=status)
