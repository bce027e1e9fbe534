"""Zero-shot image classification: the class whose sentences lie nearest to the picture.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
sections 3.1.2 to 3.1.4, https://arxiv.org/abs/2103.00020; as CLIP_benchmark's
metrics/zeroshot_classification.py: each class's vector is the mean over all templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zoo.evaluation.classification import class_questions, classes_of, judged, templates_of
from zoo.evaluation.instruments.towers import CaptionVectors, PictureVectors
from zoo.evaluation.instruments.vectors import MeanVectors
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.samples import label_of, picture_of
from zoo.tasks.zero_shot_image_classification import warn_of_twins


class ZeroShot:
    """Accuracy among the best 1 and 5, and the mean over classes of their own accuracy.

    The benchmark may set ``templates``, sentences with ``{}`` for the class; by default it is the
    model's own.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._classes = classes_of(setup.benchmark)
        templates = templates_of(setup, setup.model.preprocessor.template)
        self.method = f"zero-shot, {len(templates)} templates a class"
        if len(templates) == 1:
            self.method = f"zero-shot, template {templates[0]!r}"
        self.instruments: dict[str, Instrument] = {
            "picture": PictureVectors(setup.model),
            "class": MeanVectors(CaptionVectors(setup.model)),
        }
        self.shared = class_questions("class", self._classes, templates)
        self.prompts: dict[str, Any] = {"templates": templates, "classes": list(self._classes)}
        # Two classes of ImageNet have the name of another one, and always tie with it.
        warn_of_twins(setup.model, list(dict.fromkeys(self._classes)), templates)

    def prepare(self, answers: Sequence[Answer]) -> None:
        """Each class's vector."""
        self._vectors = torch.stack([*answers])  # (K, E)

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The picture's vector."""
        label_of(sample, self._setup.benchmark, self._classes)
        return [Question("picture", picture_of(sample))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracies."""
        vectors = torch.stack([vector for [vector] in answers])  # (n, E)
        scores = vectors @ self._vectors.T  # (n, K)
        best = scores.topk(min(5, scores.size(1)), dim=1).indices.tolist()
        predicted = scores.argmax(dim=1).tolist()
        labels = [label_of(each, self._setup.benchmark, self._classes) for each in samples]
        return judged(samples, labels, predicted, best, self._classes)
