"""Classification by the classes that a checkpoint was trained for, of texts and of pictures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from zoo.errors import RegistryError, TaskError
from zoo.evaluation.classification import classes_of, classified, judged
from zoo.evaluation.instruments.judging import OwnClasses, OwnClassesOfPictures
from zoo.evaluation.protocol import Answer, Findings, Measurement, Question, Sample, Setup
from zoo.evaluation.samples import label_of, picture_of, text_of
from zoo.image.labels import imagenet_labels, imagenet_synsets
from zoo.tasks import require

_NUMBERED = re.compile(r"(?:label_)?(\d+)")
_ORDER = "imagenet-1k"
_METHOD = "the most probable of the checkpoint's own classes"


def own_classes(setup: Setup) -> Measurement:
    """What suits the benchmark's task."""
    pictures = setup.benchmark.task == "image-classification"
    return PictureHead(setup) if pictures else TextHead(setup)


class TextHead:
    """The checkpoint's own probabilities, of those of its classes that the benchmark has."""

    method = _METHOD

    def __init__(self, setup: Setup) -> None:
        self._benchmark = setup.benchmark
        classes = OwnClasses(setup.model)
        self._columns = _columns(setup, classes.labels)
        self.instruments = {"classes": classes}
        named = [classes.labels[number] for number in self._columns]
        self.prompts: dict[str, Any] = {
            "classes": dict(zip(classes_of(setup.benchmark), named, strict=True))
        }

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The text."""
        return [Question("classes", text_of(sample, "text"))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracy and its kin."""
        scores = [row[self._columns].tolist() for (row,) in answers]
        return classified(samples, self._benchmark, scores, shown="text")


class PictureHead:
    """As `TextHead`, of pictures."""

    method = _METHOD

    def __init__(self, setup: Setup) -> None:
        require(setup.model, "image-classification")
        network: Any = setup.model.network
        self._benchmark = setup.benchmark
        self._classes = classes_of(setup.benchmark)
        columns = _columns(setup, network.labels)
        self.instruments = {"classes": OwnClassesOfPictures(setup.model, columns)}
        self.prompts: dict[str, Any] = {
            "classes": list(self._classes),
            "own": [network.labels[number] for number in columns],
        }

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The picture."""
        label_of(sample, self._benchmark, self._classes)
        return [Question("classes", picture_of(sample))]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracies."""
        scores = torch.stack([row for (row,) in answers])  # (n, K)
        best = scores.topk(min(5, scores.size(1)), dim=1).indices.tolist()
        predicted = scores.argmax(dim=1).tolist()
        labels = [label_of(each, self._benchmark, self._classes) for each in samples]
        return judged(samples, labels, predicted, best, self._classes)


def _columns(setup: Setup, labels: Sequence[str]) -> list[int]:
    """Which of the checkpoint's classes each of the benchmark's is.

    The benchmark's setting ``labels`` says it, or its ``order`` does, or names do: those of the
    benchmark's classes, or those of its data. Of a checkpoint's class with several names, as in
    "tench, Tinca tinca", each counts. A checkpoint without names, whose classes are 0 or LABEL_0
    and so on, is taken at its numbers, if it has as many classes.

    Raises:
        RegistryError: A setting names what the checkpoint does not have, or no order.
        TaskError: The names do not tell; a guess would measure nothing.
    """
    benchmark = setup.benchmark
    classes = classes_of(benchmark)
    given = setup.settings.get("labels")
    if given is not None:
        names = [str(each).casefold() for each in given] if isinstance(given, list) else []
        if len(names) != len(classes):
            raise RegistryError(
                f"{benchmark.file}: labels of own-classes must be a list of {len(classes)}, one "
                f"for each class; came {given!r:.60}"
            )
        own = [label.casefold() for label in labels]
        if set(names) <= set(own):
            return [own.index(name) for name in names]
    if _ordered(setup, labels):
        return [*range(len(classes))]
    for candidates in (classes, benchmark.labels):
        for known in (_by_name(labels), _by_synset(labels)):
            names = [_plain(each) for each in candidates]
            if names and len(set(names)) == len(names) and set(names) <= known.keys():
                return [known[name] for name in names]
    numbered = [_NUMBERED.fullmatch(label.casefold()) for label in labels]
    if len(labels) == len(classes) and all(numbered):
        numbers = [int(found[1]) for found in numbered if found]
        if sorted(numbers) == [*range(len(classes))]:
            return [numbers.index(number) for number in range(len(classes))]
    raise TaskError(
        f"{setup.model.entry.name} cannot be measured on {benchmark.name} by its own classes, "
        f"{_shown(labels)}: the benchmark's are {_shown(classes)}"
    )


def _ordered(setup: Setup, labels: Sequence[str]) -> bool:
    """Whether both count their classes as ImageNet's thousand, which nobody calls by one name.

    The benchmark says so. Of a checkpoint with as many classes it is taken for granted, unless most
    of its names are others: eight of ten names that WordNet has are among CLIP's.

    Raises:
        RegistryError: There is no such order.
    """
    order, classes = setup.settings.get("order"), classes_of(setup.benchmark)
    if order is None:
        return False
    if order != _ORDER or len(classes) != 1000:
        raise RegistryError(
            f"{getattr(order, 'place', setup.benchmark.file)}: order of own-classes is "
            f"{order!r:.40} of {len(classes)} classes; known is {_ORDER}, of 1000"
        )
    if len(labels) != len(classes):
        return False
    if all(_NUMBERED.fullmatch(label.casefold()) for label in labels):
        return True
    pairs = zip(classes, setup.benchmark.labels or classes, labels, strict=True)
    same = sum(not _names(label).isdisjoint((_plain(one), two)) for one, two, label in pairs)
    return 2 * same >= len(classes)


def _by_name(labels: Sequence[str]) -> dict[str, int]:
    """A checkpoint's classes by their names; of a name that is a part of several, none."""
    whole = Counter(map(_plain, labels))
    known = {_plain(label): number for number, label in enumerate(labels)}
    parts = [(name, number) for number, label in enumerate(labels) for name in _names(label)]
    several = Counter(name for name, _ in parts)
    known |= {name: number for name, number in parts if several[name] == 1 and name not in known}
    return {name: number for name, number in known.items() if whole[name] < 2}


def _by_synset(labels: Sequence[str]) -> dict[str, int]:
    """The classes of a version of ImageNet by WordNet's numbers."""
    if tuple(labels) != imagenet_labels(len(labels)):
        return {}
    return {name: number for number, name in enumerate(imagenet_synsets(len(labels)))}


def _names(label: str) -> set[str]:
    """All that a class is called: "tench, Tinca tinca" is one of two names."""
    return {_plain(label), *(_plain(each) for each in label.split(","))}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
