"""``translation``: a text in another language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Unpack

from zoo.loading import Loaded
from zoo.tasks import require
from zoo.tasks.sequence_to_sequence import Answer, Options, SequencePreprocessor, run
from zoo.tasks.sequence_to_sequence import stream as stream_sequence
from zoo.tasks.streaming import Streamed

TASK = "translation"


class TranslationPreprocessor(SequencePreprocessor, Protocol):
    """Texts to tokens, for a target language."""

    def target(self, text: str, *, to: str | None = None) -> tuple[str | None, str]:
        """The language that a text asks for, else ``to``; and the text without its mark."""

    def encode(self, texts: Sequence[str], *, to: str | None = None) -> Sequence[Sequence[int]]:
        """The tokens of each text; ``to`` is the language of those that name none."""


def translate(
    loaded: Loaded, texts: Sequence[str], *, to: str | None = None, **options: Unpack[Options]
) -> list[Answer]:
    """Translate each text.

    Args:
        loaded: Its network is a `zoo.generation.Decoder`.
        texts: n of them, each of a sentence or a few: longer ones are cut at the model's limit.
        to: The target language, of a model that has several; a text may also begin with it:
            ``>>deu<< A dog.``
        options: See `zoo.tasks.sequence_to_sequence.Options`; the checkpoint's own by default,
            which of OPUS-MT are four beams.

    Raises:
        InputError: A text is empty, or asks for a language that the model does not have.
        TaskError: The model does not translate.
        UsageError: An option is out of range, or two contradict each other.
    """
    require(loaded, TASK)
    preprocessor: TranslationPreprocessor = loaded.preprocessor
    return run(loaded, TASK, texts, preprocessor.encode(texts, to=to), options)


def stream(
    loaded: Loaded, text: str, *, to: str | None = None, **options: Unpack[Options]
) -> Streamed:
    """Translate one text piece by piece, without beams; otherwise as `translate`."""
    require(loaded, TASK)
    preprocessor: TranslationPreprocessor = loaded.preprocessor
    return stream_sequence(loaded, TASK, preprocessor.encode([text], to=to)[0], options)
