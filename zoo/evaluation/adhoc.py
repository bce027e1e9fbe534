"""A benchmark out of what people have: a folder of classes of pictures, or a file of rows.

Of a folder, or an archive of one, the sub-folders' names are the classes. Of a file the columns say
what is asked:

=========================================  =====================
columns                                    task
=========================================  =====================
``text``, ``label``                        text-classification
``picture``, ``label``                     image-classification
``first``, ``second``, ``score``           sentence-similarity
``sentence1``, ``sentence2``, ``score``    sentence-similarity
``source``, ``target``                     translation
``context``, ``choices``, ``answer``       multiple-choice
=========================================  =====================

Further columns are left alone. What a file cannot say, such as templates and better names for
classes, a YAML file can.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from zoo.errors import InputError, UsageError
from zoo.evaluation.archives import is_archive
from zoo.evaluation.benchmark import Benchmark, Form, Placed, Source
from zoo.evaluation.pictures import class_folders, empty_folders
from zoo.rows import Fields, read_rows

SUFFIXES = (".csv", ".jsonl", ".parquet", ".tsv")
"""Of the files that can be a benchmark, packed by gzip or not."""

_NAME = re.compile(r"[^a-z0-9._-]+")
_KANA, _HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\u4e00-\u9fff]")

Rows = Sequence[tuple[str, Fields]]


def is_rows(name: str) -> bool:
    """Whether a file of this name can be a benchmark."""
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def benchmark_of(path: Path) -> Benchmark:
    """The benchmark that a file of rows is.

    Raises:
        UsageError: There is no such file, or its columns are those of no task.
        InputError: It cannot be read, or has no rows, or fewer than two labels.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {str(path)!r}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    rows = [*read_rows(str(path), data)]
    if not rows:
        raise InputError(f"{path}: there are no rows; expected a header and a row or more")
    columns = rows[0][1].keys()
    for needed, make in _KINDS:
        if columns >= set(needed):
            return make(path, rows)
    understood = " or ".join(", ".join(needed) for needed, _ in _KINDS)
    place = path if path.suffix.lower() == ".parquet" else f"{path}:1"
    raise UsageError(
        f"{place}: its columns are {', '.join(map(str, columns))}; a benchmark from a file has "
        f"{understood}"
    )


def is_pictures(name: str) -> bool:
    """Whether this is a folder, written as a path, or an archive."""
    return is_archive(Path(name)) or (("/" in name or name == ".") and Path(name).is_dir())


def benchmark_of_pictures(path: Path) -> Benchmark:
    """The benchmark that a folder with a folder for each class is, or an archive of one.

    A class is called as its folder, with spaces for ``_``; the template is the model's.

    Raises:
        UsageError: There is no such archive, or fewer than two classes.
        InputError: It holds no pictures, nor does the folder of a class, or it is damaged.
    """
    if not path.exists():
        raise UsageError(f"there is no file {str(path)!r}")
    labels, _ = class_folders(path)
    if empty := empty_folders(path, labels):
        raise InputError(
            f"{path / empty[0]}: a class's folder without pictures; put some there, or remove it"
        )
    if len(labels) < 2:
        raise UsageError(f"{path}: one class, {labels[0]!r}, alone; expected two folders or more")
    benchmark = _pictures(path, tuple(labels))
    return replace(benchmark, classes=tuple(each.replace("_", " ") for each in labels))


def _texts(path: Path, rows: Rows) -> Benchmark:
    """Texts and their classes, which are what the labels are."""
    classes = _labels(rows)
    # Numbers say nothing that a text could entail, or be near to.
    named = not all(each.isdecimal() for each in classes)
    protocols = ["nli", "embedding", "own-classes"] if named else ["own-classes"]
    return _made(
        path, "text-classification", "acc", {"text": "text", "label": "label"}, protocols, classes
    )


def _paths(path: Path, rows: Rows) -> Benchmark:
    """Paths of pictures, relative to the file's folder, and their classes."""
    return _pictures(path, _labels(rows))


def _pictures(path: Path, labels: tuple[str, ...]) -> Benchmark:
    fields = {"picture": "picture", "label": "label"}
    return _made(path, "image-classification", "acc1", fields, ["zero-shot", "own-classes"], labels)


def _pairs(path: Path, rows: Rows) -> Benchmark:
    """Pairs of sentences and how alike they are."""
    first, second = ("first", "second") if "first" in rows[0][1] else ("sentence1", "sentence2")
    fields = {"first": first, "second": second, "score": "score"}
    return _made(path, "sentence-similarity", "spearman", fields, ["cosine"])


def _translations(path: Path, rows: Rows) -> Benchmark:
    """Texts and their translations; BLEU splits Chinese and Japanese as they need it."""
    targets = "".join(str(row["target"]) for _, row in rows)
    languages: tuple[str, ...] = ()
    if _KANA.search(targets):
        languages = ("und", "ja")
    elif _HAN.search(targets):
        languages = ("und", "zh")
    fields = {"source": "source", "target": "target"}
    return _made(path, "translation", "bleu", fields, ["generation"], languages=languages)


def _choices(path: Path, rows: Rows) -> Benchmark:
    """Contexts, lists of choices, and the number of the right one, from 0."""
    fields = {name: name for name in ("context", "choices", "answer")}
    protocols = ["log-likelihood", "pseudo-log-likelihood"]
    return _made(path, "multiple-choice", "acc", fields, protocols)


_KINDS: tuple[tuple[tuple[str, ...], Callable[[Path, Rows], Benchmark]], ...] = (
    (("text", "label"), _texts),
    (("picture", "label"), _paths),
    (("path", "label"), _paths),
    (("first", "second", "score"), _pairs),
    (("sentence1", "sentence2", "score"), _pairs),
    (("source", "target"), _translations),
    (("context", "choices", "answer"), _choices),
)


def _labels(rows: Rows) -> tuple[str, ...]:
    """The different labels; numbers in their order, other names in theirs.

    Raises:
        InputError: One is missing, or there is but one.
    """
    found: set[str] = set()
    for place, row in rows:
        if "label" not in row:
            raise InputError(f"{place}: no column 'label'; there are {', '.join(map(str, row))}")
        label = row["label"]
        if isinstance(label, bool) or not isinstance(label, int | str) or not str(label).strip():
            raise InputError(
                f"{place}: the label is {label!r:.40}; expected a class's name or number"
            )
        found.add(str(label))
    if len(found) < 2:
        raise InputError(
            f"{rows[0][0]}: all labels are {next(iter(found))!r}; expected two classes or more"
        )
    return tuple(sorted(found, key=lambda each: (len(each) if each.isdecimal() else 0, each)))


def _made(
    path: Path,
    task: str,
    metric: str,
    fields: dict[str, str],
    protocols: Sequence[str],
    classes: tuple[str, ...] = (),
    *,
    languages: tuple[str, ...] = (),
) -> Benchmark:
    form: Form = {name: Placed(column, str(path)) for name, column in fields.items()}
    name = path.resolve().name.lower().removesuffix(".gz")
    stem = name if path.is_dir() else name.rpartition(".")[0]
    return Benchmark(
        name=_NAME.sub("-", stem).strip("-._") or "rows",
        task=task,
        summary=f"What is in {path.resolve().name}",
        metric=metric,
        data={"test": Source(path=path)},
        forms=(form,),
        protocols={name: {} for name in protocols},
        classes=classes,
        labels=classes,
        chance=1 / len(classes) if classes else None,
        languages=languages,
        file="" if path.is_dir() else str(path),
    )
