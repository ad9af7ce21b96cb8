"""The specifications, served: /openapi.json, /asyncapi.json, and a page to read them by.

Made once, when first asked for; the committed copies (web/openapi.json, web/asyncapi.json) are the
same bytes, and a test sees to that.
"""

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from agents.accounting.methods import METHODS
from connectors.registry import CONNECTORS, PROVIDERS
from streams.money import ENCODER
from web import asyncapi as events
from web import openapi as paths
from web.call import Call
from web.catalogue import FAMILIES, OF_DECISIONS, OF_THE_API
from web.middleware import POLICY
from web.pages import policy_of

_ASSETS = ("KES", "UGX", "TZS", "RWF", "ETB", "USD", "EUR", "GBP")
_LAST = "operation"
"""What runs the service is at the end of the page."""
_code = re.compile(r"`([^`]+)`").sub
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1a1a1a}
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f4f4;border-radius:3px}
pre{padding:.6rem;overflow-x:auto}details{border-top:1px solid #ddd;padding:.4rem 0}
table{border-collapse:collapse}th,td{border:1px solid #ddd;padding:.3rem .6rem;text-align:left}
summary{cursor:pointer}b{display:inline-block;min-width:4rem}h2{margin-top:2rem}
"""


@cache
def openapi_text() -> str:
    """OpenAPI as it is served and committed."""
    from web.routes import ROUTES

    return _text(paths.specification(ROUTES), indent=1) + "\n"


@cache
def asyncapi_text() -> str:
    """AsyncAPI as it is served and committed."""
    return _text(events.specification(), indent=1) + "\n"


def _text(value: Any, *, indent: int) -> str:
    """JSON; amounts keep their digits. With an indent of 0 it is on one line."""
    return msgspec.json.format(ENCODER.encode(value), indent=indent).decode()


def write_specs() -> list[Path]:
    """Bring the committed copies up to what is served; where they are."""
    folder = Path(__file__).parent
    texts = {folder / "openapi.json": openapi_text(), folder / "asyncapi.json": asyncapi_text()}
    for path, text in texts.items():
        path.write_text(text)
    return list(texts)


async def openapi(_call: Call) -> web.StreamResponse:
    """The API."""
    return web.Response(text=openapi_text(), content_type="application/json")


async def asyncapi(_call: Call) -> web.StreamResponse:
    """The events."""
    return web.Response(text=asyncapi_text(), content_type="application/json")


async def docs(_call: Call) -> web.StreamResponse:
    """One page without scripts, fonts or anything from elsewhere."""
    return _shown(_page())


async def errors(_call: Call) -> web.StreamResponse:
    """Every code of a problem; the `type` of a problem leads to its line here."""
    return _shown(_errors())


async def connectors(_call: Call) -> web.StreamResponse:
    """What each gateway claims."""
    return _shown(_matrix())


def _shown(page: str) -> web.Response:
    return web.Response(text=page, content_type="text/html", headers={POLICY: policy_of(_STYLE)})


@cache
def _page() -> str:
    from web.routes import ROUTES

    api, said = paths.specification(ROUTES), events.specification()
    operations: dict[str, list[str]] = {}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            told = _operation(method.upper(), path, operation, api["components"]["parameters"])
            operations.setdefault(operation["tags"][0], []).append(told)
    operations |= {_LAST: operations.pop(_LAST)}
    parts = [f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in operations.items()]
    messages = "".join(_message(each) for each in said["components"]["messages"].values())
    return _document(
        "Treasury API",
        f"<p>{_marked(api['info']['description'])}</p>"
        "<p>For programs: <a href=/openapi.json>openapi.json</a>,"
        " <a href=/asyncapi.json>asyncapi.json</a>."
        " <a href=/docs/errors>What each error means.</a>"
        " <a href=/docs/connectors>What each gateway can do.</a></p>"
        f"{''.join(parts)}<h2>events</h2>{messages}",
    )


@cache
def _matrix() -> str:
    """Made of what the connectors claim; the contract holds each to it (tests/connectors)."""
    operations = sorted({name for each in CONNECTORS.values() for name in each.capabilities})
    head = "".join(f"<th>{name}</th>" for name in ("gateway", "methods", *operations))
    lines = []
    for gateway, each in CONNECTORS.items():
        methods = ", ".join(method for method, served in METHODS.items() if gateway in served)
        cells = "".join(
            f"<td>{'yes' if name in each.capabilities else '–'}</td>" for name in operations
        )
        takes = ", ".join(asset for asset in _ASSETS if each.takes(asset))
        doubted = ", ".join(sorted(each.doubted)) or "–"
        secrets = ", ".join(PROVIDERS[gateway].secrets)
        last = "".join(f"<td>{words}</td>" for words in (takes, doubted, secrets))
        lines.append(f"<tr><th>{gateway}</th><td>{methods}</td>{cells}{last}</tr>")
    return _document(
        "Gateways",
        "<p>What is asked of a gateway that does not claim it fails as"
        " <code>capability_unsupported</code>, unsent. <code>GET /connectors</code> says how each"
        " fares for a tenant. Secrets are set as <code>PUT …/secrets/GATEWAY.NAME</code>."
        " <a href=/docs>All routes.</a></p>"
        f"<table><tr>{head}<th>among these currencies</th><th>callbacks need a query</th>"
        "<th>secrets</th></tr>"
        f"{''.join(lines)}</table>",
    )


@cache
def _errors() -> str:
    about = (
        "<p>Errors are problems (RFC 9457). <code>code</code> never changes its meaning;"
        " <code>detail</code> is for people. <a href=/docs>All routes.</a></p>"
    )
    parts = [about]
    for title, codes in (
        ("Of the API", OF_THE_API),
        ("Of decisions", {**OF_DECISIONS, **FAMILIES}),
    ):
        lines = "".join(
            f'<dt id="{escape(code)}"><code>{escape(code)}</code></dt><dd>{_marked(told)}</dd>'
            for code, told in sorted(codes.items())
        )
        parts.append(f"<h2>{title}</h2><dl>{lines}</dl>")
    return _document("Errors of the Treasury API", "".join(parts))


def _marked(text: str) -> str:
    """Text as HTML; what stands between backticks is code."""
    return _code(r"<code>\1</code>", escape(text))


def _document(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{body}</html>"
    )


def _operation(
    method: str, path: str, operation: dict[str, Any], shared: dict[str, dict[str, Any]]
) -> str:
    parameters = [
        shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation["parameters"]
    ]
    scopes = [scope for need in operation["security"] for scope in need["token"]]
    goes_on = "text/event-stream" in operation["responses"]["200"].get("content", {})
    verb = "-N" if goes_on else f"-X {method}"
    lines = [f'curl {verb} "$URL{path.replace("{tenant}", "$TENANT")}"']
    if scopes:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    queries = [each["name"] for each in parameters if each["in"] == "query"]
    if any(each["in"] == "header" for each in parameters):
        lines.append("-H 'Idempotency-Key: …'")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        example = _text(content["example"], indent=0)
        lines += ["-H 'Content-Type: application/json'", f"-d '{example}'"]
    told = [f"<p>Scope <code>{escape(scopes[0])}</code>.</p>"] if scopes else []
    if queries:
        told.append(f"<p>Parameters: {', '.join(f'<code>{escape(q)}</code>' for q in queries)}</p>")
    shown = escape(" \\\n  ".join(lines))
    return (
        f"<details><summary><b>{method}</b><code>{escape(path)}</code> "
        f"{_marked(operation['summary'])}</summary>{''.join(told)}<pre>{shown}</pre>"
        f"{_answer(operation)}</details>"
    )


def _answer(operation: dict[str, Any]) -> str:
    """What it answers, where that is JSON."""
    content = operation["responses"]["200"].get("content", {}).get("application/json", {})
    if "example" not in content:
        return ""
    return f"<pre>{escape(_text(content['example'], indent=2))}</pre>"


def _message(message: dict[str, Any]) -> str:
    example = _text(message["examples"][0]["payload"], indent=2)
    return (
        f"<details><summary><code>{escape(message['name'])}</code> "
        f"{_marked(message['summary'])}</summary><pre>{escape(example)}</pre></details>"
    )
