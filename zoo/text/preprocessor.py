"""From texts to encodings: what tasks on text ask of a checkpoint."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError, ZooWarning
from zoo.text.pooling import Pooling, load_pooling
from zoo.text.tokenizer import Tokenizer, load_tokenizer

if TYPE_CHECKING:
    import tokenizers

# tokenizer_config.json writes 1e30 for "no limit".
_NO_LIMIT = 10**9


class TextConfig(Protocol):
    """What the preprocessor asks of a network's config."""

    @property
    def vocabulary(self) -> int:
        """How many tokens the network knows."""

    @property
    def max_length(self) -> int:
        """The most tokens that the network has positions for."""


@dataclass(frozen=True)
class TextPreprocessor:
    """A tokenizer, and how the model wants its texts.

    ``max_length`` counts tokens, special ones included.
    """

    tokenizer: Tokenizer
    max_length: int
    pooling: Pooling

    @property
    def facts(self) -> dict[str, str | int | bool]:
        """What a registry's entry may state of these files, beside the network's config."""
        return {
            "max_length": self.max_length,
            "pooling": self.pooling.mode,
            "normalize": self.pooling.normalize,
            "prompt": self.pooling.prompt,
        }

    def encode(self, texts: Sequence[str] | Sequence[tuple[str, str]]) -> list[tokenizers.Encoding]:
        """Tokenize texts, or pairs of texts; warn of what is cut.

        Raises:
            InputError: A text is empty, or no Unicode.
        """
        parts = ((text,) if isinstance(text, str) else text for text in texts)
        for column in zip(*parts, strict=True):
            check_texts(column)
        encodings = self.tokenizer.encode(texts, max_length=self.max_length)
        # A text that is paired with several others is one text, however often it is cut.
        cut = {
            number if isinstance(text, str) else text[0]: _tokens_cut(encoding)
            for number, (text, encoding) in enumerate(zip(texts, encodings, strict=True))
            if encoding.overflowing
        }
        warn_of_cut(list(cut.values()), self.max_length)
        return encodings


def check_texts(texts: Sequence[str], kind: str = "text") -> None:
    """Refuse texts without a word, and those that no file in UTF-8 could hold.

    Raises:
        InputError: A text is empty, has half of a surrogate pair, or is none; the message says
            which.
    """
    for number, text in enumerate(texts, start=1):
        which = f"{kind} {number} of {len(texts)}" if len(texts) > 1 else f"the {kind}"
        check_unicode(text, which)
        if not text.strip():
            raise InputError(f"{which} is empty; expected at least one word")


def check_unicode(text: str, which: str) -> None:
    """Refuse a text that no file in UTF-8 could hold.

    Raises:
        InputError: It has half of a surrogate pair, or is no text at all.
    """
    if not isinstance(text, str):
        raise InputError(f"{which} is no text but {text!r:.40}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{which} is no Unicode: character {error.start + 1} is {text[error.start]!a}, "
            "half of a pair; was the text cut, or read in a wrong encoding?"
        ) from error


def warn_of_cut(cut: Sequence[int], max_length: int) -> None:
    """Warn of texts that were too long, each of which has lost so many tokens."""
    if cut:
        count = "1 text is" if len(cut) == 1 else f"{len(cut)} texts are"
        warnings.warn(
            f"{count} longer than the model's {max_length} tokens; "
            f"cut {sum(cut):,} tokens at the end",
            ZooWarning,
            stacklevel=3,
        )


def _tokens_cut(encoding: tokenizers.Encoding) -> int:
    """How many tokens of the first text did not fit."""
    return sum(part.sequence_ids.count(0) for part in encoding.overflowing)


def load_preprocessor(files: Files, config: TextConfig) -> TextPreprocessor:
    """Read tokenizer, length limit and pooling from a checkpoint.

    The limit is sentence-transformers' if its file is there, else the tokenizer's, and never more
    than the network has positions for. The truncation inside ``tokenizer.json`` is not it: there
    all-MiniLM-L6-v2 says 128 while its authors mean 256.

    Raises:
        CheckpointError: The tokenizer is missing, damaged, or larger than the network's vocabulary;
            or the limit leaves no room for a text.
    """
    tokenizer = load_tokenizer(files)
    if files.json("sentence_bert_config.json").get("do_lower_case"):
        tokenizer.lower_case()
    tokenizer.fit(config.vocabulary)
    max_length = length_limit(files, config)
    special = tokenizer.backend.num_special_tokens_to_add(is_pair=True)
    if max_length <= special:  # the tokenizers library would count below zero, and cut nothing
        raise CheckpointError(
            f"{files.source}: texts may have {max_length} tokens, of which a pair's special ones "
            f"take {special}; config.json or the tokenizer's settings are wrong"
        )
    return TextPreprocessor(tokenizer, max_length, load_pooling(files))


def length_limit(files: Files, config: TextConfig) -> int:
    """The most tokens of a text: what the files say, if the network has positions for as many."""
    published = files.json("sentence_bert_config.json").get("max_seq_length")
    if published is None:
        published = files.json("tokenizer_config.json").get("model_max_length")
    if isinstance(published, int | float) and 2 < published < _NO_LIMIT:
        return min(config.max_length, int(published))
    return config.max_length


def text_preprocessor(preprocessor: Any) -> TextPreprocessor:  # noqa: ANN401 (a plugin made it)
    """The preprocessor as one for text.

    Raises:
        TypeError: The architecture claims a task on text, but brings another preprocessor.
    """
    if not isinstance(preprocessor, TextPreprocessor):
        raise TypeError(f"tasks on text need a TextPreprocessor, not {type(preprocessor).__name__}")
    return preprocessor
