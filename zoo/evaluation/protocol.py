"""The contract between a run, a protocol and an instrument.

A protocol turns each sample into questions. An instrument puts questions to a model, many at once;
what it answers depends on nothing but the model and the question, so that the run may ask in any
order, in many processes, and keep the answers. At the end the protocol folds all answers into
numbers: it alone knows what is right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo.evaluation.benchmark import Benchmark
from zoo.evaluation.pictures import Pictured
from zoo.evaluation.result import Metric

if TYPE_CHECKING:
    from zoo.model import Model

Answer = Any
"""What an instrument says: a vector, (C,) in float32 on the CPU, or what JSON can hold."""

Content = Any
"""What an instrument is asked about: see `hash_of` for what it may hold."""


@dataclass(frozen=True)
class Sample:
    """A row of the data as a benchmark reads it.

    ``number`` counts from 0 in its ``split``; ``place`` says where it stands, for messages;
    ``sha256`` is of its fields.
    """

    split: str
    number: int
    place: str
    fields: Mapping[str, Any]
    sha256: str


@dataclass(frozen=True)
class Failure:
    """Why a question has no answer: a picture cannot be decoded, a prompt is too long.

    The sample is counted as failed, and is in no metric.
    """

    reason: str


@dataclass(frozen=True)
class Question:
    """What is put to the instrument of this name, of those that the protocol has."""

    instrument: str
    content: Content

    @cached_property
    def sha256(self) -> str:
        """Of the content."""
        return hash_of(self.content)


def hash_of(content: Content) -> str:
    """The sha256 of a text, a number, bytes, or of lists, tuples and dicts of them.

    A picture counts by the bytes of its file, wherever that is.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    if isinstance(value, Pictured):
        return "sha256:" + value.sha256
    raise TypeError(f"a sample holds a {type(value).__name__}; expected texts, numbers, pictures")


class Instrument(Protocol):
    """A way to ask a model.

    ``facts`` is what changes an answer beside the model, the dtype and the question, such as a
    pooling or a way to split texts; with them answers are kept, and found by other benchmarks too.
    """

    @property
    def facts(self) -> tuple[object, ...]:
        """The instrument's name, its version and its settings."""

    def ask(self, contents: Sequence[Content]) -> Sequence[Answer | Failure]:
        """Answer each; the answers are those of one by one, to rounding."""


@dataclass(frozen=True)
class Confusion:
    """How often a class, a row of ``counts``, was taken for another, a column."""

    classes: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Findings:
    """What the answers come to.

    Args:
        metrics: The numbers.
        details: For each sample, in order, what is to be kept of it: JSON objects. ``score``, if
            there is one, is what the headline metric is the mean of, unless it is one of
            `zoo.evaluation.resampling.POOLED`, which says what that is made of.
        confusion: For classes.
    """

    metrics: Sequence[Metric]
    details: Sequence[Mapping[str, Any]]
    confusion: Confusion | None = None


@dataclass(frozen=True)
class Setup:
    """What a protocol is made ready for.

    Args:
        model: The one to measure.
        benchmark: The one to measure it on.
        settings: The benchmark's, for this protocol.
        seed: For whatever is drawn.
    """

    model: Model
    benchmark: Benchmark
    settings: Mapping[str, Any]
    seed: int = 0

    @property
    def headline(self) -> str:
        """The metric that is reported: the setting of this name, or the benchmark's."""
        metric: str = self.settings.get("metric", self.benchmark.metric)
        return metric


class Measurement(Protocol):
    """A way to measure, made ready for a model and a benchmark: it is called with a `Setup`.

    ``method`` names what it is, with all that changes a number, for reports; ``prompts`` are the
    texts that are the same for all samples, such as templates and class names.
    """

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What asks the model, by the names that questions use."""

    @property
    def method(self) -> str:
        """What is done, in words."""

    @property
    def prompts(self) -> Mapping[str, Any]:
        """The texts that are the same for all samples; JSON."""

    def questions(self, sample: Sample) -> Sequence[Question]:
        """What is asked about a sample.

        Raises:
            InputError: The sample is not as it must be; the message names its place.
        """

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """The numbers, from each sample's answers, in the order of its questions."""


@runtime_checkable
class Prepared(Measurement, Protocol):
    """A measurement that asks something once, beside each sample: what the classes look like."""

    @property
    def shared(self) -> Sequence[Question]:
        """What is asked once for all samples."""

    def prepare(self, answers: Sequence[Answer]) -> None:
        """Take the answers to ``shared``, in its order, before `fold`."""


Advance = Callable[[int], object]
"""Called with each number of samples done."""

Progress = Callable[[int], AbstractContextManager[Advance]]
"""Opened with how many samples there are to do."""
