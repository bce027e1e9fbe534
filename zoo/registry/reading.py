"""YAML text to values that know their place, strictly.

The reader takes a small, safe part of YAML: block and flow collections and scalars of YAML 1.2's
core schema. PyYAML's own construction reads ``no`` as False, ``12:30:45`` as 45045 and the last
of two equal keys without a word; anchors allow a short file that unfolds to gigabytes. All of that
is refused or read as text here, on the parser's events, so that nothing is built before it is
checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 16


@dataclass(frozen=True)
class Problem:
    """A broken rule: the file, the line (from 1; 0 is the file as a whole), and what to do."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


@dataclass
class Report:
    """The problems of one file, as they are found."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Note a problem at ``line``, counted from 1."""
        self.problems.append(Problem(self.file, line, message))


Position = tuple[int, int]  # line and column, both from 0


@dataclass
class Leaf:
    """A scalar: ``text`` as written; ``plain`` when without quotes, so that a number may be meant.

    ``Leaf``, ``Items`` and ``Table`` know where they ``start`` and ``end``.
    """

    text: str
    plain: bool
    start: Position
    end: Position

    @property
    def value(self) -> str | int | float | bool | None:
        """The scalar by YAML 1.2's core schema."""
        return core_scalar(self.text) if self.plain else self.text


@dataclass
class Items:
    """A list."""

    items: list[Node]
    flow: bool
    start: Position
    end: Position


@dataclass
class Table:
    """A mapping; each key comes with the leaf it was read from."""

    rows: dict[str, tuple[Leaf, Node]]
    flow: bool
    start: Position
    end: Position


Node = Leaf | Items | Table


def read_text(path: Path, report: Report) -> str | None:
    """Return the text of a registry file; report why it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        report.add(0, f"cannot be read: {error.strerror or error}")
        return None
    if len(data) > MAX_BYTES:
        report.add(0, f"is larger than the {MAX_BYTES:,} bytes a registry file may have")
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.add(line, f"is not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8")
        return None


def parse(text: str, report: Report) -> Node | None:
    """Build the tree of a YAML text; report what is not allowed in it.

    Duplicate keys are reported all; after a syntax error, an anchor or a tag the rest cannot be
    trusted, so that reading ends there and the result is None.
    """
    import yaml

    try:
        return _build(_events(text), report)
    except _NotAllowedError as error:
        report.add(error.line, error.message)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.add(mark.line + 1 if mark else 0, f"is not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        character = chr(int(error.character))
        line = text[: text.find(character)].count("\n") + 1
        report.add(line, f"is not YAML: the character {character!a} is not allowed")
    return None


def core_scalar(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means in YAML 1.2's core schema."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]{1,300}", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,240}", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        return float(text.replace(".", ""))
    return text


class _NotAllowedError(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def _events(text: str) -> Iterator[Any]:  # Any: PyYAML's events carry no types
    import yaml

    # libyaml's parser is ten times as fast; wheels carry it, a build from source may not.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return iter(yaml.parse(text, Loader=loader))


def _build(events: Iterator[Any], report: Report) -> Node | None:  # Any: as in _events
    from yaml import events as kind

    root: Node | None = None
    open_nodes: list[Items | Table] = []
    open_keys: list[Leaf | None] = []  # for each open table the key that waits for its value
    documents = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, kind.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _NotAllowedError(line, "a registry file holds one YAML document")
            continue
        if isinstance(event, kind.AliasEvent) or getattr(event, "anchor", None):
            raise _NotAllowedError(
                line,
                "YAML anchors and aliases are not allowed; write the value out",
            )
        if getattr(event, "tag", None):
            raise _NotAllowedError(line, f"the YAML tag {event.tag!r} is not allowed")

        node: Node
        start = (event.start_mark.line, event.start_mark.column)
        end = (event.end_mark.line, event.end_mark.column)
        if isinstance(event, kind.ScalarEvent):
            node = Leaf(event.value, not event.style, start, end)
        elif isinstance(event, kind.SequenceStartEvent):
            node = Items([], bool(event.flow_style), start, end)
        elif isinstance(event, kind.MappingStartEvent):
            node = Table({}, bool(event.flow_style), start, end)
        elif isinstance(event, kind.SequenceEndEvent | kind.MappingEndEvent):
            open_keys.pop()
            closed = open_nodes.pop()
            if closed.flow:
                closed.end = end
            if open_nodes:
                # A block collection's own end mark lies past the comments that follow it.
                open_nodes[-1].end = closed.end
            continue
        else:
            continue

        if not open_nodes:
            root = node
        else:
            parent = open_nodes[-1]
            if not parent.flow:
                parent.end = node.end
            if isinstance(parent, Items):
                parent.items.append(node)
            elif (key := open_keys[-1]) is not None:
                if key.text in parent.rows:
                    first = parent.rows[key.text][0].start[0] + 1
                    report.add(
                        key.start[0] + 1,
                        f"the key {key.text!r} stands here a second time, first in line {first}",
                    )
                else:
                    parent.rows[key.text] = (key, node)
                open_keys[-1] = None
            elif isinstance(node, Leaf):
                open_keys[-1] = node
            else:
                raise _NotAllowedError(line, "a key must be text, not a list or a mapping")

        if not isinstance(node, Leaf):
            if len(open_nodes) == MAX_DEPTH:
                raise _NotAllowedError(
                    line,
                    f"more than {MAX_DEPTH} levels of nesting; none needs so many",
                )
            open_nodes.append(node)
            open_keys.append(None)
    return root
