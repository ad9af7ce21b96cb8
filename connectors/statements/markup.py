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
"""Texts that one record may have of one path."""
MAX_TOKEN_BYTES: Final = 1024 * 1024
"""Of one tag or comment. Until it ends, a parser may begin it anew with every chunk."""
_CHUNK_BYTES = 256 * 1024


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
    """An element that has ended: `values` has every text of a path that is not empty, in order."""

    name: str
    number: int
    """How many records of this name there are with it, from 1."""
    values: dict[str, list[str]] = field(default_factory=dict)

    def every(self, path: str) -> list[str]:
        """All texts of a path."""
        return self.values.get(path, [])

    def first(self, *paths: str) -> str:
        """The first text of the first path that has any; "" if none has."""
        for path in paths:
            if path in self.values:
                return self.values[path][0]
        return ""


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
        until = at + _CHUNK_BYTES
        _feed(parser, body[at:until], last=until >= len(body))
        if until - parser.CurrentByteIndex > MAX_TOKEN_BYTES + _CHUNK_BYTES:
            raise BadStatement("too_long", detail="a tag or comment without an end")
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


def _too_deep() -> BadStatement:
    return BadStatement("too_deep", detail=f"elements nested beyond {MAX_DEPTH}")


class _Scan:
    """Handlers of a parser; ended records wait in `ended` until they are taken.

    They run some eighty times for one entry, and so do no more than they must.
    """

    def __init__(self, roots: dict[str, _Step]) -> None:
        self.ended: deque[Record] = deque()
        self._here = _Step()
        self._here.further = roots
        self._way: list[_Step] = []
        """Steps that led here."""
        self._open: list[Record] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._around = 0
        """Elements around a root."""
        self._unwanted = 0
        """Elements that are open and of no concern, inside a root."""
        self._pieces: list[str] | None = None
        """Text of a leaf that is wanted; None elsewhere."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if self._unwanted:
            self._unwanted += 1
            if self._unwanted > MAX_DEPTH:
                raise _too_deep()
            return
        step = self._here.further.get(name) or self._step(name)
        if step is None:
            return
        self._way.append(self._here)
        self._here = step
        if step.shape is not None:
            self._begin(step.shape)
        if step.path:
            self._pieces = []
            for attribute, path in step.attributes:
                self._keep(path, attributes.get(attribute, ""))

    def _step(self, name: str) -> _Step | None:
        """The step for a name with its namespace, remembered; None if nobody wants it."""
        here = self._here
        step = here.further.get(name.rpartition("}")[2])
        if step is not None:
            here.further[name] = step
        elif self._way:
            self._unwanted, self._pieces = 1, None
        else:
            self._around += 1
            if self._around > MAX_DEPTH:
                raise _too_deep()
        return step

    def _begin(self, shape: Shape) -> None:
        self._counts[shape.name] += 1
        self._open.append(Record(shape.name, self._counts[shape.name]))

    def text(self, text: str) -> None:
        """A piece of text."""
        if self._pieces is not None:
            self._pieces.append(text)

    def end(self, _name: str) -> None:
        """An element ends."""
        if self._unwanted:
            self._unwanted -= 1
            return
        if not self._way:
            self._around -= 1
            return
        step = self._here
        self._here = self._way.pop()
        if self._pieces is not None:
            self._keep(step.path, "".join(self._pieces))
            self._pieces = None
        if step.shape is not None:
            self.ended.append(self._open.pop())

    def _keep(self, path: str, raw: str) -> None:
        text = squeezed(raw)
        if not text:
            return
        record = self._open[-1]
        found = record.values.get(path)
        if found is None:
            record.values[path] = [text]
        elif len(found) < MAX_VALUES:
            found.append(text)
        else:
            raise BadStatement("too_long", record.number, f"more than {MAX_VALUES} texts")
