"""Text classification by inference: which class does the text entail?

Yin et al., "Benchmarking Zero-shot Text Classification", 2019, as in transformers' zero-shot
classification pipeline: a hypothesis for each class, and a softmax over the entailment's logits.
https://arxiv.org/abs/1909.00161
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zoo.evaluation.classification import classes_of, classified, filled
from zoo.evaluation.instruments.judging import Entailment
from zoo.evaluation.protocol import Answer, Findings, Question, Sample, Setup
from zoo.evaluation.samples import text_of
from zoo.tasks.zero_shot_classification import TEMPLATE, entailment_and_contradiction


class Inference:
    """How much a text entails what the template says with each class."""

    method = "the class whose sentence the text entails most"

    def __init__(self, setup: Setup) -> None:
        entailment_and_contradiction(setup.model)  # before any data is read
        self._benchmark = setup.benchmark
        template = setup.settings.get("template", TEMPLATE)
        self._hypotheses = filled(template, classes_of(setup.benchmark), file=setup.benchmark.file)
        self.instruments = {"entailment": Entailment(setup.model)}
        self.prompts: dict[str, Any] = {"hypotheses": self._hypotheses}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """A pair of the text and each class's sentence."""
        text = text_of(sample, "text")
        return [Question("entailment", (text, each)) for each in self._hypotheses]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and its kin."""
        scores = [torch.tensor(row).softmax(dim=0).tolist() for row in answers]
        return classified(samples, self._benchmark, scores, shown="text")
