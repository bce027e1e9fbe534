"""Where a benchmark's rows come from: files that a user has, or a dataset of the hub."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, UsageError
from zoo.evaluation.archives import is_archive, members
from zoo.evaluation.benchmark import Benchmark, Draw, Source
from zoo.evaluation.pictures import (
    Pictured,
    class_folders,
    idx,
    named_pictures,
    picture_at,
    shard,
)
from zoo.rows import Fields, read_rows, read_texts

if TYPE_CHECKING:
    from zoo.hub.datasets import Split

_TABLES = (".csv", ".jsonl", ".tsv", ".txt")

Rows = Iterator[tuple[str, Fields]]


def open_rows(benchmark: Benchmark, split: str, data: Path | None) -> Rows:
    """Yield a split's rows and their places.

    Args:
        benchmark: Says what its files are called, and where the hub has them.
        split: ``test`` or ``train``.
        data: A file, or a folder with the benchmark's files, or one with a folder of the
            benchmark's name that has them; unless given, what lies beside the benchmark's own
            file, or the hub.

    Raises:
        InputError: A file cannot be read, or is not of its format.
        UsageError: There is no such file.
        HubError: The hub cannot be reached, or has no such dataset.
    """
    found = _where(benchmark, split, data)
    source = benchmark.data[split]
    if found is None:
        rows = _of_the_hub(source)
    else:
        seen = benchmark.task == "image-classification"
        rows = _read(found, benchmark, split)
        if source.group:
            rows = _grouped(rows, source.group)
        if source.pictures:
            rows = _illustrated(rows, source, _folders(benchmark, data))
        if seen and isinstance(found, Path) and not _has_classes(found):
            rows = _located(rows, found.parent)
    if source.draw is not None:
        rows = iter(_drawn(rows, source.draw, f"{benchmark.name}: the split {split!r}"))
    return _cut(rows, source)


def _cut(rows: Rows, source: Source) -> Rows:
    """The part of the rows that counts."""
    start, stop = source.rows
    return iter([*rows][start:stop]) if (start, stop) != (None, None) else rows


def origin(benchmark: Benchmark, split: str, data: Path | None) -> dict[str, str]:
    """Where a split's rows came from when they were read, for reports."""
    source = benchmark.data[split]
    found = _where(benchmark, split, data)
    if found is None:
        fetched = _fetched(source)
        return {
            "hub": source.hub,
            "config": source.config,
            "split": source.split,
            "commit": fetched.commit,
        }
    return {"path": ", ".join(map(str, found.values() if isinstance(found, Mapping) else [found]))}


def check_data(benchmark: Benchmark, split: str, data: Path | None) -> None:
    """Find what `open_rows` would read, without reading it.

    Raises:
        UsageError: There is no such file.
    """
    _where(benchmark, split, data)


def _where(benchmark: Benchmark, split: str, data: Path | None) -> Path | Mapping[str, Path] | None:
    """The file or files of a split; None where only the hub has it.

    Raises:
        UsageError: There are none.
    """
    source = benchmark.data.get(split)
    if source is None:
        raise UsageError(f"{benchmark.name} has no data for {split!r}, which this protocol takes")
    if path := data or source.path:
        return _find(benchmark, split, path)
    if source.beside:
        return _beside(benchmark, source)
    if source.hub:
        return None
    raise UsageError(
        f"{benchmark.name}: expected --data, the file or folder with {_names(source) or 'its rows'}"
    )


def _fetched(source: Source) -> Split:
    return _fetch(source.hub, source.config, source.split, source.revision)


@cache
def _fetch(repository: str, config: str, split: str, revision: str) -> Split:
    """A split of the hub: while a process lives the same one, whatever ``main`` becomes."""
    from zoo.hub.datasets import fetch_split

    return fetch_split(
        repository,
        split=split,
        config=config,
        revision=revision or None,
        progress=sys.stderr.isatty(),
    )


def _of_the_hub(source: Source) -> Rows:
    """The rows of all files of a split, numbered from 1, as if they were one."""
    found = _fetched(source)
    number = 0
    for file in found.files:
        for _, row in shard(file) if is_archive(file) else read_rows(str(file), _bytes(file)):
            number += 1
            place = f"hf:{found.repository}@{found.commit[:7]} {source.split} row {number}"
            yield from _with_pictures(iter([(place, row)]))


def _with_pictures(rows: Rows) -> Rows:
    """Rows in which cells that hold the bytes of pictures are pictures."""
    for place, row in rows:
        yield place, {name: _with_picture(value, place) for name, value in row.items()}


def _with_picture(value: Any, place: str) -> Any:  # noqa: ANN401 (what a row holds)
    """A cell, or the picture it is: the hub's hold the bytes of a file beside its name."""
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return Pictured(place, hashlib.sha256(value["bytes"]).hexdigest(), value["bytes"])
    return value


def _drawn(rows: Rows, draw: Draw, about: str) -> list[tuple[str, Fields]]:
    """A test set out of a corpus; ``about`` says in errors what it is.

    Raises:
        InputError: A row lacks a column, or there are fewer rows than are to be drawn.
    """
    import random

    different: dict[tuple[Any, ...], tuple[str, Fields]] = {}
    for place, row in rows:
        try:
            key = tuple(row[column] for column in draw.distinct)
        except KeyError as error:
            raise InputError(
                f"{place}: no column {error}; there are {', '.join(map(str, row))}"
            ) from error
        different.setdefault(key, (place, row))
    if len(different) < draw.rows:
        raise InputError(
            f"{about}: expected {draw.rows} different rows or more to draw from, came "
            f"{len(different)}"
        )
    return random.Random(draw.seed).sample([*different.values()], draw.rows)


def _beside(benchmark: Benchmark, source: Source) -> Path:
    """The file that comes with the benchmark's own, in its folder or below.

    Raises:
        UsageError: It is not there, or a link leads out of the folder.
    """
    folder = Path(benchmark.file).resolve().parent
    path = (folder / source.beside).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise UsageError(f"{benchmark.file}: there is no {source.beside!r} beside it")
    return path


def _find(benchmark: Benchmark, split: str, data: Path) -> Path | dict[str, Path]:
    """The file or files that are there.

    What a user names without saying which split it is, is what to measure on: a model that learned
    from the same would be measured on what it knows.
    """
    source = benchmark.data[split]
    if data.is_file() and split == "test":
        return data
    if data.is_file():
        raise UsageError(
            f"{benchmark.name}: expected --data to be a folder, since the split {split!r} is read "
            f"too: with {_names(source)}"
        )
    if not data.is_dir():
        raise UsageError(f"there is no file or folder {str(data)!r}")
    for folder in _folders(benchmark, data):
        for names in source.files:
            if isinstance(names, str) and (folder / names).exists():
                return folder / names
            if isinstance(names, Mapping):
                paths = {column: folder / name for column, name in names.items()}
                if all(path.is_file() for path in paths.values()):
                    return paths
    folders = benchmark.task == "image-classification" and split == "test"
    if folders and any(each.is_dir() for each in data.iterdir()):
        return data
    raise UsageError(f"{str(data)!r} has no {_names(source)}, which {benchmark.name} reads")


def _read(found: Path | Mapping[str, Path], benchmark: Benchmark, split: str) -> Rows:
    source = benchmark.data[split]
    if isinstance(found, Path):
        pictures = benchmark.task == "image-classification"
        if pictures and _has_classes(found):
            folders, rows = class_folders(found)
            if split == "test":  # who learns may know fewer
                _check_classes(found, folders, benchmark)
            return rows
        if is_archive(found):
            return _members(found, source)
        if source.documents == "wiki":
            return _pages(_read_column(found), source.columns[0] if source.columns else "page")
        return _with_pictures(read_rows(str(found), _bytes(found), columns=source.columns or None))
    return _joined(found)


def _has_classes(path: Path) -> bool:
    """Whether pictures lie there in folders that say their classes; else a file names them."""
    return path.is_dir() or is_archive(path)


def _check_classes(found: Path, folders: Sequence[str], benchmark: Benchmark) -> None:
    """Refuse folders that are not a benchmark's classes, one for each.

    Raises:
        InputError: There are more or fewer; the message names some.
    """
    known = benchmark.labels or benchmark.classes
    if not known or len(folders) == len(known):
        return
    parts = [f"{found}: {len(folders)} folders of classes, but {benchmark.name} has {len(known)}"]
    for what, names in (
        ("without a folder", [each for each in known if each not in folders]),
        ("no class", [each for each in folders if each not in known]),
    ):
        if names:
            parts.append(f"{what}: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}")
    raise InputError("; ".join(parts))


def _read_column(path: Path) -> Rows:
    """A row a line, whatever the file is called: corpora end in the name of their language.

    An IDX file holds pictures or numbers.
    """
    if "-ubyte" in path.name or path.name.endswith(".idx"):
        return idx(path)
    return read_texts(str(path), _bytes(path))


def _members(path: Path, source: Source) -> Rows:
    """The rows of all files in an archive, by name; what is no table or text is left out."""
    found = members(path, lambda name: name.lower().endswith(_TABLES))
    for name, data in sorted(found):
        yield from read_rows(f"{path}/{name}", data, columns=source.columns or None)


def _pages(lines: Rows, column: str) -> Rows:
    """WikiText's pages, each from a title ``= Title =`` to the next.

    As EleutherAI/wikitext_document_level splits them, by which lm-evaluation-harness measures.
    """
    page: list[str] = []
    start = ""
    for place, line in lines:
        text = next(iter(line.values()))
        marks = text.replace("= = =", "===").replace("= =", "==").strip()
        if marks.startswith("= ") and marks.endswith(" ="):
            if "".join(page).strip():
                yield start, {column: "\n".join(page)}
            page = []
        start = start if page else place
        page.append(text)
    if "".join(page).strip():
        yield start, {column: "\n".join([*page, ""])}


def _grouped(rows: Rows, column: str) -> Rows:
    """Neighbours with the same value in a column as one row, the others' values as lists."""

    def value_of(each: tuple[str, Fields]) -> object:
        place, row = each
        if column not in row:
            raise InputError(f"{place}: no column {column!r}; there are {', '.join(map(str, row))}")
        return row[column]

    for value, group in groupby(rows, key=value_of):
        members = [*group]
        names = [name for name in members[0][1] if name != column]
        lists = {name: [row.get(name) for _, row in members] for name in names}
        yield members[0][0], {column: value, **lists}


def _folders(benchmark: Benchmark, data: Path | None) -> list[Path]:
    """Where files that belong to a benchmark's may be."""
    if data is None:
        return [Path(benchmark.file).parent]
    return [data, data / benchmark.name] if data.is_dir() else [data.parent]


def _illustrated(rows: Rows, source: Source, folders: Sequence[Path]) -> Rows:
    """Put pictures where their names are."""
    places = [folder / each for folder in folders for each in source.pictures]
    found = next((each for each in places if each.exists()), None)
    if found is None:
        raise UsageError(
            f"{str(folders[0])!r} has no {' or '.join(source.pictures)} with the pictures"
        )
    pictures = named_pictures(found)
    for place, row in rows:
        key = str(row.get(source.picture))
        if key not in pictures:
            raise InputError(f"{place}: {str(found)!r} has no picture {key!r}")
        yield place, {**row, source.picture: pictures[key]}


def _located(rows: Rows, folder: Path) -> Rows:
    """Put pictures where their paths are, which begin in a folder; a table may hold pictures."""
    for place, row in rows:
        column = next((each for each in ("picture", "path") if each in row), None)
        if column is None or isinstance(row[column], Pictured):
            yield place, row
            continue
        name = row[column]
        if not isinstance(name, str) or not name:
            raise InputError(f"{place}: {column} is {name!r:.40}; expected a path")
        if not (folder / name).is_file():
            raise InputError(f"{place}: there is no picture {str(folder / name)!r}")
        yield place, {**row, "picture": picture_at(folder / name)}


def _joined(files: Mapping[str, Path]) -> Rows:
    """Row n of each file as one row, by the columns that they are.

    Raises:
        InputError: One has more rows than another.
    """
    read = {name: [*_read_column(path)] for name, path in files.items()}
    if len({len(rows) for rows in read.values()}) > 1:
        raise InputError(
            "files that belong together have as many rows; came "
            + ", ".join(f"{len(rows)} in {files[name]}" for name, rows in read.items())
        )
    for rows in zip(*read.values(), strict=True):
        place = rows[0][0]
        yield (
            place,
            {name: next(iter(row.values())) for name, (_, row) in zip(read, rows, strict=True)},
        )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _names(source: Source) -> str:
    shown = [each if isinstance(each, str) else ", ".join(each.values()) for each in source.files]
    return " or ".join(shown)
