"""``text2text-generation``: a text that says what to do, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Unpack

from zoo.loading import Loaded
from zoo.tasks import require
from zoo.tasks.sequence_to_sequence import Answer, Options, SequencePreprocessor, run
from zoo.tasks.sequence_to_sequence import stream as stream_sequence
from zoo.tasks.streaming import Streamed

TASK = "text2text-generation"


class TextPreprocessor(SequencePreprocessor, Protocol):
    """Texts to tokens."""

    def encode(self, texts: Sequence[str]) -> Sequence[Sequence[int]]:
        """The tokens of each text."""


def answer(loaded: Loaded, texts: Sequence[str], **options: Unpack[Options]) -> list[Answer]:
    """Answer each text: ``translate English to German: A dog.``, or a question.

    Args:
        loaded: Its network is a `zoo.generation.Decoder`.
        texts: n of them.
        options: See `zoo.tasks.sequence_to_sequence.Options`; the checkpoint's own by default.

    Raises:
        InputError: A text is empty.
        TaskError: The model does not turn a text into another.
        UsageError: An option is out of range, or two contradict each other.
    """
    require(loaded, TASK)
    preprocessor: TextPreprocessor = loaded.preprocessor
    return run(loaded, TASK, texts, preprocessor.encode(texts), options)


def stream(loaded: Loaded, text: str, **options: Unpack[Options]) -> Streamed:
    """Answer one text piece by piece, without beams; otherwise as `answer`."""
    require(loaded, TASK)
    preprocessor: TextPreprocessor = loaded.preprocessor
    return stream_sequence(loaded, TASK, preprocessor.encode([text])[0], options)
