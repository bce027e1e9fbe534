"""Labels of one's own and search, from the command line, with a tiny random CLIP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from tests.pictures import noise


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests import clip

    folder = tmp_path_factory.mktemp("clip")
    clip.save_clip(folder)
    return str(folder)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        noise(seed=number).save(folder / f"{number}.png")
    return folder


def test_labels_and_templates_come_as_arguments_or_files(
    zoo: Zoo, clip: str, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("dog\ncat, sitting\n")
    (tmp_path / "templates.txt").write_text("a {}.\nno {}!\n")

    one = zoo.works("run", clip, str(photos / "0.png"), "--labels", "dog, cat")
    two = zoo.works(
        *("run", clip, "--input", str(photos), "--labels", "@labels.txt", "--json"),
        *("--template", "@templates.txt", "--top-k", "1"),
    )

    assert sorted(line.split()[1] for line in one.splitlines()) == ["cat", "dog"]
    rows = [json.loads(line) for line in two.splitlines()]
    assert [Path(row["picture"]).name for row in rows] == ["0.png", "1.png", "2.png"]
    assert all(row["labels"][0]["label"] in ("dog", "cat, sitting") for row in rows)
    assert {len(row["labels"]) for row in rows} == {1}


def test_a_query_ranks_a_folder_and_the_second_knows_the_pictures(
    zoo: Zoo, clip: str, photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.jpg").write_bytes(b"no picture")

    first = zoo("run", clip, "--query", "a dog", "--input", str(photos))
    (photos / "bad.jpg").unlink()
    second = zoo("run", clip, str(photos), "--query", "a cat", "--output", "found.jsonl")

    assert first.returncode == 1
    assert "bad.jpg is no picture" in first.stderr
    assert first.stderr.splitlines()[-1] == (
        "error: 1 of 4 pictures could not be read; the rest is done"
    )
    scores = [float(line.split()[0]) for line in first.stdout.splitlines()]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert second.returncode == 0, second
    assert "3 of 3 pictures known from before" in second.stderr
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert sorted(Path(row["picture"]).name for row in rows) == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "dog"], "give another label to compare with"),
        (["--labels", "dog,dog"], "'dog' comes twice"),
        (["--labels", "dog,,cat"], "label 2 is empty"),
        (["--labels", "@gone.txt"], "--labels: cannot read gone.txt"),
        (["--labels", "a,b", "--template", "x"], "--template: expected a sentence with {}"),
        (["--query", " "], "--query is empty"),
        (["--query", "dog", "--labels", "a,b"], "--labels does not go with --query"),
        (["--query", "dog", "--task", "feature-extraction"], "takes no --task"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_one_line(
    zoo: Zoo, clip: str, photos: Path, arguments: list[str], message: str
) -> None:
    assert message in zoo.fails(2, "run", clip, str(photos), *arguments)


def test_a_model_that_does_not_see_cannot_search(zoo: Zoo, photos: Path) -> None:
    message = zoo.fails(2, "run", "tiny-bert", str(photos), "--query", "dog")

    assert "tiny-bert cannot search: --query takes a model that sees and reads" in message
