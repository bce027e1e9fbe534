"""LAMBADA: does a model know how a passage ends?

Paperno et al., "The LAMBADA dataset", 2016, https://arxiv.org/abs/1606.06031; measured as
lm-evaluation-harness does: ``acc`` is the share of samples where each token of the word is the most
probable, ``perplexity`` that of a whole word, whose standard error is bootstrapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.evaluation.instruments.likelihood import continuation_likelihoods
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.protocols.log_likelihood import DELIMITER, truncated
from zoo.evaluation.samples import text_of
from zoo.evaluation.statistics import perplexity, proportion


class LastWord:
    """The word that follows a context."""

    method = "greedy last word, and its perplexity"

    def __init__(self, setup: Setup) -> None:
        self.instruments: Mapping[str, Instrument] = {
            "choices": continuation_likelihoods(setup.model)
        }
        self.prompts: Mapping[str, Any] = {"delimiter": DELIMITER}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """How probable the word is."""
        pair = [text_of(sample, "context"), DELIMITER + text_of(sample, "word")]
        return [Question("choices", [pair])]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and perplexity."""
        details = [
            {
                "context": sample.fields["context"],
                "word": sample.fields["word"],
                "score": float(greedy),
                "log_likelihood": total,
                "tokens": tokens,
                "cut": cut,
            }
            for sample, (((total, greedy, tokens, cut),),) in zip(samples, answers, strict=True)
        ]
        hits = [detail["score"] == 1 for detail in details]
        totals = [detail["log_likelihood"] for detail in details]
        metrics = [proportion("acc", hits), perplexity("perplexity", totals), *truncated(details)]
        return Findings(metrics, details)
