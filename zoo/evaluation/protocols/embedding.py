"""Text classification by vectors: which class's sentences are nearest to the text?

Several templates make a class's vector the mean of its sentences', as Radford et al., "Learning
Transferable Visual Models From Natural Language Supervision", 2021, section 3.1.4, do for pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from zoo.errors import CheckpointError, RegistryError
from zoo.evaluation.classification import classes_of, classified
from zoo.evaluation.instruments.vectors import TextVectors
from zoo.evaluation.protocol import Answer, Findings, Question, Sample, Setup
from zoo.evaluation.protocols.nli import filled
from zoo.evaluation.samples import text_of


class Nearest:
    """The cosine of a text's vector and each class's."""

    method = "the class whose sentence's vector has the largest cosine with the text's"

    def __init__(self, setup: Setup) -> None:
        self._benchmark = setup.benchmark
        classes = classes_of(setup.benchmark)
        templates = setup.settings.get("templates", ["{}"])
        if not isinstance(templates, list) or not templates:
            raise RegistryError(
                f"{setup.benchmark.file}: templates of {setup.benchmark.name} must be a list of "
                f"one or more, came {templates!r:.60}"
            )
        sentences = [filled(template, classes) for template in templates]
        self.instruments = {"text": TextVectors(setup.model)}
        self.prompts: dict[str, Any] = {"sentences": sentences}
        # Asked here and not of each sample, which would all have the same questions.
        each = [F.normalize(setup.model.embed(row).double(), dim=1) for row in sentences]
        self._vectors = F.normalize(torch.stack(each).mean(dim=0), dim=1)  # (K, C)
        if not self._vectors.isfinite().all():
            raise CheckpointError(
                f"{setup.model.entry.name} embeds the classes of {setup.benchmark.name} as what is "
                "no number (NaN or infinity); its weights are damaged, or too large for the "
                "dtype: try --dtype float32"
            )

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The text's vector."""
        return [Question("text", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and its kin."""
        texts = torch.stack([vector for (vector,) in answers]).double()  # (n, C)
        scores = F.normalize(texts, dim=1) @ self._vectors.T  # (n, K)
        return classified(samples, self._benchmark, scores.tolist(), shown="text")
