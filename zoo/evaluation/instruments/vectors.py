"""A text's vector, (C,), by a model that embeds texts; and that of several texts together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.instruments.refusals import refused_alone
from zoo.evaluation.protocol import Answer, Failure, Instrument
from zoo.model import Model
from zoo.tasks.two_towers import mean_vector


class TextVectors:
    """Embeds texts as the checkpoint's authors do: see `zoo.tasks.feature_extraction`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.facts = ("text vectors", 2, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Vectors of texts; one that the model cannot read fails alone."""
        return refused_alone(lambda texts: [*self._model.embed([*texts])], contents)


class MeanVectors:
    """The `mean_vector` of several texts', (C,): what a class's sentences are together.

    Args:
        each: What gives a text's vector.
    """

    def __init__(self, each: Instrument) -> None:
        self._each = each
        self.facts = ("mean of vectors", 1, *each.facts)

    def ask(self, contents: Sequence[Sequence[str]]) -> Sequence[Answer | Failure]:
        """Vectors of lists of texts; of one that cannot be read, the whole list fails."""
        found = iter(self._each.ask([text for texts in contents for text in texts]))
        return [_mean([next(found) for _ in texts]) for texts in contents]


def _mean(vectors: Sequence[Answer | Failure]) -> Answer | Failure:
    good: list[Answer] = [each for each in vectors if not isinstance(each, Failure)]
    if len(good) < len(vectors):
        return next(each for each in vectors if isinstance(each, Failure))
    return mean_vector(torch.stack(good))
