"""A benchmark's file: what is asked, of which data, and how a model may be measured on it.

::

    schema: 1
    name: stsb
    task: sentence-similarity
    summary: How alike two sentences are, as people say
    metric: spearman
    data:
      test:
        files: [stsb-en-test.csv]
        columns: [sentence1, sentence2, score]
    fields:
      first: sentence1
      second: sentence2
      score: score
    protocols:
      cosine: {}

The format is that of registry files, with the same strict reader. Nothing in it is code: a template
is Jinja in the sandbox of `zoo.text.sandbox`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import RegistryError
from zoo.evaluation.protocols import PROTOCOLS, TASKS
from zoo.registry.fields import (
    Choice,
    Field,
    Integer,
    Kind,
    ListOf,
    Number,
    Record,
    TableOf,
    Text,
)
from zoo.registry.lookup import NAME, REPOSITORY
from zoo.registry.reading import Items, Leaf, Node, Report, Table, parse, read_text

SCHEMA = 1


class Placed(str):
    """A text out of a file, that knows its ``place`` there: ``file:line``."""

    __slots__ = ("place",)
    place: str

    def __new__(cls, text: str, place: str) -> Placed:
        """Both at once, since a text cannot be changed."""
        placed = super().__new__(cls, text)
        placed.place = place
        return placed

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # str has no place
        """What a copy is made of."""
        return str(self), self.place


@dataclass(frozen=True)
class Draw:
    """A test set that is drawn from a corpus without one.

    Of the rows that differ in ``distinct`` columns the first counts, in the corpus's order; from
    them Python's ``random.Random(seed).sample`` draws ``rows``.
    """

    rows: int
    distinct: tuple[str, ...]
    seed: int = 0


@dataclass(frozen=True)
class Source:
    """Where the samples of one split are.

    Args:
        files: What they are called below the folder that a user names; the first one there is
            counts. One of them is a name, or a mapping from columns to the names of files that
            belong together, row by row.
        beside: The file that comes with the benchmark's own, a path from its folder.
        columns: Names of the columns, for tables whose first line is a row.
        hub: A dataset repository on the Hugging Face hub, ``org/name``.
        config: Which of the repository's datasets; ``*`` for all of them.
        revision: Its commit.
        split: What the repository calls the split.
        rows: The part of the rows that counts, as Python slices them: ``(start, stop)``.
        draw: So many rows are drawn from those that differ: how many, in which columns.
        documents: How lines of a text make a row; one makes a row unless given.
        group: A column. Rows in a line that have the same there become one, whose other columns are
            lists.
        picture: A column that names pictures, which ``pictures`` holds.
        pictures: What the folder or archive of pictures may be called.
        path: The file itself, where a file of rows is the benchmark.
    """

    files: tuple[str | Mapping[str, str], ...] = ()
    beside: str = ""
    columns: tuple[str, ...] = ()
    hub: str = ""
    config: str = ""
    revision: str = ""
    split: str = ""
    rows: tuple[int | None, int | None] = (None, None)
    documents: str = ""
    group: str = ""
    picture: str = ""
    pictures: tuple[str, ...] = ()
    draw: Draw | None = None
    path: Path | None = None


Form = Mapping[str, Any]  # Any: a Placed, or a list of them
"""How a row becomes a sample: for each field of the sample a template, or a column's name."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark, read and checked.

    Args:
        name: What people call it.
        task: What is asked: one of `zoo.evaluation.protocols.TASKS`.
        summary: In one line.
        metric: The one that its authors report; a protocol that does not measure it sets another.
        data: Where the samples of each split are; ``test`` is what is measured on.
        forms: How rows become samples, for each form that the data is passed on in.
        classes: The classes, as prompts call them.
        labels: The classes, as the data calls them; by default their numbers from 0, or names.
        protocols: Those it can be measured with, and their settings, the customary one first.
        chance: The metric of one who guesses.
        license: Of the data.
        paper: Its URL.
        languages: Of the texts.
        reported_as: Names under which results on it are published, beside its own.
        file: Where this was read.
    """

    name: str
    task: str
    summary: str
    metric: str
    data: Mapping[str, Source]
    forms: tuple[Form, ...]
    protocols: Mapping[str, Mapping[str, Any]]
    classes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    chance: float | None = None
    license: str = ""
    paper: str = ""
    languages: tuple[str, ...] = ()
    reported_as: tuple[str, ...] = ()
    file: str = field(default="", compare=False)


def read_benchmark(path: Path) -> Benchmark:
    """Read a benchmark's file.

    Raises:
        RegistryError: It breaks a rule; the message names file and line of each.
    """
    report = Report(str(path))
    text = read_text(path, report)
    root = parse(text, report) if text is not None else None
    values = _DOCUMENT.read(root, "", report) if isinstance(root, Table) else {}
    if not isinstance(root, Table) and not report.problems:
        report.add(1, "a benchmark's file is a mapping with name, task, data, fields, protocols")
    if not report.problems and isinstance(root, Table):
        _agree(values, root, report)
    if report.problems:
        raise RegistryError("\n".join(map(str, report.problems)))
    return Benchmark(
        name=values["name"],
        task=values["task"],
        summary=values["summary"],
        metric=values["metric"],
        data={split: _source(each) for split, each in values["data"].items()},
        forms=tuple(values["fields"]),
        protocols=values["protocols"],
        classes=tuple(values.get("classes", ())),
        labels=tuple(values.get("labels", ())),
        chance=values.get("chance"),
        license=values.get("license", ""),
        paper=values.get("paper", ""),
        languages=tuple(values.get("languages", ())),
        reported_as=tuple(values.get("reported_as", ())),
        file=str(path),
    )


@dataclass(frozen=True)
class _Setting:
    """Whatever a protocol's setting may be: texts that know their place, numbers, lists, tables."""

    def read(self, node: Node, where: str, report: Report) -> Any:  # noqa: ANN401 (as Kind.read)
        if isinstance(node, Items):
            return [self.read(each, where, report) for each in node.items]
        if isinstance(node, Table):
            return {
                name: self.read(each, f"{where}.{name}", report)
                for name, (_, each) in node.rows.items()
            }
        value = node.value
        if not isinstance(value, str):
            return value
        return Placed(value, f"{report.file}:{node.start[0] + 1}")

    def schema(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class _Word:
    """A text as it is written, whatever YAML makes of it: a class may be called 1, or no."""

    def read(self, node: Node, where: str, report: Report) -> str:
        if not isinstance(node, Leaf):
            report.add(node.start[0] + 1, f"{where} must be a text, came a list or a mapping")
            return ""
        if not node.text.strip():
            report.add(node.start[0] + 1, f"{where} must be a text, came an empty one")
        return node.text

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class _OneOrMore:
    """A list, or its only item without brackets."""

    kind: Kind

    def read(self, node: Node, where: str, report: Report) -> list[Any]:  # Any: as Kind.read
        if isinstance(node, Items):
            return [self.kind.read(each, where, report) for each in node.items]
        return [self.kind.read(node, where, report)]

    def schema(self) -> dict[str, Any]:
        item = self.kind.schema()
        return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


_COLUMN = Text(r"[^\x00-\x1f{}]+", "a column's name")
_FILE = Text(r"[A-Za-z0-9_][A-Za-z0-9_. +/-]*", "a file's name")


@dataclass(frozen=True)
class _FileOrFiles:
    """A file's name, or names by column."""

    def read(self, node: Node, where: str, report: Report) -> str | dict[str, str]:
        kind: Kind = TableOf(_FILE, _COLUMN) if isinstance(node, Table) else _FILE
        return kind.read(node, where, report)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [_FILE.schema(), TableOf(_FILE, _COLUMN).schema()]}


_SOURCE = Record(
    {
        "files": Field(
            ListOf(_FileOrFiles(), 1),
            "What the file may be called, below the folder that --data names.",
        ),
        "beside": Field(
            Text(r"\w[\w.+-]*(?:/\w[\w.+-]*)*", "a path below the folder of this file"),
            "The file that comes with this one.",
        ),
        "columns": Field(ListOf(_COLUMN, 1), "For a table whose first line is a row."),
        "hub": Field(Text(REPOSITORY, "org/name"), "A dataset repository on the hub."),
        "config": Field(Text(), "Which of the repository's datasets; * for all."),
        "revision": Field(
            Text(r"[0-9a-f]{40}", "a commit of 40 lower-case hex digits", verbatim=True),
            "The commit, 40 hex digits.",
        ),
        "split": Field(Text(), "What the repository calls the split."),
        "rows": Field(
            Text(r"-?\d*:-?\d*", 'a slice in quotes, such as "0:1000"'),
            "The part that counts, as Python slices.",
        ),
        "draw": Field(
            Record(
                {
                    "rows": Field(Integer(1), "How many.", required=True),
                    "distinct": Field(
                        ListOf(_COLUMN, 1), "Rows differ in these columns.", required=True
                    ),
                    "seed": Field(Integer(0), "Of Python's generator, by default 0."),
                }
            ),
            "Draw a test set from a corpus that has none.",
        ),
        "documents": Field(
            Choice(("wiki",)), "How lines of a text make a row: by the titles of WikiText's pages."
        ),
        "group": Field(_COLUMN, "A column whose equal values make rows one."),
        "picture": Field(_COLUMN, "A column with names of pictures."),
        "pictures": Field(ListOf(_FILE, 1), "Where these pictures are: a folder or an archive."),
    }
)
_DOCUMENT = Record(
    {
        "schema": Field(Integer(1, SCHEMA), "Version of this format.", required=True),
        "name": Field(Text(NAME, "a name of a-z, 0-9, '.', '_', '-'"), "Its name.", required=True),
        "task": Field(Choice(tuple(TASKS)), "What is asked.", required=True),
        "summary": Field(Text(), "What it is, in one line.", required=True),
        "metric": Field(Text(), "The metric that its authors report.", required=True),
        "chance": Field(Number(), "The metric of one who guesses."),
        "license": Field(Text(), "Of the data."),
        "paper": Field(Text(r"https?://[!-~]+", "a URL, https://…"), "URL of the paper."),
        "languages": Field(ListOf(Text()), "Of the texts."),
        "reported_as": Field(ListOf(Text(), 1), "Names under which results are published."),
        "data": Field(
            TableOf(_SOURCE, Text(r"test|train", "test or train")), "The splits.", required=True
        ),
        "fields": Field(
            _OneOrMore(TableOf(_Setting(), Text(r"[a-z][a-z_]*", "a field's name"))),
            "A template or a column for each field of a sample.",
            required=True,
        ),
        "classes": Field(ListOf(_Word(), 2, repeating=True), "The classes, as prompts call them."),
        "labels": Field(ListOf(_Word(), 2), "The classes, as the data calls them."),
        "protocols": Field(
            TableOf(_Setting(), Text(NAME, "a protocol's name")),
            "How it can be measured, the customary way first.",
            required=True,
        ),
    }
)


def _source(values: Mapping[str, Any]) -> Source:
    texts = {
        name: values[name]
        for name in (
            "beside",
            "hub",
            "config",
            "revision",
            "split",
            "documents",
            "group",
            "picture",
        )
        if name in values
    }
    start, stop = values.get("rows", ":").split(":")
    return Source(
        files=tuple(values.get("files", ())),
        columns=tuple(values.get("columns", ())),
        pictures=tuple(values.get("pictures", ())),
        rows=(int(start) if start else None, int(stop) if stop else None),
        draw=_draw(values["draw"]) if "draw" in values else None,
        **texts,
    )


def _draw(values: Mapping[str, Any]) -> Draw:
    return Draw(values["rows"], tuple(values["distinct"]), values.get("seed", 0))


def _agree(values: Mapping[str, Any], root: Table, report: Report) -> None:
    """Report what fits no task or protocol, and fields that contradict each other."""

    def line(*path: str) -> int:
        table, place = root, 1
        for name in path:
            key, node = table.rows[name]
            place = key.start[0] + 1
            if isinstance(node, Table):
                table = node
        return place

    wanted = TASKS[values["task"]]
    if values["metric"] not in wanted.metrics:
        report.add(
            line("metric"),
            f"{values['task']} is not measured in {values['metric']!r}, but in "
            f"{', '.join(wanted.metrics)}",
        )
    for form in values["fields"]:
        for name in form.keys() - wanted.fields - wanted.optional:
            known = ", ".join(sorted(wanted.fields | wanted.optional))
            report.add(
                line("fields"),
                f"a sample of {values['task']} has no field {name!r}; its fields are {known}",
            )
        if missing := sorted(wanted.fields - form.keys()):
            report.add(line("fields"), f"the samples lack {', '.join(map(repr, missing))}")
    for name, settings in values["protocols"].items():
        protocol = PROTOCOLS.get(name)
        if protocol is None or values["task"] not in protocol.tasks:
            able = [each for each, its in PROTOCOLS.items() if values["task"] in its.tasks]
            report.add(
                line("protocols", name),
                f"{values['task']} is not measured by {name!r}, but by {', '.join(able)}",
            )
        elif not isinstance(settings, dict):
            report.add(line("protocols", name), f"protocols.{name} must be a mapping, such as {{}}")
        else:
            metric = settings.get("metric", values["metric"])
            measured = protocol.measured(values["task"])
            if metric not in measured and values["metric"] in wanted.metrics:
                report.add(
                    line("protocols", name),
                    f"protocols.{name} does not measure {metric!r}; set its metric to one of "
                    f"{', '.join(measured)}",
                )
            for setting in settings.keys() - protocol.settings - {"metric"}:
                known = ", ".join(sorted(protocol.settings)) or "none"
                report.add(
                    line("protocols", name, setting),
                    f"protocols.{name} has no setting {setting!r}; known are {known}",
                )
    if not values["protocols"]:
        report.add(line("protocols"), "expected a protocol or more")
    if "test" not in values["data"]:
        report.add(line("data"), "data lacks 'test', what is measured on")
    if "labels" in values:
        count, named = len(values["labels"]), len(values.get("classes", ()))
        if count != named:
            report.add(line("labels"), f"{count} labels, but {named} classes")
