"""One text in, another out: the step that translation and text-to-text share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from zoo.errors import UsageError
from zoo.generation import Decoder, Finish, Generated, Settings, State, generate, steps
from zoo.generation.settings import Choices
from zoo.loading import Loaded
from zoo.nn import pack_linears
from zoo.tasks import require
from zoo.tasks.streaming import Streamed
from zoo.text import TextStream

# Rows at once, by default. A step reads all weights whatever it computes, and what a row remembers
# is small: sources are short, answers too. On two threads 256 sentences of Marian's size took 9.4 s
# with 32 rows at once, 7.4 with 64, 6.3 with 128 and 6.6 with 256; with four beams 23.7 with 64,
# 19.7 with 128 and 18.1 with 256 (32 tokens each).
_SLOTS = 128


class Options(Choices, total=False):
    """How tokens are chosen: as the checkpoint's authors do by default."""


class SequencePreprocessor(Protocol):
    """What the checkpoint's files say of its texts."""

    @property
    def settings(self) -> Settings:
        """How its authors generate."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""


@dataclass(frozen=True)
class Candidate:
    """One answer.

    ``tokens`` is how many were generated for it, and ``finish`` why it ends: by its end token
    (``end``) or by its allowed ``length``. ``score`` is what beams compare: the log-probability
    over the length to the power of the length penalty; None without beams.
    """

    text: str
    tokens: int
    finish: Finish
    score: float | None


@dataclass(frozen=True)
class Answer:
    """A text and what became of it, best first where beams compare them."""

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """The text of the first candidate."""
        return self.candidates[0].text

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, dicts and numbers."""
        return asdict(self)


def run(
    loaded: Loaded,
    task: str,
    texts: Sequence[str],
    rows: Sequence[Sequence[int]],
    options: Mapping[str, Any],
) -> list[Answer]:
    """Generate an answer for each text.

    Texts of like length share a batch; the answers are those of one by one.

    Args:
        loaded: Its network is a `zoo.generation.Decoder`, its preprocessor as above.
        task: For the message, if it cannot.
        texts: n of them.
        rows: Their token numbers.
        options: See `Options`.

    Raises:
        TaskError: The model does not do the task.
        UsageError: An option is out of range, or two contradict each other.
    """
    decoder = _decoder(loaded, task)
    preprocessor: SequencePreprocessor = loaded.preprocessor
    settings = _settings(preprocessor.settings, _chosen(options))
    results = generate(decoder, rows, settings, slots=options.get("slots", _SLOTS))
    return [
        Answer(text, tuple(_candidate(each, preprocessor) for each in candidates))
        for text, candidates in zip(texts, results, strict=True)
    ]


def stream(
    loaded: Loaded, task: str, tokens: Sequence[int], options: Mapping[str, Any]
) -> Streamed:
    """Generate the answer for one text, piece by piece.

    All pieces together are the text that `run` gives. Arguments and errors are those of `run`.

    Raises:
        UsageError: The settings, which may be the checkpoint's own, search with beams, whose text
            is certain at its end only.
    """
    decoder = _decoder(loaded, task)
    if not streams(loaded, options):
        raise UsageError(
            "a search with beams cannot be streamed, nor several sequences; give num_beams=1"
        )
    settings = _settings(loaded.preprocessor.settings, _chosen(options))
    return Streamed(steps(decoder, [tokens], settings), TextStream(loaded.preprocessor))


def streams(loaded: Loaded, options: Mapping[str, Any]) -> bool:
    """Whether a text can be streamed with these options, and the checkpoint's for the others."""
    settings = _settings(loaded.preprocessor.settings, _chosen(options))
    return settings.num_beams == 1 and settings.sequences == 1


def _decoder(loaded: Loaded, task: str) -> Decoder[State]:
    require(loaded, task)
    pack_linears(loaded.network)
    return loaded.network  # type: ignore[return-value]  # what `prefill` says


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are settings."""
    return {name: value for name, value in options.items() if name != "slots"}


def _settings(published: Settings, chosen: Mapping[str, Any]) -> Settings:
    """The checkpoint's settings, but for what was chosen."""
    if chosen.get("temperature", 0) > 0:
        # Whoever draws does not search, and the authors' beams were for their own way.
        published = replace(published, num_beams=1)
    elif "num_beams" in chosen:
        published = replace(published, temperature=0.0, top_k=0, top_p=1.0, min_p=0.0)
    return replace(published, **chosen)


def _candidate(generated: Generated, preprocessor: SequencePreprocessor) -> Candidate:
    return Candidate(
        preprocessor.decode(generated.tokens),
        len(generated.tokens),
        generated.finish,
        generated.score,
    )
