"""Numbers over samples, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zoo.evaluation.result import Metric

_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations


def mean(name: str, values: Sequence[float]) -> Metric:
    """The mean of n values, and its standard error s / √n with the sample's s; NaN of none."""
    n = len(values)
    if not n:
        return Metric(name, math.nan)
    value = math.fsum(values) / n
    if n == 1:
        return Metric(name, value)
    variance = math.fsum((each - value) ** 2 for each in values) / (n - 1)
    stderr = math.sqrt(variance / n)
    return Metric(name, value, stderr, value - _Z * stderr, value + _Z * stderr)


def proportion(name: str, hits: Sequence[bool]) -> Metric:
    """The share of hits, its standard error as of `mean`, and Wilson's interval.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927: it stays
    between 0 and 1, and is no point where all or none are hits.
    """
    n = len(hits)
    plain = mean(name, [float(hit) for hit in hits])
    if not n:
        return plain
    p = plain.value
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return Metric(name, p, plain.stderr, centre - half, centre + half)


def mean_of_groups(name: str, groups: Sequence[Metric]) -> Metric:
    """The mean of k groups' means, each counting alike: its standard error is √(Σ s²) / k."""
    k = len(groups)
    value = math.fsum(group.value for group in groups) / k
    errors = [group.stderr for group in groups if group.stderr is not None]
    if len(errors) < k:
        return Metric(name, value)
    stderr = math.sqrt(math.fsum(each**2 for each in errors)) / k
    return Metric(name, value, stderr, value - _Z * stderr, value + _Z * stderr)


# What lm-evaluation-harness draws for a perplexity, in series that have a seed each.
_SERIES, _DRAWS = 100, 1000


def perplexity(name: str, log_likelihoods: Sequence[float]) -> Metric:
    """The exponential of the mean of -x, with the standard error of 100,000 bootstrap draws.

    The draws are those of lm-evaluation-harness, from Python's own generator with the seeds 0 to
    99, so that its standard error is found again; the interval is the normal one of the logarithm.
    """
    n = len(log_likelihoods)
    plain = mean(name, [-each for each in log_likelihoods])
    if not math.isfinite(plain.value) or plain.stderr is None:
        return Metric(name, exponential(plain.value))
    half = _Z * plain.stderr
    return Metric(
        name,
        exponential(plain.value),
        _bootstrapped(log_likelihoods, n),
        exponential(plain.value - half),
        exponential(plain.value + half),
    )


def _bootstrapped(log_likelihoods: Sequence[float], n: int) -> float:
    """The standard deviation of the perplexities of draws with replacement."""
    import random

    import numpy as np

    values = np.asarray(log_likelihoods)
    found = np.empty(_SERIES * _DRAWS)
    for seed in range(_SERIES):
        # numpy has the same generator as Python, and makes fractions of it in the same way.
        _, state, _ = random.Random(seed).getstate()
        generator = np.random.RandomState()
        key = np.array(state[:-1], dtype=np.uint32)
        generator.set_state(("MT19937", key, state[-1], 0, 0.0))
        for draw in range(_DRAWS):
            chosen = (generator.random_sample(n) * n).astype(np.intp)
            found[seed * _DRAWS + draw] = values[chosen].mean()
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.exp(-found).std(ddof=1))


def exponential(value: float) -> float:
    """E to the power of a value; infinity for what is too large, as of one sure of the wrong."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def spearman(name: str, first: Sequence[float], second: Sequence[float]) -> Metric:
    """Spearman's correlation of ranks, ties sharing their mean rank; with Fisher's interval.

    The standard error of arctanh r is that of Bonett and Wright, "Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations", 2000.
    """
    value = _correlation(_ranks(first), _ranks(second))
    return _with_interval(name, value, len(first), math.sqrt(1 + value**2 / 2))


def pearson(name: str, first: Sequence[float], second: Sequence[float]) -> Metric:
    """Pearson's correlation, with Fisher's interval."""
    return _with_interval(name, _correlation(first, second), len(first), 1.0)


def _with_interval(name: str, value: float, n: int, width: float) -> Metric:
    if n < 4 or not abs(value) < 1:
        return Metric(name, value)
    half = _Z * width / math.sqrt(n - 3)
    low, high = math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
    return Metric(name, value, None, low, high)


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of their places."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end + 1) / 2
        start = end
    return ranks


def _correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """NaN where one of them is constant, or there are fewer than two."""
    n = len(first)
    if n < 2:
        return math.nan
    a, b = math.fsum(first) / n, math.fsum(second) / n
    covariance = math.fsum((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    spread = math.sqrt(
        math.fsum((x - a) ** 2 for x in first) * math.fsum((y - b) ** 2 for y in second)
    )
    return covariance / spread if spread else math.nan
