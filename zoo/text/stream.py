"""Tokens into text as they come: whole characters only, and nothing after a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from zoo.text.tokenizer import Tokenizer

# What the bytes of an unfinished character decode to.
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"

# Tokens before the new ones that may change how these are written (a space, half a character).
_CONTEXT = 8


class Decodes(Protocol):
    """What turns tokens into text: a tokenizer, or a preprocessor of two."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""


class TextStream:
    """The text of one row, piece by piece; the pieces together are the whole text.

    A character whose bytes are spread over tokens is held back until it is complete; so is what may
    become a stop string.

    Args:
        tokenizer: That the tokens are of.
        context: The tokens before the first, whose text is not repeated.
        stops: Strings that end the text, and are no part of it.
    """

    def __init__(
        self, tokenizer: Decodes, context: Sequence[int] = (), stops: Sequence[str] = ()
    ) -> None:
        self._decode = tokenizer.decode
        self._stops = stops
        self._tokens = list(context[-_CONTEXT:])
        self._written = len(self._tokens)  # tokens whose text is out
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add a token; return the text that is certain by now, often none."""
        self._tokens.append(token)
        text = self._new_text()
        if not text or text.endswith(_UNFINISHED):
            return ""
        return self._emit(text)

    def finish(self) -> str:
        """Return what was held back; an unfinished character becomes U+FFFD."""
        text = self._emit(self._new_text())
        held, self._held = self._held, ""
        return text + held

    def _new_text(self) -> str:
        before = self._decode(self._tokens[: self._written])
        return self._decode(self._tokens)[len(before) :]

    def _emit(self, text: str) -> str:
        # The next text is told by what it adds to the last one.
        self._tokens = self._tokens[-_CONTEXT:]
        self._written = len(self._tokens)
        if self.stopped:
            return ""
        text = self._held + text
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def stopper(tokenizer: Tokenizer, stops: Sequence[str]) -> Callable[[Sequence[int]], bool] | None:
    """Whether new tokens, of which the last just came, contain a stop string; None without any."""
    if not stops:
        return None
    # A token has a byte at least, so a stop string never spans more tokens than it has bytes.
    reach = max(len(stop.encode()) for stop in stops) + _CONTEXT

    def stop(tokens: Sequence[int]) -> bool:
        text = tokenizer.decode(tokens[-reach:])
        return any(each in text for each in stops)

    return stop


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text begin a stop string."""
    return next(
        (n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0
    )
