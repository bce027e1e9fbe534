"""What a model writes: translations, and whatever else follows a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import InputError
from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.protocol import Answer, Failure
from zoo.model import Model


class Translations:
    """Translations of texts, as the checkpoint's authors translate but for the options."""

    def __init__(self, model: Model, options: Mapping[str, Any]) -> None:
        self._model = model
        self._options = options
        # How a preprocessor reads includes the settings that its authors generate with.
        chosen = tuple(sorted(options.items()))
        self.facts = ("translations", 1, chosen, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Translate texts; one that the model cannot read fails alone."""
        try:
            return [each.text for each in self._model.translate([*contents], **self._options)]
        except InputError as error:
            if len(contents) == 1:
                return [Failure(str(error))]
        return [answer for each in contents for answer in self.ask([each])]


class FirstLines:
    """What a model writes after prompts, up to the end of the line: greedily, so no draw."""

    def __init__(self, model: Model, *, max_new_tokens: int) -> None:
        self._model = model
        self._most = max_new_tokens
        self.facts = ("first line", 1, max_new_tokens, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Continue prompts; one that the model cannot read fails alone."""
        try:
            written = self._model.generate(
                [*contents], max_new_tokens=self._most, temperature=0.0, stop=["\n"]
            )
        except InputError as error:
            if len(contents) == 1:
                return [Failure(str(error))]
        else:
            return [each.text.strip() for each in written]
        return [answer for each in contents for answer in self.ask([each])]
