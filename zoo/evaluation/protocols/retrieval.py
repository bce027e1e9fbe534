"""Image-text retrieval: is what belongs together among the nearest?

As CLIP_benchmark's metrics/zeroshot_retrieval.py: a query counts 1 if any that belongs to it is
among its k nearest. ``image_retrieval`` asks with texts, ``text_retrieval`` with pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.evaluation.instruments.towers import CaptionVectors, PictureVectors
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.samples import picture_of
from zoo.evaluation.statistics import proportion

_NEAREST = (1, 5, 10)
_ROWS = 1024  # queries compared at once


class Retrieval:
    """Recall among the 1, 5 and 10 nearest, both ways; captions as they are, without template."""

    method = "cosine of picture and caption"

    def __init__(self, setup: Setup) -> None:
        self.instruments: dict[str, Instrument] = {
            "picture": PictureVectors(setup.model),
            "caption": CaptionVectors(setup.model),
        }
        self.prompts: dict[str, Any] = {}

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The vectors of the picture and of each caption."""
        captions = _captions(sample)
        if not isinstance(captions, list) or not captions or not all(map(_is_text, captions)):
            raise InputError(f"{sample.place}: captions are {captions!r:.40}; expected texts")
        asked = [Question("caption", caption) for caption in captions]
        return [Question("picture", picture_of(sample)), *asked]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Recalls over all pictures and all captions."""
        pictures = torch.stack([row[0] for row in answers])  # (n, E)
        captions = torch.stack([vector for row in answers for vector in row[1:]])  # (m, E)
        owners = torch.tensor([n for n, row in enumerate(answers) for _ in row[1:]])  # (m,)
        by_text = _ranks(captions, pictures, owners[:, None] == torch.arange(len(pictures)))
        by_picture = _ranks(pictures, captions, torch.arange(len(pictures))[:, None] == owners)
        metrics = [
            proportion(f"{name}_recall@{k}", [rank < k for rank in ranks])
            for name, ranks in (("image_retrieval", by_text), ("text_retrieval", by_picture))
            for k in _NEAREST
        ]
        ranks_of: list[list[int]] = [[] for _ in samples]
        for owner, rank in zip(owners.tolist(), by_text, strict=True):
            ranks_of[owner].append(rank + 1)
        details = [
            {
                "picture": picture_of(sample).name,
                "captions": _captions(sample),
                "nearest_own_caption": rank + 1,
                "picture_ranks": ranks,
                "score": float(rank == 0),
            }
            for sample, rank, ranks in zip(samples, by_picture, ranks_of, strict=True)
        ]
        return Findings(metrics, details)


def _captions(sample: Sample) -> Any:  # noqa: ANN401 (whatever the data has there)
    """A list as it is; of a text, as in CLIP_benchmark's copies, each line that says something."""
    given = sample.fields["captions"]
    if isinstance(given, str):
        return [each for each in given.splitlines() if each.strip()]
    return given


def _is_text(caption: object) -> bool:
    return isinstance(caption, str) and bool(caption.strip())


def _ranks(queries: Tensor, others: Tensor, positive: Tensor) -> list[int]:
    """For each query how many others are nearer than the nearest that belongs to it."""
    ranks: list[int] = []
    for start in range(0, len(queries), _ROWS):
        scores = queries[start : start + _ROWS] @ others.T
        own = scores.masked_fill(~positive[start : start + _ROWS], -torch.inf).amax(1)
        ranks += (scores > own[:, None]).sum(1).tolist()
    return ranks
