"""Networks that see, each broken in one place: the check of a task on pictures that finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from torch import Tensor

from zoo.plugins import find_architecture
from zoo.testing import ContractError
from zoo.testing.architectures import Sample
from zoo.testing.tasks import checks_of_task, difference

Seeing = Callable[[Tensor], Tensor]


def failures(architecture: str, task: str, break_: Callable[[Any], None]) -> dict[str, str]:
    """What fails of a task after a network is broken: the check's name -> its message."""
    sample = Sample(find_architecture(architecture), task, [])
    break_(sample.model.network)
    found = {}
    for check in checks_of_task(architecture, task, sample):
        try:
            check.run()
        except ContractError as error:
            found[check.what] = str(error)
    return found


def look_at_the_whole_batch(network: Any) -> None:  # noqa: ANN401 (a plugin's)
    embed: Seeing = network.embed_images
    network.embed_images = lambda pixels: embed(pixels - pixels.mean(0))


@pytest.mark.parametrize("task", ["image-feature-extraction", "zero-shot-image-classification"])
def test_a_picture_that_depends_on_its_neighbours_is_found(task: str) -> None:
    found = failures("clip", task, look_at_the_whole_batch)
    assert [*found] == ["batch = one by one"]
    assert "input 0 in a batch: result" in found["batch = one by one"]


def test_dropout_that_stays_on_is_found() -> None:
    def drop(network: Any) -> None:  # noqa: ANN401 (a plugin's)
        classify: Seeing = network.classify_images
        network.classify_images = lambda pixels: classify(pixels.bernoulli(0.5))

    found = failures("vit", "image-classification", drop)
    assert "is dropout on" in found["gives the same results twice"]


def test_a_text_tower_that_reads_off_padding_is_found() -> None:
    def read_the_last_place(network: Any) -> None:  # noqa: ANN401 (a plugin's)
        tower = network.text
        network.embed_texts = lambda texts: tower.projection(
            tower.token_embedding(texts.tokens)[:, -1]
        )

    for task in ("zero-shot-image-classification", "feature-extraction"):
        found = failures("clip", task, read_the_last_place)
        assert "padding changes nothing" in found


def test_a_reconstruction_that_paints_over_what_is_seen_is_found() -> None:
    def brighten(network: Any) -> None:  # noqa: ANN401 (a plugin's)
        reconstruct = network.reconstruct

        def painted(pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
            whole, hidden = reconstruct(pixels, noise)
            return whole + 1, hidden

        network.reconstruct = painted

    found = failures("vit-mae", "masked-image-modeling", brighten)
    assert [*found] == ["what is not hidden stays"]
    assert "reconstruct: what was not hidden: numbers differ by" in str(found)


def test_pictures_differ_by_more_than_one_step_of_rounding() -> None:
    one, other = Image.new("RGB", (3, 2), (9, 9, 9)), Image.new("RGB", (3, 2), (9, 10, 9))
    assert difference(one, other) == ""
    assert difference(one, other, tolerance=0.0) != ""
    assert difference(one, Image.new("RGB", (3, 2), (9, 11, 9))) != ""
    assert difference(one, Image.new("RGB", (2, 3), (9, 9, 9))) != ""
