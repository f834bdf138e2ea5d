"""YAML text to plain mappings, lists and scalars, with the line of each: a small, strict part of YAML.

Plain scalars stay text except whole numbers, ``true``/``false`` and ``null``, so that ``1:30``, ``0.98`` and
``no`` are never read as something else. What scenario files have no use for is refused by line: anchors,
aliases, merge keys, tags, repeated keys, several documents, and anything too deep or too large.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from rpo_sim.errors import ScenarioError

Path = tuple[str | int, ...]
_Lines = dict[Path, int]

MAX_BYTES = 2**20
MAX_DEPTH = 50
MAX_VALUES = 100_000
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")  # longer ones are no counts: they stay text and are refused
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
# Control characters, separators that only YAML counts as line ends, surrogates and non-characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says, and where.

    Attributes
    ----------
    content : dict
        Mappings with text keys, lists, text, int, bool and None.
    lines : dict of path to int
        Line (from 1) of each key and list item, by its path from the root.
    """

    content: dict[str, Any]
    lines: _Lines


def read_document(data: bytes, name: str, *, kind: str = "scenario") -> Document:
    """The document in `data`.

    Parameters
    ----------
    data : bytes
        UTF-8, with or without a byte order mark.
    name : str
        How messages call the file.
    kind : str
        What such a file is, for messages.

    Raises
    ------
    ScenarioError
        If it is no single mapping in the part of YAML that is used here; the message says ``name:line``.

    >>> read_document(b"copies:\\n  - {every: 15m, retries: 2}", "a.yaml").content
    {'copies': [{'every': '15m', 'retries': 2}]}
    """
    walk = _Walk(name=name, kind=kind)
    text = _decode(data, walk)
    events = iter(yaml.parse(text, Loader=_Loader))
    try:
        content = walk.document(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        remedy = (
            "indent with spaces, not with tabs" if _at_tab(text, mark) else "check indentation and quotes"
        )
        raise walk.refuse(mark, f"not readable as YAML: {what}; {remedy}") from None
    except yaml.YAMLError as error:
        raise walk.refuse(None, f"not readable as YAML: {error}") from None
    return Document(content=content, lines=walk.lines)


def _at_tab(text: str, mark: Any) -> bool:
    lines = text.split("\n")
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    return "\t" in line[: len(line) - len(line.lstrip())]


def _decode(data: bytes, walk: "_Walk") -> str:
    if len(data) > MAX_BYTES:
        raise walk.refuse(None, f"{len(data)} bytes; {walk.kind} files are at most {MAX_BYTES} bytes (1 MiB)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise walk.refuse(
            line, f"byte {data[error.start]:#04x} is not UTF-8: save the file as UTF-8"
        ) from None
    found = _UNPRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise walk.refuse(line, f"unprintable character U+{ord(found[0]):04X}: remove it")
    return text


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One pass over the parser's events; recursion ends at `MAX_DEPTH`, before the stack does."""

    name: str
    kind: str = "scenario"
    lines: _Lines = field(default_factory=dict)
    values: int = 0

    def refuse(self, where: Any, what: str) -> ScenarioError:
        """An error at a line, or at an event's or mark's line."""
        mark = getattr(where, "start_mark", where)
        line = mark if isinstance(mark, int) else getattr(mark, "line", 0) + 1
        return ScenarioError(f"{self.name}:{line}: {what}")

    def document(self, events: Iterator[Any]) -> dict[str, Any]:
        """The one document, which must be a mapping."""
        next(events)  # the stream's start
        start = next(events)
        if isinstance(start, yaml.StreamEndEvent):
            hint = ": `rpo-sim init` writes a scenario to start from" if self.kind == "scenario" else ""
            raise self.refuse(None, f"empty{hint}")
        root = next(events)
        if not isinstance(root, yaml.MappingStartEvent):
            raise self.refuse(root, f"a {self.kind} is a mapping of keys, such as `version: 1`")
        self.lines[()] = 1
        content: dict[str, Any] = self.value(root, events, ())
        next(events)  # the document's end
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self.refuse(after, f"a second document begins here: one {self.kind} per file")
        return content

    def value(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        """The value that begins with `event`."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.refuse(event, f"more than {MAX_VALUES} values: too large for a {self.kind}")
        if len(path) > MAX_DEPTH:
            raise self.refuse(event, f"nested deeper than {MAX_DEPTH}")
        self._plain(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._scalar(event)

    def _plain(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self.refuse(event, f"alias `*{event.anchor}`: write the value out, or share it by name")
        if event.anchor is not None:
            raise self.refuse(event, f"anchor `&{event.anchor}`: anchors and aliases are not used here")
        if event.tag is not None:
            raise self.refuse(event, f"tag `{event.tag}`: tags are not used here")

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, mapping, path)
            self.lines[*path, key] = event.start_mark.line + 1
            mapping[key] = self.value(next(events), events, (*path, key))
        return mapping

    def _key(self, event: Any, mapping: dict[str, Any], path: Path) -> str:
        self._plain(event)
        if not isinstance(event, yaml.ScalarEvent) or not event.value:
            raise self.refuse(event, "a key must be a word, not empty, a list or a mapping")
        key: str = event.value
        self._printable(event)
        if key == "<<" and event.implicit[0]:
            raise self.refuse(event, "merge key `<<`: write the keys out")
        if key in mapping:
            first = self.lines[*path, key]
            raise self.refuse(event, f"`{shorten(key)}` again; it was given on line {first}: keep one")
        return key

    def _sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            here = (*path, len(items))
            self.lines[here] = event.start_mark.line + 1
            items.append(self.value(event, events, here))
        return items

    def _scalar(self, event: Any) -> str | int | bool | None:
        text: str = event.value
        self._printable(event)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else text

    def _printable(self, event: Any) -> None:
        found = _UNPRINTABLE.search(event.value)  # an escape in quotes can still make one
        if found:
            raise self.refuse(event, f"unprintable character U+{ord(found[0]):04X}: remove it")


def shorten(value: object, limit: int = 60) -> str:
    """`value` for a message: on one line, printable, not too long.

    >>> shorten("x" * 100, 10)
    'xxxxxxxxxx…'
    """
    text = value[: limit + 1] if isinstance(value, str) else str(value)
    text = text if len(text) <= limit else text[:limit] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
