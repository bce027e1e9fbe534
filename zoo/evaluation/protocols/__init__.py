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
    "sentence-similarity": Task(frozenset({"first", "second", "score"})),
    "text-classification": Task(frozenset({"text", "label"})),
}

_HERE = "zoo.evaluation.protocols"

PROTOCOLS = {
    "cosine": Spec(
        f"{_HERE}.cosine:Cosine",
        frozenset({"sentence-similarity"}),
        ("feature-extraction",),
        "the cosine of the sentences' vectors",
    ),
    "nli": Spec(
        f"{_HERE}.nli:Inference",
        frozenset({"text-classification"}),
        ("zero-shot-classification",),
        "the class whose sentence the text entails most",
        frozenset({"template"}),
    ),
    "embedding": Spec(
        f"{_HERE}.embedding:Nearest",
        frozenset({"text-classification"}),
        ("feature-extraction",),
        "the class whose sentences' vector is nearest to the text's",
        frozenset({"templates"}),
    ),
    "cloze": Spec(
        f"{_HERE}.cloze:Cloze",
        frozenset({"text-classification"}),
        ("fill-mask",),
        "the class whose word is most probable in a gap after the text",
        frozenset({"template", "words"}),
    ),
    "own-classes": Spec(
        f"{_HERE}.own_classes:TextHead",
        frozenset({"text-classification"}),
        ("text-classification",),
        "the most probable of the checkpoint's own classes",
        frozenset({"labels"}),
    ),
}
