"""Two runs on the same samples: is one model better, or was it luck?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import UsageError
from zoo.evaluation.store import Run

DRAWS = 10_000

_AT_ONCE = 2**22  # numbers that are drawn at once


@dataclass(frozen=True)
class Comparison:
    """The second run's mean score minus the first's, over the samples that both have.

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
    """Compare the scores of two runs sample by sample: a paired bootstrap.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; paired as Koehn,
    "Statistical significance tests for machine translation evaluation", 2004.

    Args:
        first: A run.
        second: Another on the same benchmark.
        other_data: Whether the runs' data may differ: samples that both have are compared.
        seed: Of the draws.

    Raises:
        UsageError: The benchmarks or the data differ, or the runs have no scores to be paired.
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
    one, other = _scores(first), _scores(second)
    both = [key for key in one if key in other]
    if not both:
        raise UsageError(f"{first.id} and {second.id} have no sample in common")
    return bootstrap([one[key] for key in both], [other[key] for key in both], seed=seed)


def bootstrap(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Comparison:
    """The mean of the differences of n pairs, and of `DRAWS` samples of n pairs drawn from them."""
    import numpy as np

    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    n = len(differences)
    generator = np.random.default_rng(seed)
    rows = max(1, min(DRAWS, _AT_ONCE // n))
    means = np.concatenate(
        [
            differences[generator.integers(0, n, (min(rows, DRAWS - done), n))].mean(axis=1)
            for done in range(0, DRAWS, rows)
        ]
    )
    difference = float(differences.mean())
    low, high = np.percentile(means, [2.5, 97.5])
    # Without a difference the means lie around 0 as they now lie around the difference.
    beyond = int((np.abs(means - difference) >= abs(difference) - 1e-12).sum())
    return Comparison(
        samples=n,
        first=float(np.mean(first)),
        second=float(np.mean(second)),
        difference=difference,
        low=float(low),
        high=float(high),
        p=min(1.0, (beyond + 1) / (DRAWS + 1)),
    )


def _data(run: Run) -> object:
    return run.result["provenance"].get("data")


def _scores(run: Run) -> dict[object, float]:
    """The score of each sample, by what it is, and how often it came before."""
    scores: dict[object, float] = {}
    seen: dict[object, int] = {}
    for row in run.samples():
        if not isinstance(row.get("score"), int | float) or "sha256" not in row:
            raise UsageError(
                f"{run.id}: {run.result['metric']} is no mean of the samples' scores, so that the "
                "runs cannot be compared sample by sample"
            )
        count = seen[row["sha256"]] = seen.get(row["sha256"], -1) + 1
        scores[row["sha256"], count] = float(row["score"])
    return scores
