"""Ways to ask a model that classifies: by its own classes, or by what follows from a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.instruments.refusals import decoded_alone, refused_alone
from zoo.evaluation.pictures import Pictured
from zoo.evaluation.protocol import Answer, Failure
from zoo.image import Picture, image_preprocessor
from zoo.model import Model
from zoo.tasks.image_classification import class_probabilities
from zoo.tasks.seeing import OnError
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
        """Probabilities for texts; one that the model cannot read fails alone."""
        return refused_alone(self._classify, contents)

    def _classify(self, texts: Sequence[str]) -> Sequence[Answer]:
        found = classify(self._model, texts, top_k=len(self.labels))
        return [
            torch.tensor([scores[label] for label in self.labels])
            for scores in ({each.label: each.score for each in one.labels} for one in found)
        ]


class OwnClassesOfPictures:
    """The probabilities of some of a checkpoint's own classes for a picture, (K,).

    Args:
        model: It classifies pictures.
        columns: The numbers of the classes, K of them; a checkpoint may have twenty thousand.
    """

    def __init__(self, model: Model, columns: Sequence[int]) -> None:
        self._model = model
        self._columns = [*columns]
        transform = image_preprocessor(model.preprocessor).transform
        self.facts = ("own classes of pictures", 1, tuple(columns), str(transform))

    def ask(self, contents: Sequence[Pictured]) -> Sequence[Answer | Failure]:
        """Probabilities for pictures; those that cannot be decoded fail."""

        def see(pictures: Sequence[Picture], on_error: OnError) -> Sequence[Answer | None]:
            found = class_probabilities(self._model, pictures, on_error=on_error)
            return [None if row is None else row[self._columns] for row in found]

        return decoded_alone(see, contents)
