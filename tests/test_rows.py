"""Rows out of files: what is wrong with one is told with its place."""

from __future__ import annotations

import gzip
import io

import pytest

from zoo.errors import InputError
from zoo.rows import read_rows, read_texts


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": 2,, }\n', r"a.jsonl:2: no JSON: Expecting .*, column 9"),
        ("a.jsonl", b'{"a": 1}\n\n', r"a.jsonl:2: no JSON"),
        ("a.jsonl", b'{"a": 1, "b": 2, "a": 3}\n', r"a.jsonl:1: .* 'a' stands there twice"),
        ("a.jsonl", b'{"a": {"b": 1, "b": 2}}\n', r"a.jsonl:1: .* 'b' stands there twice"),
        ("a.jsonl", b"[1]\n", r"a.jsonl:1: expected a JSON object"),
        ("a.csv", b"a,a\n1,2\n", r"a.csv:1: two columns have the same name: a, a"),
        ("a.csv", b"a,b\n1,2\n3\n", r"a.csv:3: 1 fields, but the header has 2"),
        ("a.csv", b'a,b\n1,"2\n', r"a.csv:2: no CSV: unexpected end of data"),
        ("a.csv", b"a,b\ncaf\xe9,2\n", r"a.csv:2: not UTF-8"),
        ("a.tsv", b"a\tb\n1\t2\t3\n", r"a.tsv:2: 3 fields, but the header has 2"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-9], r"a.csv.gz: no gzip, or cut off"),
        ("a.xlsx", b"", r"a.xlsx: expected a file that ends in"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(name: str, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        [*read_rows(name, data)]


def test_a_mark_of_the_byte_order_is_no_part_of_a_name() -> None:
    assert [*read_rows("a.csv", b"\xef\xbb\xbfa\n1\n")] == [("a.csv:2", {"a": "1"})]


def test_columns_of_a_parquet_file_have_names_of_their_own() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reads parquet, of the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    parquet.write_table(table, file)

    with pytest.raises(InputError, match=r"a.parquet: two columns have the same name: a, a"):
        [*read_rows("a.parquet", file.getvalue())]
    with pytest.raises(InputError, match=r"a.parquet: no parquet"):
        [*read_rows("a.parquet", file.getvalue()[:-20])]


def test_what_only_parquet_can_hold_is_told_with_its_column() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reads parquet, of the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    fields = [pyarrow.array([1]), pyarrow.array([2])]
    no_unicode = [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xff")]
    columns = {
        "year 146138": pyarrow.array([2**62], pyarrow.timestamp("us")),
        "one name, two fields": pyarrow.StructArray.from_arrays(fields, ["a", "a"]),
        "no such place": pyarrow.array([0], pyarrow.timestamp("us", "Atlantis")),
        "no Unicode": pyarrow.Array.from_buffers(pyarrow.string(), 1, no_unicode),
    }

    for name, column in columns.items():
        file = io.BytesIO()
        parquet.write_table(pyarrow.table({"a": ["b"], name: column}), file)
        with pytest.raises(InputError, match=f"a.parquet: column '{name}', .*: cannot be read: "):
            [*read_rows("a.parquet", file.getvalue())]


def test_a_text_is_read_whatever_it_is_called() -> None:
    assert [*read_texts("x.de", b"ein\n")] == [("x.de:1", {"text": "ein"})]
    assert [*read_texts("x.de.gz", gzip.compress(b"ein\n"))] == [("x.de.gz:1", {"text": "ein"})]
