"""``tiny-clip``, the model that sees and reads which comes with zoo: small, sound, and trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import zoo

FOLDER = Path(__file__).parent.parent / "plugins/zoo_clip/tiny"


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load("tiny-clip", device="cpu", dtype="float32")


def test_its_weights_take_no_more_than_8_megabytes_and_its_entry_says_how_good_it_is(
    model: zoo.Model,
) -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 8_000_000
    assert model.entry.parameters == sum(p.numel() for p in model.network.parameters())
    assert {each.benchmark for each in model.entry.reported} == {
        "cifar10",
        "fashion-mnist",
        "flickr8k",
    }


def test_transformers_reads_the_same_vectors_from_it(model: zoo.Model) -> None:
    load: Any = transformers.CLIPModel.from_pretrained  # publishes its classes untyped
    reference = load(FOLDER, dtype=torch.float32).eval()
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network: Any = model.network

    with torch.inference_mode():
        theirs = reference.vision_model(pixel_values=pixels).pooler_output
        theirs = reference.visual_projection(theirs)
        ours = network.embed_images(pixels)

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_captions_of_like_pictures_lie_near_each_other(model: zoo.Model) -> None:
    dog, puppy, wave = model.embed(
        ["a dog runs through the grass", "a puppy is running in a field", "a man surfs on a wave"],
        normalize=True,
    )

    assert dog @ puppy > 0.5
    assert dog @ puppy > dog @ wave + 0.3
