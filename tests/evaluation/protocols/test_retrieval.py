"""Recalls of image-text retrieval against CLIP_benchmark's, on the same pictures and weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation import seen
from tests.pictures import encoded, noise
from zoo.evaluation import Benchmark, evaluate
from zoo.evaluation.benchmark import Placed, Source


def benchmark() -> Benchmark:
    return Benchmark(
        name="made",
        task="image-text-retrieval",
        summary="Made for a test",
        metric="image_retrieval_recall@5",
        data={
            "test": Source(
                files=("captions.tsv",),
                columns=("file", "caption"),
                group="file",
                picture="file",
                pictures=("images",),
            )
        },
        forms=({"picture": Placed("file", "made:1"), "captions": Placed("caption", "made:1")},),
        protocols={"retrieval": {}},
    )


def test_recalls_are_those_of_clip_benchmark(tmp_path: Path) -> None:
    theirs = pytest.importorskip(
        "clip_benchmark.metrics.zeroshot_retrieval",
        reason="clip_benchmark installs far more than its metrics, and is no requirement",
    )
    model, network, tokenize = seen.save(tmp_path)
    (tmp_path / "images").mkdir()
    pictures, captions = [], []
    for number in range(23):
        path = tmp_path / "images" / f"{number:02}.png"
        path.write_bytes(encoded(noise(40, 33 + number % 5, seed=number), "PNG"))
        pictures.append(path)
        each = [seen.CAPTIONS[(number + n) % 6] for n in range(1 + number % 4)]
        captions.append([f"{text} {number} {n}" for n, text in enumerate(each)])
    rows = [f"{p.name}\t{c}" for p, some in zip(pictures, captions, strict=True) for c in some]
    (tmp_path / "captions.tsv").write_text("\n".join(rows))

    loader = seen.Loaded(pictures, captions, stacked=False)
    expected = theirs.evaluate(
        network, loader, tokenize, "cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    result = evaluate(model, benchmark(), data=tmp_path, cache=False)

    assert 0 < expected["text_retrieval_recall@5"] < 1  # else any two rankings could agree
    assert {each.name for each in result.metrics} == set(expected)
    for name, value in expected.items():
        assert result[name].value == pytest.approx(value, abs=1e-6)  # float32 sums


def test_captions_may_be_the_lines_of_a_text(tmp_path: Path) -> None:
    model, _, _ = seen.save(tmp_path)
    (tmp_path / "images").mkdir()
    for number in range(4):
        picture = encoded(noise(seed=number), "PNG")
        (tmp_path / "images" / f"{number}.png").write_bytes(picture)
    source = Source(files=("captions.jsonl",), picture="file", pictures=("images",))
    results = []
    for given in ([["a dog", "a cat"]] * 4, ["a dog\n\na cat\n"] * 4):
        rows = [json.dumps({"file": f"{n}.png", "caption": c}) for n, c in enumerate(given)]
        (tmp_path / "captions.jsonl").write_text("\n".join(rows))
        made = replace(benchmark(), data={"test": source})
        results.append(evaluate(model, made, data=tmp_path, cache=False))

    assert results[0].metrics == results[1].metrics
    for one, other in zip(*(each.details for each in results), strict=True):
        assert one["captions"] == other["captions"] == ["a dog", "a cat"]
