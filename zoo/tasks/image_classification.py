"""``image-classification``: which of a checkpoint's classes a picture belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from zoo.image import Picture, picture_name
from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.encoding import check_top_k
from zoo.tasks.seeing import OnError, see
from zoo.tasks.text_classification import Classified, ranked

TASK = "image-classification"


def classify_pictures(
    loaded: Loaded,
    pictures: Sequence[Picture],
    *,
    top_k: int = 5,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> list[Classified]:
    """Classify each picture with the checkpoint's own classes.

    Probabilities are a softmax over the classes; each class has its own sigmoid where the
    checkpoint says that several may hold at once.

    Args:
        loaded: Its network has ``classify_images``, ``labels`` and ``multi_label``.
        pictures: n of them.
        top_k: At most so many classes a picture.
        batch_size: At most so many pictures a batch.
        on_error: What to do with a picture that cannot be decoded, which then has no labels; raise
            its error unless given.

    Raises:
        InputError: A picture cannot be decoded.
        TaskError: The model has no classification head.
        UsageError: ``top_k`` or ``batch_size`` is below 1.
    """
    check_top_k(top_k)
    results = class_probabilities(loaded, pictures, batch_size=batch_size, on_error=on_error)
    network: Any = loaded.network
    return [
        Classified(
            picture_name(picture, number),
            () if scores is None else ranked(network.labels, scores.tolist())[:top_k],
        )
        for number, (picture, scores) in enumerate(zip(pictures, results, strict=True))
    ]


def class_probabilities(
    loaded: Loaded,
    pictures: Sequence[Picture],
    *,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> list[Tensor | None]:
    """The probabilities of all K classes for each picture, (K,) on the CPU, in the network's order.

    Arguments and errors are those of `classify_pictures`; None for what ``on_error`` took.
    """
    head = require(loaded, TASK)
    network: Any = loaded.network

    def read(pixels: Tensor) -> Sequence[Tensor]:
        logits = head(pixels).float()  # (k, K)
        check_numbers(logits)
        scores = logits.sigmoid() if network.multi_label else logits.softmax(dim=-1)
        return scores.cpu().unbind()

    return see(loaded, pictures, read, batch_size=batch_size, on_error=on_error)
