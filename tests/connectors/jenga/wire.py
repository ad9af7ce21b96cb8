"""Answers and alerts of Jenga, written by hand from its documentation."""

# "Account balance": the shape, with other amounts.
BALANCE = (
    b'{"status":true,"code":0,"message":"success","data":{"balances":['
    b'{"amount":"1000.50","type":"Current"},{"amount":"900.00","type":"Available"}],'
    b'"currency":"KES"}}'
)
# "Account full statement": numbers as numbers, an amount without its zeros, a serial as a number.
STATEMENT = (
    b'{"status":true,"code":0,"message":"Success","data":{"balance":1105334.32,"currency":"KES",'
    b'"accountNumber":"0011547896523","transactions":['
    b'{"reference":" S5436001","date":"2026-03-01T00:00:00.000","description":"RENT HOUSE 4",'
    b'"amount":1000,"serial":1,"postedDateTime":"2026-03-01T12:01:47.000","type":"Credit",'
    b'"runningBalance":{"currency":"KES","amount":1144.57}},'
    b'{"reference":"S5436002","date":"2026-03-02T00:00:00.000","description":"CHARGE",'
    b'"amount":"44.5","serial":"2","postedDateTime":"2026-03-03T08:00:00.000","type":"Debit",'
    b'"runningBalance":{"currency":"KES","amount":"1100.07"}}]}}'
)
# "Account alerts": the reference has a space before it.
ALERT = (
    b'{"callbackType":"ALT","customer":{"name":"A PAYER","mobileNumber":null,'
    b'"reference":"254700000001 QJ50A5ZZMI 076332"},"transaction":{"date":"2026-03-01 09:30:05",'
    b'"reference":" S1234567","paymentMode":"MISYS","amount":10.0,"billNumber":" S1234567",'
    b'"servedBy":"EQ","additionalInfo":"254700000001 QJ50A5ZZMI 076332","orderAmount":10,'
    b'"serviceCharge":0,"status":"SUCCESS","remarks":"MPS 254700000001 QJ50A5ZZMI"},'
    b'"bank":{"reference":" S1234567","transactionType":"Credit","account":"0011547896523"}}'
)
# "Instant payment notifications": the amount as text, the side as a letter.
PAYMENT = (
    b'{"callbackType":"IPN","customer":{"name":"A PAYER","mobileNumber":"254700000001",'
    b'"reference":null},"transaction":{"date":"2026-03-01 09:30:05.0","reference":" S2596405",'
    b'"paymentMode":"TPG","amount":"10.0","billNumber":"INV-7","orderAmount":"","serviceCharge":"",'
    b'"status":"SUCCESS","remarks":"?"},"bank":{"reference":" S2596405","transactionType":"C",'
    b'"account":"0011547896523"}}'
)
# "Generate bearer token": a life in seconds, and one as two instants.
TOKEN = (
    b'{"accessToken":"eyJ.a.b","refreshToken":"r","expiresIn":"900",'
    b'"issuedAt":"2026-03-01T06:30:00Z","tokenType":"Bearer"}'
)
TOKEN_UNTIL = (
    b'{"accessToken":"eyJ.a.b","refreshToken":"r","expiresIn":"2026-03-01T06:45:00Z",'
    b'"issuedAt":"2026-03-01T06:30:00Z","tokenType":"Bearer"}'
)
