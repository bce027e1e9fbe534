"""What may be asked of generation, checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal, TypedDict

from zoo.errors import UsageError

# Texts of one prompt at once: more than anybody reads, and fewer than fill a memory by themselves.
_MOST_ROWS = 10_000

# What logits in float32 can be divided or multiplied by, and stay numbers.
_SMALLEST, _LARGEST = 1e-30, 1e30

# To this power even a length of a million is a number.
_STEEPEST = 50

EarlyStopping = bool | Literal["never"]


class Choices(TypedDict, total=False):
    """What a task lets its caller choose of `Settings`.

    ``slots`` are the most rows that are computed at once.
    """

    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    seed: int | None
    first_row: int
    repetition_penalty: float
    no_repeat_ngram: int
    num_beams: int
    length_penalty: float
    early_stopping: EarlyStopping
    sequences: int
    slots: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How tokens are chosen, and when to stop.

    Without a temperature the most probable token is taken each time (greedy), or with several beams
    the most probable text is searched for. With a temperature tokens are drawn at random.

    Args:
        max_new_tokens: The most tokens that are generated for a prompt.
        ends: Tokens that end a text.
        temperature: 0 for the most probable token; else logits are divided by it before drawing.
        top_k: Draw among the so many most probable tokens; 0 for all.
        top_p: Draw among the most probable tokens that together have this probability, 0 to 1.
        min_p: Draw among tokens that are at least this times as probable as the best, 0 to 1.
        seed: Of the draws. The same prompt at the same place of a list gives the same text,
            whatever else is in its batch; without a seed each call draws anew.
        first_row: The place of the first prompt where the list is a part of a longer one, so that
            each draws as it would in the whole list.
        repetition_penalty: Above 1, tokens that came already become less probable.
        no_repeat_ngram: No run of so many tokens comes twice; 0 for no such rule.
        bad_words: Runs of tokens that never come.
        forced_end: A token that is forced upon texts that reach ``max_new_tokens``.
        renormalize: Whether beams compare probabilities that were made to sum to 1 again after the
            rules above.
        num_beams: Texts that are followed at once in search of the most probable; 1 for no search.
        length_penalty: Scores are divided by length to this power: above 0 prefers long texts.
        early_stopping: Stop a search when there are ``num_beams`` texts (True), when a better one
            is unlikely (False), or when it is impossible (``never``).
        sequences: Texts for each prompt: drawn, or the best of the beams.
        logprobs: Report log-probabilities of the tokens, and of so many alternatives; None for
            neither.

    Raises:
        UsageError: A value is out of range, or two contradict each other.
    """

    max_new_tokens: int = 256
    ends: tuple[int, ...] = ()
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int | None = None
    first_row: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    bad_words: tuple[tuple[int, ...], ...] = field(default=())
    forced_end: int | None = None
    renormalize: bool = False
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = False
    sequences: int = 1
    logprobs: int | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("max_new_tokens", 1, None),
            ("top_k", 0, None),
            ("first_row", 0, None),
            ("no_repeat_ngram", 0, None),
            ("num_beams", 1, _MOST_ROWS),
            ("sequences", 1, _MOST_ROWS),
            ("logprobs", 0, None),
            ("seed", -math.inf, None),
        ):
            value = getattr(self, name)
            if value is None and name in ("logprobs", "seed"):
                continue
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise UsageError(f"{name} is {value!r}; expected a whole number")
            if int(value) < least:
                raise UsageError(f"{name} is {value}; expected {least} or more")
            if most is not None and int(value) > most:
                raise UsageError(f"{name} is {value}; expected {most} or less")
        for name in ("temperature", "top_p", "min_p", "repetition_penalty", "length_penalty"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise UsageError(f"{name} is {value!r}; expected a number")
        if self.temperature != 0 and not _SMALLEST <= self.temperature <= _LARGEST:
            raise UsageError(
                f"temperature is {self.temperature}; expected 0 (greedy), or {_SMALLEST} to "
                f"{_LARGEST}"
            )
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; expected above 0, and 1 at most")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"min_p is {self.min_p}; expected 0 to 1")
        if not _SMALLEST <= self.repetition_penalty <= _LARGEST:
            raise UsageError(
                f"repetition_penalty is {self.repetition_penalty}; expected {_SMALLEST} to "
                f"{_LARGEST} (1 for none)"
            )
        if not -_STEEPEST <= self.length_penalty <= _STEEPEST:
            raise UsageError(
                f"length_penalty is {self.length_penalty}; expected -{_STEEPEST} to {_STEEPEST}"
            )
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "never":
            raise UsageError(
                f"early_stopping is {self.early_stopping!r}; expected true, false or 'never'"
            )
        if any(not word for word in self.bad_words):
            raise UsageError("a bad word is empty; expected one token or more")
        drawing = {
            name: value
            for name, value in (("top_k", self.top_k), ("min_p", self.min_p))
            if value > 0
        } | ({"top_p": self.top_p} if self.top_p < 1 else {})
        if self.temperature == 0 and drawing:
            raise UsageError(
                f"{', '.join(drawing)} without a temperature changes nothing; give a temperature "
                "above 0 to draw at random"
            )
        if self.temperature > 0 and self.num_beams > 1:
            raise UsageError("beams search for the best text and a temperature draws; give one")
        if self.temperature == 0 and self.sequences > max(self.num_beams, 1):
            raise UsageError(
                f"{self.sequences} sequences a prompt need a temperature above 0, or at least as "
                "many beams; else they would all be the same"
            )
        if self.logprobs is not None and self.num_beams > 1:
            raise UsageError("logprobs are reported without beams only")
