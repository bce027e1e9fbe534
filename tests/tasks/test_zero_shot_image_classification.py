"""Labels for pictures, against transformers' pipeline's arithmetic on the same tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import zoo
from tests import clip
from tests.pictures import noise
from zoo.errors import InputError, TaskError, UsageError, ZooWarning
from zoo.image import Picture

LABELS = ["a dog", "two women", "the old city"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[zoo.Model, Any]:
    folder = tmp_path_factory.mktemp("clip")
    model = clip.save_clip(folder)
    return clip.load(folder), model


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[zoo.Model, Any]:
    folder = tmp_path_factory.mktemp("siglip")
    model = clip.save_siglip(folder)
    return clip.load(folder), model


def pictures() -> list[Image.Image]:
    return [noise(seed=seed) for seed in range(3)]


def theirs(loaded: zoo.Model, model: Any, prompts: list[str], padding: int) -> torch.Tensor:  # noqa: ANN401
    """Logits of pictures and prompts, (n, K), with transformers' network."""
    rows = clip.rows(loaded, prompts)
    most = max(map(len, rows))
    tokens = torch.tensor([[*row, *[padding] * (most - len(row))] for row in rows])
    pixels = loaded.preprocessor.image(pictures())
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=tokens, pixel_values=pixels).logits_per_image
    return logits


def scores(results: list[Any]) -> torch.Tensor:
    """In the order of `LABELS`."""
    tables = [{label.label: label.score for label in each.labels} for each in results]
    return torch.tensor([[table[label] for label in LABELS] for table in tables])


def test_clip_shares_a_hundred_percent_as_transformers_does(saved: tuple[zoo.Model, Any]) -> None:
    loaded, model = saved
    prompts = [f"this is {label}!" for label in LABELS]
    expected = theirs(loaded, model, prompts, loaded.preprocessor.text.end).softmax(dim=-1)

    found = loaded.zero_shot(pictures(), LABELS, template="this is {}!")

    torch.testing.assert_close(scores(found), expected, atol=1e-5, rtol=1e-4)
    for each in found:
        best = [label.score for label in each.labels]
        assert best == sorted(best, reverse=True)


def test_siglip_gives_each_label_a_probability_of_its_own(siglip: tuple[zoo.Model, Any]) -> None:
    loaded, model = siglip
    prompts = [f"this is {label}!" for label in LABELS]
    expected = theirs(loaded, model, prompts, 0).sigmoid()

    found = loaded.zero_shot(pictures(), LABELS, template="this is {}!")
    alone = loaded.zero_shot(pictures(), LABELS[:1], template="this is {}!")

    torch.testing.assert_close(scores(found), expected, atol=1e-5, rtol=1e-4)
    assert [each.labels[0].score for each in alone] == pytest.approx(scores(found)[:, 0].tolist())


def test_several_templates_are_averaged_on_the_sphere(saved: tuple[zoo.Model, Any]) -> None:
    loaded, _ = saved
    templates = ["a picture of {}.", "{} in the park", "no {}, nor {}"]

    classes = loaded.prepare_classes(LABELS, template=templates)

    for label, vector in zip(LABELS, classes.vectors, strict=True):
        each = [F.normalize(loaded.embed(t.replace("{}", label)), dim=0) for t in templates]
        torch.testing.assert_close(vector, F.normalize(torch.stack(each).mean(dim=0), dim=0))


def test_prepared_classes_give_the_same(saved: tuple[zoo.Model, Any]) -> None:
    loaded, _ = saved

    classes = loaded.prepare_classes(LABELS)

    assert loaded.zero_shot(pictures(), classes) == loaded.zero_shot(pictures(), LABELS)


def test_one_picture_gives_one_result_and_top_k_the_best(
    saved: tuple[zoo.Model, Any], tmp_path: Path
) -> None:
    loaded, _ = saved
    path = tmp_path / "photo.png"
    noise().save(path)

    whole = loaded.zero_shot(path, LABELS)
    best = loaded.zero_shot(str(path), LABELS, top_k=1)

    assert whole.text == str(path)
    assert best.labels == whole.labels[:1]


def test_the_sentence_is_in_the_language_of_the_model(tmp_path: Path, wordpiece: Path) -> None:
    clip.save_chinese_clip(tmp_path, wordpiece)
    loaded = clip.load(tmp_path)

    assert loaded.zero_shot(noise(), ["马", "城市"]) == loaded.zero_shot(
        noise(), ["马", "城市"], template="{}的照片。"
    )


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        (["dog", "cat", "dog"], {}, UsageError, "labels 1 and 3 are both 'dog'"),
        (["dog", " "], {}, InputError, "label 2 of 2 is empty"),
        ([], {}, UsageError, "got none"),
        (["dog"], {}, UsageError, "give another label to compare with"),
        (["dog", "cat"], {"template": "a photo"}, UsageError, "has no {} for the label"),
        (["dog", "cat"], {"template": []}, UsageError, "one template or more"),
        (["dog", "cat"], {"top_k": 0}, UsageError, "top_k is 0"),
        (["dog", "cat"], {"multi_label": True}, UsageError, "multi_label: only for texts"),
        ("dog", {}, TypeError, "not the text 'dog'"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(
    saved: tuple[zoo.Model, Any],
    labels: Any,  # noqa: ANN401
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    loaded, _ = saved

    with pytest.raises(error, match=message):
        loaded.zero_shot(noise(), labels, **options)


def test_labels_that_only_look_different_are_noticed(saved: tuple[zoo.Model, Any]) -> None:
    loaded, _ = saved

    with pytest.warns(ZooWarning, match="'Dog' and 'dog' are the same to this model"):
        loaded.zero_shot(noise(), ["Dog", "dog", "cat"])


def test_a_bad_picture_stops_no_other_if_somebody_takes_its_error(
    saved: tuple[zoo.Model, Any], tmp_path: Path
) -> None:
    loaded, _ = saved
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    taken: list[tuple[int, str]] = []
    mixed: list[Picture] = [noise(), bad]

    results = loaded.zero_shot(
        mixed, LABELS, on_error=lambda n, error: taken.append((n, str(error)))
    )

    assert results[0] == loaded.zero_shot([noise()], LABELS)[0]
    assert results[1].labels == ()
    assert taken[0][0] == 1
    assert "bad.jpg is no picture" in taken[0][1]
    with pytest.raises(InputError, match=r"bad\.jpg"):
        loaded.zero_shot(mixed, LABELS)


def test_texts_and_pictures_are_embedded_into_one_space(
    saved: tuple[zoo.Model, Any], tmp_path: Path
) -> None:
    loaded, _ = saved
    path = tmp_path / "photo.png"
    noise().save(path)

    inputs: list[Picture] = [noise(), "a dog", path]
    vectors = loaded.embed(inputs)

    assert vectors.shape == (3, 28)
    torch.testing.assert_close(vectors[0], vectors[2])
    torch.testing.assert_close(vectors[1], loaded.embed("a dog"))
    lengths = loaded.embed(inputs, normalize=True).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(3))


def test_a_model_that_has_one_vector_for_a_text_takes_no_pooling(
    saved: tuple[zoo.Model, Any],
) -> None:
    loaded, _ = saved

    with pytest.raises(UsageError, match="pooling"):
        loaded.embed("a dog", pooling="cls")
    with pytest.raises(TaskError, match="none for its tokens"):
        loaded.embed_tokens("a dog")
