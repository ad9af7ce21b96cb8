"""One door for statement files of every kind. Pure."""

import codecs
import re
from typing import Final

from connectors.statements import camt, mt940, ofx, rows
from connectors.statements.base import BadStatement, Statement
from connectors.statements.rows import Columns

MAX_BYTES: Final = 256 * 1024 * 1024
"""As large as a camt file of 200,000 entries with all their details may be."""
_HEAD_BYTES = 4 * 1024
_OFX = re.compile(r"\A\s*OFXHEADER|<\?OFX\b|<OFX>", re.IGNORECASE).search
_MT940 = re.compile(r"^(?:\{1:|(?:\{4:)?:20:)", re.MULTILINE).search


def read(
    body: bytes, *, kind: str = "", columns: Columns | None = None, limit_lines: int = 200_000
) -> tuple[Statement, ...]:
    """Statements of a file, each one proved as far as its balances allow. Raises `BadStatement`.

    `kind` is camt, mt940, ofx or csv; "" is to find out, where an invalid file of the first
    three is CSV if there is a mapping of its columns. More lines than `limit_lines` are refused.
    """
    if len(body) > MAX_BYTES:
        raise BadStatement("too_large", detail=f"more than {MAX_BYTES} bytes")
    if not body.strip():
        raise BadStatement("empty", detail="nothing in it")
    kind = kind or kind_of(body) or ("csv" if columns else "")
    if kind == "camt":
        return camt.read(body, limit_lines=limit_lines)
    if kind == "mt940":
        return mt940.read(body, limit_lines=limit_lines)
    if kind == "ofx":
        return ofx.read(body, limit_lines=limit_lines)
    if kind == "csv" and columns is not None:
        return rows.read(body, columns, limit_lines=limit_lines)
    reason = "no_columns" if kind == "csv" else "unknown_kind"
    raise BadStatement(reason, detail="CSV needs its columns; else camt, MT940 or OFX")


def kind_of(body: bytes) -> str:
    """What a file is by its beginning: camt, mt940, ofx, or "" for none of them."""
    utf16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if utf16 else "utf-8-sig"
    head = body[:_HEAD_BYTES].decode(encoding, errors="ignore").replace("\r", "\n")
    if _OFX(head):
        return "ofx"
    if head.lstrip().startswith("<"):
        return "camt"
    return "mt940" if _MT940(head) else ""
