"""``tiny-vit``, the classifier of pictures that comes with zoo: small, sound, and trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image, ImageDraw

import zoo

FOLDER = Path(__file__).parent.parent / "plugins/zoo_vit/tiny"


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load("tiny-vit", device="cpu", dtype="float32")


def test_its_entry_says_how_good_it_is(model: zoo.Model) -> None:
    assert model.entry.parameters == sum(p.numel() for p in model.network.parameters())
    assert model.entry.reported[0].value > 92


def test_transformers_reads_the_same_logits_from_it(model: zoo.Model) -> None:
    load: Any = transformers.ViTForImageClassification.from_pretrained  # untyped
    reference = load(FOLDER, dtype=torch.float32).eval()
    picture = Image.new("L", (28, 28))
    ImageDraw.Draw(picture).rectangle((9, 2, 18, 26), fill=200)
    pixels = model.preprocessor.numbers(
        [each for _, each in model.preprocessor.decoded([picture], ahead=1)],
        torch.device("cpu"),
        torch.float32,
    )

    with torch.inference_mode():
        theirs = reference(pixels).logits.softmax(-1)[0]
    ours = {each.label: each.score for each in model.classify(picture, top_k=10).labels}

    names = reference.config.id2label
    expected = [theirs[number].item() for number in range(10)]
    assert [ours[names[number]] for number in range(10)] == pytest.approx(expected, abs=1e-5)


def test_it_takes_two_long_legs_for_trousers(model: zoo.Model) -> None:
    picture = Image.new("L", (28, 28))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((9, 1, 18, 6), fill=190)
    draw.rectangle((9, 6, 12, 26), fill=190)
    draw.rectangle((15, 6, 18, 26), fill=190)

    assert model.classify(picture).labels[0].label == "trouser"
