"""Text classification by a masked language model: which class's word fits into the gap?

Schick and Schütze, "Exploiting Cloze Questions for Few Shot Text Classification and Natural
Language Inference", 2021, without their training. https://arxiv.org/abs/2001.07676
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zoo.errors import InputError, RegistryError, TaskError
from zoo.evaluation.benchmark import Placed
from zoo.evaluation.classification import classified, words_of
from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.protocol import Answer, Failure, Findings, Question, Sample, Setup
from zoo.evaluation.samples import Template, text_of
from zoo.model import Model
from zoo.tasks.fill_mask import fill_mask
from zoo.text import Tokenizer
from zoo.text.preprocessor import text_preprocessor


class Cloze:
    """The probability of each class's word where the template has its gap.

    A text that is too long for the model is cut at its end, so that the template stays whole.
    """

    method = "the class whose word is most probable in the gap"

    def __init__(self, setup: Setup) -> None:
        self._benchmark = setup.benchmark
        template = setup.settings.get("template")
        if not isinstance(template, Placed) or "words" not in setup.settings:
            raise RegistryError(
                f"{setup.benchmark.file}: the cloze takes a template, such as "
                "'{{ text }} It was {{ mask }}.', and words, one for each class"
            )
        words = words_of(setup)
        preprocessor = text_preprocessor(setup.model.preprocessor)
        self._tokenizer, self._room = preprocessor.tokenizer, preprocessor.max_length
        if self._tokenizer.mask_token is None:
            raise TaskError(f"{setup.model.entry.name}: its tokenizer has no mask token")
        tokens = [_single(word, self._tokenizer, setup) for word in words]
        if len(set(tokens)) < len(tokens):
            raise RegistryError(
                f"{getattr(words[0], 'place', setup.benchmark.file)}: two of the words "
                f"{', '.join(words)} are one token of {setup.model.entry.name}"
            )
        self._template = Template(template)
        self.instruments = {"gap": Gap(setup.model, words, tokens)}
        self.prompts: dict[str, Any] = {"template": str(template), "words": [*map(str, words)]}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The template with the text."""
        text = text_of(sample, "text")
        prompt = self._prompt(sample, text)
        while (excess := self._length(prompt) - self._room) > 0:
            ends = self._tokenizer.backend.encode(text, add_special_tokens=False).offsets
            if excess >= len(ends):
                raise InputError(
                    f"{sample.place}: the template alone has more than the model's "
                    f"{self._room} tokens"
                )
            text = text[: ends[len(ends) - excess - 1][1]]
            prompt = self._prompt(sample, text)
        return [Question("gap", prompt)]

    def _prompt(self, sample: Sample, text: str) -> str:
        values = {**sample.fields, "text": text, "mask": self._tokenizer.mask_token}
        return self._template.fill(values, sample.place)

    def _length(self, prompt: str) -> int:
        self._tokenizer.backend.no_truncation()
        return len(self._tokenizer.backend.encode(prompt))

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and its kin."""
        scores = [row.tolist() for (row,) in answers]
        return classified(samples, self._benchmark, scores, shown="text")


class Gap:
    """The probabilities of given words, one token each, in a text's gap: (K,)."""

    def __init__(self, model: Model, words: Sequence[str], tokens: Sequence[int]) -> None:
        self._model = model
        self._words = [*map(str, words)]
        self._tokens = tokens
        self._mask = str(text_preprocessor(model.preprocessor).tokenizer.mask_token)
        self.facts = ("words in a gap", 1, tuple(tokens), reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Probabilities for texts; none for one that has several gaps, or none."""
        gaps = [text.count(self._mask) for text in contents]
        single = [text for text, count in zip(contents, gaps, strict=True) if count == 1]
        found = iter(
            fill_mask(self._model, single, targets=self._words, top_k=len(self._words))
            if single
            else []
        )
        answers: list[Answer | Failure] = []
        for count in gaps:
            if count != 1:
                answers.append(Failure(f"the prompt has {count} gaps {self._mask}; expected one"))
                continue
            scores = {fill.token_id: fill.score for fill in next(found).gaps[0]}
            answers.append(torch.tensor([scores[token] for token in self._tokens]))
        return answers


def _single(word: str, tokenizer: Tokenizer, setup: Setup) -> int:
    """The one token of a class's word.

    Raises:
        RegistryError: The model splits it, or does not know it.
    """
    ids = tokenizer.word_ids(word)
    unknown = getattr(tokenizer.backend.model, "unk_token", None)
    if len(ids) == 1 and (unknown is None or tokenizer.backend.token_to_id(unknown) != ids[0]):
        return ids[0]
    pieces = " ".join(tokenizer.word(each) for each in ids) or "nothing"
    raise RegistryError(
        f"{getattr(word, 'place', setup.benchmark.file)}: {setup.model.entry.name} reads the word "
        f"{str(word)!r} as {pieces!r}; the cloze takes words of one token that the model knows: "
        "choose another, or another --protocol"
    )
