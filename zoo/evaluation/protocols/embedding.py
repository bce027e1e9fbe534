"""Text classification by vectors: which class's sentences are nearest to the text?

Several templates make a class's vector the mean of its sentences', as Radford et al., "Learning
Transferable Visual Models From Natural Language Supervision", 2021, section 3.1.4, do for pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from zoo.evaluation.classification import class_questions, classes_of, classified, templates_of
from zoo.evaluation.instruments.vectors import MeanVectors, TextVectors
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.samples import text_of


class Nearest:
    """The cosine of a text's vector and each class's."""

    method = "the class whose sentence's vector has the largest cosine with the text's"

    def __init__(self, setup: Setup) -> None:
        self._benchmark = setup.benchmark
        templates = templates_of(setup, "{}")
        texts = TextVectors(setup.model)
        self.instruments: dict[str, Instrument] = {"text": texts, "class": MeanVectors(texts)}
        self.shared = class_questions("class", classes_of(setup.benchmark), templates)
        self.prompts: dict[str, Any] = {"sentences": [each.content for each in self.shared]}

    def prepare(self, answers: Sequence[Answer]) -> None:
        """Each class's vector."""
        self._vectors = torch.stack([*answers]).double()  # (K, C)

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The text's vector."""
        return [Question("text", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and its kin."""
        texts = torch.stack([vector for (vector,) in answers]).double()  # (n, C)
        scores = F.normalize(texts, dim=1) @ self._vectors.T  # (n, K)
        return classified(samples, self._benchmark, scores.tolist(), shown="text")
