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
    "language-modeling": Task(frozenset({"text"}), frozenset({"original"})),
    "multiple-choice": Task(
        frozenset({"choices", "answer"}), frozenset({"context", "continuation", "group"})
    ),
    "sentence-similarity": Task(frozenset({"first", "second", "score"})),
    "text-classification": Task(frozenset({"text", "label"})),
    "word-prediction": Task(frozenset({"context", "word"})),
}

_HERE = "zoo.evaluation.protocols"

PROTOCOLS = {
    "cosine": Spec(
        f"{_HERE}.cosine:Cosine",
        frozenset({"sentence-similarity"}),
        ("feature-extraction",),
        "the cosine of the sentences' vectors",
    ),
    "log-likelihood": Spec(
        f"{_HERE}.log_likelihood:LogLikelihood",
        frozenset({"multiple-choice", "text-classification"}),
        ("text-generation", "text2text-generation"),
        "the choice that is most probable after the context",
        frozenset({"context", "words", "delimiter"}),
    ),
    "last-word": Spec(
        f"{_HERE}.last_word:LastWord",
        frozenset({"word-prediction"}),
        ("text-generation", "text2text-generation"),
        "whether each token of the word is the most probable, and the word's perplexity",
    ),
    "rolling": Spec(
        f"{_HERE}.rolling:Rolling",
        frozenset({"language-modeling"}),
        ("text-generation",),
        "the perplexity of whole texts: for each word, byte and token",
    ),
}
