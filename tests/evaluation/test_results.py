"""Runs on disk, their comparison with what is reported and with each other, and their page."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zoo.entry import Reported
from zoo.errors import InputError, UsageError
from zoo.evaluation.checking import check
from zoo.evaluation.comparing import bootstrap, compare
from zoo.evaluation.page import page
from zoo.evaluation.result import Failed, Metric, Result
from zoo.evaluation.store import Run, find_run, open_run, save


def result(
    scores: Sequence[float] = (1, 0, 1),
    *,
    model: str = "some-model",
    data: str = "a",
    metrics: Sequence[Metric] = (Metric("acc", 2 / 3, 0.1, 0.4, 0.9),),
    details: Sequence[Mapping[str, Any]] | None = None,
    **changes: object,
) -> Result:
    rows = [{"sample": n, "sha256": f"{n:016x}", "score": each} for n, each in enumerate(scores)]
    fields: dict[str, Any] = {
        "model": model,
        "benchmark": "sst2",
        "protocol": "zero-shot",
        "method": "by the label's probability",
        "metric": metrics[0].name,
        "metrics": tuple(metrics),
        "chance": 0.5,
        "samples": len(scores),
        "failed": (),
        "details": tuple(rows if details is None else details),
        "confusion": None,
        "provenance": {"data": {"sha256": data}, "prompts": {}},
        "seconds": 1.0,
    }
    return Result(**fields | changes)


def test_a_run_is_found_by_its_name_a_part_of_it_and_its_folder(tmp_path: Path) -> None:
    first = save(result(), tmp_path)
    second = save(result(model="other-model"), tmp_path)

    assert find_run(first.id, tmp_path) == first
    assert find_run("other-model", tmp_path) == second
    assert find_run(str(second.folder), tmp_path / "nowhere").result == second.result
    with pytest.raises(UsageError, match=r"2 runs have 'model' in their name"):
        find_run("model", tmp_path)
    with pytest.raises(UsageError, match=r"no run 'x'"):
        find_run("x", tmp_path)


def test_what_is_kept_is_json_and_whole(tmp_path: Path) -> None:
    run = save(result(metrics=[Metric("acc", math.nan, None, -math.inf)]), tmp_path)

    text = (run.folder / "result.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["metrics"][0]["value"] is None
    assert [path.name for path in tmp_path.iterdir()] == [run.id]  # nothing temporary is left
    assert run.samples()[2] == {"sample": 2, "sha256": f"{2:016x}", "score": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "no result of zoo's"),
        ('{"schema_version": 99}', "upgrade zoo"),
        ('{"schema_version": 1}', "lacks benchmark, failed"),
    ],
)
def test_a_damaged_run_is_an_error_with_its_path(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "result.json").write_text(text)

    with pytest.raises(InputError, match=message) as error:
        open_run(tmp_path)
    assert "result.json" in str(error.value)


def row(
    value: float, unit: str = "", metric: str = "Accuracy", tolerance: float | None = None
) -> Reported:
    return Reported("SST-2", metric, value, "a paper", "zero-shot", unit, tolerance)


@pytest.mark.parametrize(
    ("measured", "reported", "passed"),
    [
        (0.9020, row(90.2, "%"), True),
        (0.9053, row(90.2, "%"), True),  # 0.3 points, and half of the last digit
        (0.9057, row(90.2, "%"), False),
        (0.9049, row(0.902), True),
        (0.9057, row(0.902), False),
        (0.9120, row(90.2, "%", tolerance=1), True),
        (35.4, row(35.13, metric="acc"), True),  # 1 % of what is no fraction
        (36.0, row(35.13, metric="acc"), False),
        (math.nan, row(90.2, "%"), False),
    ],
)
def test_a_check_knows_units_names_and_printed_digits(
    measured: float, reported: Reported, passed: bool
) -> None:
    (found,) = check(result(metrics=[Metric("acc", measured)]), [reported])

    assert found.passed is passed


def test_only_rows_of_the_same_benchmark_and_metric_are_checked() -> None:
    others = [
        Reported("SST-5", "accuracy", 1, "s", "p"),
        row(1, metric="masked-token accuracy, top-1"),
        row(1, metric="f1"),
    ]

    assert check(result(), others) == []
    (found,) = check(result(), others, reported_as=["SST-5"], tolerance=1)
    assert found.reported is others[0]
    (found,) = check(result(), [*others, row(60, "%")], tolerance=10)
    assert found.difference == pytest.approx(6.6667, abs=1e-4)
    assert found.passed


def test_the_bootstrap_finds_the_normal_interval_of_many_samples() -> None:
    first = [[float(n % 2)] for n in range(2000)]
    second = [[float(n % 2 or n % 10 == 0)] for n in range(2000)]  # 10 % more are right

    found = bootstrap(first, second)

    stderr = math.sqrt(0.1 * 0.9 / 2000)
    assert found.difference == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 1.96 * stderr, abs=0.001)
    assert found.high == pytest.approx(0.1 + 1.96 * stderr, abs=0.001)
    assert found.p < 0.001


def test_equal_runs_do_not_differ() -> None:
    found = bootstrap([[1], [0], [1], [1]], [[1], [0], [1], [1]])

    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_runs_are_paired_by_sample_and_other_data_is_refused(tmp_path: Path) -> None:
    first = save(result([1, 0, 1, 0]), tmp_path)
    second = save(result([1, 1, 1]), tmp_path)
    # Its first sample failed, so that its rows stand one further up.
    rows = [{"sample": n, "sha256": f"{n:016x}", "score": n % 2} for n in (1, 2, 3)]
    failed = save(result(details=rows, data="a"), tmp_path)
    other = save(result(data="b"), tmp_path)

    assert compare(first, second).samples == 3
    assert compare(first, failed).difference == pytest.approx((1 - 1 + 1) / 3)
    with pytest.raises(UsageError, match=r"of other data.*--other-data"):
        compare(first, other)
    assert compare(first, other, other_data=True).samples == 3


def test_runs_without_scores_are_not_compared(tmp_path: Path) -> None:
    runs = [save(result(details=[{"cosine": 1}]), tmp_path) for _ in range(2)]

    with pytest.raises(UsageError, match=r"samples do not say what acc is made of"):
        compare(*runs)


def test_runs_are_compared_by_what_their_metric_is_made_of(tmp_path: Path) -> None:
    texts = [(-10.0, 4), (-30.0, 9), (-2.0, 1), (-8.0, 3)]
    runs = [
        save(
            result(
                metrics=[Metric("word_perplexity", math.nan)],
                details=[
                    {"sha256": str(n), "log_likelihood": times * total, "words": words}
                    for n, (total, words) in enumerate(texts)
                ],
            ),
            tmp_path,
        )
        for times in (1, 0.5)
    ]

    found = compare(*runs)

    assert found.first == pytest.approx(math.exp(50 / 17))
    assert found.second == pytest.approx(math.exp(25 / 17))
    assert found.low < found.difference < found.high < 0
    assert found.p < 0.05


def test_runs_in_groups_are_compared_by_the_mean_of_the_groups(tmp_path: Path) -> None:
    runs = [
        save(
            result(
                details=[
                    {"sha256": str(n), "score": score, "group": group}
                    for n, (score, group) in enumerate(zip(scores, "aaabb", strict=True))
                ],
            ),
            tmp_path,
        )
        for scores in ([1, 1, 1, 0, 0], [0, 0, 1, 1, 0])
    ]

    found = compare(*runs)

    assert found.first == pytest.approx((1 + 0) / 2)
    assert found.second == pytest.approx((1 / 3 + 1 / 2) / 2)


VOID = ("meta", "img", "line", "rect", "br")


class Reader(HTMLParser):
    """What a page would fetch or run, and how its elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_a_page_runs_nothing_and_fetches_nothing_whatever_samples_say(tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), (200, 30, 30)).save(tmp_path / "red.png")
    details = [
        {"sample": 0, "sha256": "0", "score": 1.0, "text": "fine"},
        {"sample": 1, "sha256": "1", "score": 0.0, HOSTILE: HOSTILE, "picture": "missing.png"},
        {"sample": 2, "sha256": "2", "score": 0.5, "picture": str(tmp_path / "red.png")},
    ]
    hostile = result(
        model=HOSTILE,
        method=HOSTILE,
        details=details,
        failed=(Failed(HOSTILE, HOSTILE),),
        confusion={"classes": [HOSTILE, "b"], "counts": [[3, 1], [0, 4]]},
        provenance={"data": {}, "prompts": {HOSTILE: HOSTILE}, "classes": [HOSTILE]},
    )

    text = page([save(hostile, tmp_path / "runs"), save(result(), tmp_path / "runs")])

    reader = Reader(text)
    assert reader.open == []
    assert "script" not in reader.tags
    assert reader.tags.count("img") == 1
    assert all(link.startswith(("data:image/jpeg;base64,", "#run-")) for link in reader.links)
    assert not re.search(r"https?://|url\(|@import", text)
    assert "&lt;script&gt;" in text
    worst = text.index("Worst samples")
    assert text.index("<dd>0</dd>", worst) < text.index("<dd>0.5</dd>", worst)  # the worst first


def test_pictures_of_archives_and_of_idx_files_are_shown(tmp_path: Path) -> None:
    rows = tmp_path / "pictures-idx3-ubyte.gz"
    rows.write_bytes(gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 2, 2, 2) + bytes(8)))
    Image.new("L", (2, 2)).save(tmp_path / "gray.png")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(tmp_path / "gray.png", "cat/gray.png")
    names = [f"{rows}: row {number}" for number in (1, 2, 3)]  # there is no third
    details = [
        {"sample": n, "sha256": str(n), "score": 0.0, "picture": name}
        for n, name in enumerate([*names, f"{tmp_path}/some.zip/cat/gray.png"])
    ]

    text = page([save(result(details=details), tmp_path / "runs")])

    shown = [each for each in Reader(text).links if each.startswith("data:")]
    assert len(shown) == 3
    with Image.open(io.BytesIO(base64.b64decode(shown[0].partition(",")[2]))) as picture:
        assert picture.size == (112, 112)  # two pixels, large enough to be seen


def test_bars_stand_where_the_numbers_are(tmp_path: Path) -> None:
    metric = Metric("acc", 0.75, None, 0.5, 1.0)

    text = page([save(result(metrics=[metric]), tmp_path)])

    assert '<rect class="fill" x="0.0" width="75.0"' in text
    assert '<line class="whisker" x1="50.0" x2="100.0"' in text
    assert '<line class="chance" x1="50.0" x2="50.0"' in text


def test_many_classes_are_shown_by_their_mistakes(tmp_path: Path) -> None:
    classes = [f"class {n}" for n in range(60)]
    counts = [[5 if n == m else int((n, m) == (3, 7)) for m in range(60)] for n in range(60)]

    text = page([save(result(confusion={"classes": classes, "counts": counts}), tmp_path)])

    assert "class 3 taken for class 7: 1" in text
    assert 'class="matrix"' not in text


def test_a_run_is_what_was_kept(tmp_path: Path) -> None:
    run = save(result(), tmp_path)

    assert isinstance(run, Run)
    assert open_run(run.folder) == run
