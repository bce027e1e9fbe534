"""Pictures of classes and of captions made for a test, and a tiny CLIP of open_clip's to see them.

What CLIP_benchmark takes is made from the same files: a loader of its batches, and open_clip's
transform and network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import Tensor

import zoo
from tests import clip
from tests.pictures import encoded, noise
from zoo.evaluation import Benchmark
from zoo.evaluation.benchmark import Placed, Source

CLASSES = ("cat", "dog", "tree", "car", "boat", "red bus")
TEMPLATES = ("a photo of a {}.", "the {}", "a small {} in the park.")
CAPTIONS = ("a dog runs", "two cats on a mat", "the red bus", "a tree", "boats at sea", "a car")


def save(folder: Path) -> tuple[zoo.Model, Any, Callable[[Sequence[str]], Tensor]]:
    """A random CLIP as zoo has it and as open_clip has it, and a tokenizer for the latter."""
    config = clip.open_clip_config(clip.save_byte_pairs(folder), quick_gelu=True)
    theirs = clip.save_open_clip(folder, config)
    model = clip.load(folder)

    def tokenize(texts: Sequence[str]) -> Tensor:
        rows = clip.rows(model, texts)
        return torch.tensor([row + [0] * (17 - len(row)) for row in rows])

    return model, theirs, tokenize


def transform() -> Callable[[Image.Image], Tensor]:
    """open_clip's, for the checkpoint of `save`."""
    made: Callable[[Image.Image], Tensor] = open_clip.image_transform(
        clip.IMAGE_SIZE, is_train=False, mean=clip.OPENAI_MEAN, std=clip.OPENAI_STD
    )
    return made


def class_folders(folder: Path, counts: Sequence[int], *, seed: int = 0) -> Path:
    """A folder for each class, with so many pictures, which are alike in their colours."""
    number = seed
    for which, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
        (folder / name).mkdir(parents=True)
        tint = np.random.default_rng(which).integers(0, 256, 3)
        for each in range(count):
            number += 1
            pixels = np.asarray(noise(40 + number % 7, 35, seed=number)) // 2 + tint // 2
            picture = Image.fromarray(pixels.astype(np.uint8))
            (folder / name / f"{each}.png").write_bytes(encoded(picture, "PNG"))
    return folder


def classification(*, classes: Sequence[str] = CLASSES, **settings: dict[str, Any]) -> Benchmark:
    """A benchmark of folders of classes ``test`` and ``train``; settings by protocol."""
    templates = [Placed(each, "made.yaml:1") for each in TEMPLATES]
    protocols = {name.replace("_", "-"): values for name, values in settings.items()}
    return Benchmark(
        name="made",
        task="image-classification",
        summary="Made for a test",
        metric="acc1",
        data={"test": Source(files=("test",)), "train": Source(files=("train",))},
        forms=({"picture": Placed("picture", "made:1"), "label": Placed("label", "made:1")},),
        protocols={"zero-shot": {"templates": templates}, **protocols},
        classes=tuple(classes),
    )


class Loaded:
    """What CLIP_benchmark asks of a DataLoader: batches of pictures and targets, and classes."""

    def __init__(self, pictures: Sequence[Path], targets: Sequence[Any], *, stacked: bool) -> None:
        self._pictures, self._targets, self._stacked = pictures, targets, stacked
        self.dataset = self
        self.classes = list(CLASSES)

    def __iter__(self) -> Any:  # noqa: ANN401 (batches)
        see = transform()
        for start in range(0, len(self._pictures), 8):
            some = slice(start, start + 8)
            images = torch.stack([see(Image.open(path)) for path in self._pictures[some]])
            targets = self._targets[some]
            yield images, torch.tensor(targets) if self._stacked else targets
