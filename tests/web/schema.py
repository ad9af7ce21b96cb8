"""Answers against the specification: the part of JSON Schema that it uses, and nothing else."""

import json
import re
from typing import Any

import aiohttp

from web.specs import openapi_text

SPEC: dict[str, Any] = json.loads(openapi_text())
_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, str),  # a test reads a number with a point as its text
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer; of a stream of events its beginning, until it is up to date."""
    if response.content_type != "text/event-stream" or response.method == "HEAD":
        return await response.read()
    said = b""
    async for line in response.content:
        said += line
        if line == b"event: synced\n":
            break
    return said


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{[a-z_]+\}", path)
    return re.compile("[^/]+".join(map(re.escape, parts)))


_PATHS = [(path, _pattern(path)) for path in SPEC["paths"]]


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The operation that a request is; paths without a parameter come first."""
    for known, pattern in sorted(_PATHS, key=lambda each: each[0].count("{")):
        if pattern.fullmatch(path) and method.lower() in SPEC["paths"][known]:
            found: dict[str, Any] = SPEC["paths"][known][method.lower()]
            return found
    return None


def violations(value: Any, schema: dict[str, Any], at: str = "") -> list[str]:
    """Where a value is not what the schema says."""
    if "$ref" in schema:
        return violations(value, _resolved(schema["$ref"]), at)
    if "anyOf" in schema:
        tries = [violations(value, each, at) for each in schema["anyOf"]]
        return [] if [] in tries else min(tries, key=len)
    found = [line for each in schema.get("allOf", []) for line in violations(value, each, at)]
    wanted = schema.get("type")
    if wanted is not None:
        types = [wanted] if isinstance(wanted, str) else wanted
        is_one = any(isinstance(value, _TYPES[name]) for name in types)
        if not is_one or (isinstance(value, bool) and "boolean" not in types):
            return [f"{at}: {value!r} is no {wanted}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, dict):
        found += _members(value, schema, at)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            found += violations(item, schema["items"], f"{at}/{number}")
    return found


def _members(value: dict[str, Any], schema: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, member in value.items():
        if name in properties:
            found += violations(member, properties[name], f"{at}/{name}")
        elif isinstance(others, dict):
            found += violations(member, others, f"{at}/{name}")
    return found


def _resolved(reference: str) -> dict[str, Any]:
    found: Any = SPEC
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved


def answer_violations(method: str, path: str, status: int, kind: str, body: bytes) -> list[str]:
    """Where an answer is not what the specification says of its operation."""
    operation = operation_of(method, path)
    if operation is None:
        return []
    if 300 <= status < 400:
        return []  # of another worker, passed on
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get("default")
    if response is None:
        return [] if status in {405, 408, 413, 415, 412, 500} else [f"{status} is not told of"]
    response = _resolved(response["$ref"]) if "$ref" in response else response
    content = response.get("content", {})
    if not content:
        return []
    if kind not in content:
        return [f"{kind} is not told of"]
    if not kind.endswith("json"):
        return []
    return violations(json.loads(body), content[kind]["schema"])
