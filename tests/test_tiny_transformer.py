"""The translators that come with zoo: small, sound, and trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import zoo

PLUGIN = Path(__file__).parent.parent / "plugins/zoo_transformer"

# Each with words that its translation must hold, all but one.
GERMAN = [
    ("Zwei Hunde spielen am Strand.", {"two", "dogs", "play", "beach"}),
    ("Eine Frau in einem roten Kleid fährt Fahrrad.", {"woman", "red", "dress"}),
]
CHINESE = [
    ("她会说三种语言。", {"she", "can", "speak", "three", "languages"}),
    ("我喜欢喝茶。", {"i", "like", "tea"}),
]


@pytest.fixture(scope="module", params=["tiny_de_en", "tiny_zh_en"])
def folder(request: pytest.FixtureRequest) -> Path:
    return PLUGIN / str(request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> zoo.Model:
    return zoo.load(f"tiny-transformer-{folder.name[5:].replace('_', '-')}", dtype="float32")


SOURCES = {"tiny_de_en": GERMAN, "tiny_zh_en": CHINESE}


def test_its_weights_take_no_more_than_8_megabytes_and_its_entry_says_how_good_it_is(
    model: zoo.Model, folder: Path
) -> None:
    assert (folder / "model.safetensors").stat().st_size <= 8_000_000
    assert model.entry.parameters == sum(p.numel() for p in model.network.parameters())
    assert any(result.metric == "BLEU" for result in model.entry.reported)


def test_transformers_translates_alike(model: zoo.Model, folder: Path) -> None:
    load: Any = transformers.MarianMTModel.from_pretrained  # publishes its classes untyped
    reference = load(folder, dtype=torch.float32).eval()
    preprocessor = model.preprocessor
    for text, _ in SOURCES[folder.name]:
        with torch.inference_mode():
            theirs = reference.generate(torch.tensor([preprocessor.encode([text])[0]]))[0]

        ours = model.translate(text).text

        assert ours == preprocessor.decode(theirs.tolist()[1:])


def test_it_translates_what_it_has_never_read(model: zoo.Model, folder: Path) -> None:
    for text, expected in SOURCES[folder.name]:
        words = set(model.translate(text).text.lower().rstrip(".").split())

        stems = {word for word in expected if any(each.startswith(word) for each in words)}
        assert len(stems) >= len(expected) - 1, words
