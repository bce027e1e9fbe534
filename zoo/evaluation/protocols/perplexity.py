"""Language modelling: how surprised is the model by whole texts?

A text's log-likelihood in windows that do not overlap, as lm-evaluation-harness's
``loglikelihood_rolling``. One sum, three denominators: tokens, which depend on the tokenizer, so
that models with different ones cannot be compared by it; words, split at white space; and bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from zoo.evaluation.instruments.likelihood import RollingLikelihood
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import text_of


class Perplexity:
    """Per word, byte and token.

    Words and bytes are counted in ``original`` where the benchmark gives it: WikiText's are those
    of the page before its tokens are put together again.
    """

    method = "log-likelihood of whole texts in windows that do not overlap"

    def __init__(self, setup: Setup) -> None:
        self.instruments: dict[str, Instrument] = {"rolling": RollingLikelihood(setup.model)}
        self.prompts: dict[str, Any] = {}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The text's log-likelihood."""
        return [Question("rolling", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Perplexities over all texts together."""
        originals = [
            str(sample.fields.get("original", sample.fields["text"])) for sample in samples
        ]
        details = [
            {
                "text": original[:200],
                "log_likelihood": total,
                "words": len(re.split(r"\s+", original)),
                "bytes": len(original.encode()),
                "tokens": tokens,
            }
            for original, [(total, tokens)] in zip(originals, answers, strict=True)
        ]
        total = math.fsum(each["log_likelihood"] for each in details)
        counts = {key: sum(each[key] for each in details) for key in ("words", "bytes", "tokens")}
        return Findings(
            [
                Metric("word_perplexity", _exp(-total / counts["words"])),
                Metric("byte_perplexity", _exp(-total / counts["bytes"])),
                Metric("bits_per_byte", -total / counts["bytes"] / math.log(2)),
                Metric("token_perplexity", _exp(-total / counts["tokens"])),
            ],
            details,
        )


def _exp(value: float) -> float:
    """As math.exp; infinity where a number is too large for it."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
