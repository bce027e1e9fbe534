"""A text's vector, (C,), by a model that embeds texts."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.protocol import Answer, Failure
from zoo.model import Model


class TextVectors:
    """Embeds texts as the checkpoint's authors do: see `zoo.tasks.feature_extraction`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.facts = ("text vectors", 2, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Vectors of texts."""
        return list(self._model.embed(list(contents)))
