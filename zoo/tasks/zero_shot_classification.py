"""``zero-shot-classification``: any labels, by a model that knows what follows from a text.

Each label becomes a sentence, and the model says whether the text entails it.
Yin et al., "Benchmarking Zero-shot Text Classification", 2019. https://arxiv.org/abs/1909.00161
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from zoo.errors import TaskError
from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.encoding import encode
from zoo.tasks.labels import check_labels, check_templates
from zoo.tasks.text_classification import Classified, ranked
from zoo.text import TokenBatch
from zoo.text.preprocessor import check_texts

TASK = "zero-shot-classification"
TEMPLATE = "This example is {}."


def zero_shot(
    loaded: Loaded,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    template: str = TEMPLATE,
    multi_label: bool = False,
    batch_tokens: int | None = None,
) -> list[Classified]:
    """Classify each text with labels that the model was not trained on.

    A label's score is how much more the text entails ``template`` with this label than with the
    others (a softmax over labels); with ``multi_label``, how much more it entails than contradicts
    it.

    Args:
        loaded: A classifier trained on natural language inference.
        texts: n of them.
        labels: K different ones.
        template: A sentence with ``{}`` where the label goes.
        multi_label: Whether several labels may hold at once.
        batch_tokens: At most so many tokens a batch.

    Raises:
        InputError: A text or label is empty.
        TaskError: The model is no classifier, or its classes do not say which is entailment.
        UsageError: No labels, a label twice, or a template without ``{}``.
        TypeError: ``labels`` is one string, whose letters would be taken for labels.
    """
    require(loaded, TASK)
    check_labels(labels)
    check_templates([template])
    entailment_and_contradiction(loaded)
    check_texts(texts)
    if not texts:
        return []
    hypotheses = [template.replace("{}", label) for label in labels]
    pairs = judge(loaded, list(product(texts, hypotheses)), batch_tokens=batch_tokens)
    logits = pairs.unflatten(0, (len(texts), len(labels)))  # (n, K, 2)
    if multi_label or len(labels) == 1:
        scores = logits.softmax(dim=2)[:, :, 0]
    else:
        scores = logits[:, :, 0].softmax(dim=1)  # (n, K)
    return [
        Classified(text, ranked(labels, row))
        for text, row in zip(texts, scores.tolist(), strict=True)
    ]


def judge(
    loaded: Loaded, pairs: Sequence[tuple[str, str]], *, batch_tokens: int | None = None
) -> Tensor:
    """Logits of entailment and of contradiction for n pairs of a text and a hypothesis: (n, 2).

    Raises:
        InputError: A text or a hypothesis is empty, or a hypothesis leaves its text no room.
        TaskError: The model is no classifier, or its classes do not say which is entailment.
    """
    head = require(loaded, TASK)
    columns = entailment_and_contradiction(loaded)

    def read(hidden: Tensor, batch: TokenBatch) -> Sequence[Tensor]:
        logits = head(batch.first(hidden))[:, list(columns)].float().cpu()  # (k, 2)
        check_numbers(logits)
        return logits.unbind()

    return torch.stack(encode(loaded, pairs, read, batch_tokens=batch_tokens))


def entailment_and_contradiction(loaded: Loaded) -> tuple[int, int]:
    """The classes that mean entailment and contradiction, as the checkpoint names them.

    Raises:
        TaskError: The names do not tell; a guess would score the wrong class.
    """
    network: Any = loaded.network
    labels = [label.lower() for label in network.labels]
    entailment = [n for n, label in enumerate(labels) if label.startswith("entail")]
    # A two-class model calls it "not entailment".
    contradiction = [n for n, label in enumerate(labels) if label.startswith(("contra", "not"))]
    if len(entailment) != 1 or len(contradiction) != 1:
        raise TaskError(
            f"{loaded.entry.name} cannot do {TASK}: its classes are {', '.join(labels)}; "
            "one must be named entailment and one contradiction"
        )
    return entailment[0], contradiction[0]
