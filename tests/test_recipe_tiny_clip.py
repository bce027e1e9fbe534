"""The recipe of ``tiny-clip``, in small: pictures made here, and few steps."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image

import zoo
from recipes import tiny_clip as recipe
from tests.checkpoints import LINES

COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 180, 40),
    "blue": (30, 40, 210),
    "gray": (99, 99, 99),
}
CAPTIONS = [
    f"A {colour} square stands on a {other} floor ." for colour in COLOURS for other in COLOURS
]


def jpeg(number: int) -> bytes:
    picture = Image.new("RGB", (80, 80), [*COLOURS.values()][number % 4])
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


def pack(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    names = [f"{number:03}.jpg" for number in range(40)]
    made = {name: jpeg(number) for number, name in enumerate(names)}
    pack(folder / "flickr8k/images-80px.tar.gz", dict(reversed(made.items())))
    lines = [
        f"{name}\t{CAPTIONS[(7 * n + k) % 16]}" for n, name in enumerate(names) for k in range(5)
    ]
    with gzip.open(folder / "flickr8k/captions.tsv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    (folder / "coco-mini/images").mkdir(parents=True)
    (folder / "coco-mini/images/a.jpg").write_bytes(jpeg(2))
    listed = {"images": {"a.jpg": {"captions": LINES[:5]}}}
    (folder / "coco-mini/captions.json").write_text(json.dumps(listed))
    with gzip.open(folder / "coco-mini/captions_val2017.json.gz", "wt") as file:
        json.dump({"annotations": [{"caption": line} for line in LINES]}, file)
    pack(
        folder / "cifar10/cifar10-jpg-test.tar.gz",
        {f"test/{label}/{n}.jpg": jpeg(n) for n in range(2) for label in recipe.CIFAR10},
    )
    (folder / "fashion-mnist").mkdir()
    pixels = torch.randint(0, 256, (20, 28, 28), generator=torch.Generator().manual_seed(0))
    for name, content in (
        ("t10k-images-idx3-ubyte.gz", bytes(16) + bytes(pixels.flatten().tolist())),
        ("t10k-labels-idx1-ubyte.gz", bytes(8) + bytes(n % 10 for n in range(20))),
    ):
        (folder / "fashion-mnist" / name).write_bytes(gzip.compress(content))
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(
        recipe.CONFIG,
        vision=replace(recipe.CONFIG.vision, width=32, layers=2, heads=2, hidden=64),
        text=replace(recipe.CONFIG.text, width=32, layers=2, heads=2, hidden=64),
        vocabulary=560,
        end=559,
        embedding=16,
    )
    monkeypatch.setattr(recipe, "CONFIG", config)
    monkeypatch.setattr(recipe, "TEST", 12)
    monkeypatch.setattr(recipe, "LOOK", 4)
    monkeypatch.setattr(recipe, "SAVE_EVERY", 0)


def train(data: Path, out: Path, *, seconds: float) -> None:
    recipe.train(
        data, out, minutes=seconds / 60, rows=8, rate=1e-3, matrix_rate=0.02, dropout=0.1, seed=0
    )


@pytest.mark.usefixtures("small")
def test_it_writes_what_zoo_and_transformers_load(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path, seconds=2)

    found = recipe.evaluate(data, tmp_path)

    assert {"text to picture R@10", "CIFAR-10 accuracy", "Fashion-MNIST accuracy"} < found.keys()
    assert all(0 <= value <= 100 for value in found.values())
    ours = zoo.load(str(tmp_path), device="cpu", dtype="float32")
    theirs = transformers.CLIPModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    with torch.inference_mode():
        tokens = tokenizer([CAPTIONS[0]], return_tensors="pt")
        expected = theirs.get_text_features(**tokens).pooler_output
    torch.testing.assert_close(ours.embed([CAPTIONS[0]]), expected, atol=1e-4, rtol=1e-4)
    assert not (tmp_path / "training.pt").exists()


@pytest.mark.usefixtures("small")
def test_an_interrupted_run_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recipe, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path, seconds=1)
    kept: dict[str, Any] = torch.load(tmp_path / "training.pt", weights_only=True)

    train(data, tmp_path, seconds=kept["seconds"] + 0.5)

    assert f"step {kept['steps']}" in capsys.readouterr().out
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.usefixtures("small")
def test_what_is_learned_from_looked_at_and_tested_on_is_apart(data: Path) -> None:
    flickr = recipe.read_flickr(data)

    learned, look, test = recipe.split(flickr)

    assert [len(part.captions) for part in (learned, look, test)] == [24, 4, 12]
    # In the order of names, whatever the archive's: picture n has colour n % 4.
    for picture, number in zip(test.pictures, range(28, 40), strict=True):
        colour = torch.tensor([*COLOURS.values()][number % 4]).view(3, 1, 1)
        assert (picture - colour).abs().max() < 12
    assert all(len(captions) == 5 for captions in flickr.captions)


def test_pictures_and_captions_stay_what_the_network_takes() -> None:
    torch.manual_seed(0)
    random.seed(0)
    pictures = torch.randint(0, 256, (6, 3, 80, 80), dtype=torch.uint8)

    augmented = [recipe.augmented(pictures) for _ in range(5)]
    captions = [recipe.varied(line) for line in LINES[:5] * 20]

    for x in [*augmented, recipe.plain(pictures)]:
        assert x.shape == (6, 3, 64, 64)
        assert torch.isfinite(x).all()
        assert x.abs().max() < 3
    assert not torch.equal(augmented[0], augmented[1])
    assert all(caption.strip(" .") for caption in captions)


def test_recall_counts_a_picture_with_any_of_its_captions() -> None:
    pictures = torch.eye(3)
    # Two captions each; the first picture's second and the last picture's both point elsewhere.
    texts = torch.tensor(
        [[1, 0, 0], [0, 1, 0.1], [0, 1, 0], [0.3, 1, 0], [1, 0, 0.05], [0.1, 1, 0.02]]
    )

    found = recipe.recall(pictures, texts, (1,))

    assert found["text to picture R@1"] == pytest.approx(100 * 3 / 6)
    assert found["picture to text R@1"] == pytest.approx(100 * 2 / 3)


def test_as_it_is_trained_it_has_at_most_8_mb() -> None:
    parameters = sum(each.numel() for each in recipe.new_network(0.1).parameters())

    assert 2 * parameters < 8_000_000
