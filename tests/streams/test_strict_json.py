"""The quick judge of JSON against a slow one that shares no code with it."""

import json
import re
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams import strict_json
from streams.strict_json import check

ENVELOPE = (
    b'{"event_id": "uuid", "event_type": "pos.order.completed", "tenant_id": "t:1", "data": '
    b'{"note": "a \\"b\\": {c} [d] \\u00e9 \\/", "amount": 1500.00, '
    b'"lines": [{"n": 1}, {"n": -2}]}}'
)
KEYS = st.sampled_from(["a", "b", "a:", '"', '":', "é", "\\", "[", "", "0e1"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | KEYS
SCALARS = st.none() | st.booleans() | st.integers(-(10**34) + 1, 10**34 - 1) | TEXTS
NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,13})?([eE][+-]?[0-9]{1,2})?\Z")


class Slow:
    """Reads JSON character by character with a stack, naming the first fault it meets."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fault(self) -> str | None:
        try:
            self.value(0)
            self.space()
        except (IndexError, SyntaxError):
            return "not_json"
        except ValueError as found:
            return str(found)
        return None if self.at == len(self.text) else "not_json"

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def take(self, pattern: str) -> str:
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            raise SyntaxError
        self.at = match.end()
        return match[0]

    def value(self, depth: int) -> None:
        self.space()
        first = self.text[self.at]
        if re.compile("NaN|-?Infinity").match(self.text, self.at):
            raise ValueError("bad_number")
        if first in "{[":
            self.container(depth + 1, "}" if first == "{" else "]")
        elif first == '"':
            self.string()
        elif first in "-0123456789":
            self.number()
        else:
            self.take("true|false|null")

    def container(self, depth: int, closing: str) -> None:
        if depth > 32:
            raise ValueError("too_deep")
        keys: set[str] = set()
        self.at += 1
        self.space()
        while self.text[self.at] != closing:
            if closing == "}":
                self.space()
                key = self.string()
                if key in keys:
                    raise ValueError("duplicate_key")
                keys.add(key)
                self.space()
                self.take(":")
            self.value(depth)
            self.space()
            if self.text[self.at] != closing:
                self.take(",")
                self.space()
                if self.text[self.at] == closing:
                    raise SyntaxError
        self.at += 1

    def string(self) -> str:
        self.take('"')
        units: list[int] = []
        while self.text[self.at] != '"':
            char = self.text[self.at]
            if char < " ":
                raise SyntaxError
            self.at += 1
            if char != "\\":
                units += memoryview(char.encode("utf-16-le")).cast("H")
            elif self.text[self.at] == "u":
                units.append(int(self.take("u[0-9a-fA-F]{4}")[1:], 16))
            else:
                units.append(ord(self.take(r'["\\/bfnrt]')))
        self.at += 1
        if 0 in units:
            raise ValueError("nul_character")
        try:
            return b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le")
        except UnicodeDecodeError:
            raise ValueError("not_utf8") from None

    def number(self) -> None:
        text = self.take(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
        mantissa, _, exponent = text.lower().partition("e")
        if sum(char.isdigit() for char in mantissa) > 34 or abs(int(exponent or "0")) > 308:
            raise ValueError("bad_number")


def slowly(raw: bytes) -> str | None:
    try:
        return Slow(raw.decode()).fault()
    except UnicodeDecodeError:
        return "not_utf8"


@st.composite
def documents(draw: st.DrawFn, depth: int = 4) -> str:
    """JSON text in any spelling: spaces, escapes, number forms."""
    space = draw(st.sampled_from(["", "", "", " ", "\n", "\r\n\t"]))
    kind = draw(st.sampled_from(["scalar", "number", "object", "array"] if depth else ["scalar"]))
    if kind == "number":
        return space + draw(NUMBERS) + space
    if kind == "scalar":
        return space + json.dumps(draw(SCALARS), ensure_ascii=draw(st.booleans())) + space
    items = draw(st.lists(documents(depth - 1), max_size=4))
    if kind == "array":
        return f"{space}[{','.join(items)}]{space}"
    names = draw(st.lists(KEYS, min_size=len(items), max_size=len(items)))
    members = [f"{json.dumps(n)}{space}:{item}" for n, item in zip(names, items, strict=True)]
    return f"{space}{{{','.join(members)}}}{space}"


FAULTS = [
    b'"\\u0000"', b'"\\ud800"', b'"\\udc00"', b'"\\udc00\\ud800"', b'"\\ud800\\u0041"', b'"\xff"',
    b'"\xed\xa0\x80"', b"\xef\xbb\xbf", b"NaN", b"Infinity", b"-Infinity", b"1" * 35, b"1e999",
    b"1e-309", b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"x\\u003a":1,"y":2,"y":3}', b"[" * 33,
    b"[" * 33 + b"]" * 33, b"\x00", b"01", b"1.", b"'", b",", b":", b"{", b"}", b'"', b"\\", b'\\"',
    b"\\u003a", b"\\\\u0000", b"e5", b"0", b"/**/", b"\x0b", b"\\ud83d", b"\\ude00",
]  # fmt: skip


class TestCheck:
    @pytest.mark.parametrize(
        "raw",
        [
            ENVELOPE,
            b"[" + b",".join([ENVELOPE] * 1000) + b"]",
            b"{}",
            b"[]",
            b" null ",
            b'"\\ud83d\\ude00"',
            b'"\\\\u0000"',
            b'{"a:": "\\u003a", "a\\u003a:": 1}',
            b'[{"a": 1}, {"a": 1}]',
            b'{"a": {"a": {"a": "a"}}}',
            b"-0",
            b"1e308",
            b"1E-308",
            b"1e+0000000000000000001",
            b"9" * 34,
            b"0." + b"0" * 33,
            b'"' + b"9" * 100 + b'"',
            b"[" * 32 + b"]" * 32,
            b"[" * 32 + b"1" + b"]" * 32,
            b'{"a":' * 32 + b"1" + b"}" * 32,
        ],
    )
    def test_takes_what_every_reader_understands_alike(self, raw):
        assert check(raw) is None
        assert slowly(raw) is None

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"", "not_json"),
            (b"{", "not_json"),
            (b'{"a":1,}', "not_json"),
            (b"[1 2]", "not_json"),
            (b"1 2", "not_json"),
            (b"\xef\xbb\xbf{}", "not_json"),
            (b'"a\x00b"', "not_json"),
            (b'"a\nb"', "not_json"),
            (b"{'a': 1}", "not_json"),
            (b"01", "not_json"),
            (b"\xa0{}", "not_utf8"),
            (b'"\xff"', "not_utf8"),
            (b'{"a": "\xed\xa0\x80"}', "not_utf8"),
            (b'"\\ud800"', "not_utf8"),
            (b'"\\udc00"', "not_utf8"),
            (b'["\\ud800\\u0041"]', "not_utf8"),
            (b'"\\u0000"', "nul_character"),
            (b'{"a": ["\\\\\\u0000"]}', "nul_character"),
            (b'{"\\u0000": 1}', "nul_character"),
            (b"NaN", "bad_number"),
            (b'{"amount": -Infinity}', "bad_number"),
            (b"9" * 35, "bad_number"),
            (b"-" + b"9" * 5000, "bad_number"),
            (b"[1." + b"0" * 34 + b"]", "bad_number"),
            (b"1e309", "bad_number"),
            (b"1E+999999999999", "bad_number"),
            (b"1e-400", "bad_number"),
            (b"1e" + b"9" * 5000, "bad_number"),
            (b'{"a":1,"a":1}', "duplicate_key"),
            (b'{"a":1,"\\u0061":2}', "duplicate_key"),
            (b'[[{"b":{"a":[],"c":1,"a":[]}}]]', "duplicate_key"),
            (b'{"x":"\\u003a","a":1,"a":1}', "duplicate_key"),
            (b"[" * 33 + b"]" * 33, "too_deep"),
            (b'{"a":' * 33 + b"1" + b"}" * 33, "too_deep"),
            (b'["]",' * 33 + b"1" + b"]" * 33, "too_deep"),
            (b"[" * 1_000_000, "too_deep"),
            (b'{"a":' * 200_000, "too_deep"),
        ],
    )
    def test_names_the_fault(self, raw, reason):
        assert check(raw) == reason
        if len(raw) < 4000:
            assert slowly(raw) == reason

    @pytest.mark.parametrize(
        "fault", [b'{"a":1,"a":2}', b'"\\u0000"', b"1e999", b"[" * 31 + b"]" * 31]
    )
    def test_finds_one_fault_among_a_thousand_envelopes(self, fault):
        good = [ENVELOPE] * 999
        record = b"[" + b",".join([*good[:500], b'{"data": {"x": %s}}' % fault, *good[500:]]) + b"]"
        assert check(record) == slowly(record) is not None

    @pytest.mark.parametrize(
        "raw",
        [b'"' + b'\\"' * 300_000, b'"' * 600_001, b"\\" * 600_000, b"[" + b"1e5," * 150_000 + b"1]",
         b'["' + b"\\u0041" * 100_000 + b'"]', b"9" * 1_000_000],
    )  # fmt: skip
    @pytest.mark.timeout(60)
    def test_answers_for_large_hostile_input(self, raw):
        assert check(raw) in {None, "not_json", "bad_number"}

    def test_judges_each_thread_alone(self):
        answers: list[str | None] = []

        def judge() -> None:
            answers.extend(check(raw) for raw in [b"[1.5, 1e999]", ENVELOPE] * 300)

        threads = [threading.Thread(target=judge) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers.count("bad_number") == answers.count(None) == 1200


class TestAgainstTheSlowJudge:
    @settings(max_examples=400)
    @given(documents())
    @example('{"a":1e-5}')
    def test_agrees_on_json_in_any_spelling(self, text):
        assert check(text.encode()) == slowly(text.encode())

    @settings(max_examples=600)
    @given(documents(), st.sampled_from(FAULTS), st.integers(0, 200), st.booleans())
    def test_takes_the_same_documents_after_damage(self, text, fault, at, replaces):
        raw = text.encode()
        at %= len(raw) + 1
        damaged = raw[:at] + fault + raw[at + (len(fault) if replaces else 0) :]
        assert (check(damaged) is None) == (slowly(damaged) is None)

    @settings(max_examples=600)
    @given(
        documents(), st.sampled_from(FAULTS), st.sampled_from([b"[%s, %s]", b'{"q": %s, "z": %s}'])
    )
    def test_takes_the_same_documents_with_a_faulty_neighbour(self, text, fault, frame):
        raw = frame % (fault, text.encode())
        assert (check(raw) is None) == (slowly(raw) is None)

    @settings(max_examples=400)
    @given(documents(), st.integers(0, 300), st.integers(0, 255))
    def test_takes_the_same_documents_after_one_changed_byte(self, text, at, byte):
        raw = bytearray(b'{"q":%s}' % text.encode())
        raw[at % len(raw)] = byte
        assert (check(bytes(raw)) is None) == (slowly(bytes(raw)) is None)

    @settings(max_examples=400)
    @given(documents())
    def test_the_quick_way_never_takes_what_the_exact_way_refuses(self, text):
        raw = text.encode()
        if strict_json._surely_fine(raw):
            assert strict_json._explain(raw) is None

    def test_the_quick_way_suffices_for_ordinary_records(self):
        assert strict_json._surely_fine(b"[" + b",".join([ENVELOPE] * 100) + b"]")
