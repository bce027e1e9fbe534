"""Ways to ask a model that classifies: by its own classes, or by what follows from a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.instruments.refusals import refused_alone
from zoo.evaluation.protocol import Answer, Failure
from zoo.model import Model
from zoo.tasks.text_classification import classify
from zoo.tasks.zero_shot_classification import judge


class Entailment:
    """How much a text entails a hypothesis, as a logit: asked with pairs of them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.facts = ("entailment", 1, reading(model.preprocessor))

    def ask(self, contents: Sequence[tuple[str, str]]) -> Sequence[Answer | Failure]:
        """The logit of each pair; none where the hypothesis leaves the text no room."""
        return refused_alone(lambda pairs: judge(self._model, pairs)[:, 0].tolist(), contents)


class OwnClasses:
    """The probabilities of a checkpoint's own classes for a text, (K,) in its order."""

    def __init__(self, model: Model) -> None:
        self._model = model
        network: Any = model.network
        self.labels: Sequence[str] = network.labels
        self.facts = ("own classes of texts", 1, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Probabilities for texts."""
        found = classify(self._model, contents, top_k=len(self.labels))
        return [
            torch.tensor([scores[label] for label in self.labels])
            for scores in ({each.label: each.score for each in one.labels} for one in found)
        ]
