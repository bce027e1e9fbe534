from __future__ import annotations

import csv
import json
import math
import os
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from zoo.errors import InputError, UsageError, ZooError
from zoo_cli.files import (
    Inputs,
    check_columns,
    check_input,
    check_output,
    read,
    read_lines,
    write,
)

ROWS: list[dict[str, Any]] = [
    {"id": "7", "text": "a dog, or 两只狗"},
    {"id": "8", "text": 'a "quoted"\nline'},
]


def inputs(*rows: dict[str, Any], path: Path) -> Inputs:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read(path)


def test_each_format_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["id", "text"])
        table.writeheader()
        table.writerows(ROWS)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")

    for suffix in ("jsonl", "csv", "parquet"):
        found = read(tmp_path / f"rows.{suffix}")
        assert [row.fields for row in found.rows] == ROWS
        assert [row.text for row in found.rows] == [row["text"] for row in ROWS]
        assert found.columns == ["id", "text"]


def test_a_text_file_has_a_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffone\r\ntwo\u2028still two\nthree".encode())

    assert [row.text for row in read(path).rows] == ["one", "two\u2028still two", "three"]


def test_another_column_can_hold_the_text(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("review,stars\nfine,4\n")

    assert [row.text for row in read(path, "review").rows] == ["fine"]
    with pytest.raises(InputError, match=r"reviews.csv:2: no field 'text'; it has 'review', 'sta"):
        read(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"one\n\nthree\n", r"a\.txt:2: the text is empty"),
        ("a.txt", b"one\n\xff\n", r"a\.txt:2: not UTF-8"),
        ("a.txt", b"", r"a\.txt has no rows"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"a\.jsonl:2: no JSON"),
        ("a.jsonl", b'["text"]\n', r"a\.jsonl:1: expected a JSON object"),
        ("a.jsonl", b'{"text": 5}\n', r"a\.jsonl:1: 'text' is no text but 5"),
        ("a.csv", b'text,b\n"two\nlines",1\nthree\n', r"a\.csv:4: 1 fields, but the header has 2"),
        ("a.csv", b'text\n"open\n', r"a\.csv:2: no CSV"),
        ("a.csv", b'"text\na', r"a\.csv:1: no CSV"),
        ("a.jsonl", b'{"text": ' + b"[" * 200_000, r"a\.jsonl:1: no JSON"),
        (
            "a.jsonl",
            b'{"text": "cut \\ud83d"}\n',
            r"a\.jsonl:1: the text is no Unicode: character 5",
        ),
        ("a.csv", b"text,text\n1,2\n", r"a\.csv:1: two columns have the same name"),
        ("a.parquet", b"PAR1 or not", r"a\.parquet: no parquet"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


def test_standard_input_may_be_empty_for_others_to_judge() -> None:
    assert read_lines("standard input", b"").rows == []
    with pytest.raises(InputError, match="standard input:1: the text is empty"):
        read_lines("standard input", b"\n")


def test_unknown_formats_and_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()

    with pytest.raises(UsageError, match=r"expected a file that ends in .txt, .jsonl"):
        read(tmp_path / "texts.doc")
    with pytest.raises(UsageError, match="there is no file"):
        read(tmp_path / "missing.csv")
    with pytest.raises(UsageError, match=r"ends in .jsonl, .csv, .parquet"):
        check_output(tmp_path / "out.txt", overwrite=False)
    with pytest.raises(UsageError, match="there is no folder"):
        check_output(tmp_path / "missing" / "out.csv", overwrite=False)
    with pytest.raises(UsageError, match="pass --overwrite to replace it"):
        check_output(tmp_path / "there.csv", overwrite=False)
    check_output(tmp_path / "there.csv", overwrite=True)


def test_results_stand_beside_their_rows(tmp_path: Path) -> None:
    rows = inputs(*ROWS, path=tmp_path / "in.jsonl")
    results = [[{"label": "dog", "score": 0.5}], [{"label": "cat", "score": 0.25}]]

    for suffix in ("jsonl", "csv", "parquet"):
        write(tmp_path / f"out.{suffix}", rows, results, "labels")

    expected = [{**row, "labels": result} for row, result in zip(ROWS, results, strict=True)]
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == expected
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist() == expected
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [{**row, "labels": json.loads(row["labels"])} for row in cells] == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.jsonl",
        "out.csv",
        "out.jsonl",
        "out.parquet",
    ]


def test_parquet_keeps_types_and_gives_vectors_as_float32(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    table = pyarrow.Table.from_pylist([{"text": "a", "day": date(2026, 1, 2), "n": 5}] * 3)
    pyarrow.parquet.write_table(table, source)

    write(tmp_path / "out.parquet", read(source), [[0.5, 1.5]] * 3, "embedding")
    write(tmp_path / "out.jsonl", read(source), [[0.5, 1.5]] * 3, "embedding")

    found = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert str(found.schema.field("embedding").type).startswith("list<")
    assert found.schema.field("embedding").type.value_type == pyarrow.float32()
    assert found.to_pylist()[2] == {
        "text": "a",
        "day": date(2026, 1, 2),
        "n": 5,
        "embedding": [0.5, 1.5],
    }
    assert '"day": "2026-01-02", "n": 5' in (tmp_path / "out.jsonl").read_text()


def test_parquet_comes_back_with_its_own_types(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    columns = {
        "text": pyarrow.array(["a"], pyarrow.large_string()),
        "small": pyarrow.array([5], pyarrow.int8()),
        "large": pyarrow.array([2**64 - 1], pyarrow.uint64()),
        "when": pyarrow.array([1_577_836_800_000_001_000], pyarrow.timestamp("ns")),
        "map": pyarrow.array([[("a", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "empty": pyarrow.array([[]], pyarrow.list_(pyarrow.int64())),
    }
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table, source)
    before = pyarrow.parquet.read_table(source)

    check_columns(tmp_path / "out.parquet", read(source))
    write(tmp_path / "out.parquet", read(source), [[0.5]], "embedding")

    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").drop_columns("embedding") == before


def test_what_json_lacks_stays_readable_for_others(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    table = {"text": ["a"], "bytes": [b"\xff\0"], "nan": [math.nan], "far": [[1.0, math.inf]]}
    pyarrow.parquet.write_table(pyarrow.table(table), source)

    for suffix in ("jsonl", "csv"):
        write(tmp_path / f"out.{suffix}", read(source), [[0.5]], "embedding")

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    line = (tmp_path / "out.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse) == {
        "text": "a",
        "bytes": "/wA=",
        "nan": None,
        "far": [1.0, None],
        "embedding": [0.5],
    }
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert (row["bytes"], row["far"]) == ("/wA=", "[1.0, null]")


def test_a_carriage_return_in_a_cell_ends_no_row(tmp_path: Path) -> None:
    rows = inputs({"text": "one\rtwo", "other": "\r\n"}, path=tmp_path / "in.jsonl")

    write(tmp_path / "out.csv", rows, [[1.0]], "embedding")

    (found,) = read(tmp_path / "out.csv").rows
    assert found.fields == {"text": "one\rtwo", "other": "\r\n", "embedding": "[1.0]"}


def test_what_gives_bytes_as_a_file_does_is_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    writer = threading.Thread(target=pipe.write_text, args=("one\n",))
    writer.start()

    assert [row.text for row in read(pipe).rows] == ["one"]
    writer.join()
    with pytest.raises(UsageError, match=r"is a folder; expected a file"):
        check_input(folder, None)


def test_a_column_of_two_types_is_refused_by_parquet(tmp_path: Path) -> None:
    rows = inputs({"text": "a", "n": 1}, {"text": "b", "n": "one"}, path=tmp_path / "in.jsonl")

    with pytest.raises(InputError, match=r"a column that parquet cannot hold: .* use \.jsonl"):
        check_columns(tmp_path / "out.parquet", rows)
    check_columns(tmp_path / "out.jsonl", rows)


@pytest.mark.parametrize("value", [10**30, "half an emoji: \ud83d", {}], ids=ascii)
def test_what_parquet_cannot_hold_is_told(value: object, tmp_path: Path) -> None:
    rows = inputs({"text": "a", "other": value}, path=tmp_path / "in.jsonl")

    with pytest.raises(InputError, match=r"a column that parquet cannot hold: .* use \.jsonl"):
        check_columns(tmp_path / "out.parquet", rows)


def test_half_of_an_emoji_comes_out_of_json_as_it_went_in(tmp_path: Path) -> None:
    rows = inputs({"text": "a", "other": "half: \ud83d"}, path=tmp_path / "in.jsonl")

    write(tmp_path / "out.jsonl", rows, [[1.0]], "embedding")

    (line,) = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["other"] == "half: \ud83d"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    rows = inputs(*ROWS, path=tmp_path / "in.jsonl")
    output = tmp_path / "out.jsonl"
    output.write_text("as before")

    with pytest.raises(ZooError, match=r"cannot write .*out\.jsonl: No space left on device"):
        write(output, rows, full_disk(), "labels")

    assert output.read_text() == "as before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "npy", "safetensors"])
def test_a_disk_that_becomes_full_is_told_in_each_format(suffix: str, tmp_path: Path) -> None:
    import resource

    rows = inputs(*({"text": "a", "n": n} for n in range(100)), path=tmp_path / "in.jsonl")
    vectors = [[n + k / 7 for k in range(64)] for n in range(100)]
    # No file may have more than 8 kB, which the system refuses as it does beyond a full disk.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(ZooError, match=rf"cannot write .*out\.{suffix}: .*File too large"):
            write(tmp_path / f"out.{suffix}", rows, vectors, "embedding")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_matrix_is_byte_for_byte_that_of_numpy(tmp_path: Path) -> None:
    rows = inputs(*ROWS, path=tmp_path / "in.jsonl")
    vectors = [[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]

    write(tmp_path / "out.npy", rows, vectors, "embedding")

    np.save(tmp_path / "expected.npy", np.array(vectors, dtype=np.float32))
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()


def full_disk() -> Iterator[list[str]]:
    yield []
    raise OSError(28, "No space left on device")
