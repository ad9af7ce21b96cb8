"""Messages of KCB, written by hand from its documentation."""

# "Instant payment notification": what a biller is told.
NOTICE = (
    b'{"header":{"messageID":"m-1","originatorConversationID":"TEJ6CQQPBQ","channelCode":"202",'
    b'"timeStamp":"20260301093010"},"requestPayload":{"primaryData":{"businessKey":"522533",'
    b'"businessKeyType":"notifyBiller"},"additionalData":{"notificationData":{'
    b'"businessKey":" INV-7 ","businessKeyType":"BillReferenceNumber",'
    b'"debitMSISDN":"254700000001","transactionAmt":"1000.50",'
    b'"transactionDate":"20260301093005","transactionID":"FT25139M3RM6","firstName":"A",'
    b'"middleName":"","lastName":"PAYER","currency":"KES","narration":"School fees",'
    b'"transactionType":"MPESA","balance":"0"}}}}'
)
# "Funds transfer", callback.
ENDED = (
    b'{"ftReference":"FT22060GXZGY","transactionDate":"2026-03-01T06:30:05.019Z","amount":"100",'
    b'"transactionStatus":"SUCCESS","transactionMessage":"Processed Successfully",'
    b'"beneficiaryAccountNumber":"1226938922","beneficiaryName":"A PAYEE",'
    b'"transactionReference":"call-1","merchantId":"1d2b13f8","debitAccountNumber":"1279258233"}'
)
# "Funds transfer", answers: taken, and over a limit.
TAKEN = (
    b'{"statusCode":"0","statusMessage":"Success","statusDescription":"Request received for '
    b'processing","merchantID":"1d2b13f8","retrievalRefNumber":"PCI663RSS"}'
)
NOT_TAKEN = (
    b'{"statusCode":"1","statusMessage":"Error","statusDescription":"Validation failed: limit '
    b'rule","merchantID":null,"retrievalRefNumber":"GB99JBOD"}'
)
