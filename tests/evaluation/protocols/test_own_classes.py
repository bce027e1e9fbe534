"""Pictures classified by a checkpoint's own classes, against what the model says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from tests.checkpoints import load
from tests.evaluation import seen
from tests.vision import save_timm, save_vision
from zoo.errors import RegistryError, TaskError
from zoo.evaluation import Benchmark, evaluate, find_benchmark
from zoo.evaluation.benchmark import Source
from zoo.image.labels import imagenet_labels, imagenet_synsets


def classifier(folder: Path, names: Sequence[str]) -> zoo.Model:
    save_vision(
        folder / "model",
        "ViTForImageClassification",
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    return load(folder / "model")


def pictures(folder: Path, labels: Sequence[str]) -> Path:
    """A table of as many pictures."""
    files = sorted(seen.class_folders(folder / "test", [len(labels), 0, 0, 0, 0, 0]).rglob("*.png"))
    lines = [
        f"{path.relative_to(folder)},{label}" for path, label in zip(files, labels, strict=True)
    ]
    (folder / "pictures.csv").write_text("\n".join(["picture,label", *lines]) + "\n")
    return folder / "pictures.csv"


def said(model: zoo.Model, folder: Path) -> list[str]:
    """What the model itself says of the table's pictures."""
    lines = (folder / "pictures.csv").read_text().splitlines()[1:]
    found = model.classify([folder / line.split(",")[0] for line in lines])
    return [each.labels[0].label for each in found]


def test_classes_are_found_by_any_of_their_names(tmp_path: Path) -> None:
    # In another order, and among others that the benchmark does not have.
    names = ["Red-Bus", "car, automobile", "boat", "hill", "tree", "Canis familiaris, dog", "cat"]
    model = classifier(tmp_path, names)
    data = seen.class_folders(tmp_path / "test", [3, 4, 2, 3, 2, 4]).parent
    own = dict(
        zip(seen.CLASSES, ["cat", names[5], "tree", names[1], "boat", names[0]], strict=True)
    )

    result = evaluate(model, seen.classification(own_classes={}), data=data, cache=False)

    assert result.protocol == "own-classes"
    for detail in result.details:
        scores = {x.label: x.score for x in model.classify(Path(detail["picture"]), top_k=7).labels}
        order = sorted(seen.CLASSES, key=lambda name: -scores[own[name]])
        assert detail["best"] == order[:5]
        assert detail["score"] == float(order[0] == detail["label"])
    assert result.provenance["prompts"]["own"] == list(own.values())


def test_other_classes_are_refused_and_leave_room_for_another_protocol(tmp_path: Path) -> None:
    model = classifier(tmp_path, ["cat", "dog", "tree", "car", "boat", "train"])
    for split in ("train", "test"):
        seen.class_folders(tmp_path / split, [1, 1, 1, 1, 1, 1])
    benchmark = seen.classification(own_classes={}, knn={})

    with pytest.raises(TaskError, match=r"own classes, cat, dog, .*train: the benchmark's are"):
        evaluate(model, benchmark, data=tmp_path, protocol="own-classes")
    assert evaluate(model, benchmark, data=tmp_path).protocol == "knn"


def test_a_name_of_two_classes_is_none(tmp_path: Path) -> None:
    model = classifier(
        tmp_path, ["cat", "dog", "tree", "car, sports", "car, old", "boat", "red bus"]
    )

    with pytest.raises(TaskError, match="by its own classes"):
        evaluate(model, seen.classification(own_classes={}), data=tmp_path, protocol="own-classes")


def test_numbers_are_classes_where_there_are_no_names(tmp_path: Path) -> None:
    save_timm(tmp_path / "model", "test_resnet", num_classes=6)  # its classes are 0, 1, …
    model = load(tmp_path / "model")
    data = seen.class_folders(tmp_path / "test", [3, 2, 2, 2, 2, 2]).parent

    result = evaluate(model, seen.classification(own_classes={}), data=data, cache=False)

    for detail in result.details:
        (best, *_) = model.classify(Path(detail["picture"])).labels
        assert detail["predicted"] == seen.CLASSES[int(best.label)]


def imagenet(path: Path, **settings: str) -> Benchmark:
    """ImageNet's thousand classes, of a table's pictures."""
    benchmark = find_benchmark("imagenet-1k")
    changed = {"own-classes": settings or benchmark.protocols["own-classes"]}
    return replace(benchmark, data={"test": Source(path=path)}, protocols=changed)


def test_a_thousand_classes_stand_in_imagenets_order(tmp_path: Path) -> None:
    save_timm(tmp_path / "model", "test_resnet", num_classes=1000)
    model = load(tmp_path / "model")
    path = pictures(tmp_path, ["n01440764", "n02012849", "n15075141"])

    result = evaluate(model, imagenet(path), cache=False)

    classes = find_benchmark("imagenet-1k").classes
    taken = [classes.index(each["predicted"]) for each in result.details]
    assert [imagenet_labels(1000)[each] for each in taken] == said(model, tmp_path)
    assert [each["label"] for each in result.details] == [classes[0], classes[134], classes[999]]


def test_a_thousand_other_classes_are_not_taken_for_imagenets(tmp_path: Path) -> None:
    shifted = [*imagenet_labels(1000)[1:], "tench, Tinca tinca"]
    path = pictures(tmp_path, ["n01440764"])

    with pytest.raises(
        TaskError, match=r"goldfish, Carassius auratus.* and 994 more: the benchmark"
    ):
        evaluate(classifier(tmp_path, shifted), imagenet(path))


def test_of_more_classes_of_imagenet_the_thousand_are_found_by_their_synset(tmp_path: Path) -> None:
    save_timm(tmp_path / "model", "test_resnet", num_classes=21842)
    model = load(tmp_path / "model")
    path = pictures(tmp_path, ["n01440764", "n02012849"])

    result = evaluate(model, imagenet(path), cache=False)

    own, synsets = imagenet_labels(21842), imagenet_synsets(21842)
    wanted = [own[synsets.index(each)] for each in find_benchmark("imagenet-1k").labels]
    assert result.provenance["prompts"]["own"] == wanted
    for detail in result.details:
        scores = {
            each.label: each.score
            for each in model.classify(Path(detail["picture"]), top_k=21842).labels
        }
        best = max(wanted, key=scores.__getitem__)
        assert wanted[result.provenance["classes"].index(detail["predicted"])] == best


def test_there_is_one_order(tmp_path: Path) -> None:
    model = classifier(tmp_path, seen.CLASSES)

    with pytest.raises(RegistryError, match=r"order of own-classes is 'imagenet-1k' of 6 classes"):
        evaluate(model, seen.classification(own_classes={"order": "imagenet-1k"}), data=tmp_path)
    with pytest.raises(RegistryError, match=r"order of own-classes is 'alphabet' of 1000 classes"):
        evaluate(model, imagenet(tmp_path / "none.csv", order="alphabet"))


def test_a_picture_that_is_none_is_counted_and_reported(tmp_path: Path) -> None:
    model = classifier(tmp_path, seen.CLASSES)
    data = seen.class_folders(tmp_path / "test", [2, 2, 2, 2, 2, 2]).parent
    bad = data / "test" / "dog" / "1.png"
    bad.write_bytes(b"no picture")

    result = evaluate(model, seen.classification(own_classes={}), data=data, cache=False)

    assert result.samples == 11
    assert [each.place for each in result.failed] == [str(bad)]
    assert result.failed[0].reason == "it is no picture in a format that Pillow reads"
