"""Pictures of benchmarks: where their classes stand, in folders, archives and IDX files."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.evaluation import Benchmark, find_benchmark
from zoo.evaluation.data import open_rows
from zoo.evaluation.pictures import (
    class_folders,
    empty_folders,
    files_of,
    idx,
    named_pictures,
    shard,
)
from zoo.evaluation.samples import label_of, read_samples


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (2, 2), shade).save(file, "PNG")
    return file.getvalue()


def folder(root: Path, names: list[str]) -> Path:
    for shade, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(shade))
    return root


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("test/cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


NAMES = ["cat/1.png", "cat/2.png", "cat/more/3.png", "dog/1.png"]


@pytest.mark.parametrize("around", ["", "test/", "pictures/test/"])
def test_classes_are_the_folders_in_which_pictures_first_differ(
    around: str, tmp_path: Path
) -> None:
    names = [around + name for name in NAMES]
    inside = folder(tmp_path / "data", names)
    (inside / "README.md").write_text("no picture")
    packed = tarred(tmp_path / "data.tar.gz", {name: png(1) for name in names})

    for path in (inside, packed):
        classes, rows = class_folders(path)

        assert classes == ["cat", "dog"]
        # Interleaved: whoever takes two sees both classes.
        assert [row["label"] for _, row in rows] == ["cat", "dog", "cat", "cat"]


def test_a_single_class_is_the_last_folder_that_all_share(tmp_path: Path) -> None:
    classes, rows = class_folders(folder(tmp_path, ["test/cat/1.png", "test/cat/2.png"]))

    assert classes == ["cat"]
    assert len([*rows]) == 2


def test_the_same_picture_has_the_same_hash_wherever_it_is(tmp_path: Path) -> None:
    inside = folder(tmp_path / "data", ["cat/1.png"])
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("any/where/1.png", png(0))

    assert named_pictures(inside)["1.png"].sha256 == (
        named_pictures(tmp_path / "data.zip")["1.png"].sha256
    )


def benchmark() -> Benchmark:
    return find_benchmark("cifar10")


def test_folders_that_are_not_the_benchmarks_classes_are_told(tmp_path: Path) -> None:
    known = [*benchmark().classes]
    names = [f"{each}/1.png" for each in [*known[:-2], "tractor"]]
    data = folder(tmp_path / "data", names)

    with pytest.raises(InputError) as said:
        [*open_rows(benchmark(), "test", data)]

    assert "9 folders of classes, but cifar10 has 10" in str(said.value)
    assert f"without a folder: {known[-2]}, {known[-1]}" in str(said.value)
    assert "no class: tractor" in str(said.value)


def test_a_folder_without_pictures_and_an_encrypted_archive_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    packed = tmp_path / "secret.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("cat/1.png", png(0))
    data = bytearray(packed.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1  # says that it is encrypted
    packed.write_bytes(data)

    with pytest.raises(InputError, match="expected a folder for each class"):
        class_folders(tmp_path / "empty")
    with pytest.raises(InputError, match=r"secret\.zip: no archive, damaged or encrypted"):
        class_folders(packed)


def test_idx_files_are_read_and_held_to_their_sizes(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures-idx3-ubyte.gz"
    pixels = bytes(range(12))
    pictures.write_bytes(gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 3, 2, 2) + pixels))
    labels = tmp_path / "labels-idx1-ubyte"
    labels.write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"\x07\0\x09")

    shown = [row["picture"].source for _, row in idx(pictures)]

    assert [[*each.tobytes()] for each in shown] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert [row["label"] for _, row in idx(labels)] == [7, 0, 9]
    labels.write_bytes(labels.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"says \[3\] numbers, and holds 2; is it cut off"):
        [*idx(labels)]
    labels.write_bytes(b"no idx")
    with pytest.raises(InputError, match="no IDX file"):
        [*idx(labels)]


def test_pictures_are_found_again_by_their_names(tmp_path: Path) -> None:
    inside = folder(tmp_path / "data", ["cat/1.png", "cat/2.png"])
    packed = tarred(tmp_path / "data.tar.gz", {"cat/1.png": png(1), "cat/2.png": png(2)})
    rows = tmp_path / "pictures-idx3-ubyte"
    rows.write_bytes(b"\0\0\x08\x03" + struct.pack(">III", 3, 2, 2) + bytes(range(12)))
    odd = tmp_path / "x: row 1"
    odd.write_bytes(png(9))

    found = files_of(
        [
            *(each.name for path in (inside, packed) for each in named_pictures(path).values()),
            *(row["picture"].name for _, row in [*idx(rows)][1:]),
            str(odd),
            f"{rows}: row 4",
            f"{inside}/gone.png",
            f"{inside}/gone: row 1",
            f"{packed}/cat/3.png",
            "hf:org/name@abc1234 test row 3",
        ]
    )

    assert found[f"{inside}/cat/1.png"] == png(0)
    assert found[f"{packed}/cat/2.png"] == png(2)
    assert found[str(odd)] == png(9)
    with Image.open(io.BytesIO(found[f"{rows}: row 3"])) as third:
        assert [*third.tobytes()] == [8, 9, 10, 11]
    assert len(found) == 7


def test_a_picture_beside_the_classes_is_not_dropped_in_silence(tmp_path: Path) -> None:
    folder(tmp_path, ["cat/1.png", "dog/1.png", "cover.png"])

    with pytest.raises(InputError, match=r"cover\.png: lies in no class's folder"):
        class_folders(tmp_path)


def test_what_is_hidden_is_no_class(tmp_path: Path) -> None:
    folder(tmp_path, ["cat/1.png", "dog/1.png", ".thumbs/1.png", "cat/.old/2.png", "dog/._1.png"])

    classes, rows = class_folders(tmp_path)

    assert classes == ["cat", "dog"]
    assert len([*rows]) == 2


def test_links_are_followed_and_not_in_a_circle(tmp_path: Path) -> None:
    inside = folder(tmp_path / "data", ["cat/1.png"])
    folder(tmp_path / "elsewhere", ["1.png", "2.png"])
    (inside / "dog").symlink_to(tmp_path / "elsewhere")
    (inside / "cat" / "again").symlink_to(inside)

    classes, rows = class_folders(inside)

    assert classes == ["cat", "dog"]
    assert len([*rows]) == 3


def test_classes_without_pictures_are_named(tmp_path: Path) -> None:
    inside = folder(tmp_path / "data", ["all/cat/1.png", "all/dog/1.png"])
    (inside / "all" / "cow").mkdir()
    (inside / "all" / "owl").symlink_to(tmp_path / "nowhere")
    (inside / "all" / ".git").mkdir()

    assert empty_folders(inside, ["cat", "dog"]) == ["all/cow", "all/owl"]
    with pytest.raises(InputError, match=r"all/cow: a class's folder without pictures"):
        find_benchmark(f"{inside}/")


def test_a_shard_has_a_row_for_all_files_of_one_name(tmp_path: Path) -> None:
    files = {
        "s0.cls": b"3\n",
        "s0.webp": png(1),
        "s1.png": png(2),
        "s1.txt": b"Ein Hund.\nEin Tier.",
    }
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

    (first, one), (second, two) = shard(path)

    assert [first, second] == [f"{path}/s0.cls", f"{path}/s1.png"]
    assert (one["cls"], two["txt"]) == ("3", "Ein Hund.\nEin Tier.")
    assert [each["picture"].source for each in (one, two)] == [files["s0.webp"], files["s1.png"]]
    assert files_of([one["picture"].name]) == {f"{path}/s0.webp": files["s0.webp"]}


def test_a_shard_with_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tarred(tmp_path / "0.tar", {"s0.npy": b"\x93NUMPY"})

    with pytest.raises(InputError, match=r"0.tar/s0.npy: neither a picture nor UTF-8"):
        [*shard(path)]


@pytest.mark.parametrize("column", ["picture", "path"])
def test_a_table_of_paths_has_a_benchmarks_pictures(column: str, tmp_path: Path) -> None:
    folder(tmp_path, ["a/1.png", "b/2.png"])
    table = tmp_path / "mine.csv"
    table.write_text(f"{column},label\na/1.png,cat\nb/2.png,9\n")
    benchmark = find_benchmark("cifar10")

    samples = [*read_samples(benchmark, "test", open_rows(benchmark, "test", table))]

    assert [each.fields["picture"].source for each in samples] == [
        tmp_path / "a/1.png",
        tmp_path / "b/2.png",
    ]
    assert [label_of(each, benchmark, benchmark.classes) for each in samples] == [3, 9]
    table.write_text(f"{column},label\nnone.png,cat\n")
    with pytest.raises(InputError, match=r"mine.csv:2: there is no picture '.*none.png'"):
        [*open_rows(benchmark, "test", table)]


def test_food101s_numbers_on_the_hub_are_in_another_order_than_its_classes() -> None:
    benchmark = find_benchmark("food101")
    # ClassLabel of huggingface/datasets, datasets/food101/food101.py: cheesecake, cheese_plate.
    rows = [(f"row {n}", {"image": None, "label": n}) for n in (15, 16, 17, 18)]

    found = [
        benchmark.classes[label_of(each, benchmark, benchmark.classes)]
        for each in read_samples(benchmark, "test", rows)
    ]

    assert found == ["ceviche", "cheesecake", "cheese plate", "chicken curry"]
