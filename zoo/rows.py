"""Rows out of files: a text a line, JSON lines, tables with a header, parquet.

Each row comes with its place, ``file:line``, so that whatever is wrong with it can say where.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zoo.errors import InputError, PluginError

COLUMN = "text"
"""What the one column of a plain text file is called."""

Fields = dict[str, Any]  # Any: what JSON or parquet can hold


def require_pyarrow() -> None:
    """Refuse parquet files where nothing can read or write them.

    Raises:
        PluginError: pyarrow is not installed.
    """
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise PluginError(".parquet needs pyarrow: pip install 'zoo[parquet]'")


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line}: not UTF-8; convert the file first") from error


def _lines(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    """(place, line); only a line feed ends one, whatever else Unicode calls a line break."""
    lines = _decoded(name, data).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        yield f"{name}:{number}", line.removesuffix("\r")


def _texts(name: str, data: bytes) -> Iterator[tuple[str, Fields]]:
    for place, line in _lines(name, data):
        yield place, {COLUMN: line}


def _json_lines(name: str, data: bytes) -> Iterator[tuple[str, Fields]]:
    for place, line in _lines(name, data):
        try:
            fields = json.loads(line, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            raise InputError(f"{place}: no JSON: {error.msg}, column {error.colno}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: no JSON: {error}") from error
        if not isinstance(fields, dict):
            raise InputError(f"{place}: expected a JSON object, such as {{{COLUMN!r}: …}}")
        yield place, fields


def _object(pairs: list[tuple[str, Any]]) -> Fields:
    """A JSON object; of two values under one name the reader would silently take the last.

    Raises:
        ValueError: A name stands there twice.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands there twice")
    return fields


def _csv(
    name: str, data: bytes, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, Fields]]:
    """Rows of a table; its first row names the columns, unless they are given."""
    import csv
    import io

    csv.field_size_limit(2**31 - 1)  # 128 KiB by default, less than a document may have
    table = csv.reader(io.StringIO(_decoded(name, data), newline=""), strict=True)
    try:
        header = list(columns) if columns is not None else next(table, [])
    except csv.Error as error:
        raise InputError(f"{name}:1: no CSV: {error}") from error
    _check_header(header, f"{name}:1")
    line = table.line_num + 1  # where the row begins; a quoted field may hold line breaks
    try:
        for cells in table:
            if cells:
                yield f"{name}:{line}", _named(cells, header, f"{name}:{line}")
            line = table.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}:{line}: no CSV: {error}") from error


def _tsv(
    name: str, data: bytes, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, Fields]]:
    """As `_csv`, with tabs, a row a line, and no quoting."""
    header = columns
    for place, line in _lines(name, data):
        cells = line.split("\t")
        if header is None:
            header = cells
            _check_header(header, place)
        elif line:
            yield place, _named(cells, header, place)


def _check_header(header: Sequence[str], place: str) -> None:
    if len(set(header)) != len(header):
        raise InputError(f"{place}: two columns have the same name: {', '.join(header)}")


def _named(cells: Sequence[str], header: Sequence[str], place: str) -> Fields:
    if len(cells) != len(header):
        raise InputError(f"{place}: {len(cells)} fields, but the header has {len(header)}")
    return dict(zip(header, cells, strict=True))


def _parquet(name: str, data: bytes) -> Iterator[tuple[str, Fields]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        _check_header(file.schema_arrow.names, name)
        table = file.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name}: no parquet: {str(error).partition(chr(10))[0]}") from error
    columns = [_values(name, column, table[column]) for column in table.column_names]
    for number, values in enumerate(zip(*columns, strict=True), 1):
        yield f"{name}: row {number}", dict(zip(table.column_names, values, strict=True))


def _values(name: str, column: str, values: Any) -> list[Any]:  # noqa: ANN401 (no types)
    """A column's values; parquet has some that Python lacks: year 146138, two fields of one name.

    Raises:
        InputError: One is of that kind, or a text that is not UTF-8.
    """
    import pyarrow

    try:
        found: list[Any] = values.to_pylist()
    except (pyarrow.ArrowException, ValueError, OverflowError, LookupError) as error:
        raise InputError(
            f"{name}: column {column!r}, {values.type}: cannot be read: {error}; leave it out"
        ) from error
    return found


Reader = Callable[[str, bytes], Iterator[tuple[str, Fields]]]
READERS: dict[str, Reader] = {
    ".txt": _texts,
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""What reads a file, by its suffix: takes its name and bytes, yields each row and its place.

Raises:
    InputError: It is not of its format; the message names the place.
"""

_TABLES = {".csv": _csv, ".tsv": _tsv}


def read_texts(name: str, data: bytes) -> Iterator[tuple[str, Fields]]:
    """Yield a row a line, whatever the file is called; unpacked first if its name ends in ``.gz``.

    Raises:
        InputError: It is no text in UTF-8.
    """
    yield from _texts(name, _unpacked(name, data) if name.lower().endswith(".gz") else data)


def read_rows(
    name: str, data: bytes, *, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, Fields]]:
    """Yield the rows of a file, and their places; one that ends in ``.gz`` is unpacked first.

    Args:
        name: Of the file, whose suffix says its format.
        data: Its bytes.
        columns: Names of a table's columns, whose first line then is a row. With several of them,
            ``.txt`` is a table too, as ``.tsv`` is.

    Raises:
        InputError: It is not of its format, or of none that can be read.
        PluginError: Its format needs a package that is not installed.
    """
    inner = name
    if name.lower().endswith(".gz"):
        inner, data = name[:-3], _unpacked(name, data)
    suffix = "." + inner.rpartition(".")[2].lower()
    if suffix == ".parquet":
        require_pyarrow()
    if suffix == ".txt" and columns is not None and len(columns) > 1:
        suffix = ".tsv"
    if suffix in _TABLES:
        yield from _TABLES[suffix](name, data, columns)
    elif suffix in READERS:
        yield from READERS[suffix](name, data)
    else:
        known = ", ".join([*READERS, ".tsv"])
        raise InputError(f"{name}: expected a file that ends in {known}, or one of them and .gz")


def _unpacked(name: str, data: bytes) -> bytes:
    import gzip
    import zlib

    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: no gzip, or cut off: {error}") from error
