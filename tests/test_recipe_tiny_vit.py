"""The recipe of ``tiny-vit``, in small: pictures made here, and few steps."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor

import zoo
from recipes import tiny_vit as recipe


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """A bright bar, higher or lower: the class says where it lies."""
    torch.manual_seed(0)
    labels = torch.arange(count) % 10
    made = torch.randint(0, 60, (count, 28, 28), dtype=torch.uint8)
    for picture, label in zip(made, labels.tolist(), strict=True):
        picture[4 + 2 * label : 6 + 2 * label, 6:22] = 250
    return made, labels


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "fashion-mnist").mkdir()
    made, labels = pictures(2200)
    for part, n in (("train", 2200), ("t10k", 100)):
        for kind, header, content in (
            ("images-idx3", 16, made[:n]),
            ("labels-idx1", 8, labels[:n]),
        ):
            packed = gzip.compress(bytes(header) + bytes(content.byte().flatten().tolist()))
            (folder / f"fashion-mnist/{part}-{kind}-ubyte.gz").write_bytes(packed)
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(recipe.CONFIG, width=32, heads=2, layers=2, hidden=64, patch=7)
    monkeypatch.setattr(recipe, "CONFIG", config)
    monkeypatch.setattr(recipe, "SHIFT", 0)  # or the bars would mean nothing


def train(data: Path, out: Path, *, seconds: float) -> None:
    recipe.train(data, out, minutes=seconds / 60, size=32, rate=5e-3, matrix_rate=0.02, seed=0)


@pytest.mark.usefixtures("small")
def test_it_learns_and_writes_what_zoo_and_transformers_load(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path, seconds=8)

    found = recipe.evaluate(data, tmp_path)
    assert found["pictures"] == 100
    assert found["accuracy"] > 0.3  # chance is a tenth
    assert not (tmp_path / "training.pt").exists()

    made, _ = pictures(3)
    network: Any = zoo.load(str(tmp_path), device="cpu", dtype="float32").network
    theirs = transformers.ViTForImageClassification.from_pretrained(tmp_path).float().eval()
    with torch.no_grad():
        torch.testing.assert_close(
            network(recipe.numbers(made)), theirs(recipe.numbers(made)).logits, atol=1e-5, rtol=0
        )


@pytest.mark.usefixtures("small")
def test_a_killed_run_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, average = recipe.new_network(), recipe.new_network()
    optimizers: Any = []
    for part in (network.encoder.blocks, network.classifier):
        optimizers.append((torch.optim.AdamW(part.parameters()), 1.0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    recipe.write(
        tmp_path / "training.pt",
        {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in optimizers],
            "step": 7,
            "spent": 59.0,
        },
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()

    assert recipe.resume(tmp_path / "training.pt", network, average, optimizers) == (7, 59.0)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]


def test_changes_shift_mirror_and_erase() -> None:
    torch.manual_seed(0)
    made = torch.zeros(200, 28, 28, dtype=torch.uint8)
    made[:, 10:18, 4:8] = 200
    moved = recipe.changed(made)
    assert moved.shape == made.shape
    lit = moved.flatten(1).gt(0).sum(dim=1)
    assert (lit == 32).sum() > 100  # shifted or mirrored only
    assert (lit < 32).any()  # partly erased
    left = moved[:, :, :14].flatten(1).any(dim=1)
    assert 0.3 < left.float().mean() < 0.7


def test_numbers_are_what_the_checkpoint_says_of_its_pictures(tmp_path: Path) -> None:
    recipe.save(recipe.new_network(), tmp_path)
    model = zoo.load(str(tmp_path), device="cpu", dtype="float32")
    made, _ = pictures(2)
    prepared = model.preprocessor([Image.fromarray(each.numpy()) for each in made])
    torch.testing.assert_close(recipe.numbers(made), prepared, atol=1e-6, rtol=0)
