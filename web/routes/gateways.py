"""Lines of the route table for gateways: what they call, and nobody else."""

from web import answers
from web.api import callbacks
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
)
