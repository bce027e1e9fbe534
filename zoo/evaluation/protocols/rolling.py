"""Language modelling: how well a model predicts whole texts, token after token.

One sum of log-probabilities has several perplexities, by what it is divided by, and published ones
are often compared though they are not of one kind; so all are here. Words are counted as they stand
between spaces, words and bytes in the ``original`` of a text where that is another: WikiText is
scored detokenised, and counted as it was published. Texts are read as lm-evaluation-harness reads
them: see `zoo.evaluation.instruments.likelihood.TextLikelihoods`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.evaluation.instruments.likelihood import TextLikelihoods
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.resampling import interval
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import text_of
from zoo.evaluation.statistics import exponential


class Rolling:
    """The log-likelihood of each text."""

    method = "log-likelihood of whole texts, each token scored once"

    def __init__(self, setup: Setup) -> None:
        self.instruments: Mapping[str, Instrument] = {"rolling": TextLikelihoods(setup.model)}
        self.prompts: Mapping[str, Any] = {}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """How probable the text is."""
        return [Question("rolling", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Perplexities over all texts."""
        details = []
        for sample, ((total, tokens),) in zip(samples, answers, strict=True):
            original = text_of(sample, "original" if "original" in sample.fields else "text")
            words = len(re.split(r"\s+", original))
            size = len(original.encode())
            details.append(
                {"log_likelihood": total, "words": words, "bytes": size, "tokens": tokens}
            )
        total = math.fsum(detail["log_likelihood"] for detail in details)
        counts = {
            name: sum(each[name] for each in details) for name in ("words", "bytes", "tokens")
        }
        values = {
            "word_perplexity": exponential(-total / counts["words"]),
            "byte_perplexity": exponential(-total / counts["bytes"]),
            "bits_per_byte": -total / counts["bytes"] / math.log(2),
            "token_perplexity": exponential(-total / counts["tokens"]),
        }
        metrics = [
            Metric(name, value, None, *interval(name, details)) for name, value in values.items()
        ]
        return Findings([*metrics, Metric("tokens", counts["tokens"])], details)
