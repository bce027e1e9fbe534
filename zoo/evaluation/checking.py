"""Is what was measured what was published? An entry's ``reported`` rows against a result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.entry import Reported
from zoo.evaluation.result import Metric, Result

# Two independent published tables of 13 CLIP checkpoints differ by up to so much on ImageNet v1 and
# v2, CIFAR-10 and -100, STL-10, SUN397 and Cars; others need a tolerance of their own.
FRACTION = 0.003
"""The default tolerance of what is a fraction or a correlation: 0.3 points."""

RELATIVE = 0.01
"""The default tolerance of other numbers, such as a perplexity: a part of the reported one."""

# Names for one thing, letters and digits only.
_SAME = {
    "accuracy": "acc",
    "acc1": "acc",
    "top1": "acc",
    "accuracytop1": "acc",
    "top1accuracy": "acc",
    "accuracynorm": "accnorm",
    "lengthnormalisedaccuracy": "accnorm",
    "normalizedaccuracy": "accnorm",
    "top5": "acc5",
    "accuracytop5": "acc5",
    "top5accuracy": "acc5",
    "ppl": "perplexity",
    "spearmanr": "spearman",
    "spearmancorrelation": "spearman",
    "spearmanrankcorrelation": "spearman",
    "pearsonr": "pearson",
    "pearsoncorrelation": "pearson",
    "sacrebleu": "bleu",
}
_PERCENT = ("%", "percent", "points")


@dataclass(frozen=True)
class Check:
    """One number, measured and reported; both and the tolerance in the unit of the source.

    The tolerance is widened by half a unit of the last digit that the source prints.
    """

    metric: str
    measured: float
    reported: Reported
    tolerance: float

    @property
    def difference(self) -> float:
        """Measured minus reported."""
        return self.measured - self.reported.value

    @property
    def passed(self) -> bool:
        """Whether they agree."""
        return abs(self.difference) <= self.tolerance * (1 + 1e-9)


def check(
    result: Result,
    reported: Sequence[Reported],
    *,
    reported_as: Sequence[str] = (),
    tolerance: float | None = None,
) -> list[Check]:
    """Compare each reported row of the result's benchmark and of a metric that it has.

    Args:
        result: Of the whole benchmark.
        reported: An entry's.
        reported_as: Further names of the benchmark.
        tolerance: In the unit of each row; instead of the row's own, or the default.
    """
    metrics = {_metric(each.name): each for each in result.metrics}
    names = {_letters(each) for each in (result.benchmark, *reported_as)}
    return [
        _compared(metrics[_metric(row.metric)], row, tolerance)
        for row in reported
        if _letters(row.benchmark) in names and _metric(row.metric) in metrics
    ]


def _compared(metric: Metric, row: Reported, tolerance: float | None) -> Check:
    scale = 100 if row.unit in _PERCENT else 1
    measured = metric.value * scale
    if tolerance is None:
        tolerance = row.tolerance
    if tolerance is None:
        fraction = scale == 100 or abs(row.value) <= 1
        tolerance = FRACTION * scale if fraction else RELATIVE * abs(row.value)
    return Check(metric.name, measured, row, tolerance + _half_a_digit(row.value))


def _half_a_digit(value: float) -> float:
    """Half of the last digit that is printed: 0.05 for 90.2."""
    _, _, decimals = f"{value:.10g}".partition(".")
    return 0.5 * 10.0 ** -len(decimals) if "e" not in decimals else 0.0


def _metric(name: str) -> str:
    letters = _letters(name)
    return _SAME.get(letters, letters)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
