"""Text classification by the classes that a checkpoint was trained for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zoo.errors import RegistryError, TaskError
from zoo.evaluation.classification import classes_of, classified
from zoo.evaluation.instruments.judging import OwnClasses
from zoo.evaluation.protocol import Answer, Findings, Question, Sample, Setup
from zoo.evaluation.samples import text_of

_NUMBERED = re.compile(r"label_(\d+)")


class TextHead:
    """The checkpoint's own probabilities, of those of its classes that the benchmark has."""

    method = "the most probable of the checkpoint's own classes"

    def __init__(self, setup: Setup) -> None:
        self._benchmark = setup.benchmark
        classes = OwnClasses(setup.model)
        self._columns = _columns(setup, classes.labels)
        self.instruments = {"classes": classes}
        named = [classes.labels[number] for number in self._columns]
        self.prompts: dict[str, Any] = {
            "classes": dict(zip(classes_of(setup.benchmark), named, strict=True))
        }

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The text."""
        return [Question("classes", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and its kin."""
        scores = [row[self._columns].tolist() for (row,) in answers]
        return classified(samples, self._benchmark, scores, shown="text")


def _columns(setup: Setup, labels: Sequence[str]) -> list[int]:
    """Which of the checkpoint's classes each of the benchmark's is.

    The benchmark's setting ``labels`` says it, or names do: those of the benchmark's classes, or
    those of its data. A checkpoint without names, whose classes are LABEL_0 and so on, is taken at
    its numbers, if it has as many classes.

    Raises:
        RegistryError: The setting names what the checkpoint does not have.
        TaskError: The names do not tell; a guess would measure nothing.
    """
    benchmark = setup.benchmark
    classes = classes_of(benchmark)
    own = [label.casefold() for label in labels]
    given = setup.settings.get("labels")
    if given is not None:
        names = [str(each).casefold() for each in given] if isinstance(given, list) else []
        if len(names) != len(classes):
            raise RegistryError(
                f"{benchmark.file}: labels of own-classes must be a list of {len(classes)}, one "
                f"for each class; came {given!r:.60}"
            )
        if set(names) <= set(own):
            return [own.index(name) for name in names]
    for candidates in (classes, benchmark.labels):
        names = [each.casefold() for each in candidates]
        if names and len(set(names)) == len(names) and set(names) <= set(own):
            return [own.index(name) for name in names]
    if len(own) == len(classes) and all(map(_NUMBERED.fullmatch, own)):
        return [own.index(f"label_{number}") for number in range(len(classes))]
    raise TaskError(
        f"{setup.model.entry.name} cannot be measured on {benchmark.name} by its own classes, "
        f"{_shown(labels)}: the benchmark's are {_shown(classes)}"
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
