"""The route table as OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1): what is served is what is told.

Bodies are the models that judge them, answers the schemas of web/schemas.py, and each operation has
an example that its own body takes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agents.roles.explode import RESOURCES
from agents.shown import AMOUNTS
from web.answers import COMMON
from web.call import Route
from web.examples import BODIES, PARAMETERS, STREAM, example_of
from web.lists import OF_LISTS
from web.schemas import Schema, component_of, of_row, record, ref
from web.shown_examples import answer_example

VERSION = "1.0.0"
_INFO = {
    "title": "Treasury",
    "version": VERSION,
    "summary": "Real events in, exact balances out.",
    "description": "Amounts are decimal text beside their currency; in bodies also numbers. Errors"
    " are problems (RFC 9457) with a stable `code`. Commands need an `Idempotency-Key`: the same"
    " key and body get the same answer, with `Idempotency-Replayed: true`.",
}
_PARKED = record({"status": {"const": "parked"}, "reason": {"type": "string"}})
_PROBLEMS = {
    "400": "The request is not well-formed, or a parameter is wrong.",
    "401": "No token, or none that is good.",
    "403": "The token lacks the scope, or is of another tenant.",
    "404": "There is no such resource.",
    "409": "The resource is not in a state for this, or the same key is being answered.",
    "412": "A condition of the request does not hold: its version or balance is another one.",
    "413": "The body is larger than is taken here.",
    "415": "The body is of a media type that is not taken here.",
    "422": "The body, or what it asks for, cannot be.",
    "429": "The tenant asks too often, or has too many streams open: `Retry-After` says when.",
    "503": "Not now: ask again with the same key.",
}
_OF_BODIES = {"412", "413", "415"}
_path_member = re.compile(r"\{([a-z_]+)\}").findall
_words = re.compile(r"[a-z0-9]+").findall


def specification(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Schema] = dict(COMMON)
    components |= {component_of(k): of_row(k) for k in RESOURCES if k in AMOUNTS}
    for route in routes:
        operation = _operation(route, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.1",
        "info": _INFO,
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "parameters": _SHARED,
            "responses": {
                f"Problem{status}": {
                    "description": words,
                    "content": {"application/problem+json": {"schema": ref("Problem")}},
                }
                for status, words in _PROBLEMS.items()
            },
        },
    }


def operation_id(route: Route) -> str:
    """A name for programs: method and path in words."""
    path = route.path.removeprefix("/api/v1")
    inside = "of_tenant_" if "{tenant}" in path else ""
    words = _words(path.replace("{tenant}", "").replace(".well-known", ""))
    return f"{route.method.lower()}_{inside}{'_'.join(words)}"


def _operation(route: Route, components: dict[str, Schema]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [_tag(route)],
        "security": [] if route.scope is None else [{"token": [route.scope]}],
        "parameters": [*_parameters(route)],
        "responses": _responses(route, components),
    }
    if route.model is not None:
        operation["requestBody"] = _body(route, components)
    elif route.media_type:
        said = {"schema": {"type": "string"}, "example": BODIES[route.media_type]}
        content = {route.media_type: said}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _tag(route: Route) -> str:
    words = route.path.removeprefix("/api/v1").replace("{tenant}/", "").strip("/")
    return re.split(r"[/:]", words)[0] if route.scope is not None else "operation"


def _parameters(route: Route) -> Iterable[Mapping[str, Any]]:
    for name in _path_member(route.path):
        yield _shared(name) if name in _SHARED else _parameter("path", name, required=True)
    for name in route.filters:
        yield _parameter("query", name)
    for name in OF_LISTS if route.paged else ():
        yield _shared(name)
    if route.idempotent:
        yield _shared("Idempotency-Key")


def _shared(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/parameters/{name}"}


def _parameter(place: str, name: str, *, required: bool = False) -> dict[str, Any]:
    schema, example = PARAMETERS.get(name, ({"type": "string"}, f"{name.replace('_', '-')}-1"))
    return {"name": name, "in": place, "required": required, "schema": schema, "example": example}


_SHARED: Mapping[str, dict[str, Any]] = {
    "tenant": _parameter("path", "tenant", required=True),
    **{name: _parameter("query", name) for name in OF_LISTS},
    "Idempotency-Key": _parameter("header", "Idempotency-Key", required=True),
}
"""Parameters of many operations."""


def _body(route: Route, components: dict[str, Schema]) -> dict[str, Any]:
    assert route.model is not None
    template = "#/components/schemas/{model}"
    schema = route.model.model_json_schema(ref_template=template)
    components.update(schema.pop("$defs", {}))
    name = route.model.__name__
    components[name] = schema
    content = {"schema": ref(name), "example": example_of(route)}
    return {"required": True, "content": {"application/json": content}}


def _responses(route: Route, components: Mapping[str, Schema]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if route.live:
        content = {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM}}
        found["200"] = {"description": "Events, as they come.", "content": content}
    elif route.shows is None:
        found["200"] = {"description": "As asked for."}
    elif route.idempotent:
        good: dict[str, Any] = {
            "200": ("Done, or (dry run) what would be.", dict(route.shows)),
            "201": ("It is there.", dict(route.shows)),
            "202": ("Taken; it ends later.", {"anyOf": [dict(route.shows), _PARKED]}),
        }
        for status, (words, schema) in good.items():
            content = {"application/json": {"schema": schema}}
            if status == "200":
                content["application/json"]["example"] = answer_example(route, components)
            found[status] = {"description": words, "content": content}
    else:
        shows = dict(route.shows)
        said = {"schema": shows, "example": answer_example(route, components)}
        content = {"application/json": said}
        if route.paged or "format" in route.filters:
            content["text/csv"] = {"schema": {"type": "string"}}
        found["200"] = {"description": "As it is now.", "content": content}
    if route.scope is None:
        found["default"] = {"description": "What its media type says."}
        return found
    with_body = route.model is not None or route.media_type
    for status in _PROBLEMS:
        if status in _OF_BODIES and not with_body:
            continue
        found[status] = {"$ref": f"#/components/responses/Problem{status}"}
    return found
