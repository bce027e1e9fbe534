"""Zero-shot evaluation of a CLIP B/32, from files to accuracies, against CLIP_benchmark.

Both have the same random weights, which speed does not depend on, the same JPEG files in folders of
classes, and the same prompts. CLIP_benchmark runs as its own command does: open_clip's network and
transform, a DataLoader with workers, all templates of a class at once; in float32, as zoo. What
takes the time stands below: prompts, and pictures. That both find the same is checked first.

``python -m benchmarks.evaluate_images [PICTURES_A_CLASS] [ROUNDS]``
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.clip import LABELS, photos, save
from benchmarks.harness import Timing, interleaved, machine, table
from zoo.evaluation import Benchmark, evaluate
from zoo.evaluation.benchmark import Placed, Source, read_benchmark

BATCH = 64  # CLIP_benchmark's default

# Random weights put pictures so close together that a rounding may decide between two classes.
AGREEMENT = 0.05


def folders(place: Path, count: int) -> Path:
    """Photographs in a folder for each class."""
    found = photos(place, count * len(LABELS))
    for number, path in enumerate(found):
        folder = place / "test" / LABELS[number % len(LABELS)]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    return place / "test"


def benchmark() -> Benchmark:
    """CIFAR-10's classes and its 18 templates."""
    import zoo.evaluation

    known = read_benchmark(Path(zoo.evaluation.__file__).parent / "benchmarks" / "cifar10.yaml")
    return Benchmark(
        name="photographs",
        task="image-classification",
        summary="Made for this measurement",
        metric="acc1",
        data={"test": Source(files=("test",))},
        forms=({"picture": Placed("picture", ""), "label": Placed("label", "")},),
        protocols={"zero-shot": known.protocols["zero-shot"]},
        classes=tuple(LABELS),
    )


def contenders(place: Path, theirs: Any) -> dict[str, Callable[[], dict[str, float]]]:  # noqa: ANN401
    """Each gives the accuracies; those of one half give nothing."""
    import open_clip
    from clip_benchmark.metrics import zeroshot_classification
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    import zoo
    from zoo.tasks.zero_shot_image_classification import prepare_classes

    model = zoo.load(str(place), device="cpu", dtype="float32")
    ours = benchmark()
    templates = [str(each) for each in ours.protocols["zero-shot"]["templates"]]
    tokenize = open_clip.get_tokenizer("ViT-B-32-quickgelu")
    pictures = ImageFolder(str(place / "test"), open_clip.image_transform(224, is_train=False))
    assert pictures.classes == sorted(LABELS)
    names = list(pictures.classes)

    def by_zoo() -> dict[str, float]:
        result = evaluate(model, ours, data=place, cache=False)
        return {each.name: each.value for each in result.metrics}

    def their_prompts() -> Any:  # noqa: ANN401 (a tensor of theirs)
        given = [each.replace("{}", "{c}") for each in templates]
        return zeroshot_classification.zero_shot_classifier(
            theirs, tokenize, names, given, "cpu", amp=False
        )

    def by_clip_benchmark() -> dict[str, float]:
        loader = DataLoader(pictures, batch_size=BATCH, num_workers=os.cpu_count() or 1)
        logits, target = zeroshot_classification.run_classification(
            theirs, their_prompts(), loader, "cpu", amp=False
        )
        hits = logits.topk(5, dim=1).indices == target.unsqueeze(1)
        recall = zeroshot_classification.balanced_accuracy_score(target, logits.argmax(1))
        return {
            "acc1": hits[:, 0].float().mean().item(),
            "acc5": hits.any(1).float().mean().item(),
            "mean_per_class_recall": float(recall),
        }

    def prompts_by_zoo() -> dict[str, float]:
        prepare_classes(model, LABELS, template=templates)
        return {}

    def prompts_by_clip_benchmark() -> dict[str, float]:
        their_prompts()
        return {}

    return {
        "CLIP_benchmark": by_clip_benchmark,
        "zoo": by_zoo,
        "CLIP_benchmark, prompts alone": prompts_by_clip_benchmark,
        "zoo, prompts alone": prompts_by_zoo,
    }


def main(a_class: int = 20, rounds: int = 3) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place, theirs = save(place)
        folders(place, a_class)
        runs = contenders(place, theirs)
        expected, found = runs["CLIP_benchmark"](), runs["zoo"]()
        for metric, value in expected.items():
            assert abs(found[metric] - value) < AGREEMENT, (metric, value, found[metric])
        print(machine())
        timings = interleaved(runs, rounds)
    print(f"\n{a_class * len(LABELS)} JPEG files, {len(LABELS)} classes with 18 templates\n")
    print(_table(timings))


def _table(timings: dict[str, Timing]) -> str:
    rows = []
    for what in ("", ", prompts alone"):
        ours, theirs = timings[f"zoo{what}"], timings[f"CLIP_benchmark{what}"]
        rows.append(
            (
                what.removeprefix(", ") or "all",
                f"{theirs.median:.2f} s",
                f"{ours.median:.2f} s",
                f"{ours.times_faster(theirs):.2f} x",
            )
        )
    return table(("", "CLIP_benchmark", "zoo", "ratio"), rows)


if __name__ == "__main__":
    torch.manual_seed(0)
    main(*map(int, sys.argv[1:3]))
