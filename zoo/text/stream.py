"""Tokens into text as they come: whole characters only, and nothing after a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from zoo.text.tokenizer import Tokenizer

# What the bytes of an unfinished character decode to.
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"

# Tokens before the new ones that may change how these are written: a space is left out at the
# beginning of a text. And the most tokens that a character begins before its last one.
_CONTEXT, _BEGUN = 8, 3


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
        self._held = ""
        self.stopped = False
        self._look_back(context)

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

    def _look_back(self, tokens: Sequence[int]) -> None:
        """Let the next text be what further tokens add to the text of these."""
        self._tokens, self._before = _last(self._decode, tokens, _CONTEXT)
        self._written = len(self._tokens)  # tokens whose text is out

    def _new_text(self) -> str:
        text = self._decode(self._tokens)
        if text.startswith(self._before):
            return text[len(self._before) :]
        # A half character makes all bytes before it unreadable, where bytes are tokens of their own
        # beside those of words (Llama's).
        return self._decode(self._tokens[self._written :])

    def _emit(self, text: str) -> str:
        self._look_back(self._tokens)
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
        last, text = _last(tokenizer.decode, tokens, reach)
        texts = [text]
        if len(last) == len(tokens):
            # The first token may begin with a space, which shows behind another token only.
            first = tokenizer.decode(tokens[:1])
            texts.append(tokenizer.decode([tokens[0], *tokens])[len(first) :])
        return any(each in text for each in stops for text in texts)

    return stop


def _last(
    decode: Callable[[Sequence[int]], str], tokens: Sequence[int], count: int
) -> tuple[list[int], str]:
    """The last ``count`` tokens and their text; a few more where they begin inside a character."""
    start = max(len(tokens) - count, 0)
    text = decode(tokens[start:])
    for earlier in range(start - 1, max(start - _BEGUN, 0) - 1, -1):
        if not text.startswith(_UNFINISHED):
            break
        start, text = earlier, decode(tokens[earlier:])
    return list(tokens[start:]), text


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text begin a stop string."""
    return next(
        (n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0
    )
