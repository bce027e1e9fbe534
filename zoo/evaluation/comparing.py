"""Two runs on the same samples: is one model better, or was it luck?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.evaluation.resampling import POOLED, draw, mean, mean_of_groups, once
from zoo.evaluation.store import Run

if TYPE_CHECKING:
    from zoo.evaluation.resampling import Score

DRAWS = 10_000


@dataclass(frozen=True)
class Comparison:
    """The second run's headline minus the first's, over the samples that both have.

    ``low`` and ``high`` bound it with 95 % confidence; ``p`` is how probable so large a difference
    is, either way, if there is none.
    """

    samples: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def compare(first: Run, second: Run, *, other_data: bool = False, seed: int = 0) -> Comparison:
    """Compare the headlines of two runs on the same samples: a paired bootstrap.

    In each draw the metric is computed anew, of the samples that are in it: a mean of their scores,
    or of their groups' means, or BLEU of all their sentences.

    Args:
        first: A run.
        second: Another on the same benchmark.
        other_data: Whether the runs' data may differ: samples that both have are compared.
        seed: Of the draws.

    Raises:
        UsageError: The benchmarks or the data differ, or the runs have no scores to be paired.
        PluginError: The metric is BLEU or chrF, and sacrebleu is not installed.
    """
    for name in ("benchmark", "metric"):
        one, other = first.result[name], second.result[name]
        if one != other:
            raise UsageError(
                f"{first.id} has the {name} {one!r}, {second.id} {other!r}; they do not compare"
            )
    if not other_data and _data(first) != _data(second):
        raise UsageError(
            f"{first.id} and {second.id} are of other data, or another --limit; --other-data "
            "compares the samples that both have"
        )
    one, other = _numbers(first), _numbers(second)
    both = [key for key in one if key in other]
    if not both:
        raise UsageError(f"{first.id} and {second.id} have no sample in common")
    metric = POOLED.get(first.result["metric"])
    if metric:
        score = metric.score
    else:
        score = mean_of_groups if any(group for _, group in one.values()) else mean
    return bootstrap([one[key] for key in both], [other[key] for key in both], score, seed=seed)


def bootstrap(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    score: Score = mean,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """How far two scores differ in draws of n pairs from n pairs.

    Args:
        first: What each sample brings in one run, n times S numbers.
        second: In another.
        score: What is made of it.
        draws: How many.
        seed: Of them.
    """
    import numpy as np

    rows = [np.asarray(each, dtype=np.float64) for each in (first, second)]
    one, other = (once(each, score) for each in rows)
    ones, others = draw(rows, score, draws=draws, seed=seed)
    differences = others - ones
    difference = other - one
    low, high = np.percentile(differences, [2.5, 97.5])
    # Without a difference the draws lie around 0 as they now lie around the difference.
    beyond = int((np.abs(differences - difference) >= abs(difference) - 1e-12).sum())
    return Comparison(
        samples=len(first),
        first=one,
        second=other,
        difference=difference,
        low=float(low),
        high=float(high),
        p=min(1.0, (beyond + 1) / (draws + 1)),
    )


def _data(run: Run) -> object:
    return run.result["provenance"].get("data")


def _numbers(run: Run) -> dict[object, Sequence[float]]:
    """What each sample brings to the metric, by what it is, and how often it came before.

    Raises:
        UsageError: The rows do not say it.
    """
    pooled = POOLED.get(run.result["metric"])
    numbers: dict[object, Sequence[float]] = {}
    seen: dict[object, int] = {}
    groups: dict[object, int] = {}
    for row in run.samples():
        try:
            sha256 = row["sha256"]
            if pooled:
                found = [*pooled.numbers(row)]
            else:
                group = groups.setdefault(row.get("group"), len(groups))
                found = [float(row["score"]), group]
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{run.id}: its samples do not say what {run.result['metric']} is made of, so that "
                "the runs cannot be compared sample by sample"
            ) from error
        count = seen[sha256] = seen.get(sha256, -1) + 1
        numbers[sha256, count] = found
    return numbers
