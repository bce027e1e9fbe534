"""What protocols on frozen features share: a model's vectors of two splits, and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import RegistryError, UsageError
from zoo.evaluation.classification import classes_of
from zoo.evaluation.instruments.towers import PictureVectors
from zoo.evaluation.protocol import Answer, Question, Sample, Setup
from zoo.evaluation.samples import label_of, picture_of
from zoo.tasks import require


@dataclass(frozen=True)
class Part:
    """Samples of one split: n of them, their vectors (n, C) of length 1, their classes (n,)."""

    samples: Sequence[Sample]
    vectors: Tensor
    labels: Tensor


class Frozen:
    """A picture's vector is all that is asked, of both splits; the model learns nothing.

    Raises:
        RegistryError: The benchmark names no classes.
        TaskError: The model does not embed pictures.
    """

    def __init__(self, setup: Setup) -> None:
        require(setup.model, "image-feature-extraction")
        self._benchmark = setup.benchmark
        self.classes = classes_of(setup.benchmark)
        self.instruments = {"picture": PictureVectors(setup.model)}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The picture's vector; a label that is none is found before anything is computed."""
        label_of(sample, self._benchmark, self.classes)
        return [Question("picture", picture_of(sample))]

    def split(
        self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]
    ) -> tuple[Part, Part]:
        """What to learn from, and what to measure on.

        Raises:
            UsageError: No sample to learn from could be embedded.
        """
        train, test = (self._part(name, samples, answers) for name in ("train", "test"))
        if not train.samples:
            raise UsageError(f"{self._benchmark.name}: no sample of the split 'train' is left")
        return train, test

    def _part(
        self, split: str, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]
    ) -> Part:
        chosen = [number for number, sample in enumerate(samples) if sample.split == split]
        own = [samples[number] for number in chosen]
        vectors = [answers[number][0] for number in chosen]
        labels = [label_of(sample, self._benchmark, self.classes) for sample in own]
        return Part(
            own, torch.stack(vectors) if vectors else torch.empty(0, 0), torch.tensor(labels)
        )


def positive(setup: Setup, name: str, default: float) -> float:
    """A protocol's setting that is a number above 0.

    Raises:
        RegistryError: It is none.
    """
    value = setup.settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < torch.inf:
        raise RegistryError(
            f"{setup.benchmark.file}: {name} of {setup.benchmark.name} is {value!r:.40}; "
            "expected a number above 0"
        )
    return value
