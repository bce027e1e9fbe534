"""Prompts for models that continue a text, and the tokens that end one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError, ZooWarning
from zoo.generation import Settings
from zoo.generation.published import published_rules
from zoo.text.chat import ChatTemplate, Message, load_chat_template
from zoo.text.preprocessor import check_unicode
from zoo.text.tokenizer import Tokenizer, load_tokenizer


class PromptConfig(Protocol):
    """What the preprocessor asks of a network's config."""

    @property
    def vocabulary(self) -> int:
        """How many tokens the network knows."""


@dataclass(frozen=True)
class PromptPreprocessor:
    """A tokenizer, and where texts begin and end.

    ``start`` is the token that a text without a prompt begins with, if the model has one; ``ends``
    are those that end a text. ``chat`` writes conversations, if the checkpoint says how. ``rules``
    are those of its authors, whatever else is asked of generation; ``refusal`` says why they cannot
    be followed, so that texts can be scored and not generated.
    """

    tokenizer: Tokenizer
    start: int | None
    ends: tuple[int, ...]
    chat: ChatTemplate | None = None
    rules: Settings = field(default_factory=Settings)
    refusal: str = ""

    def encode(self, prompt: str) -> list[int]:
        """The tokens of a prompt, begun with the special ones that the model was trained with.

        Those that would close a text are left out, since this one goes on.

        Raises:
            InputError: It is empty, and the model has no token to begin with; or it is no Unicode.
        """
        check_unicode(prompt, "the prompt")
        tokens = self.tokenizer.checked(self.tokenizer.backend.encode(prompt).ids)
        if len(tokens) > self._closing:
            return tokens[: len(tokens) - self._closing]
        if self.start is None:
            raise InputError("the prompt is empty; expected at least one word")
        return [self.start]

    @cached_property
    def _closing(self) -> int:
        """How many special tokens stand after any text: ``[SEP]``, where BERT's tokenizer is."""
        special = self.tokenizer.backend.encode("a").special_tokens_mask
        return special[::-1].index(0) if 0 in special else 0

    def encode_chat(self, messages: Sequence[Message]) -> tuple[str, list[int]]:
        """A conversation as one text, and its tokens: all special ones are those in the text.

        Raises:
            InputError: The template refuses the messages.
            CheckpointError: There is no template, or it fails.
        """
        if self.chat is None:
            raise CheckpointError("there is no chat template; generate from a prompt instead")
        text = self.chat.render(messages)
        tokens: list[int] = self.tokenizer.backend.encode(text, add_special_tokens=False).ids
        if not tokens:
            raise InputError("the chat template makes an empty text of these messages")
        return text, tokens


def load_prompts(files: Files, config: PromptConfig) -> PromptPreprocessor:
    """Read tokenizer, start, ends and rules of generation from a checkpoint.

    The ends are those of ``generation_config.json``, else of ``config.json``; it is warned of
    numbers beyond the vocabulary, which never come up. A rule that is impossible, or that zoo
    lacks, is a refusal to generate.

    Raises:
        CheckpointError: The tokenizer is missing, damaged, or larger than the network's vocabulary;
            an end is no token, or the chat template no text.
    """
    tokenizer = load_tokenizer(files)
    tokenizer.fit(config.vocabulary)
    starts = _special(files, "bos_token_id", config.vocabulary)
    rules, refusal = Settings(), ""
    try:
        rules = published_rules(files, vocabulary=config.vocabulary)
    except CheckpointError as error:
        refusal = str(error)
    return PromptPreprocessor(
        tokenizer,
        starts[0] if starts else None,
        _special(files, "eos_token_id", config.vocabulary),
        load_chat_template(files),
        rules,
        refusal,
    )


def _special(files: Files, name: str, vocabulary: int) -> tuple[int, ...]:
    """Token numbers under this name: one, several or none."""
    value: Any = files.json("generation_config.json").get(name)
    if value is None:
        value = files.json("config.json").get(name)
    numbers = [] if value is None else value if isinstance(value, list) else [value]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise CheckpointError(
                f"{files.source}: {name} is {value!r}; expected tokens below {vocabulary}"
            )
    known = tuple(number for number in numbers if number < vocabulary)
    if len(known) < len(numbers):
        # transformers writes GPT-2's 50256 into any config of its kind that names none.
        warnings.warn(
            f"{files.source}: {name} is {value}, but the network knows {vocabulary} tokens only, "
            "so it never comes up",
            ZooWarning,
            stacklevel=2,
        )
    return known
