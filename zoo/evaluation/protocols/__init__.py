"""What can be asked, and the ways to measure it: two tables; no protocol is imported for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What is asked: the fields that each sample has, and those that it may have."""

    fields: frozenset[str]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spec:
    """A protocol, before it is imported.

    Args:
        target: The `zoo.evaluation.protocol.Measurement`, as ``module:class``.
        tasks: Those of `TASKS` that it measures.
        needs: The model can do one of these of its own tasks.
        settings: What a benchmark may set.
        splits: Of the data, that it takes.
        about: How it measures, in one line.
    """

    target: str
    tasks: frozenset[str]
    needs: tuple[str, ...]
    about: str
    settings: frozenset[str] = frozenset()
    splits: tuple[str, ...] = ("test",)


TASKS = {
    "image-classification": Task(frozenset({"picture", "label"})),
    "image-text-retrieval": Task(frozenset({"picture", "captions"})),
    "language-modeling": Task(frozenset({"text"}), frozenset({"original"})),
    "multiple-choice": Task(
        frozenset({"answer"}),
        frozenset({"context", "choices", "contexts", "continuation", "group"}),
    ),
    "sentence-similarity": Task(frozenset({"first", "second", "score"})),
    "word-prediction": Task(frozenset({"context", "word"})),
}

_HERE = "zoo.evaluation.protocols"

PROTOCOLS = {
    "zero-shot": Spec(
        f"{_HERE}.zero_shot:ZeroShot",
        frozenset({"image-classification"}),
        ("zero-shot-image-classification",),
        "which class's sentences are nearest to the picture",
        frozenset({"templates"}),
    ),
    "retrieval": Spec(
        f"{_HERE}.retrieval:Retrieval",
        frozenset({"image-text-retrieval"}),
        ("zero-shot-image-classification",),
        "whether a picture's captions are nearest to it, and it to them",
    ),
    "log-likelihood": Spec(
        f"{_HERE}.multiple_choice:MultipleChoice",
        frozenset({"multiple-choice"}),
        ("text-generation",),
        "which choice is the most probable after its context",
        frozenset({"delimiter"}),
    ),
    "last-word": Spec(
        f"{_HERE}.last_word:LastWord",
        frozenset({"word-prediction"}),
        ("text-generation",),
        "whether each token of the word is the most probable",
    ),
    "perplexity": Spec(
        f"{_HERE}.perplexity:Perplexity",
        frozenset({"language-modeling"}),
        ("text-generation",),
        "how probable whole texts are, in windows that do not overlap",
    ),
    "cosine": Spec(
        f"{_HERE}.cosine:Cosine",
        frozenset({"sentence-similarity"}),
        ("feature-extraction",),
        "the cosine of the sentences' vectors",
    ),
}
