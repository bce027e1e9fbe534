"""Tasks on pictures: the same answers as the reference libraries, from files to labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor

from tests.checkpoints import load
from tests.pictures import encoded, noise
from tests.vision import save_vision
from zoo.errors import DeviceError, InputError, TaskError, UsageError, ZooWarning
from zoo.image import Picture
from zoo.model import Model
from zoo.tasks import able

LABELS = {0: "cat", 1: "dog", 2: "bicycle"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier")
    save_vision(path, "ViTForImageClassification", id2label=LABELS)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    path = tmp_path_factory.mktemp("photos")
    for number in range(7):
        noise(50 + number, 40, seed=number).save(path / f"{number}.png")
    return sorted(path.iterdir())


def test_labels_and_scores_are_those_of_the_transformers_pipeline(
    folder: Path, model: Model, photos: list[Path]
) -> None:
    pipeline = transformers.pipeline("image-classification", model=str(folder), top_k=3)
    theirs = pipeline([str(photo) for photo in photos])
    for result, expected in zip(model.classify(photos), theirs, strict=True):
        assert [label.label for label in result.labels] == [each["label"] for each in expected]
        # Their processor resizes with torchvision, which rounds some pixels otherwise.
        for label, each in zip(result.labels, expected, strict=True):
            assert label.score == pytest.approx(each["score"], abs=0.02)


def test_one_picture_gives_one_result_and_a_list_a_list(model: Model, photos: list[Path]) -> None:
    one = model.classify(photos[0])
    listed = model.classify(photos)[0]
    assert [each.label for each in one.labels] == [each.label for each in listed.labels]
    assert one.text == str(photos[0])
    assert one.to_dict()["labels"][0]["label"] in LABELS.values()
    assert model.classify([]) == []
    assert model.embed(photos[0]).shape == (24,)
    assert model.embed(photos).shape == (7, 24)
    assert model.embed([]).shape == (0, 0)


def test_paths_bytes_and_open_pictures_are_the_same(model: Model) -> None:
    image = noise()
    assert torch.equal(model.embed(image), model.embed(encoded(image, "PNG")))


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_change_nothing(model: Model, photos: list[Path], batch_size: int) -> None:
    torch.testing.assert_close(
        model.embed(photos, batch_size=batch_size), model.embed(photos), atol=1e-5, rtol=0
    )


def test_vectors_have_length_one_when_asked(model: Model, photos: list[Path]) -> None:
    plain, normal = model.embed(photos), model.embed(photos, normalize=True)
    torch.testing.assert_close(normal, torch.nn.functional.normalize(plain, dim=-1))


def test_a_picture_that_cannot_be_read_stops_all_or_is_handed_over(
    model: Model, photos: list[Path]
) -> None:
    inputs: list[Picture] = [photos[0], b"broken", photos[1], "missing.png"]
    with pytest.raises(InputError, match="picture 2 is no picture"):
        model.classify(inputs)

    errors: dict[int, InputError] = {}
    results = model.classify(inputs, on_error=errors.__setitem__, batch_size=2)
    assert sorted(errors) == [1, 3]
    assert [len(result.labels) for result in results] == [3, 0, 3, 0]
    assert results[2].text == str(photos[1])
    vectors = model.embed(inputs, on_error=errors.__setitem__)
    assert vectors.isnan().all(dim=1).tolist() == [False, True, False, True]


def test_what_the_head_lacks_is_no_task(tmp_path: Path) -> None:
    save_vision(tmp_path, "ViTModel")
    bare = load(tmp_path)
    assert able(bare) == ["image-feature-extraction"]
    with pytest.raises(TaskError, match="cannot do image-classification: its checkpoint has no"):
        bare.classify(noise())


def test_options_for_texts_are_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="batch_tokens: only for texts"):
        model.classify(noise(), batch_tokens=5)
    with pytest.raises(UsageError, match="pooling: only for texts"):
        model.embed(noise(), pooling="mean")
    with pytest.raises(UsageError, match="batch_size is 0"):
        model.embed(noise(), batch_size=0)


def test_a_batch_that_does_not_fit_is_halved(
    model: Model, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network: Any = model.network
    expected = model.embed(photos)
    forward = network.embed_images

    def small(pixels: Tensor) -> Tensor:
        if pixels.size(0) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried")
        return forward(pixels)

    monkeypatch.setattr(network, "embed_images", small)
    with pytest.warns(ZooWarning, match=r"with 7 pictures a batch.*\(--batch-size 3\)"):
        vectors = model.embed(photos)
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=0)

    def none(pixels: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried")

    monkeypatch.setattr(network, "embed_images", none)
    with pytest.raises(DeviceError, match="a single picture does not fit"):
        model.embed(photos[0])


def test_a_picture_is_painted_where_it_was_hidden(tmp_path: Path) -> None:
    save_vision(tmp_path, "ViTMAEForPreTraining")
    painter = load(tmp_path)
    image = noise()

    one = painter.reconstruct(image)
    assert one is not None
    again = painter.reconstruct([noise(seed=5), image], batch_size=1)[1]
    assert again is not None
    transform = painter.preprocessor.transform

    assert one.original.tobytes() == bytes(transform.pixels(image).flatten().tolist())
    gray = torch.frombuffer(bytearray(one.masked.tobytes()), dtype=torch.uint8).view(32, 32, 3)
    hidden = (gray == 127).all(dim=-1)
    assert hidden.sum() == 12 * 64  # three quarters of 16 patches
    assert again.masked.tobytes() == one.masked.tobytes()
    assert one.reconstructed.tobytes() == again.reconstructed.tobytes()
    assert one.side_by_side().size == (3 * 128 + 8, 128)  # small ones are magnified
    other = painter.reconstruct(image, seed=1)
    assert other is not None
    assert other.masked.tobytes() != one.masked.tobytes()


def test_a_model_that_reads_takes_no_pictures(save: Any) -> None:  # noqa: ANN401 (a fixture)
    reader = load(save("BertModel")[0])
    with pytest.raises(InputError, match="reads texts"):
        reader.embed([Image.new("RGB", (4, 4))])
    wrongs: tuple[Any, ...] = (None, 5, (each for each in "ab"), ["a dog", None], [["a dog"]])
    for wrong in wrongs:
        with pytest.raises(InputError, match=r"reads texts, and got .*; expected a text or a list"):
            reader.embed(wrong)
        with pytest.raises(InputError, match="reads texts, and got"):
            reader.embed_tokens(wrong)
    pair: Any = ("a dog", "a cat")
    assert reader.embed(pair).shape[0] == 2  # a tuple is a list
    with pytest.raises(UsageError, match="batch_size: only for pictures"):
        reader.embed("a dog", batch_size=4)
