"""CLIP B/32 from JPEG files to labels, end to end, against open_clip and transformers' pipeline.

All three have the same random weights, which speed does not depend on, and the same files: JPEGs of
500 x 375 pixels, as photos on the web are. Each decodes, prepares and embeds the pictures, embeds
the labels' sentences and compares. The second table is for sentences alone. That all agree is
checked before anything is timed.

``python -m benchmarks.clip [PICTURES] [ROUNDS]``
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Timing, interleaved, machine, table

LABELS = [
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
]  # fmt: skip
TEMPLATE = "a photo of a {}."
SENTENCES = 128
BATCH = 16

# Softmax of 100 times a cosine, computed in another order.
AGREEMENT = 1e-3


def save(folder: Path) -> tuple[Path, Any]:
    """Save a random B/32 as transformers does, and build open_clip's with the same weights."""
    import open_clip
    import transformers

    import zoo_clip.config
    import zoo_clip.open_clip
    import zoo_clip.weights
    from zoo.checkpoint import Files

    simple = open_clip.tokenizer.SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    numbers = {special.get(token, token): number for token, number in simple.encoder.items()}
    ranks = simple.bpe_ranks
    merges = [" ".join(pair) for pair in sorted(ranks, key=ranks.__getitem__)]
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    transformers.CLIPImageProcessor().save_pretrained(folder)
    torch.manual_seed(0)
    towers: dict[str, dict[str, str]] = {"text_config": {}, "vision_config": {}}
    model = transformers.CLIPModel(transformers.CLIPConfig(**towers))
    model.save_pretrained(folder)

    state = model.state_dict()
    published = Files({"config.json": folder / "config.json"}, "config").json("config.json")
    ours = zoo_clip.weights.clip(zoo_clip.config.clip(published))
    network = zoo_clip.open_clip.build(zoo_clip.config.clip(published))
    names = ours.load(state, network.state_dict(), source="random")
    theirs = open_clip.create_model("ViT-B-32-quickgelu").eval()
    layout = zoo_clip.open_clip.weights(zoo_clip.config.clip(published))
    theirs.load_state_dict(layout.dump(names), strict=True)
    return folder, theirs


def photos(folder: Path, count: int) -> list[Path]:
    """JPEG files with something in them: waves of every width, and noise."""
    from PIL import Image

    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 1, 375), torch.linspace(0, 1, 500), indexing="ij")
    paths = []
    for number in range(count):
        waves = torch.rand(6, 3, 3) * torch.tensor([40.0, 40.0, 6.0]).view(3, 1)
        values = torch.zeros(375, 500)
        for w in waves:
            for c in range(3):
                values += torch.sin(w[0, c] * x + w[1, c] * y + w[2, c])
        noise = torch.rand(375, 500, 3) * 0.3
        pixels = (torch.sigmoid(values).unsqueeze(-1) * torch.rand(3) + noise).clamp(0, 1) * 255
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels.byte().numpy()).save(paths[-1], quality=90)
    return paths


def contenders(
    folder: Path,
    theirs: Any,  # noqa: ANN401 (open_clip has no types)
    paths: Sequence[Path],
) -> dict[str, Callable[[], list[list[float]]]]:
    """Each gives the labels' probabilities for each picture, in the order of `LABELS`."""
    import open_clip
    import transformers
    from PIL import Image

    import zoo

    model = zoo.load(str(folder), device="cpu", dtype="float32")
    pipeline = transformers.pipeline("zero-shot-image-classification", str(folder), device="cpu")
    transform = open_clip.image_transform(224, is_train=False)
    tokenize = open_clip.get_tokenizer("ViT-B-32-quickgelu")

    def in_order(results: Any) -> list[list[float]]:  # noqa: ANN401 (of three libraries)
        tables = [{each["label"]: each["score"] for each in result} for result in results]
        return [[table[label] for label in LABELS] for table in tables]

    def zoo_labels() -> list[list[float]]:
        found = model.zero_shot([*paths], LABELS, template=TEMPLATE, batch_size=BATCH)
        return in_order([each.to_dict()["labels"] for each in found])

    @torch.inference_mode()
    def open_clip_labels() -> list[list[float]]:
        texts = theirs.encode_text(tokenize([TEMPLATE.format(x) for x in LABELS]), normalize=True)
        rows: list[list[float]] = []
        for first in range(0, len(paths), BATCH):
            batch = [transform(Image.open(path)) for path in paths[first : first + BATCH]]
            pictures = theirs.encode_image(torch.stack(batch), normalize=True)
            rows += (theirs.logit_scale.exp() * pictures @ texts.T).softmax(dim=-1).tolist()
        return rows

    def transformers_labels() -> list[list[float]]:
        return in_order(
            pipeline(
                [str(path) for path in paths],
                candidate_labels=LABELS,
                hypothesis_template=TEMPLATE,
                batch_size=BATCH,
            )
        )

    return {
        "transformers pipeline": transformers_labels,
        "open_clip": open_clip_labels,
        "zoo": zoo_labels,
    }


def text_contenders(folder: Path, theirs: Any) -> dict[str, Callable[[], Any]]:  # noqa: ANN401
    """Each embeds the same sentences."""
    import open_clip
    import transformers

    import zoo

    model = zoo.load(str(folder), device="cpu", dtype="float32")
    other = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    tokenize = open_clip.get_tokenizer("ViT-B-32-quickgelu")
    names = [f"{LABELS[n % 10]} number {n} on a {LABELS[n // 10 % 10]}" for n in range(SENTENCES)]
    sentences = [TEMPLATE.format(name) for name in names]

    @torch.inference_mode()
    def by_transformers() -> object:
        return [
            other.get_text_features(
                **tokenizer(sentences[n : n + 32], padding=True, return_tensors="pt")
            )
            for n in range(0, SENTENCES, 32)
        ]

    @torch.inference_mode()
    def by_open_clip() -> object:
        return [
            theirs.encode_text(tokenize(sentences[n : n + 32])) for n in range(0, SENTENCES, 32)
        ]

    return {
        "transformers": by_transformers,
        "open_clip": by_open_clip,
        "zoo": lambda: model.embed(sentences),
    }


def main(pictures: int = 64, rounds: int = 5) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as place:
        folder, theirs = save(Path(place))
        labels = contenders(folder, theirs, photos(folder, pictures))
        results = {name: torch.tensor(run()) for name, run in labels.items()}
        for name, result in results.items():
            difference = (result - results["zoo"]).abs().max().item()
            assert difference < AGREEMENT, f"{name} and zoo differ by {difference}"
        print(machine())
        for what, count, runs in (
            ("JPEG to label", pictures, labels),
            ("sentences", SENTENCES, text_contenders(folder, theirs)),
        ):
            timings = interleaved(runs, rounds)
            print(f"\n{what}\n\n{_table(timings, count)}")


def _table(timings: dict[str, Timing], count: int) -> str:
    return table(
        ("", "a second", "ratio to zoo's time"),
        [
            (
                name,
                f"{count / timing.median:.1f}",
                f"{timings['zoo'].times_faster(timing):.2f}",
            )
            for name, timing in timings.items()
        ],
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
