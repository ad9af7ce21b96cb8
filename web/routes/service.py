"""Lines of the route table that are open to all: health, metrics, specifications."""

from web import answers, ops, specs
from web.call import Route

OPEN: tuple[Route, ...] = (
    Route(
        "GET",
        "/healthz",
        ops.healthz,
        None,
        summary="Whether the process answers.",
        shows=answers.ANY,
    ),
    Route(
        "GET",
        "/readyz",
        ops.readyz,
        None,
        summary="Whether its partitions serve.",
        shows=answers.ANY,
    ),
    Route("GET", "/metrics", ops.metrics, None, summary="Metrics for Prometheus."),
    Route(
        "GET",
        "/.well-known/jwks.json",
        ops.key_set,
        None,
        summary="Public keys of the local issuer.",
        shows=answers.ANY,
    ),
    Route("GET", "/openapi.json", specs.openapi, None, summary="This API, as OpenAPI 3.1."),
    Route("GET", "/asyncapi.json", specs.asyncapi, None, summary="The events, as AsyncAPI 3.0."),
    Route("GET", "/docs", specs.docs, None, summary="Both, to read."),
    Route("GET", "/docs/connectors", specs.connectors, None, summary="What each gateway can do."),
    Route("GET", "/docs/errors", specs.errors, None, summary="What each code of an error means."),
)
