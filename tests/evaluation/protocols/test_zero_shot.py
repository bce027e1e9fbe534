"""Zero-shot accuracies against CLIP_benchmark's, on the same pictures and weights."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.evaluation import seen
from zoo.errors import RegistryError, UsageError
from zoo.evaluation import evaluate, find_benchmark
from zoo.evaluation.benchmark import Placed

# Batches and packed texts add in another order.
CLOSE = 1e-6


def test_accuracies_are_those_of_clip_benchmark(tmp_path: Path) -> None:
    theirs = pytest.importorskip(
        "clip_benchmark.metrics.zeroshot_classification",
        reason="clip_benchmark installs far more than its metrics, and is no requirement",
    )
    model, network, tokenize = seen.save(tmp_path)
    data = seen.class_folders(tmp_path / "test", [5, 9, 3, 7, 4, 6]).parent
    pictures = [path for name in seen.CLASSES for path in sorted((data / "test" / name).iterdir())]
    targets = [seen.CLASSES.index(path.parent.name) for path in pictures]

    classifier = theirs.zero_shot_classifier(
        network,
        tokenize,
        list(seen.CLASSES),
        [each.replace("{}", "{c}") for each in seen.TEMPLATES],
        "cpu",
        amp=False,
    )
    loader = seen.Loaded(pictures, targets, stacked=True)
    logits, target = theirs.run_classification(network, classifier, loader, "cpu", amp=False)
    # Counted here: its own accuracy() ends in an error with numpy 2.4.
    hits = logits.topk(5, dim=1).indices == target.unsqueeze(1)  # (n, 5)
    expected = {
        "acc1": hits[:, :1].sum().item() / len(target),
        "acc5": hits.sum().item() / len(target),
        "mean_per_class_recall": theirs.balanced_accuracy_score(target, logits.argmax(1)),
    }
    result = evaluate(model, seen.classification(), data=data, cache=False)

    assert result.samples == len(pictures)
    said = [
        (path.parent.name, seen.CLASSES[best])
        for path, best in zip(pictures, logits.argmax(1), strict=True)
    ]
    assert Counter((each["label"], each["predicted"]) for each in result.details) == Counter(said)
    assert len(set(said)) > len(seen.CLASSES)  # else any two classifiers could agree
    for name in ("acc1", "acc5", "mean_per_class_recall"):
        assert result[name].value == pytest.approx(expected[name], abs=CLOSE)


def test_the_batch_size_changes_no_number(tmp_path: Path) -> None:
    model, _, _ = seen.save(tmp_path)
    data = seen.class_folders(tmp_path / "test", [3, 2, 4, 1, 2, 3]).parent

    one, many = (
        evaluate(model, seen.classification(), data=data, cache=False, batch_size=size)
        for size in (1, 64)
    )

    assert one.metrics == many.metrics
    assert one.details == many.details
    assert one.confusion == many.confusion
    assert one.provenance["data"] == many.provenance["data"]


def test_sentences_of_classes_are_kept_as_any_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model, _, _ = seen.save(tmp_path)
    data = seen.class_folders(tmp_path / "test", [3, 2, 4, 1, 2, 3]).parent
    first = evaluate(model, seen.classification(), data=data)
    for each in model.network.parameters():
        each.data.fill_(torch.nan)  # whatever is asked now has no answer

    assert evaluate(model, seen.classification(), data=data).details == first.details


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ([Placed("a cat", "made.yaml:7")], r"made.yaml:7: the template 'a cat' has no {}"),
        (Placed("a {}", "made.yaml:7"), r"made.yaml:7: templates of made must be a list"),
        ([], "templates of made must be a list of one or more"),
    ],
)
def test_templates_that_are_none_are_told_with_their_line(
    templates: object, message: str, tmp_path: Path
) -> None:
    model, _, _ = seen.save(tmp_path)
    benchmark = replace(seen.classification(), protocols={"zero-shot": {"templates": templates}})

    with pytest.raises(RegistryError, match=message):
        evaluate(model, benchmark, data=tmp_path)


def test_a_picture_that_is_none_is_counted_and_reported(tmp_path: Path) -> None:
    model, _, _ = seen.save(tmp_path)
    data = seen.class_folders(tmp_path / "test", [2, 2, 2, 2, 2, 2]).parent
    bad = data / "test" / "dog" / "1.png"
    bad.write_bytes(b"no picture")

    result = evaluate(model, seen.classification(), data=data, cache=False)

    assert result.samples == 11
    [failed] = result.failed
    assert failed.place == str(bad)
    assert "no picture in a format that Pillow reads" in failed.reason


def test_few_classes_have_no_accuracy_among_five(tmp_path: Path) -> None:
    model, _, _ = seen.save(tmp_path)
    data = seen.class_folders(tmp_path / "test", [3, 3, 0, 0, 0, 0]).parent

    result = evaluate(model, seen.classification(classes=seen.CLASSES[:2]), data=data, cache=False)

    assert [each.name for each in result.metrics] == ["acc1", "mean_per_class_recall"]


def test_a_metric_that_the_data_does_not_give_is_no_other_one(tmp_path: Path) -> None:
    model, _, _ = seen.save(tmp_path)
    data = seen.class_folders(tmp_path / "test", [3, 3, 0, 0, 0, 0]).parent
    two = replace(seen.classification(classes=seen.CLASSES[:2]), metric="acc5")

    with pytest.raises(
        UsageError, match="zero-shot does not measure 'acc5' on this data, but acc1"
    ):
        evaluate(model, two, data=data, cache=False)


THEIRS = {
    **{
        each: each
        for each in ("cifar10", "cifar100", "eurosat", "food101", "mnist", "pets", "stl10")
    },
    **dict.fromkeys(("imagenet-1k", "imagenet-v2"), "imagenet1k"),
}
"""What clip_benchmark calls them."""


@pytest.mark.parametrize("name", THEIRS)
def test_classes_and_templates_are_those_of_clip_benchmark(name: str) -> None:
    theirs = pytest.importorskip(
        "clip_benchmark", reason="clip_benchmark installs far more than its lists, and is no need"
    )
    folder = Path(theirs.__file__).parent / "datasets"
    classes, templates = (
        json.loads((folder / f"en_{each}.json").read_text(encoding="utf-8"))
        for each in ("classnames", "zeroshot_classification_templates")
    )
    benchmark = find_benchmark(name)

    ours = benchmark.protocols["zero-shot"]["templates"]
    assert [each.replace("{}", "{c}") for each in ours] == templates[THEIRS[name]]
    # Of the others it takes torchvision's names, as openai/CLIP's data/prompts.md has them.
    if known := classes.get(THEIRS[name]):
        assert list(benchmark.classes) == known
