"""Files of rows: texts in, results out, as .txt, .jsonl, .csv or .parquet."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from zoo.errors import InputError, UsageError, ZooError
from zoo.rows import COLUMN, READERS, require_pyarrow
from zoo_cli.output import as_json, as_text

_PARQUET_ROWS = 8192  # rows of results in memory at a time, and in a row group


@dataclass(frozen=True)
class Row:
    """A text; ``place`` says where it stands, ``fields`` what else its row holds, text included."""

    place: str
    text: str
    fields: dict[str, Any]  # Any: what JSON or parquet can hold


@dataclass(frozen=True)
class Inputs:
    """All rows of one file, checked. ``origin`` tells this file from any other.

    ``schema`` is that of a parquet file: Python's values alone would not tell an int8, or a map.
    """

    rows: Sequence[Row]
    origin: dict[str, str | int]
    schema: Any = None  # pyarrow has no types

    @property
    def columns(self) -> list[str]:
        """The names of all fields, in the order in which they come up."""
        return list(dict.fromkeys(name for row in self.rows for name in row.fields))


def check_input(path: Path, column: str | None) -> None:
    """Refuse a file that cannot be read, by its name.

    Raises:
        UsageError: It is no such file, or has no columns to choose from.
        PluginError: Its format needs a package that is not installed.
    """
    suffix = _suffix(path, READERS)
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; expected a file")
    if not path.exists():  # or what gives bytes as a file does, such as a named pipe
        raise UsageError(f"there is no file {str(path)!r}")
    if suffix == ".txt" and column is not None:
        raise UsageError("--column: a .txt file has a text a line and no columns")
    if suffix == ".parquet":
        require_pyarrow()


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot be written, by its name.

    Raises:
        UsageError: Its format is unknown, its folder is missing, or it is there already.
        PluginError: Its format needs a package that is not installed.
    """
    if _suffix(path, _WRITERS) == ".parquet":
        require_pyarrow()
    check_folder(path.parent)
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; expected a file")
    if path.exists() and not overwrite:
        raise UsageError(f"{str(path)!r} is there already; pass --overwrite to replace it")


def check_folder(folder: Path) -> None:
    """Refuse a folder that nothing can be written into.

    Raises:
        UsageError: It is missing, or not to be written into.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r}")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write into the folder {str(folder)!r}")


def check_columns(path: Path, inputs: Inputs) -> None:
    """Refuse rows that the output's format cannot hold, before their results are computed.

    Raises:
        InputError: Parquet cannot hold a column, such as one that mixes types.
    """
    if path.suffix.lower() == ".parquet":
        _check_table(_table(inputs))


def check_format(path: Path, field: str) -> None:
    """Refuse a file that cannot hold a task's results.

    Raises:
        UsageError: It is for vectors, and the results are none.
    """
    if path.suffix.lower() in _MATRICES and field != "embedding":
        raise UsageError(f"{str(path)!r}: that format is for vectors; these results are {field}")


def read(path: Path, column: str | None = None) -> Inputs:
    """Read all rows of a file, as its suffix says, and check each.

    Args:
        path: The file: UTF-8, or parquet.
        column: Where the text is; by default in ``text``.

    Raises:
        InputError: It is not of its format, or a row has no text; the message names the row.
        UsageError, PluginError: As `check_input`.
    """
    check_input(path, column)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    rows = [
        _row(place, fields, column or COLUMN)
        for place, fields in READERS[path.suffix.lower()](str(path), data)
    ]
    if not rows:
        raise InputError(f"{path} has no rows")
    return Inputs(rows, _origin(str(path), data), _schema(path, data))


def read_lines(name: str, data: bytes) -> Inputs:
    """Read a text a line, from what is no file.

    Raises:
        InputError: A line is empty, or not UTF-8.
    """
    return Inputs(
        [_row(place, fields, COLUMN) for place, fields in READERS[".txt"](name, data)],
        _origin(name, data),
    )


def from_arguments(texts: Sequence[str]) -> Inputs:
    """Take the texts of a command line.

    Raises:
        InputError: One is empty.
    """
    rows = [_row(f"text {number}", {COLUMN: text}, COLUMN) for number, text in enumerate(texts, 1)]
    return Inputs(rows, _origin("arguments", "\0".join(texts).encode(errors="surrogateescape")))


def write(
    path: Path, inputs: Inputs, results: Iterable[Any], name: str
) -> None:  # Any: what JSON can hold
    """Write each row's fields and, as ``name``, its result; the file appears whole or not at all.

    In .csv, what is no string or number is JSON. In .parquet, the numbers of vectors are float32.

    Raises:
        ZooError: It cannot be written.
        InputError: Parquet cannot hold a column, such as one that mixes types.
    """
    with whole(path) as temporary:
        _WRITERS[path.suffix.lower()](temporary, inputs, results, name)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to, which then takes the file's place: whole, or not at all.

    Raises:
        ZooError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise ZooError(f"cannot write {path}: {error.strerror or error}") from error


def _suffix(path: Path, known: Iterable[str]) -> str:
    suffix = path.suffix.lower()
    if suffix not in known:
        raise UsageError(f"{str(path)!r}: expected a file that ends in {', '.join(known)}")
    return suffix


def _schema(path: Path, data: bytes) -> Any:  # noqa: ANN401 (pyarrow has no types)
    """The columns of a parquet file, without what other programs noted beside them."""
    if path.suffix.lower() != ".parquet":
        return None
    import pyarrow
    import pyarrow.parquet

    return pyarrow.parquet.read_schema(pyarrow.BufferReader(data)).remove_metadata()


def _origin(name: str, data: bytes) -> dict[str, str | int]:
    return {"file": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _row(place: str, fields: dict[str, Any], column: str) -> Row:
    if column not in fields:
        raise InputError(
            f"{place}: no field {column!r}; it has {', '.join(map(repr, fields)) or 'none'}: "
            "choose one with --column"
        )
    text = fields[column]
    if not isinstance(text, str):
        raise InputError(f"{place}: {column!r} is no text but {text!r:.40}")
    if not text.strip():
        raise InputError(f"{place}: the text is empty; expected at least one word")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: the text is no Unicode: character {error.start + 1} is "
            f"{text[error.start]!a}, half of a pair"
        ) from error
    return Row(place, text, fields)


def _write_json_lines(path: Path, inputs: Inputs, results: Iterable[Any], name: str) -> None:
    # What is no Unicode, such as half of an emoji that JSON spelled \\ud83d, is spelled so again.
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for row, result in zip(inputs.rows, results, strict=True):
            fields = {**row.fields, name: result}
            file.write(as_json(fields) + "\n")


def _write_csv(path: Path, inputs: Inputs, results: Iterable[Any], name: str) -> None:
    import csv

    columns = inputs.columns
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(_Lines(file))
        table.writerow([*columns, name])
        for row, result in zip(inputs.rows, results, strict=True):
            table.writerow([_cell(row.fields.get(column)) for column in columns] + [_cell(result)])


@dataclass(frozen=True)
class _Lines:
    """A file whose lines end in a line feed.

    Told so itself, ``csv`` would leave a carriage return inside a cell without quotes, and every
    reader would end the row there.
    """

    file: TextIO

    def write(self, line: str) -> None:
        self.file.write(line.removesuffix("\r\n") + "\n")


def _cell(value: object) -> object:
    if isinstance(value, dict | list | bool):
        return as_json(value)
    return as_text(value) if isinstance(value, bytes) else value


def _write_parquet(path: Path, inputs: Inputs, results: Iterable[Any], name: str) -> None:
    import pyarrow
    import pyarrow.parquet

    table = _table(inputs)
    remaining, writer, kind, start = iter(results), None, None, 0
    while chunk := list(islice(remaining, _PARQUET_ROWS)):
        kind = kind or _single_precision(pyarrow.array(chunk).type)
        part = table.slice(start, len(chunk)).append_column(name, pyarrow.array(chunk, type=kind))
        writer = writer or pyarrow.parquet.ParquetWriter(path, part.schema)
        writer.write_table(part)
        start += len(chunk)
    assert writer is not None, "there is at least one row"
    writer.close()


def _table(inputs: Inputs) -> Any:  # noqa: ANN401 (pyarrow has no types)
    """The fields of all rows, as pyarrow's table."""
    import pyarrow

    columns = {name: [row.fields.get(name) for row in inputs.rows] for name in inputs.columns}
    try:
        return pyarrow.table(columns, schema=inputs.schema)
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise _not_for_parquet(error) from error


def _check_table(table: Any) -> None:  # noqa: ANN401 (pyarrow has no types)
    """Find a column that only writing shows to be none of parquet's, such as an empty object."""
    import pyarrow
    import pyarrow.parquet

    try:
        pyarrow.parquet.write_table(table.slice(0, 0), pyarrow.BufferOutputStream())
    except pyarrow.ArrowException as error:
        raise _not_for_parquet(error) from error


def _not_for_parquet(error: Exception) -> InputError:
    return InputError(f"the input has a column that parquet cannot hold: {error}; use .jsonl")


def _single_precision(kind: Any) -> Any:  # noqa: ANN401 (pyarrow has no types)
    """A vector's type with its numbers as the float32 that they were."""
    import pyarrow

    if pyarrow.types.is_list(kind):
        return pyarrow.list_(_single_precision(kind.value_type))
    return pyarrow.float32() if kind == pyarrow.float64() else kind


def _matrix(results: Iterable[Any]) -> Any:  # noqa: ANN401 (numpy is imported late)
    """Vectors as (n, C) in float32; a row of NaN for what could not be read."""
    import numpy as np

    vectors = list(results)
    width = next((len(vector) for vector in vectors if vector is not None), 0)
    missing = [math.nan] * width
    return np.array([missing if each is None else each for each in vectors], dtype=np.float32)


def _write_numpy(path: Path, inputs: Inputs, results: Iterable[Any], name: str) -> None:
    import numpy as np

    matrix = _matrix(results)
    with path.open("wb") as file:
        # As `numpy.save` does, whose error on a full disk does not say what it is.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(matrix))
        file.write(matrix.data)


def _write_safetensors(path: Path, inputs: Inputs, results: Iterable[Any], name: str) -> None:
    from safetensors.numpy import save

    names = as_json([row.fields for row in inputs.rows])
    # Given a path, the library would raise an error of its own for a full disk.
    path.write_bytes(save({name: _matrix(results)}, metadata={"rows": names}))


_WRITERS: dict[str, Callable[[Path, Inputs, Iterable[Any], str], None]] = {
    ".jsonl": _write_json_lines,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".npy": _write_numpy,
    ".safetensors": _write_safetensors,
}
# Formats of vectors alone: a matrix, a row a text or picture.
_MATRICES = (".npy", ".safetensors")
