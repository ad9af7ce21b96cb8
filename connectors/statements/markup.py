"""XML from strangers as a stream of flat records, by local names. Pure.

No tree is built: what is kept of a file is what somebody asked for, one record at a time. A
document type is refused, and with it every entity; so are nesting and repetition beyond reason.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers.expat import ExpatError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from connectors.statements.base import BadStatement
from connectors.statements.words import squeezed

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 10_000
"""Texts that one record may have."""
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Shape:
    """What is wanted of an element: texts by their path from it, and records inside it.

    A path may end in `@name`, for an attribute.
    """

    name: str
    wanted: Sequence[str]
    inside: Mapping[str, "Shape"] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """An element that has ended: `values` has every text of a path, in order."""

    name: str
    number: int
    """How many records of this name there are with it, from 1."""
    values: defaultdict[str, list[str]]
    size: int = 0

    def every(self, path: str) -> list[str]:
        """All texts of a path that are not empty."""
        return [text for text in self.values.get(path, ()) if text]

    def first(self, *paths: str) -> str:
        """The first text of the first path that has any; "" if none has."""
        return next((text for path in paths for text in self.every(path)), "")


class _Step:
    """A place in a document where something is wanted, or something further down is."""

    def __init__(self) -> None:
        self.further: dict[str, _Step] = {}
        self.path = ""
        self.attributes: list[tuple[str, str]] = []
        self.shape: Shape | None = None


def records(body: bytes, roots: Mapping[str, Shape]) -> Iterator[Record]:
    """Records of all elements that are named in `roots`, and what is inside them, as they end.

    Roots are found at any depth, and not inside one another. Raises `BadStatement`.
    """
    scan = _Scan({name: _steps(shape) for name, shape in roots.items()})
    parser = DefusedXMLParser(target=object(), forbid_dtd=True).parser
    parser.ordered_attributes = False
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    parser.CharacterDataHandler = scan.text
    body = body.lstrip()
    for at in range(0, len(body), _CHUNK_BYTES):
        _feed(parser, body[at : at + _CHUNK_BYTES], last=at + _CHUNK_BYTES >= len(body))
        while scan.ended:
            yield scan.ended.popleft()


def _feed(parser: Any, chunk: bytes, *, last: bool) -> None:
    try:
        parser.Parse(chunk, last)
    except DefusedXmlException:
        raise BadStatement("forbidden_xml", parser.CurrentLineNumber, "a document type") from None
    except ExpatError as error:
        raise BadStatement("not_xml", error.lineno, "malformed or cut off") from None
    except (ValueError, LookupError):
        raise BadStatement("not_xml", 1, "an encoding that nobody knows") from None


def _steps(shape: Shape) -> _Step:
    root = _Step()
    root.shape = shape
    for path in shape.wanted:
        elements, _, attribute = path.partition("@")
        step = _way(root, elements)
        if attribute:
            step.attributes.append((attribute, path))
        else:
            step.path = path
    for path, inner in shape.inside.items():
        *way, last = path.split("/")
        _way(root, "/".join(way)).further[last] = _steps(inner)
    return root


def _way(step: _Step, path: str) -> _Step:
    for name in filter(None, path.split("/")):
        step = step.further.setdefault(name, _Step())
    return step


class _Scan:
    """Handlers of a parser; ended records wait in `ended` until they are taken."""

    def __init__(self, roots: Mapping[str, _Step]) -> None:
        self.ended: deque[Record] = deque()
        self._roots = roots
        self._way: list[_Step] = []
        self._open: list[Record] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._depth = self._passed_over = 0
        self._pieces: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadStatement("too_deep", detail=f"elements nested beyond {MAX_DEPTH}")
        if self._passed_over:
            self._passed_over += 1
            return
        local = name.rpartition("}")[2]
        way = self._way
        step = way[-1].further.get(local) if way else self._roots.get(local)
        if step is None:
            self._passed_over = 1 if way else 0
            return
        way.append(step)
        if step.shape is not None:
            self._begin(step.shape)
        self._pieces = []
        for attribute, path in step.attributes:
            self._keep(path, attributes.get(attribute, ""))

    def _begin(self, shape: Shape) -> None:
        self._counts[shape.name] += 1
        self._open.append(Record(shape.name, self._counts[shape.name], defaultdict(list)))

    def text(self, text: str) -> None:
        """A piece of text."""
        if not self._passed_over and self._way and self._way[-1].path:
            self._pieces.append(text)

    def end(self, _name: str) -> None:
        """An element ends."""
        self._depth -= 1
        if self._passed_over:
            self._passed_over -= 1
            return
        if not self._way:
            return
        step = self._way.pop()
        if step.path:
            self._keep(step.path, "".join(self._pieces))
        self._pieces = []
        if step.shape is not None:
            self.ended.append(self._open.pop())

    def _keep(self, path: str, text: str) -> None:
        record = self._open[-1]
        record.size += 1
        if record.size > MAX_VALUES:
            raise BadStatement("too_long", record.number, f"more than {MAX_VALUES} texts")
        record.values[path].append(squeezed(text))
