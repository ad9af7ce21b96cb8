"""Lines of the route table for gateways and payers, who have an address from us and no token."""

from web import answers
from web.api import callbacks, paying
from web.call import Route

GATEWAYS: tuple[Route, ...] = (
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
)
