"""Reading a body: its type and size before its bytes, its syntax before its members.

JSON goes through streams.strict_json and keeps amounts as their text; pydantic then judges the
members and never parses. The bodies of commands are made of the commands themselves.
"""

import asyncio
import inspect
import re
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import aiohttp
import msgspec
from aiohttp import web
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from agents.words import Code
from streams import strict_json
from streams.money import Amount, plain
from web.problems import Problem, of_status

JSON = ("application/json",)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")

_plain_amount = re.compile(r"(?:0|[1-9][0-9]{0,33})(?:\.[0-9]{1,18})?").fullmatch
M = TypeVar("M", bound=BaseModel)

_CODE_META = get_args(Code)[1]
_CODE = r"^[A-Z0-9]{3,12}$"
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"


NoControls = Annotated[str, StringConstraints(pattern=_NO_CONTROLS)]
"""Text that holds no control characters."""


class Body(BaseModel):
    """Base of all bodies: unknown members are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _amount_text(value: object) -> str:
    text = value.text if isinstance(value, Amount) else value
    if type(text) is int:
        text = str(text)
    if not isinstance(text, str) or _plain_amount(text) is None:
        raise ValueError("an amount is written like 1500.00, as a string or as a number")
    return text


AmountText = Annotated[
    str,
    BeforeValidator(_amount_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,33})(\.[0-9]{1,18})?$"},
                {"type": "number", "minimum": 0},
            ],
            "examples": ["1500.00"],
        }
    ),
]
"""An amount as its exact text; its currency says later how many decimals it may have."""


def body_of(command: type[msgspec.Struct], *without: str) -> type[Body]:
    """The body of a command: its members but those that the path or the token says."""
    hints = get_type_hints(command, include_extras=True)
    members: dict[str, Any] = {}
    for field in msgspec.structs.fields(command):
        if field.name in {"actor", *without}:
            continue
        shape = _shape(hints[field.name], least=1)
        if field.required:
            members[field.name] = (shape, ...)
        else:
            members[field.name] = (shape | None, None)
    doc = inspect.getdoc(command) or ""
    return create_model(f"{command.__name__}Body", __base__=Body, __doc__=doc, **members)


def _shape(hint: Any, *, least: int = 0) -> Any:
    """The type that pydantic checks where the core reads this one; `least` characters of a word."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _constrained(*arguments, least=least)
    if origin in {Union, UnionType}:
        kept = [_shape(argument) for argument in arguments if argument is not NoneType]
        return Union[(*kept, None)]
    if origin in {list, dict}:
        return origin[tuple(_shape(argument) for argument in arguments)]
    if hint is Amount:
        return AmountText
    is_part = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return body_of(hint) if is_part else hint


def _constrained(hint: Any, meta: msgspec.Meta, *, least: int) -> Any:
    if hint is not str:
        return Annotated[_shape(hint), Field(max_length=meta.max_length)]
    pattern = _CODE if meta is _CODE_META else meta.pattern or _NO_CONTROLS
    length = max(meta.min_length or 0, least)
    return Annotated[
        str,
        # The engine's \\d takes digits of all scripts.
        StringConstraints(
            min_length=length, max_length=meta.max_length, pattern=pattern.replace(r"\d", "[0-9]")
        ),
    ]


async def read_bytes(
    request: web.Request, media_types: tuple[str, ...], *, bytes_max: int, timeout_s: float
) -> bytes:
    """The body as sent. Raises `Problem`: 413, 415, 408, or 400 when it breaks off."""
    if request.content_length is not None and request.content_length > bytes_max:
        raise of_status(413)
    charset = (request.charset or "utf-8").lower()
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if request.content_type not in media_types or charset != "utf-8" or encoding != "identity":
        detail = f"Send {media_types[0]} in UTF-8, not compressed."
        raise Problem(415, "unsupported-media-type", detail)
    return await read_any(request, bytes_max=bytes_max, timeout_s=timeout_s)


async def read_any(request: web.Request, *, bytes_max: int, timeout_s: float) -> bytes:
    """The body as sent, of whatever type. Raises `Problem`: 413, 408, or 400 when it breaks off."""
    if (request.content_length or 0) > bytes_max:
        raise of_status(413)
    try:
        async with asyncio.timeout(timeout_s):
            body = await request.read()
    except TimeoutError as error:
        raise of_status(408) from error
    except (aiohttp.ClientPayloadError, web.RequestPayloadError) as error:
        raise of_status(400) from error
    if len(body) > bytes_max:  # it came in chunks, and said no length
        raise of_status(413)
    return body


def read_json(raw: bytes) -> dict[str, Any]:
    """The members of a JSON object; numbers with a point are `Amount`.

    Raises `Problem`: 400 for what is no JSON we take, 422 for what is no object.
    """
    reason = strict_json.check(raw)
    if reason is not None:
        raise Problem(400, "malformed-json", f"The body is refused: {reason}.")
    members = plain(raw)
    if not isinstance(members, dict):
        raise Problem(422, "malformed", "The body is not a JSON object.")
    return members


def validated(model: type[M], members: dict[str, Any]) -> M:
    """The members as a model. Raises `Problem` 422 that names each bad member."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        errors = [
            {"pointer": _pointer(found["loc"]), "detail": found["msg"]}
            for found in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Problem(422, "malformed", "Members are missing or wrong.", errors=errors) from None


def _pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')[:64]}" for part in location)
