"""The JSON we take: one meaning for every reader, nothing a database or an encoder chokes on.

Parsers agree on plain JSON and differ at its edges: the last of two equal keys or the first, NaN,
NUL, lone surrogates, numbers no float can hold. `check` refuses the edges. It judges syntax only;
what the members mean is envelope.py's and the catalog's matter.
"""

import json
import re
import threading
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 32
"""Containers inside each other; a scalar alone has depth 0."""

MAX_DIGITS: Final = 34
"""Digits of a number before its exponent, leading and trailing zeros included."""

MAX_EXPONENT: Final = 308
"""Largest exponent of a number, either sign."""

_encode = msgspec.json.Encoder().encode
# Escapes that hide what the quick way looks for: NUL, and the colon it counts.
_hidden = re.compile(rb"\\u00(?:00|3[aA])").search
_DIGITS_AS_ONE: Final = bytes(ord("1") if byte in b"0123456789." else 0 for byte in range(256))
_LONG_NUMBER: Final = b"1" * (MAX_DIGITS + 1)
_DEEP_LINE: Final = b"\n" + b" " * MAX_DEPTH

# Possessive and content with a missing closing quote, so that no input makes it slow.
_without_strings = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_brackets = re.compile(r"[\[\]{}]")
_escapes = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([0-9a-fA-F]{4})|\\.",
    re.DOTALL,
)


class _Reader(threading.local):
    """A decoder that notes the text of every number with a point or an exponent."""

    def __init__(self) -> None:
        self.fractions: list[str] = []
        self.decode = msgspec.json.Decoder(float_hook=self.fractions.append).decode


_reader = _Reader()


class _Fault(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check(raw: bytes) -> str | None:
    """None for JSON we take, else the reason it is refused.

    not_utf8 (also lone surrogates), too_deep, duplicate_key, bad_number (NaN, Infinity, too many
    digits, exponent out of bounds), nul_character, not_json (also a byte order mark). With several
    faults one of them is named.
    """
    return None if _surely_fine(raw) else _explain(raw)


def _surely_fine(raw: bytes) -> bool:
    """Whether the quick way proves the input good; False means only that it does not know.

    Equal keys: decoding drops all but one and with it a colon. Colons inside strings are as many
    before and after, unless written as an escape.
    """
    fractions = _reader.fractions
    fractions.clear()
    try:
        value = _reader.decode(raw)
    except (ValueError, RecursionError):
        return False
    if fractions and _has_exponent("".join(fractions)):
        return False
    if b"\\" in raw and _hidden(raw):
        return False
    once = _encode(value)
    return (
        raw.count(b":") == once.count(b":")
        and _LONG_NUMBER not in raw.translate(_DIGITS_AS_ONE)
        and _DEEP_LINE not in msgspec.json.format(once, indent=1)
    )


def _has_exponent(numbers: str) -> bool:
    return "e" in numbers or "E" in numbers


def _explain(raw: bytes) -> str | None:
    """The exact answer, slowly; every step is linear in the input."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    if _is_too_deep(text):
        return "too_deep"
    try:
        json.loads(
            text,
            object_pairs_hook=_refuse_equal_keys,
            parse_float=_refuse_bad_number,
            parse_int=_refuse_bad_number,
            parse_constant=_refuse_constant,
        )
    except _Fault as fault:
        return fault.reason
    except ValueError:
        return "not_json"
    return _fault_of_escapes(text)


def _is_too_deep(text: str) -> bool:
    depth = 0
    for bracket in _brackets.findall(_without_strings.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _fault_of_escapes(text: str) -> str | None:
    for match in _escapes.finditer(text):
        unit = match[1]
        if unit is None:
            continue
        if unit == "0000":
            return "nul_character"
        if 0xD800 <= int(unit, 16) <= 0xDFFF:
            return "not_utf8"
    return None


def _refuse_equal_keys(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) != len(members):
        raise _Fault("duplicate_key")


def _refuse_bad_number(text: str) -> None:
    digits, _, exponent = text.lower().partition("e")
    size = exponent.lstrip("+-0")
    if len(digits.lstrip("-").replace(".", "")) > MAX_DIGITS or len(size) > len(str(MAX_EXPONENT)):
        raise _Fault("bad_number")
    if size and int(size) > MAX_EXPONENT:
        raise _Fault("bad_number")


def _refuse_constant(_text: str) -> None:
    raise _Fault("bad_number")
