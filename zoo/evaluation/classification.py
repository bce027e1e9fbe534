"""From a score for each class to numbers: what all ways to classify have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import RegistryError
from zoo.evaluation.benchmark import Benchmark
from zoo.evaluation.protocol import Confusion, Findings, Question, Sample, Setup
from zoo.evaluation.resampling import interval
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import label_of, picture_of
from zoo.evaluation.statistics import proportion

_KEPT = 5  # of a sample's best classes
_SHOWN = 100  # classes at most in a confusion matrix that is kept


def classes_of(benchmark: Benchmark) -> tuple[str, ...]:
    """A benchmark's classes, as prompts call them.

    Raises:
        RegistryError: It names none.
    """
    if not benchmark.classes:
        raise RegistryError(f"{benchmark.file}: {benchmark.name} names no classes; add them")
    return benchmark.classes


def words_of(setup: Setup, name: str = "words") -> list[str]:
    """What a protocol's setting calls the classes, a text each; their own names unless given.

    Raises:
        RegistryError: They are no texts, or not as many as there are classes.
    """
    classes = classes_of(setup.benchmark)
    words = setup.settings.get(name, list(classes))
    place = getattr(words, "place", setup.benchmark.file)
    if not isinstance(words, list):
        raise RegistryError(f"{place}: {name} must be a list of texts, came {words!r:.60}")
    for each in words:
        if isinstance(each, list | dict) or each is None or not str(each).strip():
            raise RegistryError(f"{place}: {name} must be texts; one is {each!r:.60}")
    if len(words) != len(classes):
        place = getattr(words[0], "place", place) if words else place
        raise RegistryError(f"{place}: {len(words)} {name}, but {len(classes)} classes")
    return [each if isinstance(each, str) else str(each) for each in words]


def filled(template: object, classes: Sequence[str], *, file: str = "") -> list[str]:
    """A template with each class in the place of its ``{}``.

    Args:
        template: Out of a benchmark's file.
        classes: Their names.
        file: Its name, for errors; a text knows its place itself.

    Raises:
        RegistryError: It has none; the message names its file and line.
    """
    if not isinstance(template, str) or "{}" not in template:
        place = getattr(template, "place", file or "template")
        raise RegistryError(f"{place}: the template {template!r:.60} has no {{}} for the class")
    return [template.replace("{}", each) for each in classes]


def templates_of(setup: Setup, default: str) -> list[str]:
    """The templates that a benchmark sets, or one other.

    Raises:
        RegistryError: They are no list of templates, or one has no place for the class.
    """
    templates = setup.settings.get("templates", [default])
    if not isinstance(templates, list) or not templates:
        place = getattr(templates, "place", setup.benchmark.file)
        raise RegistryError(
            f"{place}: templates of {setup.benchmark.name} must be a list of one or more, came "
            f"{templates!r:.60}"
        )
    for template in templates:
        filled(template, (), file=setup.benchmark.file)
    return [str(each) for each in templates]


def class_questions(
    instrument: str, classes: Sequence[str], templates: Sequence[str]
) -> list[Question]:
    """For each class what its sentences' vector is: each template, filled with its name."""
    return [
        Question(instrument, [each.replace("{}", name) for each in templates]) for name in classes
    ]


def classified(
    samples: Sequence[Sample],
    benchmark: Benchmark,
    scores: Sequence[Sequence[float]],
    *,
    shown: str,
) -> Findings:
    """Compare the best class of each sample with its label.

    Args:
        samples: n of them.
        benchmark: Names the K classes.
        scores: For each sample K numbers, the larger the better; of equal ones the first wins.
        shown: The field that says what a sample is.
    """
    classes = classes_of(benchmark)
    gold = [label_of(sample, benchmark, classes) for sample in samples]
    taken = [max(range(len(classes)), key=row.__getitem__) for row in scores]
    counts = _counted(gold, taken, len(classes))
    details = [
        {
            shown: sample.fields[shown],
            "gold": classes[right],
            "predicted": classes[said],
            "score": float(right == said),
            "scores": _best(classes, row),
            "class_numbers": [right, said],
        }
        for sample, right, said, row in zip(samples, gold, taken, scores, strict=True)
    ]
    hits = [right == said for right, said in zip(gold, taken, strict=True)]
    metrics = [
        proportion("acc", hits),
        macro_f1(counts, details),
        mean_per_class_recall(counts, details),
    ]
    return Findings(metrics, details, _confusion(classes, counts))


def judged(
    samples: Sequence[Sample],
    labels: Sequence[int],
    predicted: Sequence[int],
    best: Sequence[Sequence[int]],
    classes: Sequence[str],
) -> Findings:
    """Accuracy among the best 1 and, of 5 classes or more, 5; mean per class recall; confusion.

    The names are CLIP_benchmark's.

    Args:
        samples: Pictures.
        labels: Their classes.
        predicted: What each was taken for.
        best: The likeliest classes of each, at most 5, best first.
        classes: Their names.
    """
    hits = [guess == label for guess, label in zip(predicted, labels, strict=True)]
    counts = _counted(labels, predicted, len(classes))
    metrics = [proportion("acc1", hits)]
    if len(classes) >= 5:
        top = [label in few for label, few in zip(labels, best, strict=True)]
        metrics.append(proportion("acc5", top))
    details = [
        {
            "picture": picture_of(sample).name,
            "label": classes[label],
            "predicted": classes[guess],
            "best": [classes[each] for each in few],
            "score": float(guess == label),
            "class_numbers": [label, guess],
            "among_five": label in few,
        }
        for sample, label, guess, few in zip(samples, labels, predicted, best, strict=True)
    ]
    metrics.append(mean_per_class_recall(counts, details))
    return Findings(metrics, details, _confusion(classes, counts))


def _counted(gold: Sequence[int], taken: Sequence[int], classes: int) -> list[list[int]]:
    """How often a class, a row, was taken for another, a column."""
    counts = [[0] * classes for _ in range(classes)]
    for right, said in zip(gold, taken, strict=True):
        counts[right][said] += 1
    return counts


def _confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Confusion | None:
    return Confusion(classes, counts) if len(classes) <= _SHOWN else None


def macro_f1(counts: Sequence[Sequence[int]], details: Sequence[Mapping[str, Any]] = ()) -> Metric:
    """The mean of the classes' F1, of those that are there or were said; as scikit-learn's.

    Args:
        counts: How often a class, a row, was taken for another, a column.
        details: What is kept of each sample, for a bootstrapped interval.
    """
    scores = []
    for number, row in enumerate(counts):
        there, said = sum(row), sum(each[number] for each in counts)
        if there or said:
            scores.append(2 * row[number] / (there + said))
    name = "macro_f1"
    return Metric(name, sum(scores) / len(scores), None, *interval(name, details))


def mean_per_class_recall(
    counts: Sequence[Sequence[int]], details: Sequence[Mapping[str, Any]] = ()
) -> Metric:
    """The mean of the classes' recall, of those that are there; as scikit-learn's.

    Arguments are those of `macro_f1`.
    """
    recalls = [row[number] / sum(row) for number, row in enumerate(counts) if sum(row)]
    name = "mean_per_class_recall"
    return Metric(name, sum(recalls) / len(recalls), None, *interval(name, details))


def _best(classes: Sequence[str], scores: Sequence[float]) -> Mapping[str, Any]:
    order = sorted(range(len(classes)), key=lambda number: -scores[number])[:_KEPT]
    return {classes[number]: scores[number] for number in order}
