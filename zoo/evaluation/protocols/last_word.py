"""LAMBADA: can the model say the last word of a passage?

Paperno et al., "The LAMBADA dataset: Word prediction requiring a broad discourse context", 2016.
https://arxiv.org/abs/1606.06031. As lm-evaluation-harness: ``acc`` is the share of samples where
each token of the word is the most probable one, ``perplexity`` that of the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.evaluation.instruments.likelihood import LogLikelihood
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.samples import text_of
from zoo.evaluation.statistics import perplexity, proportion


class LastWord:
    """The log-likelihood of a word, with a space before it, after its context."""

    method = "log-likelihood of the last word, and whether greedy decoding says it"

    def __init__(self, setup: Setup) -> None:
        self.instruments: dict[str, Instrument] = {"log-likelihood": LogLikelihood(setup.model)}
        self.prompts: dict[str, Any] = {}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The word's log-likelihood."""
        word = " " + text_of(sample, "word").strip()
        return [Question("log-likelihood", [text_of(sample, "context"), [word]])]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy, and perplexity per word."""
        scores = [answer[0][0] for answer in answers]
        details = [
            {
                **sample.fields,
                "log_likelihood": score,
                "greedy": bool(greedy),
                "score": float(greedy),
            }
            for sample, (score, greedy) in zip(samples, scores, strict=True)
        ]
        metrics = [
            proportion("acc", [bool(greedy) for _, greedy in scores]),
            perplexity("perplexity", [score for score, _ in scores]),
        ]
        return Findings(metrics, details)
