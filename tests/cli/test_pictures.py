"""``zoo run`` on pictures: what is read, what is printed and written, what goes wrong."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from tests import imagegpt
from tests.cli.conftest import Zoo
from tests.pictures import noise
from tests.vision import save_vision

LABELS = {0: "cat", 1: "dog", 2: "bicycle"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("classifier")
    save_vision(folder, "ViTForImageClassification", id2label=LABELS)
    return str(folder)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("painter")
    save_vision(folder, "ViTMAEForPreTraining")
    return str(folder)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two pictures, one more below, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "older").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.jpg", "older/c.png")):
        noise(60, 50, seed=number).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def names(found: list[dict[str, Any]]) -> list[str]:
    return [Path(row["picture"]).name for row in found]


def test_a_photo_gets_scores_and_labels(zoo: Zoo, model: str, photos: Path) -> None:
    lines = zoo.works("run", model, str(photos / "a.png"), "--top-k", "2").splitlines()
    assert len(lines) == 2
    assert {line.split("  ")[1] for line in lines} <= set(LABELS.values())


def test_folders_patterns_lists_and_standard_input_name_pictures(
    zoo: Zoo, model: str, photos: Path, tmp_path: Path
) -> None:
    everything = ["a.png", "b.jpg", "c.png"]
    assert names(rows(zoo.works("run", model, "--json", str(photos)))) == everything
    assert names(rows(zoo.works("run", model, "--json", "--input", str(photos)))) == everything
    pattern = str(photos / "**" / "*.png")
    assert names(rows(zoo.works("run", model, "--json", pattern))) == ["a.png", "c.png"]
    piped = f"{photos / 'b.jpg'}\n{photos / 'a.png'}\n"
    assert names(rows(zoo.works("run", model, "--json", "-", stdin=piped))) == ["b.jpg", "a.png"]
    table = tmp_path / "list.csv"
    table.write_text(f"picture,year\n{photos / 'a.png'},1999\n")
    (row,) = rows(zoo.works("run", model, "--json", "--input", str(table)))
    assert row["year"] == "1999"
    table.with_suffix(".txt").write_text(f"{photos / 'a.png'}\n")
    (row,) = rows(zoo.works("run", model, "--json", "--input", str(table.with_suffix(".txt"))))
    assert row["text"] == str(photos / "a.png")


def test_paths_on_standard_input_may_have_any_bytes(
    zoo: Zoo, model: str, photos: Path, tmp_path: Path
) -> None:
    (photos / "a.png").rename(os.fsdecode(bytes(tmp_path) + b"/caf\xe9 \xe4\xb8\xad.png"))

    done = subprocess.run(
        [sys.executable, "-m", "zoo_cli", "run", model, "--top-k", "1"],
        env={**zoo.environment, "PYTHONIOENCODING": "ascii:strict"},
        cwd=tmp_path,
        input=b"\xef\xbb\xbfcaf\xe9 \xe4\xb8\xad.png\r\nphotos/b.jpg\n",
        capture_output=True,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 4


def test_an_empty_name_is_not_the_working_directory(zoo: Zoo, model: str, photos: Path) -> None:
    for arguments, stdin in ((("",), ""), ((), "photos/a.png\n\nphotos/b.jpg\n")):
        error = zoo.fails(2, "run", model, *arguments, stdin=stdin)
        assert error == "a picture without a name; is a variable or a line empty?"


def test_results_go_to_files(zoo: Zoo, model: str, photos: Path, tmp_path: Path) -> None:
    zoo.works("run", model, str(photos), "--output", "labels.jsonl")
    written = rows((tmp_path / "labels.jsonl").read_text())
    assert [len(row["labels"]) for row in written] == [3, 3, 3]
    assert not (tmp_path / "labels.jsonl.partial").exists()


def test_vectors_go_to_matrices(zoo: Zoo, model: str, photos: Path, tmp_path: Path) -> None:
    embed = ("run", model, str(photos), "--task", "image-feature-extraction")
    zoo.works(*embed, "--output", "vectors.npy")
    zoo.works(*embed, "--output", "vectors.safetensors", "--normalize")
    vectors = np.load(tmp_path / "vectors.npy")
    assert (vectors.shape, vectors.dtype) == ((3, 24), np.float32)
    with safe_open(tmp_path / "vectors.safetensors", "np") as file:
        normal = file.get_tensor("embedding")
        assert names(json.loads(file.metadata()["rows"])) == ["a.png", "b.jpg", "c.png"]
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(normal, scaled, atol=1e-6)


def test_a_file_that_cannot_be_read_is_noted_and_the_rest_goes_on(
    zoo: Zoo, model: str, photos: Path, tmp_path: Path
) -> None:
    (photos / "aa.jpg").write_bytes(b"broken")
    done = zoo("run", model, str(photos), "nothing.png", "--json")
    assert done.returncode == 1
    assert [row["labels"] is None for row in rows(done.stdout)] == [False, True, False, False, True]
    first, second, last = done.stderr.splitlines()
    assert first.endswith("aa.jpg is no picture in a format that Pillow reads")
    assert second == "unreadable: nothing.png: cannot be read: No such file or directory"
    assert last == "error: 2 of 5 pictures could not be read; the rest is done"

    embed = ("run", model, str(photos), "--task", "image-feature-extraction")
    assert zoo(*embed, "--output", "vectors.npy").returncode == 1
    assert np.isnan(np.load(tmp_path / "vectors.npy")).all(axis=1).tolist() == [
        False, True, False, False,
    ]  # fmt: skip


def test_a_contact_sheet_shows_them_all(zoo: Zoo, model: str, photos: Path, tmp_path: Path) -> None:
    zoo.works("run", model, str(photos), "--contact-sheet", "sheet.png")
    left, top = 12 + (224 - 60) // 2, 12 + (224 - 50) // 2
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 2 * (224 + 24)
        # The first picture lies in the middle of its cell, not enlarged.
        assert sheet.crop((left, top, left + 60, top + 50)).tobytes() == noise(60, 50).tobytes()
    again = zoo("run", model, str(photos), "--contact-sheet", "sheet.png")
    assert (again.returncode, "--overwrite" in again.stderr) == (2, True)


def test_painted_pictures_go_to_a_file_or_into_a_folder(
    zoo: Zoo, painter: str, photos: Path, tmp_path: Path
) -> None:
    one = str(photos / "a.png")
    assert zoo.works("run", painter, one, "--output", "one.png") == "one.png\n"
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.size == (3 * 128 + 8, 128)
    (tmp_path / "all").mkdir()
    printed = zoo.works("run", painter, str(photos), "--output", "all", "--seed", "3")
    assert printed.split() == [f"all/{name}-painted.png" for name in "abc"]
    for arguments, message in (
        ((one,), "--output says where to: a .png, or a folder"),
        ((one, "--output", "one.png"), "is there already"),
        ((str(photos), "--output", "two.png"), "there are 3 pictures"),
        ((one, "--output", "none/one.png"), "there is no folder 'none'"),
    ):
        done = zoo("run", painter, *arguments)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_completed_pictures_are_the_same_for_a_seed_whatever_stands_beside_them(
    zoo: Zoo, photos: Path, tmp_path: Path
) -> None:
    model = str(tmp_path / "model")
    imagegpt.save(tmp_path / "model")
    options = ("--keep", "0.5", "--num-return-sequences", "2", "--seed", "3")
    (tmp_path / "all").mkdir()

    printed = zoo.works("run", model, str(photos), *options, "--output", "all")
    zoo.works("run", model, str(photos / "a.png"), *options, "--output", "one.png")

    assert printed.split() == [f"all/{name}-painted.png" for name in "abc"]
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "all/a-painted.png").read_bytes()
    with Image.open(tmp_path / "one.png") as sheet:
        edge = imagegpt.EDGE * (128 // imagegpt.EDGE)
        assert sheet.size == (4 * edge + 3 * 4, edge)
    done = zoo("run", model, str(photos / "a.png"), "--keep", "2", "--output", "two.png")
    assert (done.returncode, "keep is 2.0; expected a share" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no picture: pass a file or a folder"),
        (("empty",), "no picture in 'empty'; expected files such as .jpg"),
        (("https://example.org/cat.jpg",), "pass --allow-url to fetch what it names"),
        (("a.png", "--input", "list.csv"), "not both"),
        (("a.png", "--pooling", "mean"), "--pooling is no option of image-classification"),
        (("a.png", "--output", "labels.npy"), "that format is for vectors"),
        (("a.png", "--contact-sheet", "sheet.gif"), "a file that ends in .png"),
        (("a.png", "--labels", "a,b"), "is no option of image-classification"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    zoo: Zoo, model: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    noise().save(tmp_path / "a.png")
    done = zoo("run", model, *arguments, "--task", "image-classification")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_pictures_none_of_which_is_there_are_refused_before_the_model_loads(zoo: Zoo) -> None:
    error = zoo.fails(1, "run", "vit-base-patch16-224", "a.png", "b.png")

    assert error == "no file 'a.png', nor any other of the 2; expected a picture such as a .jpg"


@pytest.fixture
def site(photos: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

    handler = functools.partial(Quiet, directory=str(photos))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_url_is_fetched_when_allowed(zoo: Zoo, model: str, site: str, photos: Path) -> None:
    fetched = zoo.works("run", model, f"{site}/a.png", "--allow-url")
    assert fetched == zoo.works("run", model, str(photos / "a.png"))
    done = zoo("run", model, f"{site}/z.png", "--allow-url")
    assert done.returncode == 6
    assert done.stderr == f"error: cannot fetch {site}/z.png: File not found\n"
