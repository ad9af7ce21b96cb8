"""Tables as text: RFC 4180, with nothing in a cell that a spreadsheet would run."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

_is_number = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


def csv_response(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A header and a line for each row; what a row does not have is empty."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(columns)
    out.writerows([_harmless(_cell(row.get(column))) for column in columns] for row in rows)
    return web.Response(
        body=text.getvalue().encode(), content_type="text/csv", charset="utf-8", headers=headers
    )


def _cell(value: object) -> str:
    """A member as text: nothing for null, JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _harmless(text: str) -> str:
    """No formula for a spreadsheet (OWASP: CSV injection); a number is none."""
    if text[:1] not in {"=", "+", "-", "@", "\t", "\r"} or _is_number(text):
        return text
    return f"'{text}"
