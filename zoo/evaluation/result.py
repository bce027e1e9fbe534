"""What a run measured, and all that it takes to measure it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One number.

    ``stderr`` is its standard error over samples, None where there is no formula for it; ``low``
    and ``high`` bound it with 95 % confidence. ``samples`` is how many it is of, None for all.
    """

    name: str
    value: float
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    samples: int | None = None


@dataclass(frozen=True)
class Failed:
    """A sample without an answer: where it stands, and why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Result:
    """What one model does on one benchmark.

    Args:
        model: Its name.
        benchmark: Its name.
        protocol: The name of the one used.
        method: What it did, in words.
        metric: The name of the headline among the metrics.
        metrics: The numbers.
        chance: The headline of one who guesses.
        samples: How many were measured.
        failed: Those without an answer, which are in no metric.
        details: For each sample that has not failed what is kept of it, in the data's order.
        confusion: Classes and counts, where there are classes.
        provenance: Model, data and machine, as far as they can change a number; JSON.
        seconds: How long it took.
    """

    model: str
    benchmark: str
    protocol: str
    method: str
    metric: str
    metrics: tuple[Metric, ...]
    chance: float | None
    samples: int
    failed: tuple[Failed, ...]
    details: tuple[Mapping[str, Any], ...]
    confusion: Mapping[str, Sequence[Any]] | None
    provenance: Mapping[str, Any]
    seconds: float

    def __getitem__(self, name: str) -> Metric:
        """The metric of this name."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    @property
    def headline(self) -> Metric:
        """The metric that the benchmark's authors report."""
        return self[self.metric]

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, dicts and numbers; without the samples' details, which may be many."""
        plain = asdict(self)
        del plain["details"]
        return plain
