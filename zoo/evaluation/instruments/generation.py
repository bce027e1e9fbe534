"""What a model writes: translations, and whatever else follows a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.instruments.refusals import refused_alone
from zoo.evaluation.protocol import Answer, Failure
from zoo.model import Model


class Translations:
    """Translations of texts, as the checkpoint's authors translate but for the options."""

    def __init__(self, model: Model, options: Mapping[str, Any]) -> None:
        self._model = model
        self._options = options
        # How a preprocessor reads includes the settings that its authors generate with.
        chosen = tuple(sorted(options.items()))
        self.facts = ("translations", 2, chosen, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Translate texts; one that the model cannot read fails alone."""
        return refused_alone(self._translate, contents)

    def _translate(self, texts: Sequence[str]) -> list[str]:
        return [each.text for each in self._model.translate([*texts], **self._options)]


class FirstLines:
    """What a model writes after prompts, up to the end of the line: greedily, so no draw."""

    def __init__(self, model: Model, *, max_new_tokens: int) -> None:
        self._model = model
        self._most = max_new_tokens
        self.facts = ("first line", 2, max_new_tokens, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Continue prompts; one that the model cannot read fails alone."""
        return refused_alone(self._continue, contents)

    def _continue(self, prompts: Sequence[str]) -> list[str]:
        written = self._model.generate(
            [*prompts], max_new_tokens=self._most, temperature=0.0, stop=["\n"]
        )
        return [each.text.strip() for each in written]
