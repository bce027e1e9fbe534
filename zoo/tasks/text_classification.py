"""``text-classification``: which of a checkpoint's classes a text belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.encoding import check_top_k, encode
from zoo.text import TokenBatch

TASK = "text-classification"


@dataclass(frozen=True)
class Label:
    """A class and its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True)
class Classified:
    """A text, or the name of a picture, and its classes, most probable first."""

    text: str
    labels: tuple[Label, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, dicts and numbers."""
        return asdict(self)


def classify(
    loaded: Loaded, texts: Sequence[str], *, top_k: int = 5, batch_tokens: int | None = None
) -> list[Classified]:
    """Classify each text with the checkpoint's own classes.

    Probabilities are a softmax over the classes; each class has its own sigmoid where the
    checkpoint says that several may hold at once.

    Args:
        loaded: Its network has ``encoder``, ``classify``, ``labels`` and ``multi_label``.
        texts: n of them.
        top_k: At most so many classes a text.
        batch_tokens: At most so many tokens a batch.

    Raises:
        InputError: A text is empty.
        TaskError: The model has no classification head.
        UsageError: ``top_k`` is below 1.
    """
    check_top_k(top_k)
    head = require(loaded, TASK)
    network: Any = loaded.network

    def read(hidden: Tensor, batch: TokenBatch) -> list[list[float]]:
        logits = head(batch.first(hidden)).float()  # (n, K)
        check_numbers(logits)
        scores: list[list[float]] = (
            logits.sigmoid() if network.multi_label else logits.softmax(dim=-1)
        ).tolist()
        return scores

    return [
        Classified(text, ranked(network.labels, scores)[:top_k])
        for text, scores in zip(
            texts, encode(loaded, texts, read, batch_tokens=batch_tokens), strict=True
        )
    ]


def ranked(labels: Sequence[str], scores: Sequence[float]) -> tuple[Label, ...]:
    """Labels with their scores, best first; equals keep their order."""
    pairs = sorted(zip(labels, scores, strict=True), key=lambda pair: -pair[1])
    return tuple(Label(label, score) for label, score in pairs)
