"""The bootstrap: how far a number moves if the samples are drawn anew, with replacement.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; for two models on the
same samples as Koehn, "Statistical significance tests for machine translation evaluation", 2004.

A metric here is what a `Score` makes of the numbers that each sample brings. Many metrics are the
mean of one such number; `POOLED` has the others, most of which are made of all samples together:
of sums (BLEU, perplexities), of ranks, of a confusion matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.errors import PluginError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Chosen = NDArray[np.int64]
    Score = Callable[[Numbers, Chosen], Numbers]
    """Of the numbers of n samples, (n, S), and those chosen in d draws, (d, n): a value each, (d,).
    """

DRAWS = 1000  # for an interval; the paired test takes more

_AT_ONCE = 2**22  # numbers that are drawn at once


def draw(
    rows: Sequence[Numbers], score: Score, *, draws: int = DRAWS, seed: int = 0
) -> list[Numbers]:
    """Score draws of n samples from n: for each of several runs on the same samples (draws,).

    Args:
        rows: What the samples bring in each run, (n, S); each draw chooses the same of all runs.
        score: What is made of it.
        draws: How many.
        seed: Of numpy's generator.
    """
    import numpy as np

    n, size = rows[0].shape
    generator = np.random.default_rng(seed)
    most = max(1, _AT_ONCE // (n * size))
    parts: list[list[Numbers]] = [[] for _ in rows]
    for done in range(0, draws, most):
        chosen = generator.integers(0, n, (min(most, draws - done), n))
        for part, each in zip(parts, rows, strict=True):
            part.append(score(each, chosen))
    return [np.concatenate(part) for part in parts]


def once(rows: Numbers, score: Score) -> float:
    """The score of the samples as they are."""
    import numpy as np

    return float(score(rows, np.arange(len(rows))[None])[0])


def interval(name: str, details: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """What bounds a metric of `POOLED` with 95 % confidence: percentiles of `DRAWS` draws.

    Args:
        name: Of the metric.
        details: What is kept of each sample.

    Returns:
        The bounds; None of a single sample, and where a draw is no number.
    """
    import numpy as np

    if len(details) < 2:
        return None, None
    pooled = POOLED[name]
    rows = np.array([pooled.numbers(each) for each in details], dtype=np.float64)
    (found,) = draw([rows], pooled.score)
    if not np.isfinite(found).all():
        return None, None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def mean(rows: Numbers, chosen: Chosen) -> Numbers:
    """The mean of one number a sample."""
    return rows[chosen, 0].mean(axis=1)


def mean_of_groups(rows: Numbers, chosen: Chosen) -> Numbers:
    """The mean of the groups' means, of (number, number of its group)."""
    import numpy as np

    groups = rows[:, 1].astype(np.int64)[chosen]  # (d, n)
    size = int(rows[:, 1].max()) + 1
    places = groups + size * np.arange(len(groups))[:, None]
    scores = rows[chosen, 0].ravel()
    sums = np.bincount(places.ravel(), scores, minlength=size * len(groups)).astype(np.float64)
    return _mean_where(sums.reshape(-1, size), _counts(groups, size))


@dataclass(frozen=True)
class Pooled:
    """A metric that is no mean of the samples' ``score``: of other numbers, or of all together.

    Args:
        numbers: What a sample brings, S numbers out of its details; a KeyError if they lack it.
        score: What is made of it.
    """

    numbers: Callable[[Mapping[str, Any]], Sequence[float]]
    score: Score


def _ratio(rows: Numbers, chosen: Chosen) -> Numbers:
    """The sum of the first number by that of the second."""
    sums = rows[chosen].sum(axis=1)  # (d, 2)
    return sums[:, 0] / sums[:, 1]


def _perplexity(rows: Numbers, chosen: Chosen) -> Numbers:
    import numpy as np

    with np.errstate(over="ignore"):
        return np.exp(-_ratio(rows, chosen))


def _bits(rows: Numbers, chosen: Chosen) -> Numbers:
    import numpy as np

    return -_ratio(rows, chosen) / np.log(2)


def _pearson(rows: Numbers, chosen: Chosen) -> Numbers:
    return _correlation(rows[chosen, 0], rows[chosen, 1])


def _spearman(rows: Numbers, chosen: Chosen) -> Numbers:
    return _correlation(_ranks(rows[:, 0], chosen), _ranks(rows[:, 1], chosen))


def _correlation(first: Numbers, second: Numbers) -> Numbers:
    """Of each row, (d, n) -> (d,); NaN where one is constant."""
    import numpy as np

    a = first - first.mean(axis=1, keepdims=True)
    b = second - second.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


def _ranks(values: Numbers, chosen: Chosen) -> Numbers:
    """Each chosen value's rank in its draw, equal ones sharing their mean: (n,), (d, n) -> (d, n).

    Ranks are found by counting how often each value was drawn, which is faster than sorting.
    """
    import numpy as np

    different, number = np.unique(values, return_inverse=True)
    drawn = number[chosen]  # (d, n)
    counts = _counts(drawn, len(different))  # (d, values)
    ranks = counts.cumsum(axis=1) - (counts - 1) / 2
    return np.take_along_axis(ranks, drawn, axis=1)


def _counts(numbers: Chosen, size: int) -> Numbers:
    """How often each number from 0 on is in a row: (d, n) -> (d, size); below 0 counts nowhere."""
    import numpy as np

    offset = np.arange(len(numbers))[:, None] * (size + 1) + 1
    flat = np.bincount((numbers + offset).ravel(), minlength=len(numbers) * (size + 1))
    counts: Numbers = flat.reshape(len(numbers), size + 1)[:, 1:].astype(np.float64)
    return counts


def _by_class(rows: Numbers, chosen: Chosen) -> tuple[Numbers, Numbers, Numbers]:
    """How often each class was right, was there, and was said, of (class, class said): (d, K)."""
    import numpy as np

    size = int(rows.max()) + 1
    there, said = (rows[:, n].astype(np.int64) for n in (0, 1))
    right = np.where(there == said, there, -1)
    right_counts, there_counts, said_counts = (
        _counts(each[chosen], size) for each in (right, there, said)
    )
    return right_counts, there_counts, said_counts


def _macro_f1(rows: Numbers, chosen: Chosen) -> Numbers:
    right, there, said = _by_class(rows, chosen)
    return _mean_where(2 * right, there + said)


def _recall(rows: Numbers, chosen: Chosen) -> Numbers:
    right, there, _ = _by_class(rows, chosen)
    return _mean_where(right, there)


def _mean_where(parts: Numbers, wholes: Numbers) -> Numbers:
    """The mean share of each row's classes, of those that are anywhere: (d, K) -> (d,)."""
    import numpy as np

    shares = np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
    return shares.sum(axis=1) / (wholes > 0).sum(axis=1)


def _sacrebleu(name: str, rows: Numbers, chosen: Chosen) -> Numbers:
    """What sacrebleu makes of the sums of its own statistics of sentences."""
    import numpy as np

    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise PluginError(
            "translation is measured by sacrebleu: pip install 'zoo[eval]'"
        ) from error
    scorer: Any = {"bleu": BLEU, "chrf": CHRF}[name]()  # Any: it ships no types
    sums = rows[chosen].sum(axis=1).astype(np.int64).tolist()
    return np.array([float(scorer._compute_score_from_stats(each).score) for each in sums])


def _fields(*names: str) -> Callable[[Mapping[str, Any]], Sequence[float]]:
    return lambda detail: [float(detail[name]) for name in names]


def _within(rank: int) -> Callable[[Mapping[str, Any]], Sequence[float]]:
    """Of a picture's captions, how many have it among their nearest; and how many there are."""
    return lambda detail: [
        sum(each <= rank for each in detail["picture_ranks"]),
        len(detail["picture_ranks"]),
    ]


def _among(rank: int) -> Callable[[Mapping[str, Any]], Sequence[float]]:
    return lambda detail: [float(detail["nearest_own_caption"] <= rank)]


def _classes(detail: Mapping[str, Any]) -> Sequence[float]:
    return detail["class_numbers"]


POOLED: Mapping[str, Pooled] = {
    "acc5": Pooled(_fields("among_five"), mean),
    "bits_per_byte": Pooled(_fields("log_likelihood", "bytes"), _bits),
    "bleu": Pooled(lambda detail: detail["bleu_statistics"], partial(_sacrebleu, "bleu")),
    "byte_perplexity": Pooled(_fields("log_likelihood", "bytes"), _perplexity),
    "chrf": Pooled(lambda detail: detail["chrf_statistics"], partial(_sacrebleu, "chrf")),
    "macro_f1": Pooled(_classes, _macro_f1),
    "mean_per_class_recall": Pooled(_classes, _recall),
    "pearson": Pooled(_fields("gold", "cosine"), _pearson),
    "perplexity": Pooled(lambda detail: [float(detail["log_likelihood"]), 1.0], _perplexity),
    "pseudo_log_likelihood_per_token": Pooled(_fields("pseudo_log_likelihood", "tokens"), _ratio),
    "pseudo_perplexity": Pooled(_fields("pseudo_log_likelihood", "tokens"), _perplexity),
    "spearman": Pooled(_fields("gold", "cosine"), _spearman),
    "token_perplexity": Pooled(_fields("log_likelihood", "tokens"), _perplexity),
    "word_perplexity": Pooled(_fields("log_likelihood", "words"), _perplexity),
    **{f"image_retrieval_recall@{k}": Pooled(_within(k), _ratio) for k in (1, 5, 10)},
    **{f"text_retrieval_recall@{k}": Pooled(_among(k), mean) for k in (1, 5, 10)},
}
"""By name."""
