"""The nearest neighbours in the training split vote for a picture's class; nothing is trained.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", 2018,
section 3.4, https://arxiv.org/abs/1805.01978; as DINO's eval_knn.py has it: cosines, a neighbour's
vote weighs exp(cosine / 0.07), of 20 neighbours, https://arxiv.org/abs/2104.14294.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zoo.errors import RegistryError
from zoo.evaluation.classification import judged
from zoo.evaluation.protocol import Answer, Findings, Sample, Setup
from zoo.evaluation.protocols.frozen import Frozen, positive

_ROWS = 1024  # pictures compared at once


class Neighbours(Frozen):
    """Accuracy of the neighbours' vote.

    The benchmark may set ``k``, how many neighbours vote, and ``temperature``.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._k = positive(setup, "k", 20)
        if not isinstance(self._k, int):
            raise RegistryError(
                f"{setup.benchmark.file}: k of {setup.benchmark.name} is {self._k}; "
                "expected a whole number"
            )
        self._temperature = positive(setup, "temperature", 0.07)
        self.method = (
            f"vote of the {self._k} nearest in the training split by cosine, "
            f"weighed exp(cosine / {self._temperature:g})"
        )
        self.prompts: dict[str, Any] = {"classes": list(self.classes)}

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracies; where the training split has fewer than k pictures, all of them vote."""
        train, test = self.split(samples, answers)
        votes = torch.zeros(len(test.samples), len(self.classes), dtype=torch.float64)  # (n, K)
        for start in range(0, len(votes), _ROWS):
            cosines = test.vectors[start : start + _ROWS] @ train.vectors.T
            near = cosines.double().topk(min(int(self._k), cosines.size(1)), dim=1)  # (rows, k)
            weights = (near.values / self._temperature).exp()
            votes[start : start + _ROWS].scatter_add_(1, train.labels[near.indices], weights)
        best = votes.argsort(dim=1, descending=True, stable=True)[:, :5].tolist()
        labels = test.labels.tolist()
        return judged(test.samples, labels, [row[0] for row in best], best, self.classes)
