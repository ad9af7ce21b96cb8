"""Lines of the route table for gateways: how they fare; and for gateways and payers themselves, who
have an address from us and no token.
"""

from tables.payments import ProviderBalance
from web import answers, scopes
from web.api import callbacks, connectors, documents, paying
from web.call import Route
from web.lines import TENANT, collection

GATEWAYS: tuple[Route, ...] = (
    Route(
        "GET",
        f"{TENANT}/connectors",
        connectors.list_all,
        scopes.SETTINGS_READ,
        summary="List gateways: what each can do here, how it fares, what a day's calls came to.",
        shows=answers.CONNECTORS,
    ),
    Route(
        "POST",
        f"{TENANT}/connectors/{{provider}}/{{action}}",
        connectors.act,
        scopes.SETTINGS_WRITE,
        model=connectors.ActBody,
        summary="Have a gateway register addresses, tell balances, or list what came.",
        shows=answers.ANY,
    ),
    collection("/provider-balances", ProviderBalance, scopes.SETTLEMENTS_READ),
    Route(
        "POST",
        "/webhooks/{alias}/{tenant}/{token}/{kind}",
        callbacks.hear,
        None,
        summary="What a gateway tells by itself; its address is made here and given to it alone.",
        shows=answers.ANY,
        media_type="*/*",
    ),
    Route(
        "GET",
        "/webhooks/{alias}/{tenant}/{token}/{kind}",
        callbacks.came_back,
        None,
        summary="Where a payer comes back to from a provider's own page.",
    ),
    Route(
        "GET",
        "/pay/{token}",
        paying.show,
        None,
        summary="The page of a payment link.",
    ),
    Route(
        "POST",
        "/pay/{token}",
        paying.pay,
        None,
        summary="The form of that page: ask the payer.",
        media_type="application/x-www-form-urlencoded",
    ),
    Route(
        "GET",
        "/pay/{token}/invoice",
        documents.invoice_of_link,
        None,
        summary="The page of its invoice, to read and to print.",
    ),
    Route(
        "GET",
        "/pay/{token}/receipts/{payment_id}",
        documents.receipt_of_link,
        None,
        summary="The page of one payment of that invoice.",
    ),
)
