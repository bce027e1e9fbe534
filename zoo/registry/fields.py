"""The fields of a registry file: one table that checks an entry and writes the JSON Schema."""

# ruff: noqa: D102 -- `Kind` describes `read` and `schema` once, for all kinds

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zoo.registry.caching import Model
from zoo.registry.lookup import NAME, REPOSITORY
from zoo.registry.reading import Items, Leaf, Node, Report, Table

SCHEMA = 1

# Terminal escapes and signs that turn the direction of writing: a plugin's summary is printed.
_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"

_FILE_PART = r"[A-Za-z0-9_][A-Za-z0-9_. +-]*"  # no part begins with a dot: no `..`
_BUNDLED = rf"[A-Za-z_][A-Za-z0-9_]*(?:/{_FILE_PART})+"
_SOURCE = rf"hf:{REPOSITORY}|bundled:{_BUNDLED}"
_TASK = r"[a-z0-9]+(?:-[a-z0-9]+)*"


class Kind(Protocol):
    """What a field may hold."""

    def read(self, node: Node, where: str, report: Report) -> Any:  # noqa: ANN401 -- each kind its own type
        """Return the value of ``node``; report what is wrong with it, and where in the entry."""

    def schema(self) -> dict[str, Any]:  # Any: JSON
        """Return the same rule as JSON Schema."""


@dataclass(frozen=True)
class Text:
    """Text, of a pattern that ``says`` describes for people.

    ``verbatim`` takes an unquoted scalar as it is written: a commit of digits only stays text.
    """

    pattern: str = _PRINTABLE
    says: str = "text"
    verbatim: bool = False

    def read(self, node: Node, where: str, report: Report) -> str:
        line = node.start[0] + 1
        if not isinstance(node, Leaf):
            report.add(line, f"{where} must be {self.says}, came {_sort(node)}")
            return ""
        if node.plain and not self.verbatim and not isinstance(node.value, str):
            # What `1.10`, `0123456` and `true` are to YAML is seldom what their writer means.
            fix = "" if node.value is None else f'; write it in quotes: "{node.text}"'
            report.add(line, f"{where} must be {self.says}, came {_sort(node)}{fix}")
        elif re.search(_UNPRINTABLE, node.text):
            report.add(line, f"{where} holds a control character: {node.text!a}")
        elif not re.fullmatch(self.pattern, node.text):
            report.add(line, f"{where} must be {self.says}, came {_short(node.text)}")
        return node.text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, node: Node, where: str, report: Report) -> str:
        value = node.value if isinstance(node, Leaf) else None
        if value not in self.words:
            words = " or ".join([", ".join(self.words[:-1]), self.words[-1]])
            report.add(node.start[0] + 1, f"{where} must be {words}, came {_sort(node)}")
        return str(value)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Integer:
    """A whole number, not below ``minimum``."""

    minimum: int
    maximum: int = 2**53  # the largest that every JSON reader keeps exactly

    def read(self, node: Node, where: str, report: Report) -> int:
        value = node.value if isinstance(node, Leaf) else None
        if type(value) is int and self.minimum <= value <= self.maximum:
            return value
        report.add(
            node.start[0] + 1,
            f"{where} must be a whole number from {self.minimum}, came {_sort(node)}",
        )
        return 0

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class Number:
    """A finite number."""

    def read(self, node: Node, where: str, report: Report) -> float:
        value = node.value if isinstance(node, Leaf) else None
        if type(value) is int or (type(value) is float and math.isfinite(value)):
            return float(value)
        report.add(node.start[0] + 1, f"{where} must be a number, came {_sort(node)}")
        return 0.0

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}


@dataclass(frozen=True)
class Boolean:
    """``true`` or ``false``; YAML 1.1's ``yes`` and ``on`` are text."""

    def read(self, node: Node, where: str, report: Report) -> bool:
        value = node.value if isinstance(node, Leaf) else None
        if not isinstance(value, bool):
            report.add(node.start[0] + 1, f"{where} must be true or false, came {_sort(node)}")
        return value is True

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Fact:
    """Text, a number, true or false: a fact that a checkpoint's own files state too."""

    def read(self, node: Node, where: str, report: Report) -> str | int | float | bool:
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, str):
            return Text().read(node, where, report)
        report.add(
            node.start[0] + 1,
            f"{where} must be text, a number, true or false, came {_sort(node)}",
        )
        return ""

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Text().schema(), Number().schema(), Boolean().schema()]}


@dataclass(frozen=True)
class ListOf:
    """A list, without repetitions unless they are allowed."""

    kind: Kind
    minimum: int = 0
    repeating: bool = False

    def read(self, node: Node, where: str, report: Report) -> list[Any]:  # Any: as Kind.read
        if not isinstance(node, Items):
            report.add(node.start[0] + 1, f"{where} must be a list, came {_sort(node)}")
            return []
        if len(node.items) < self.minimum:
            few = "an empty list" if self.minimum == 1 else f"a list of less than {self.minimum}"
            report.add(node.start[0] + 1, f"{where} must not be {few}")
        values: list[Any] = []
        seen: set[str] = set()  # how values are spelt, for mappings are not to be hashed
        for index, item in enumerate(node.items):
            value = self.kind.read(item, f"{where}[{index}]", report)
            if repr(value) in seen and not self.repeating:
                report.add(item.start[0] + 1, f"{where} holds {value!r} twice")
            seen.add(repr(value))
            values.append(value)
        return values

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": self.kind.schema()}
        schema |= {} if self.repeating else {"uniqueItems": True}
        return schema | ({"minItems": self.minimum} if self.minimum else {})


@dataclass(frozen=True)
class TableOf:
    """A mapping from free names, of the form ``key``, to values of one kind."""

    kind: Kind
    key: Text

    def read(self, node: Node, where: str, report: Report) -> dict[str, Any]:  # Any: as Kind.read
        if not isinstance(node, Table):
            report.add(node.start[0] + 1, f"{where} must be a mapping, came {_sort(node)}")
            return {}
        values = {}
        for name, (key, value) in node.rows.items():
            self.key.read(key, f"a key of {where}", report)
            values[name] = self.kind.read(value, f"{where}.{name}", report)
        return values

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": self.key.schema(),
            "additionalProperties": self.kind.schema(),
        }


@dataclass(frozen=True)
class Field:
    """One key of a record: what it holds, what it is for, and whether it has to be there."""

    kind: Kind
    about: str
    required: bool = False


@dataclass(frozen=True)
class Record:
    """A mapping with known keys."""

    fields: Mapping[str, Field]
    rules: tuple[dict[str, Any], ...] = ()  # rules between fields, as JSON Schema

    def read(self, node: Node, where: str, report: Report) -> dict[str, Any]:  # Any: as Kind.read
        if not isinstance(node, Table):
            report.add(node.start[0] + 1, f"{where} must be a mapping, came {_sort(node)}")
            return {}
        values = {}
        for name, (key, value) in node.rows.items():
            if name in self.fields:
                place = f"{where}.{name}" if where else name
                values[name] = self.fields[name].kind.read(value, place, report)
            else:
                report.add(key.start[0] + 1, _unknown_key(name, where, self.fields))
        missing = [
            name for name, rule in self.fields.items() if rule.required and name not in node.rows
        ]
        if missing:
            prefix = f"{where} lacks" if where else "the file lacks"
            report.add(node.start[0] + 1, f"{prefix} {', '.join(map(repr, missing))}")
        return values

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                name: {"description": rule.about, **rule.kind.schema()}
                for name, rule in self.fields.items()
            },
            "required": [name for name, rule in self.fields.items() if rule.required],
            "additionalProperties": False,
        }
        return schema | ({"allOf": list(self.rules)} if self.rules else {})


@dataclass(frozen=True)
class TextOr:
    """A short form, one text, for a record whose other keys are optional."""

    text: Text
    record: Record

    def read(self, node: Node, where: str, report: Report) -> Any:  # noqa: ANN401 -- text or dict
        kind: Kind = self.record if isinstance(node, Table) else self.text
        return kind.read(node, where, report)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.text.schema(), self.record.schema()]}


_NAME = Text(NAME, "a name of a-z, 0-9, '.', '_' and '-'")
_URL = Text(r"https?://[!-~]+", "a URL, https://…")
_LICENSE_ID = Text(r"[A-Za-z0-9][A-Za-z0-9.+-]*", "a licence identifier such as apache-2.0")

_LICENSE = Record(
    {
        "id": Field(
            _LICENSE_ID, "SPDX identifier in lower case, or the publisher's name for it.", True
        ),
        "url": Field(_URL, "The licence's text."),
        "commercial": Field(Boolean(), "Whether commercial use is allowed."),
        "gated": Field(Boolean(), "Whether the hub wants it accepted before a download."),
    }
)
_FILE = Record(
    {
        "path": Field(
            Text(rf"{_FILE_PART}(?:/{_FILE_PART})*", "a path inside the repository"),
            "Path in the repository.",
            True,
        ),
        "size": Field(Integer(0), "Size in bytes.", True),
        "sha256": Field(
            Text(r"[0-9a-f]{64}", "a sha256 of 64 lower-case hex digits", verbatim=True),
            "Checksum, 64 hex digits.",
            True,
        ),
    }
)
_REPORTED = Record(
    {
        "benchmark": Field(Text(), "What was measured on.", True),
        "metric": Field(Text(), "What was measured.", True),
        "value": Field(Number(), "The number as the source prints it.", True),
        "unit": Field(Text(), "The unit the source prints it in, such as %."),
        "tolerance": Field(Number(), "How far `zoo eval --check` may be off, in that unit."),
        "source": Field(Text(), "URL or citation.", True),
        "protocol": Field(Text(), "How it was measured: split, shots, templates.", True),
    }
)
_HF = {"properties": {"source": {"pattern": "^hf:"}}, "required": ["source"]}
_ENTRY = Record(
    {
        "summary": Field(Text(), "What the model is, in one line."),
        "architecture": Field(_NAME, "The architecture, as a plugin names it.", True),
        "source": Field(
            Text(_SOURCE, "hf:org/repo or bundled:package/folder"),
            "Where the files come from: hf:org/repo or bundled:package/folder.",
            True,
        ),
        "revision": Field(
            Text(r"[0-9a-f]{40}", "a commit of 40 lower-case hex digits", verbatim=True),
            "The commit, 40 hex digits; `zoo registry lock` fills it in.",
        ),
        "files": Field(ListOf(_FILE, 1), "The files, pinned; `zoo registry lock` fills them in."),
        "tasks": Field(
            ListOf(Text(_TASK, "a task tag such as fill-mask"), 1),
            "What the model can do, by Hugging Face's task tags.",
            True,
        ),
        "license": Field(TextOr(_LICENSE_ID, _LICENSE), "The licence of the weights."),
        "parameters": Field(Integer(1), "How many, as published."),
        "languages": Field(
            ListOf(
                Text(
                    r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*|multilingual",
                    'a language tag such as "en", or multilingual',
                )
            ),
            'Language tags in quotes: "en", "no".',
        ),
        "max_length": Field(Integer(1), "Longest input in tokens, special ones included."),
        "aliases": Field(ListOf(_NAME), "Further names."),
        "tags": Field(ListOf(_NAME), "Words to filter by."),
        "paper": Field(_URL, "URL of the paper."),
        "checkpoint": Field(
            TableOf(Fact(), Text(r"[a-z][a-z0-9_]*", "a name of a-z, 0-9 and '_'")),
            "What changes a number and must agree with the files: activation, norm_eps, pooling.",
        ),
        "reported": Field(ListOf(_REPORTED), "Published results."),
        "status": Field(Choice(("stable", "experimental", "deprecated")), "stable if not given."),
        "replaced_by": Field(_NAME, "The model to use instead of a deprecated one."),
        "override": Field(Boolean(), "Replaces the entry of this name in a lower layer."),
    },
    rules=(
        # `_agree` says the same with line numbers.
        {
            "if": _HF,
            "then": {"dependentRequired": {"files": ["revision"]}},
            "else": {"properties": {"revision": False}},
        },
        {
            "if": {"required": ["replaced_by"]},
            "then": {"properties": {"status": {"const": "deprecated"}}, "required": ["status"]},
        },
    ),
)
_DOCUMENT = Record(
    {
        "schema": Field(Integer(1, SCHEMA), "Version of this format.", required=True),
        "models": Field(TableOf(_ENTRY, _NAME), "Models by name.", required=True),
    }
)


@dataclass(frozen=True)
class Document:
    """What a registry file says: its ``schema`` and, if that is known here, its models."""

    schema: int
    models: list[Model] = field(default_factory=list)


def read_document(root: Node | None, report: Report) -> Document:
    """Check the tree of a registry file against the table above; report every broken rule.

    The models of a file with problems are not to be used.
    """
    if not isinstance(root, Table):
        came = "nothing" if root is None else _sort(root)
        report.add(1, f"a registry file is a mapping with schema and models, came {came}")
        return Document(SCHEMA)
    version = root.rows["schema"][1] if "schema" in root.rows else None
    if isinstance(version, Leaf) and type(version.value) is int and version.value > SCHEMA:
        return Document(version.value)  # its other keys are not ours to judge

    data = _DOCUMENT.read(root, "", report)
    _, node = root.rows.get("models", (None, root))
    if "models" not in root.rows or not isinstance(node, Table):
        return Document(SCHEMA)
    models = []
    for name, (key, value) in node.rows.items():
        models.append(Model(name, key.start[0] + 1, data["models"][name]))
        if isinstance(value, Table):
            _agree(models[-1], value, report)
    _names_are_free(models, node, report)
    return Document(SCHEMA, models)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a registry file, for editors."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "zoo registry", **_DOCUMENT.schema()}


def _agree(model: Model, node: Table, report: Report) -> None:
    """Report fields of one entry that contradict each other."""
    data, where = model.data, f"models.{model.name}"

    def line(name: str) -> int:
        return node.rows[name][0].start[0] + 1

    hub = str(data.get("source", "hf:")).startswith("hf:")
    if "revision" in data and not hub:
        report.add(line("revision"), f"{where}.revision belongs to hf: sources only; remove it")
    if "files" in data and "revision" not in data and hub:
        report.add(line("files"), f"{where}.files are pinned without a revision; add the revision")
    paths = Counter(file.get("path") for file in data.get("files", ()))
    for path in sorted(path for path, count in paths.items() if path and count > 1):
        report.add(line("files"), f"{where}.files holds the path {path!r} twice")
    if "replaced_by" in data and data.get("status") != "deprecated":
        report.add(line("replaced_by"), f"{where}.replaced_by needs status: deprecated")


def _names_are_free(models: Iterable[Model], node: Table, report: Report) -> None:
    """Report aliases that are also a model's name, or another model's alias."""
    owners = {model.name: f"the model in line {model.line}" for model in models}
    for model in models:
        for alias in model.data.get("aliases", ()):
            if alias in owners:
                entry = node.rows[model.name][1]
                assert isinstance(entry, Table)  # it has aliases
                report.add(
                    entry.rows["aliases"][0].start[0] + 1,
                    f"models.{model.name}: the alias {alias!r} is taken by {owners[alias]}",
                )
            owners.setdefault(alias, f"an alias of {model.name!r}, line {model.line}")


def _unknown_key(name: str, where: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    place = f"{where} has" if where else "the file has"
    close = get_close_matches(name.lower(), known, 1)
    if close:
        return f"{place} an unknown key {name!a}; did you mean {close[0]!r}?"
    return f"{place} an unknown key {name!a}; known are {', '.join(known)}"


def _sort(node: Node) -> str:
    """Name what came, for a message."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {node.text}"
    if isinstance(value, int | float):
        return f"the number {_short(node.text)[1:-1]}"
    return _short(node.text)


def _short(text: str) -> str:
    shown = ascii(text) if re.search(_UNPRINTABLE, text) else repr(text)
    return shown if len(shown) <= 80 else f"{shown[:76]}…{shown[-1]}"
