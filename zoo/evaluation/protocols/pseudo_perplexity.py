"""Language modelling by a masked language model: pseudo-perplexity.

Salazar et al., "Masked Language Model Scoring", 2020, section 2.3: the exponential of minus the
mean pseudo-log-likelihood of all tokens. Each token sees what follows it, so that this is no
perplexity, and is not to be compared with one. https://arxiv.org/abs/1910.14659
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.evaluation.instruments.pseudo_likelihood import RollingPseudoLikelihood
from zoo.evaluation.protocol import Answer, Findings, Question, Sample, Setup
from zoo.evaluation.protocols.pseudo_choice import masking, within_word
from zoo.evaluation.resampling import interval
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import text_of
from zoo.evaluation.statistics import exponential


class PseudoPerplexity:
    """Over the tokens of all texts together."""

    method = "pseudo-log-likelihood of whole texts in windows that do not overlap"

    def __init__(self, setup: Setup) -> None:
        self.instruments = {
            "rolling": RollingPseudoLikelihood(setup.model, within_word=within_word(setup))
        }
        self.method = f"{type(self).method}; {masking(setup)}"
        self.prompts: dict[str, Any] = {}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The text's pseudo-log-likelihood."""
        return [Question("rolling", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """One number over all tokens."""
        details = [
            {"text": sample.fields["text"][:200], "pseudo_log_likelihood": total, "tokens": tokens}
            for sample, [(total, tokens)] in zip(samples, answers, strict=True)
        ]
        total = math.fsum(each["pseudo_log_likelihood"] for each in details)
        tokens = sum(each["tokens"] for each in details)
        values = {
            "pseudo_perplexity": exponential(-total / tokens),
            "pseudo_log_likelihood_per_token": total / tokens,
        }
        metrics = [
            Metric(name, value, None, *interval(name, details)) for name, value in values.items()
        ]
        return Findings(metrics, details)
