"""What generation gives, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from zoo.errors import InputError
from zoo.generation.protocol import Decoder, State
from zoo.generation.settings import Settings

Finish = Literal["end", "stop", "length"]
"""Why a text ended: by a token that ends texts, by a stop string, by its allowed length."""

Stop = Callable[[Sequence[int]], bool]
"""Whether the tokens generated so far contain, with the last of them, what ends the text."""

S = TypeVar("S", bound=State)


@dataclass
class Generated:
    """The new tokens of one row, and why they end.

    ``score`` is what beams compare: the sum of log-probabilities over length to the power of the
    length penalty; None without beams.
    """

    tokens: list[int] = field(default_factory=list)
    finish: Finish = "length"
    score: float | None = None
    logprobs: list[float] = field(default_factory=list)
    alternatives: list[tuple[tuple[int, float], ...]] = field(default_factory=list)


def allowed(decoder: Decoder[S], prompt: Sequence[int], settings: Settings) -> int:
    """How many tokens may be generated for a prompt.

    Raises:
        InputError: None at all: the prompt fills the context.
    """
    begun = len(decoder.begin(prompt))
    if decoder.max_length is None:
        return settings.max_new_tokens
    if begun >= decoder.max_length:
        raise InputError(
            f"the prompt has {begun} tokens, the model's context {decoder.max_length}, so nothing "
            "can follow; shorten the prompt"
        )
    return min(settings.max_new_tokens, decoder.max_length - begun)


def ending(
    tokens: Sequence[int], limit: int, settings: Settings, stop: Stop | None
) -> Finish | None:
    """Why the text ends with the last of its new tokens; None if it goes on."""
    if tokens[-1] in settings.ends:
        return "end"
    if stop is not None and stop(tokens):
        return "stop"
    return "length" if len(tokens) >= limit else None
