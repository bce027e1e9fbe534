"""Numbers over samples, against scipy's and against what they are by definition."""

from __future__ import annotations

import math
import random

import pytest

from zoo.evaluation.statistics import mean, pearson, proportion, spearman


def test_the_standard_error_is_that_of_the_sample() -> None:
    metric = mean("acc", [1, 0, 0, 1, 1])

    assert metric.value == pytest.approx(0.6)
    assert metric.stderr == pytest.approx(math.sqrt(0.3 / 5))


def test_no_samples_have_no_mean() -> None:
    assert math.isnan(mean("acc", []).value)
    assert math.isnan(proportion("acc", []).value)


def test_a_proportion_stays_between_0_and_1() -> None:
    all_right = proportion("acc", [True] * 10)

    assert all_right.value == 1
    assert all_right.low == pytest.approx(0.7224672)  # statsmodels' proportion_confint, wilson
    assert all_right.high == pytest.approx(1)


def test_correlations_are_scipys_with_ties() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(0)
    first = [float(draw.randrange(20)) for _ in range(300)]
    second = [each + draw.randrange(30) for each in first]

    assert spearman("s", first, second).value == pytest.approx(stats.spearmanr(first, second)[0])
    assert pearson("p", first, second).value == pytest.approx(stats.pearsonr(first, second)[0])


def test_a_correlation_lies_in_its_interval_and_a_constant_has_none() -> None:
    first = [float(each) for each in range(20)]
    second = [each + (-1) ** each * 5 for each in range(20)]
    metric = spearman("s", first, second)

    assert metric.low is not None
    assert metric.high is not None
    assert -1 < metric.low < metric.value < metric.high < 1
    assert math.isnan(pearson("p", first, [1.0] * 20).value)
