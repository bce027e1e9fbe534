"""A linear classifier on the training split's frozen vectors, measured on the test split.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
section 3.2, https://arxiv.org/abs/2103.00020: multinomial logistic regression with an L2 penalty,
by L-BFGS. The problem is convex, so that all that solve it agree; here it is torch, in float64,
since that is installed anyway, and the solution is scikit-learn's LogisticRegression's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import UsageError, ZooWarning
from zoo.evaluation.classification import judged
from zoo.evaluation.protocol import Answer, Findings, Sample, Setup
from zoo.evaluation.protocols.frozen import Frozen, positive

# OpenAI's example takes 0.316 for CLIP's vectors as they are, of length 10 or so; ours have length
# 1, for which a hundred times as much is the same penalty.
_C = 31.6

_STEPS = 1000
_FLAT = 1e-6  # of the mean loss's gradient, where the search ends


class LinearProbe(Frozen):
    """Accuracy of logistic regression.

    The benchmark may set ``C``, scikit-learn's inverse strength of the penalty: what is minimised
    is C · (sum of the losses) + ½ · (sum of the squared weights), biases free.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._C = positive(setup, "C", _C)
        self.method = f"logistic regression on frozen vectors of length 1, L2 with C = {self._C:g}"
        self.prompts: dict[str, Any] = {"classes": list(self.classes)}

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracies.

        Raises:
            UsageError: The training split has a single class.
        """
        train, test = self.split(samples, answers)
        there, numbered = train.labels.unique(return_inverse=True)
        if len(there) < 2:
            raise UsageError(
                f"the split 'train' has the class {self.classes[int(there[0])]!r} alone; "
                "a classifier takes two or more"
            )
        weight, bias = fit(train.vectors, numbered, C=self._C)
        # What was never seen is never said.
        scores = torch.full((len(test.samples), len(self.classes)), -torch.inf).double()
        scores[:, there] = test.vectors.double() @ weight.T + bias
        best = scores.argsort(dim=1, descending=True, stable=True)[:, :5].tolist()
        labels = test.labels.tolist()
        return judged(test.samples, labels, [row[0] for row in best], best, self.classes)


def fit(vectors: Tensor, labels: Tensor, *, C: float) -> tuple[Tensor, Tensor]:
    """Fit logistic regression: vectors (n, D) and classes (n,) -> weight (K, D), bias (K,).

    Args:
        vectors: Of the training split.
        labels: From 0 to K - 1, each of them at least once.
        C: Inverse strength of the penalty, as scikit-learn has it.
    """
    x = vectors.double()
    n, K = len(x), int(labels.max()) + 1
    weight = torch.zeros(K, x.size(1), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(K, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_STEPS,
        history_size=20,
        tolerance_grad=_FLAT,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        """Divided by n · C, so that one tolerance suits all sizes."""
        search.zero_grad()
        value = F.cross_entropy(x @ weight.T + bias, labels) + weight.square().sum() / (2 * n * C)
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
        loss()
    steepest = max(each.grad.abs().max().item() for each in (weight, bias) if each.grad is not None)
    if steepest > 10 * _FLAT:
        warnings.warn(
            f"the linear probe has not settled after {_STEPS} steps: its loss still falls by "
            f"{steepest:.1e}; a smaller C settles earlier",
            ZooWarning,
            stacklevel=2,
        )
    return weight.detach(), bias.detach()
