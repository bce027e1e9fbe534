"""``zero-shot-image-classification``: any labels, by a model that sees and reads.

Each label becomes a sentence, or several, and the picture goes to the nearest.
Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
section 3.1. https://arxiv.org/abs/2103.00020
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from zoo.errors import UsageError, ZooWarning
from zoo.image import Picture, picture_name
from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.encoding import check_top_k
from zoo.tasks.labels import check_labels, check_templates
from zoo.tasks.seeing import OnError, see
from zoo.tasks.text_classification import Classified, ranked
from zoo.tasks.two_towers import embed_texts, mean_vector

TASK = "zero-shot-image-classification"


@dataclass(frozen=True)
class Classes:
    """Labels, and where they lie among pictures: ``vectors`` is (K, E), each of length 1."""

    labels: tuple[str, ...]
    vectors: Tensor


def prepare_classes(
    loaded: Loaded,
    labels: Sequence[str],
    *,
    template: str | Sequence[str] | None = None,
    batch_tokens: int | None = None,
) -> Classes:
    """Embed labels once, for any number of pictures.

    Of several templates each sentence is embedded; a label's vector is their `mean_vector`.

    Args:
        loaded: Its network is one of `zoo.tasks.two_towers.TwoTowers`.
        labels: K different ones.
        template: A sentence with ``{}`` where the label goes, or several; by default the
            checkpoint's.
        batch_tokens: At most so many tokens a batch.

    Raises:
        InputError: A label is empty.
        TaskError: The model does not see and read.
        UsageError: No label, a label twice, a single one where labels compete, or a template
            without ``{}``.
        TypeError: ``labels`` is one string, whose letters would be taken for labels.
    """
    require(loaded, TASK)
    check_labels(labels)
    network: Any = loaded.network
    if len(labels) == 1 and network.exclusive:
        raise UsageError(
            f"{loaded.entry.name} shares 100 % among the labels, so {labels[0]!r} alone would get "
            "them all, whatever a picture shows; give another label to compare with"
        )
    given = loaded.preprocessor.template if template is None else template
    templates = [given] if isinstance(given, str) else list(given)
    check_templates(templates)
    warn_of_twins(loaded, labels, templates)
    prompts = [each.replace("{}", label) for label in labels for each in templates]
    vectors = embed_texts(loaded, prompts, batch_tokens=batch_tokens)
    sentences = vectors.unflatten(0, (len(labels), len(templates)))  # (K, templates, E)
    return Classes(tuple(labels), mean_vector(sentences))


def zero_shot_pictures(
    loaded: Loaded,
    pictures: Sequence[Picture],
    classes: Classes,
    *,
    top_k: int | None = None,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> list[Classified]:
    """Classify each picture with labels that the model was not trained on.

    A label's score is its share of 100 % with CLIP, and a probability of its own with SigLIP.

    Args:
        loaded: Its network is one of `zoo.tasks.two_towers.TwoTowers`.
        pictures: n of them.
        classes: From `prepare_classes`.
        top_k: At most so many labels a picture; all unless given.
        batch_size: At most so many pictures a batch.
        on_error: What to do with a picture that cannot be decoded, which then has no labels; raise
            its error unless given.

    Raises:
        InputError: A picture cannot be decoded.
        TaskError: The model does not see and read.
        UsageError: ``top_k`` or ``batch_size`` is below 1.
    """
    require(loaded, TASK)
    if top_k is not None:
        check_top_k(top_k)
    network: Any = loaded.network
    vectors = classes.vectors.to(loaded.device)

    def read(pixels: Tensor) -> list[list[float]]:
        seen = F.normalize(network.embed_images(pixels).float(), dim=-1)  # (k, E)
        check_numbers(seen)
        scores: list[list[float]] = network.probabilities(seen @ vectors.T).tolist()
        return scores

    results = see(loaded, pictures, read, batch_size=batch_size, on_error=on_error)
    return [
        Classified(
            picture_name(picture, number),
            () if scores is None else ranked(classes.labels, scores)[:top_k],
        )
        for number, (picture, scores) in enumerate(zip(pictures, results, strict=True))
    ]


def warn_of_twins(loaded: Loaded, labels: Sequence[str], templates: Sequence[str]) -> None:
    """Warn of labels that are different texts, and the same to the model.

    Args:
        loaded: Its network is one of `zoo.tasks.two_towers.TwoTowers`.
        labels: Different texts.
        templates: Sentences with ``{}``, of which the first is tried.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)  # what is cut is said when it is embedded
        tokens = loaded.preprocessor.text([templates[0].replace("{}", each) for each in labels])
    seen: dict[tuple[int, ...], str] = {}
    for label, row in zip(labels, map(tuple, tokens), strict=True):
        if row in seen:
            warnings.warn(
                f"labels {seen[row]!r} and {label!r} are the same to this model, and always tie",
                ZooWarning,
                stacklevel=3,
            )
        seen.setdefault(row, label)
