"""Search among pictures: the order of plain arithmetic, and no picture looked at twice."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

import zoo
from tests import clip
from tests.checkpoints import Save, copy_checkpoint, load
from tests.pictures import noise
from zoo.errors import InputError, TaskError, UsageError
from zoo.image import Picture

QUERY = "a man in the park"

_opened: list[str] = []
sys.addaudithook(lambda event, args: _opened.append(str(args[0])) if event == "open" else None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> zoo.Model:
    folder = tmp_path_factory.mktemp("clip")
    clip.save_clip(folder)
    return clip.load(folder)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        noise(seed=number).save(path)
    return paths


def test_the_order_is_that_of_cosines(model: zoo.Model, photos: list[Path]) -> None:
    inputs: list[Picture] = [*photos, QUERY]
    vectors = model.embed(inputs, normalize=True)
    cosines = (vectors[:-1] @ vectors[-1]).tolist()
    expected = sorted(zip(cosines, map(str, photos), strict=True), reverse=True)

    for _ in range(2):  # computed, and remembered
        found = model.search(photos, QUERY)

        assert [match.path for match in found.matches] == [path for _, path in expected]
        assert [match.score for match in found.matches] == pytest.approx(
            [score for score, _ in expected], abs=1e-6
        )
    assert model.search(photos, QUERY, top_k=2).matches == found.matches[:2]


def test_a_second_query_does_not_open_the_pictures(model: zoo.Model, photos: list[Path]) -> None:
    time.sleep(2.2)  # until their times can tell that they were written again
    first = model.search(photos, QUERY)
    _opened.clear()

    second = model.search(photos, "another query")

    assert (first.computed, first.pictures) == (5, 5)
    assert (second.computed, second.pictures) == (0, 5)
    assert not set(map(str, photos)) & set(_opened)


def test_a_file_that_was_moved_or_copied_is_known_by_its_content(
    model: zoo.Model, photos: list[Path]
) -> None:
    model.search(photos, QUERY)
    moved = photos[0].rename(photos[0].with_name("moved.png"))
    copy = photos[0].with_name("copy.png")
    copy.write_bytes(photos[1].read_bytes())

    assert model.search([moved, copy, *photos[1:]], QUERY).computed == 0


def test_a_file_that_was_changed_is_computed_again(model: zoo.Model, photos: list[Path]) -> None:
    model.search(photos, QUERY)
    noise(seed=9).save(photos[2])

    assert model.search(photos, QUERY).computed == 1


def test_another_model_transform_or_dtype_shares_nothing(
    model: zoo.Model, photos: list[Path], tmp_path: Path
) -> None:
    model.search(photos, QUERY)
    folder = Path(model.entry.source.location)
    other = copy_checkpoint(folder, tmp_path / "other")
    clip.change_image_mean(other)
    half = zoo.load(str(folder), device="cpu", dtype="bfloat16")

    assert clip.load(copy_checkpoint(folder, tmp_path / "same")).search(photos, QUERY).computed == 0
    assert clip.load(other).search(photos, QUERY).computed == 5
    assert half.search(photos, QUERY).computed == 5


def test_without_the_cache_nothing_is_kept(model: zoo.Model, photos: list[Path]) -> None:
    assert model.search(photos, QUERY, cache=False).computed == 5
    assert model.search(photos, QUERY).computed == 5


def test_a_picture_can_be_the_query(model: zoo.Model, photos: list[Path]) -> None:
    found = model.search(photos, photos[3])

    assert found.query == str(photos[3])
    assert found.matches[0].path == str(photos[3])
    assert found.matches[0].score == pytest.approx(1, abs=1e-5)


def test_a_bad_picture_is_left_out_if_somebody_takes_its_error(
    model: zoo.Model, photos: list[Path]
) -> None:
    photos[1].write_bytes(b"no picture")
    gone = photos[0].with_name("gone.png")
    taken: list[tuple[int, str]] = []

    found = model.search(
        [*photos, gone], QUERY, on_error=lambda number, error: taken.append((number, str(error)))
    )

    assert found.pictures == 4
    assert sorted(number for number, _ in taken) == [1, 5]
    assert all(torch.isfinite(torch.tensor(match.score)) for match in found.matches)
    with pytest.raises(InputError, match=r"1\.png is no picture"):
        model.search(photos, QUERY)


def test_what_cannot_be_meant_is_refused(model: zoo.Model, photos: list[Path], save: Save) -> None:
    with pytest.raises(UsageError, match="top_k is 0"):
        model.search(photos, QUERY, top_k=0)
    with pytest.raises(InputError, match="is empty"):
        model.search(photos, " ")
    with pytest.raises(TaskError, match=r"cannot search: .* such as a CLIP; it can do fill-mask"):
        load(save("BertForMaskedLM")[0]).search(photos, QUERY)
    assert model.search([], QUERY).matches == ()
