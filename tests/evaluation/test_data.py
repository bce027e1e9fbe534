"""Rows of a benchmark's files."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from tests.evaluation.benchmarks import benchmark
from zoo.errors import InputError
from zoo.evaluation import Benchmark
from zoo.evaluation.data import open_rows


def translation(folder: Path, **source: object) -> Benchmark:
    return benchmark(
        folder,
        task="translation",
        fields={"source": "en", "target": "zh"},
        data={"test": source},
        protocols={"generation": {}},
    )


PAIRS = [(f"sentence {n // 2}", f"句子{n // 3}") for n in range(60)]


def corpus(folder: Path) -> Path:
    lines = "".join(f"{en}\t{zh}\tsomebody {n}\n" for n, (en, zh) in enumerate(PAIRS))
    (folder / "cmn.txt.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def test_a_text_with_several_columns_is_a_table(tmp_path: Path) -> None:
    asked = translation(tmp_path, files=["cmn.txt.gz"], columns=["en", "zh", "who"])

    place, row = list(open_rows(asked, "test", corpus(tmp_path)))[3]

    assert place.endswith("cmn.txt.gz:4")
    assert row == {"en": "sentence 1", "zh": "句子1", "who": "somebody 3"}


def test_a_test_set_is_drawn_as_the_recipe_draws_it(tmp_path: Path) -> None:
    draw = {"rows": 10, "distinct": ["zh", "en"]}
    asked = translation(tmp_path, files=["cmn.txt.gz"], columns=["en", "zh", "who"], draw=draw)

    drawn = [row for _, row in open_rows(asked, "test", corpus(tmp_path))]

    # recipes/tiny_transformer.py, tatoeba
    expected = random.Random(0).sample(list(dict.fromkeys((zh, en) for en, zh in PAIRS)), 10)
    assert [(row["zh"], row["en"]) for row in drawn] == expected


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        ({"rows": 100, "distinct": ["zh"]}, "expected 100 different rows .* came 20"),
        ({"rows": 1, "distinct": ["de"]}, "cmn.txt.gz:1: no column 'de'; there are en, zh, who"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    draw: dict[str, object], message: str, tmp_path: Path
) -> None:
    asked = translation(tmp_path, files=["cmn.txt.gz"], columns=["en", "zh", "who"], draw=draw)

    with pytest.raises(InputError, match=message):
        list(open_rows(asked, "test", corpus(tmp_path)))


def test_rows_without_the_column_that_groups_them_are_told(tmp_path: Path) -> None:
    asked = translation(tmp_path, files=["cmn.txt.gz"], columns=["en", "zh", "who"], group="by")

    with pytest.raises(InputError, match=r"cmn.txt.gz:1: no column 'by'; there are en, zh, who"):
        [*open_rows(asked, "test", corpus(tmp_path))]


def test_files_of_different_lengths_are_told_by_name(tmp_path: Path) -> None:
    asked = translation(tmp_path, files=[{"en": "a.en", "zh": "a.zh"}])
    (tmp_path / "a.en").write_text("one\ntwo\n")
    (tmp_path / "a.zh").write_text("一\n")

    with pytest.raises(InputError, match=r"as many rows; came 2 in .*a\.en, 1 in .*a\.zh"):
        [*open_rows(asked, "test", tmp_path)]
