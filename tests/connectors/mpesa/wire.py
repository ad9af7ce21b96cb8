"""What M-Pesa sends, as its documentation and the field show it; never by our own encoder.

Source of each: the section of external-apis.md in the comment.
"""

# 1.4, the callback of a push that was paid
PAID = """
{"Body":{"stkCallback":{"MerchantRequestID":"11-22-1","CheckoutRequestID":"ws_CO_1","ResultCode":0,
 "ResultDesc":"ok","CallbackMetadata":{"Item":[{"Name":"Amount","Value":150.00},
 {"Name":"MpesaReceiptNumber","Value":"TCA1B2C3D4"},{"Name":"Balance"},
 {"Name":"TransactionDate","Value":20260301093055},{"Name":"PhoneNumber","Value":254708374149}]}}}}
"""
# 1.4, one that was not: without metadata
CANCELLED = """
{"Body":{"stkCallback":{"MerchantRequestID":"11-22-1","CheckoutRequestID":"ws_CO_1",
 "ResultCode":1032,"ResultDesc":"Request cancelled by user"}}}
"""
# 1.3 and 1.7, requests that were taken
PUSHED = """
{"MerchantRequestID":"11-22-1","CheckoutRequestID":"ws_CO_01032026093005000708374149",
 "ResponseCode":"0","ResponseDescription":"Success","CustomerMessage":"Success"}
"""
PAYOUT_TAKEN = """
{"ConversationID":"AG_20260301_1","OriginatorConversationID":"p-1","ResponseCode":"0",
 "ResponseDescription":"Accept the service request successfully."}
"""
# 1.6, an answer with its misspelt member
REGISTERED = """
{"OriginatorCoversationID":"7-1","ResponseCode":"0","ResponseDescription":"Success"}
"""
# 1.2 and 1.5, errors
PROCESSING = """
{"requestId":"1234-567-1","errorCode":"500.001.1001",
 "errorMessage":"The transaction is being processed"}
"""
BAD_AMOUNT = """
{"requestId":"1234-567-1","errorCode":"400.002.02",
 "errorMessage":"Bad Request - Invalid Amount"}
"""
# 1.5, a query's answer: its code is text
QUERIED = """
{"ResponseCode":"0","ResponseDescription":"ok","MerchantRequestID":"11-22-1",
 "CheckoutRequestID":"ws_CO_1","ResultCode":"%s","ResultDesc":"so it is"}
"""
# 1.6, money to the paybill
CONFIRMATION = """
{"TransactionType":"Pay Bill","TransID":"TCA1B2C3D5","TransTime":"20260301093055",
 "TransAmount":"10.00","BusinessShortCode":"600999","BillRefNumber":"INV1","InvoiceNumber":"",
 "OrgAccountBalance":"","ThirdPartyTransID":"","MSISDN":"2547 ***** 149","FirstName":"A",
 "MiddleName":"","LastName":""}
"""
# 1.7, a payout that was made
PAID_OUT = """
{"Result":{"ResultType":0,"ResultCode":0,"ResultDesc":"ok","OriginatorConversationID":"p-1",
 "ConversationID":"AG_20260301_1","TransactionID":"TCA1B2C3D6","ResultParameters":{"ResultParameter":[
 {"Key":"TransactionAmount","Value":10},{"Key":"TransactionReceipt","Value":"TCA1B2C3D6"},
 {"Key":"ReceiverPartyPublicName","Value":"254708374149 - A B"},
 {"Key":"TransactionCompletedDateTime","Value":"01.03.2026 09:31:02"},
 {"Key":"B2CUtilityAccountAvailableFunds","Value":900.00},
 {"Key":"B2CChargesPaidAccountAvailableFunds","Value":-5.00}]},
 "ReferenceData":{"ReferenceItem":{"Key":"QueueTimeoutURL","Value":"https://x.example/t"}}}}
"""
# 1.7, one that was not: a single pair is an object, and there may be an id all the same
NOT_PAID_OUT = """
{"Result":{"ResultType":0,"ResultCode":"2001","ResultDesc":"The initiator information is invalid.",
 "OriginatorConversationID":"p-1","ConversationID":"AG_20260301_1","TransactionID":"TCA0000000",
 "ResultParameters":{"ResultParameter":{"Key":"BOCompletedTime","Value":20260301093055}},
 "ReferenceData":{"ReferenceItem":[{"Key":"QueueTimeoutURL","Value":"https://x.example/t"}]}}}
"""
