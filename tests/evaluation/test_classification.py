"""Numbers of a confusion matrix, against scikit-learn's."""

from __future__ import annotations

import random

import pytest

from zoo.evaluation.classification import macro_f1, mean_per_class_recall


@pytest.mark.parametrize("seed", range(5))
def test_f1_and_recall_are_scikit_learns(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = random.Random(seed)
    # Of six classes, 4 is said and never there, and 5 is neither.
    gold = [draw.randrange(4) for _ in range(40)]
    said = [draw.choice([each, draw.randrange(5)]) for each in gold]
    counts = [
        [sum(pair == (row, column) for pair in zip(gold, said, strict=True)) for column in range(6)]
        for row in range(6)
    ]

    assert macro_f1(counts).value == pytest.approx(metrics.f1_score(gold, said, average="macro"))
    present = sorted(set(gold))
    assert mean_per_class_recall(counts).value == pytest.approx(
        metrics.recall_score(gold, said, average="macro", labels=present)
    )


def test_a_class_that_is_never_there_and_never_said_counts_for_nothing() -> None:
    counts = [[3, 1, 0], [0, 4, 0], [0, 0, 0]]

    assert macro_f1(counts).value == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert mean_per_class_recall(counts).value == pytest.approx((3 / 4 + 1) / 2)
