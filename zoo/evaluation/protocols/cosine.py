"""Sentence similarity: do the cosines of vectors rank pairs as people do?

Cer et al., "SemEval-2017 Task 1: Semantic Textual Similarity", 2017; reported as Spearman's
correlation, as sentence-transformers' EmbeddingSimilarityEvaluator and MTEB do.
https://arxiv.org/abs/1708.00055
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.nn import functional as F

from zoo.evaluation.instruments.vectors import TextVectors
from zoo.evaluation.protocol import Answer, Findings, Question, Sample, Setup
from zoo.evaluation.samples import number_of, text_of
from zoo.evaluation.statistics import pearson, spearman


class Cosine:
    """The cosine of two sentences' vectors, against the score that people gave the pair."""

    method = "cosine of the sentences' vectors"

    def __init__(self, setup: Setup) -> None:
        self.instruments = {"text": TextVectors(setup.model)}
        self.prompts: dict[str, Any] = {}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The vector of each sentence."""
        return [Question("text", text_of(sample, name)) for name in ("first", "second")]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Correlations over all pairs."""
        cosines = [F.cosine_similarity(first, second, dim=0).item() for first, second in answers]
        scores = [number_of(sample, "score") for sample in samples]
        details = [
            {"first": s.fields["first"], "second": s.fields["second"], "gold": gold, "cosine": x}
            for s, gold, x in zip(samples, scores, cosines, strict=True)
        ]
        metrics = [spearman("spearman", cosines, scores), pearson("pearson", cosines, scores)]
        return Findings(metrics, details)
