"""Pictures a second of a ViT, against timm and transformers, with the same weights in float32.

Two figures each: the network alone, on pixels that are ready; and from JPEG files (500 x 375, as
ImageNet's mostly are) to labels, decoding included: zoo's ``classify``, transformers' pipeline, and
for timm the loop of its documentation, a batch at a time. What they say is compared.
``python -m benchmarks.vision``
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import interleaved, machine, table

SIZES: dict[str, dict[str, int]] = {
    "ViT-B/16": {},
    "ViT-tiny/16": {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768},
}
TIMM = {"ViT-B/16": "vit_base_patch16_224", "ViT-tiny/16": "vit_tiny_patch16_224"}


def checkpoint(name: str, folder: Path) -> Path:
    """Save a ViT of a size in `SIZES` with random weights, as transformers does."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(**SIZES[name], num_labels=1000, layer_norm_eps=1e-6)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor().save_pretrained(folder)
    return folder


def in_timm(name: str, network: Any) -> Any:  # noqa: ANN401 (timm ships no types)
    """Timm's network of that size, with the weights of ours."""
    import timm

    from zoo_vit.weights import vit

    config = replace(network.encoder.embeddings.config, layout="timm")
    peer = timm.create_model(TIMM[name], pretrained=False, num_classes=1000)
    peer.load_state_dict(vit(config).dump(network.state_dict()))
    return peer.eval()


def photographs(count: int, folder: Path) -> list[Path]:
    """JPEG files of noise that is smooth enough to compress as photographs do."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def measure(name: str, folder: Path, count: int, batch: int, rounds: int) -> list[tuple[str, ...]]:
    """The rows of one size: the network alone, and files to labels."""
    import timm
    import torch
    import transformers
    from PIL import Image

    import zoo

    path = checkpoint(name, folder / name.replace("/", "-"))
    ours = zoo.load(str(path), device="cpu", dtype="float32")
    network: Any = ours.network
    theirs = transformers.ViTForImageClassification.from_pretrained(path).eval()
    pipeline = transformers.pipeline("image-classification", model=str(path), batch_size=batch)
    peer = in_timm(name, network)
    transform = timm.data.create_transform(
        input_size=224, crop_pct=1.0, crop_mode="squash", interpolation="bilinear",
        mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
    )  # fmt: skip
    files = photographs(count, folder)

    @torch.inference_mode()
    def timm_loop() -> list[int]:
        found: list[int] = []
        for first in range(0, len(files), batch):
            opened = (Image.open(file).convert("RGB") for file in files[first : first + batch])
            logits = peer(torch.stack([transform(image) for image in opened]))
            found += logits.softmax(dim=1).topk(5).indices[:, 0].tolist()
        return found

    pixels = ours.preprocessor(files[:batch])
    with torch.inference_mode():
        logits = network(pixels)
        differences = [
            (logits - other).abs().max() for other in (theirs(pixels).logits, peer(pixels))
        ]
        alone = interleaved(
            {
                "transformers": lambda: theirs(pixels),
                "timm": lambda: peer(pixels),
                "zoo": lambda: network(pixels),
            },
            rounds,
        )
    whole = interleaved(
        {
            "transformers": lambda: pipeline([str(file) for file in files]),
            "timm": timm_loop,
            "zoo": lambda: ours.classify(files, batch_size=batch),
        },
        rounds,
    )
    assert [f"LABEL_{label}" for label in timm_loop()] == [
        result.labels[0].label for result in ours.classify(files)
    ]
    difference = f"{max(differences).item():.0e}"
    rows = []
    for what, timings, pictures in (("network", alone, batch), ("JPEG to label", whole, count)):
        speeds = (f"{pictures / timing.median:.1f}" for timing in timings.values())
        ratios = (
            f"{timings['zoo'].times_faster(timings[other]):.2f}"
            for other in ("transformers", "timm")
        )
        rows.append((f"{name}, {what}", *speeds, *ratios, difference))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=SIZES, action="append", help="by default all")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.size or SIZES:
            rows += measure(name, Path(folder), options.pictures, options.batch, options.rounds)
    print(machine())
    header = ("pictures a second", "transformers", "timm", "zoo", "÷ transformers", "÷ timm")
    print(table((*header, "max difference"), rows))


if __name__ == "__main__":
    main()
