"""Scores of drawn samples, against each metric's reference on the same draws."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from zoo.evaluation import statistics
from zoo.evaluation.classification import macro_f1, mean_per_class_recall
from zoo.evaluation.resampling import POOLED, draw, interval, once

DRAWS, N = 40, 30


def drawn(name: str, details: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[list[int]]]:
    """A metric of each draw, and the samples that are in it."""
    pooled = POOLED[name]
    rows = np.array([pooled.numbers(each) for each in details], dtype=np.float64)
    (found,) = draw([rows], pooled.score, draws=DRAWS, seed=7)
    chosen = np.random.default_rng(7).integers(0, len(rows), (DRAWS, len(rows)))
    return found.tolist(), chosen.tolist()


def sentences(seed: int) -> list[str]:
    draw = random.Random(seed)
    words = ["a", "dog", "runs", "over", "the", "grass", "and", "barks"]
    return [" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(N)]


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_translations_are_scored_as_sacrebleu_scores_them(name: str) -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="the reference, of the extra eval")
    significance = pytest.importorskip("sacrebleu.significance")
    said, wanted = sentences(1), sentences(2)
    make = {"bleu": sacrebleu.metrics.BLEU, "chrf": sacrebleu.metrics.CHRF}[name]
    kept = make()._extract_corpus_statistics(said, [wanted])
    details = [{f"{name}_statistics": [*map(int, each)]} for each in kept]

    found, chosen = drawn(name, details)

    for value, numbers in zip(found, chosen, strict=True):
        some, theirs = ([texts[n] for n in numbers] for texts in (said, wanted))
        assert value == pytest.approx(make(**extra(name)).corpus_score(some, [theirs]).score)
    # Its own bootstrap takes the same draws from the same seed.
    rows = np.array([POOLED[name].numbers(each) for each in details], dtype=np.float64)
    (ours,) = draw([rows], POOLED[name].score, draws=DRAWS, seed=12345)
    _, own = significance._bootstrap_resample(kept, make(), DRAWS)
    assert ours.tolist() == pytest.approx([each.score for each in own], rel=1e-6)  # in float32


def extra(name: str) -> dict[str, bool]:
    return {"force": True} if name == "bleu" else {}


def pairs() -> list[dict[str, float]]:
    draw = random.Random(3)
    first = [draw.randint(0, 5) for _ in range(N)]  # with ties
    return [{"gold": gold, "cosine": gold + draw.randint(-3, 3)} for gold in first]


@pytest.mark.parametrize("name", ["spearman", "pearson"])
def test_correlations_are_those_of_the_pairs_drawn(name: str) -> None:
    details = pairs()

    found, chosen = drawn(name, details)

    for value, numbers in zip(found, chosen, strict=True):
        gold, cosine = ([details[n][key] for n in numbers] for key in ("gold", "cosine"))
        expected = getattr(statistics, name)(name, cosine, gold).value
        assert value == pytest.approx(expected)


@pytest.mark.parametrize("name", ["macro_f1", "mean_per_class_recall"])
def test_classes_are_counted_among_the_samples_drawn(name: str) -> None:
    draw = random.Random(4)
    # Of five classes, 3 is said and never there, and 4 is neither.
    gold = [draw.choice([0, 0, 0, 1, 2]) for _ in range(N)]
    details = [{"class_numbers": [each, draw.choice([each, 0, 3])]} for each in gold]
    reference = {"macro_f1": macro_f1, "mean_per_class_recall": mean_per_class_recall}[name]

    found, chosen = drawn(name, details)

    for value, numbers in zip(found, chosen, strict=True):
        counts = [[0] * 5 for _ in range(5)]
        for n in numbers:
            there, said = details[n]["class_numbers"]
            counts[there][said] += 1
        assert value == pytest.approx(reference(counts).value)


def test_texts_are_weighed_by_their_length() -> None:
    details = [
        {"log_likelihood": -3.0 * n, "words": n, "bytes": 5 * n, "tokens": 2 * n, "text": ""}
        for n in range(1, N)
    ]

    for name, expected in {
        "word_perplexity": math.exp(3),
        "byte_perplexity": math.exp(3 / 5),
        "bits_per_byte": 3 / 5 / math.log(2),
        "token_perplexity": math.exp(3 / 2),
    }.items():
        found, _ = drawn(name, details)
        assert found == pytest.approx([expected] * DRAWS)


def test_captions_count_though_pictures_are_drawn() -> None:
    details: list[dict[str, Any]] = [
        {"picture_ranks": [1, 5, 6], "nearest_own_caption": 2},
        {"picture_ranks": [4]},
    ]

    rows = np.array([POOLED["image_retrieval_recall@5"].numbers(each) for each in details])

    assert once(rows, POOLED["image_retrieval_recall@5"].score) == 3 / 4
    assert POOLED["text_retrieval_recall@1"].numbers(details[0]) == [0]
    assert POOLED["text_retrieval_recall@5"].numbers(details[0]) == [1]


def test_the_interval_of_many_samples_is_the_normal_one() -> None:
    # Two classes of 1,000, right in 80 % and 50 %: the classes' errors add.
    details = [{"class_numbers": [0, int(n % 5 == 0)]} for n in range(1000)]
    details += [{"class_numbers": [1, n % 2]} for n in range(1000)]
    stderr = math.sqrt(0.8 * 0.2 / 1000 + 0.5 * 0.5 / 1000) / 2

    low, high = interval("mean_per_class_recall", details)

    assert low == pytest.approx(0.65 - 1.96 * stderr, abs=0.002)
    assert high == pytest.approx(0.65 + 1.96 * stderr, abs=0.002)


def test_one_sample_has_no_interval() -> None:
    assert interval("macro_f1", [{"class_numbers": [0, 0]}]) == (None, None)
    assert interval("macro_f1", []) == (None, None)
