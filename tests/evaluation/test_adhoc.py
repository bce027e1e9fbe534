"""A folder of pictures, or a file of rows, as a benchmark."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from torch.nn import functional as F

import zoo
from tests.checkpoints import Save, load
from zoo.errors import InputError, UsageError
from zoo.evaluation import evaluate, find_benchmark
from zoo.evaluation.data import open_rows
from zoo.evaluation.pictures import files_of
from zoo.evaluation.samples import read_samples

TEXTS: list[dict[str, object]] = [
    {"text": "a man", "label": "music"},
    {"text": "the park", "label": "city"},
]


def written(path: Path, rows: list[dict[str, object]]) -> str:
    """Write rows in the format that a file's name says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return str(path)
    if name.endswith(".jsonl"):
        text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    else:
        comma = "," if name.endswith(".csv") else "\t"
        lines = [comma.join(rows[0]), *(comma.join(map(str, row.values())) for row in rows)]
        text = "\n".join(lines)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


@pytest.mark.parametrize(
    "name", ["My Rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet", "rows.csv.gz"]
)
def test_texts_and_labels_are_classified(name: str, save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertModel")
    model = load(folder)

    benchmark = find_benchmark(written(tmp_path / name, TEXTS))
    result = evaluate(model, benchmark)

    assert benchmark.classes == ("city", "music")
    assert benchmark.name == ("my-rows" if name == "My Rows.csv" else "rows")
    assert result.protocol == "embedding"
    vectors = model.embed(["a man", "the park", "city", "music"])
    nearest = F.cosine_similarity(vectors[:2, None], vectors[None, 2:], dim=2).argmax(dim=1)
    assert [each["predicted"] for each in result.details] == [["city", "music"][n] for n in nearest]
    assert result.chance == 0.5


def test_labels_that_are_numbers_are_those_of_a_classifier(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForSequenceClassification", num_labels=11)
    rows: list[dict[str, object]] = [{"text": "a man", "label": n} for n in (10, 2, 9, *range(11))]

    benchmark = find_benchmark(written(tmp_path / "rows.jsonl", rows))

    assert benchmark.classes == tuple(map(str, range(11)))
    assert evaluate(load(folder), benchmark).protocol == "own-classes"


@pytest.mark.parametrize("names", [("first", "second"), ("sentence1", "sentence2")])
def test_pairs_and_scores_are_compared(names: tuple[str, str], save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertModel")
    texts = ["a man", "the park", "music in the city", "cold weather"]
    rows: list[dict[str, object]] = [
        {names[0]: text, names[1]: texts[0], "score": number, "more": ""}
        for number, text in enumerate(texts)
    ]

    result = evaluate(load(folder), find_benchmark(written(tmp_path / "pairs.csv", rows)))

    assert (result.metric, result.samples) == ("spearman", 4)


@pytest.mark.parametrize(
    ("target", "languages"),
    [("a dog", ()), ("一只狗", ("und", "zh")), (["犬です", "a"], ("und", "ja"))],
)
def test_translations_are_split_as_their_script_needs_it(
    target: object, languages: tuple[str, ...], tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [{"source": "ein Hund", "target": target}]

    benchmark = find_benchmark(written(tmp_path / "pairs.jsonl", rows))

    assert (benchmark.task, benchmark.languages) == ("translation", languages)


def test_choices_are_chosen_from(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForMaskedLM")
    rows: list[dict[str, object]] = [
        {"context": "a man", "choices": ["rides", "the the"], "answer": 0},
        {"context": "", "choices": ["cold", "weather", "city"], "answer": 2},
    ]

    result = evaluate(load(folder), find_benchmark(written(tmp_path / "rows.jsonl", rows)))

    assert (result.protocol, result.samples) == ("pseudo-log-likelihood", 2)


def test_pictures_are_found_beside_the_file(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (4, 4), colour).save(tmp_path / "photos" / name)
    rows: list[dict[str, object]] = [
        {"picture": "photos/a.png", "label": "red"},
        {"picture": "photos/b.png", "label": "blue"},
    ]

    benchmark = find_benchmark(written(tmp_path / "photos.csv", rows))
    samples = [*read_samples(benchmark, "test", open_rows(benchmark, "test", None))]

    assert [each.fields["picture"].source for each in samples] == [
        tmp_path / "photos" / "a.png",
        tmp_path / "photos" / "b.png",
    ]
    (tmp_path / "photos" / "b.png").unlink()
    with pytest.raises(InputError, match=r"photos.csv:3: there is no picture '.*b.png'"):
        [*open_rows(benchmark, "test", None)]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", InputError, "there are no rows"),
        ("text,label\n", InputError, "there are no rows"),
        ("words,class\na,b\n", UsageError, "its columns are words, class; .* has text, label or"),
        ("text,label\na,\n", InputError, r"rows.csv:2: the label is ''; expected a class"),
        ("text,label\na,x\nb,x\n", InputError, "rows.csv:2: all labels are 'x'; expected two"),
        ("text,label\na,x\nb\n", InputError, "rows.csv:3: 1 fields, but the header has 2"),
    ],
)
def test_a_file_that_is_no_benchmark_says_why(
    content: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(content)

    with pytest.raises(error, match=message):
        find_benchmark(str(tmp_path / "rows.csv"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        find_benchmark(str(tmp_path / "rows.csv"))


def test_a_score_that_is_no_number_is_told_with_its_line(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertModel")
    path = tmp_path / "pairs.csv"
    path.write_text("first,second,score\na man,the park,1\na man,the city,nan\n")

    with pytest.raises(InputError, match=r"pairs.csv:3: score is 'nan'; expected a number"):
        evaluate(load(folder), find_benchmark(str(path)))


def test_the_same_rows_have_the_same_fingerprint_in_any_format(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertModel")
    model = load(folder)

    found = [
        evaluate(model, find_benchmark(written(tmp_path / name, TEXTS))).provenance["data"]
        for name in ("rows.csv", "rows.parquet")
    ]

    assert found[0] == found[1]  # so that `zoo results compare` takes them for the same


def test_a_folder_of_classes_is_a_benchmark_and_so_is_an_archive_of_one(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, shade in (("red_fox/1.png", 1), ("red_fox/2.png", 2), ("owl/1.png", 3)):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(photos / name)
    shutil.make_archive(str(photos), "zip", photos)

    for named in (f"{photos}/", f"{photos}.zip"):
        benchmark = find_benchmark(named)
        result = evaluate(zoo.load("tiny-clip"), benchmark)

        assert benchmark.name == "photos"
        assert benchmark.classes == ("owl", "red fox")
        assert result.samples == 3
        assert {each["label"] for each in result.details} == {"owl", "red fox"}
        # The page of results finds each picture by the name that its row has.
        names = [each["picture"] for each in result.details]
        assert [file[1:4] for file in files_of(names).values()] == [b"PNG"] * 3


def test_a_folder_with_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos" / "owl").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "owl" / "1.png")

    with pytest.raises(UsageError, match="one class, 'owl', alone"):
        find_benchmark(f"{tmp_path}/photos")
