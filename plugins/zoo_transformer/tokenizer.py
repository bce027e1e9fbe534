"""Marian's tokenizer: two sentencepiece models, and one table that numbers the pieces of both.

Reference code: transformers, models/marian/tokenization_marian.py. It also takes ``</s>`` and
``<pad>`` written out in a text for the tokens themselves; here they are text, as sentencepiece and
Marian have it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError, ZooWarning
from zoo.generation import Settings
from zoo.generation.published import published_settings
from zoo.text.preprocessor import check_texts, length_limit, warn_of_cut
from zoo.text.sentencepiece import read_sentencepiece
from zoo_transformer.model import TransformerConfig, TranslatorConfig

if TYPE_CHECKING:
    import tokenizers

UNKNOWN, END, PADDING = "<unk>", "</s>", "<pad>"
LANGUAGE = re.compile(r">>([^\s<>]+)<<")


@dataclass(frozen=True)
class MarianPreprocessor:
    """Text to token numbers of the source language, and those of the target back to text.

    Args:
        source: Splits a text into pieces.
        numbers: Of the source's pieces.
        pieces: Of the target's numbers.
        max_length: In tokens, ``</s>`` included.
        settings: How its authors translate.
    """

    source: tokenizers.Tokenizer
    numbers: Mapping[str, int]
    pieces: Mapping[int, str]
    max_length: int
    settings: Settings

    @cached_property
    def languages(self) -> list[str]:
        """What the model can translate into if it has a choice, as it names them."""
        return sorted(match[1] for match in map(LANGUAGE.fullmatch, self.numbers) if match)

    def target(self, text: str, *, to: str | None = None) -> tuple[str | None, str]:
        """The language that a text asks for, else ``to``; and the text without its mark.

        Raises:
            InputError: The model does not have that language.
        """
        languages = self.languages
        match = LANGUAGE.match(text)
        language = match[1] if match else to
        if language is not None and language not in languages:
            raise InputError(f"no target language {language!r}; {_known(languages)}")
        return language, text[match.end() :] if match else text

    def encode(self, texts: Sequence[str], *, to: str | None = None) -> list[list[int]]:
        """Tokenize texts, each of which may begin with its target language: ``>>deu<< A dog.``.

        Args:
            texts: n of them.
            to: The target language of those that name none.

        Raises:
            InputError: A text is empty, or wants a language that the model does not have.
        """
        check_texts(texts)
        languages = self.languages
        leading: list[list[int]] = []
        plain: list[str] = []
        silent = 0
        for text in texts:
            language, rest = self.target(text, to=to)
            if language is None:
                leading.append([])
                silent += len(languages) > 1
            else:
                leading.append([self.numbers[f">>{language}<<"]])
            plain.append(rest)
        if silent:
            count = "1 text does" if silent == 1 else f"{silent} texts do"
            warnings.warn(
                f"{count} not say the target language, so the model guesses; "
                f"begin with >>{languages[0]}<<, or pass to=; {_known(languages)}",
                ZooWarning,
                stacklevel=2,
            )
        check_texts(plain)
        end, unknown = self.numbers[END], self.numbers[UNKNOWN]
        rows = [
            # A piece that source.spm does not know may still have a number, as one of the target's.
            first + [self.numbers.get(piece, unknown) for piece in encoding.tokens]
            for first, encoding in zip(leading, self.source.encode_batch(plain), strict=True)
        ]
        room = self.max_length - 1
        warn_of_cut([len(row) - room for row in rows if len(row) > room], self.max_length)
        return [[*row[:room], end] for row in rows]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of a translation, without special tokens."""
        pieces = (self.pieces.get(token, UNKNOWN) for token in tokens)
        kept = (piece for piece in pieces if piece not in (UNKNOWN, END, PADDING))
        return "".join(kept).replace("▁", " ").strip()


def load_preprocessor(files: Files, config: TranslatorConfig) -> MarianPreprocessor:
    """Read ``source.spm``, ``vocab.json``, and ``generation_config.json``.

    The target's pieces have their numbers in ``vocab.json`` too, or in a ``target_vocab.json``.
    ``target.spm`` is needed to split texts in the target language, and translating splits none.

    Raises:
        CheckpointError: A file is missing or damaged, or numbers a piece beyond the vocabulary.
    """
    path = files.side_file("source.spm")
    if path is None:
        raise CheckpointError(f"{files.source}: no source.spm, which splits texts into pieces")
    numbers = _numbers(files, "vocab.json", config.vocabulary)
    separate = files.json("tokenizer_config.json").get("separate_vocabs") is True
    target = _numbers(files, "target_vocab.json", config.target_vocabulary) if separate else numbers
    return MarianPreprocessor(
        source=read_sentencepiece(path).processor(),
        numbers=numbers,
        pieces={number: piece for piece, number in target.items()},
        max_length=length_limit(files, config),
        settings=published_settings(
            files,
            vocabulary=config.target_vocabulary,
            start=config.start,
            max_length=config.max_length,
        ),
    )


def none(files: Files, config: TransformerConfig) -> None:
    """No preprocessor: the bare stacks take vectors."""


def _numbers(files: Files, name: str, vocabulary: int) -> dict[str, int]:
    """A table of pieces and their numbers, all below the vocabulary's size."""
    numbers = files.json(name)
    missing = [token for token in (UNKNOWN, END) if token not in numbers]
    if missing:
        raise CheckpointError(f"{files.source}: {name} is missing, or lacks {', '.join(missing)}")
    for piece, number in numbers.items():
        if not isinstance(number, int) or not 0 <= number < vocabulary:
            raise CheckpointError(
                f"{files.source}: {name} gives {piece!r} the number {number!r}, "
                f"but the network knows {vocabulary} tokens only"
            )
    return numbers


def _known(languages: Sequence[str]) -> str:
    return f"this model has {', '.join(languages)}" if languages else "this model has but one"
