"""Where a benchmark's rows come from: files that a user has, or a dataset of the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.errors import InputError, UsageError
from zoo.evaluation.benchmark import Benchmark, Source
from zoo.rows import Fields, read_rows

Rows = Iterator[tuple[str, Fields]]


def open_rows(benchmark: Benchmark, split: str, data: Path | None) -> Rows:
    """Yield a split's rows and their places.

    Args:
        benchmark: Says what its files are called, and where the hub has them.
        split: ``test`` or ``train``.
        data: A file, or a folder with the benchmark's files, or one with a folder of the
            benchmark's name that has them; the hub unless given.

    Raises:
        InputError: A file cannot be read, or is not of its format.
        UsageError: There is no such file.
        HubError: The hub cannot be reached, or has no such dataset.
    """
    source = benchmark.data.get(split)
    if source is None:
        raise UsageError(f"{benchmark.name} has no data for {split!r}, which this protocol takes")
    if data is None:
        raise UsageError(
            f"{benchmark.name}: expected --data, the file or folder with "
            f"{_names(source) or 'its rows'}"
        )
    rows = _read(_find(benchmark, source, data), source)
    start, stop = source.rows
    return iter([*rows][start:stop]) if (start, stop) != (None, None) else rows


def _find(benchmark: Benchmark, source: Source, data: Path) -> Path | dict[str, Path]:
    """The file or files that are there."""
    if data.is_file():
        return data
    if not data.is_dir():
        raise UsageError(f"there is no file or folder {str(data)!r}")
    for folder in (data, data / benchmark.name):
        for names in source.files:
            if isinstance(names, str) and (folder / names).is_file():
                return folder / names
            if isinstance(names, Mapping):
                paths = {column: folder / name for column, name in names.items()}
                if all(path.is_file() for path in paths.values()):
                    return paths
    raise UsageError(f"{str(data)!r} has no {_names(source)}, which {benchmark.name} reads")


def _read(found: Path | Mapping[str, Path], source: Source) -> Rows:
    if isinstance(found, Path):
        if found.suffix.lower() == ".zip":
            return _archived(found, source)
        if source.documents == "wiki":
            return _pages(_read_lines(found), source.columns[0] if source.columns else "page")
        return read_rows(str(found), _bytes(found), columns=source.columns or None)
    return _joined({column: _read_lines(path) for column, path in found.items()})


def _read_lines(path: Path) -> Rows:
    """A row a line, whatever the file is called: corpora end in the name of their language."""
    name = str(path)
    if name.lower().endswith(".gz"):
        return read_rows(f"{name[:-3]}.txt.gz", _bytes(path))
    return read_rows(f"{name}.txt", _bytes(path))


def _archived(path: Path, source: Source) -> Rows:
    """The rows of all files of an archive, by the files' names."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            files = {
                info.filename: archive.read(info)
                for info in archive.infolist()
                if not info.is_dir()
            }
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: no zip archive, or cut off: {error}") from error
    for name, data in sorted(files.items()):
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


def _joined(columns: Mapping[str, Rows]) -> Rows:
    """Row n of each file as one row."""
    read = {name: [*rows] for name, rows in columns.items()}
    lengths = {name: len(rows) for name, rows in read.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            "files that belong together have as many rows; came "
            + ", ".join(f"{count} of {name}" for name, count in lengths.items())
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
