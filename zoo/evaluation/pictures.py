"""Pictures of a benchmark: folders of classes, archives of them, IDX files, pictures by name."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zoo.errors import InputError
from zoo.evaluation.archives import is_archive, members
from zoo.rows import Fields

if TYPE_CHECKING:
    from PIL import Image

Rows = Iterator[tuple[str, Fields]]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")

_ROW = re.compile(r"(.+): row (\d+)", re.DOTALL)  # what `idx` calls a picture


@dataclass(frozen=True)
class Pictured:
    """A picture that is not decoded yet: the path or the bytes of its file, or its pixels.

    ``name`` says where it is, ``sha256`` is of its bytes.
    """

    name: str
    sha256: str
    source: Path | bytes | Image.Image


def class_folders(path: Path) -> tuple[Sequence[str], Rows]:
    """The classes of a folder with a folder for each, or of an archive of one, and the pictures.

    Folders that all pictures have in common stand around the classes; below a class's folder there
    may be others. Pictures come interleaved, the first of each class, then the second of each, so
    that whoever takes only some sees all classes.

    Raises:
        InputError: There are no classes, a picture lies in none of them, or the archive is damaged
            or too large.
    """
    files = _files(path)
    folders = {name: PurePosixPath(name).parent.parts for name in sorted(files)}
    if not any(folders.values()):
        raise InputError(f"{path}: expected a folder for each class with pictures in it, came none")
    for name, each in folders.items():
        if not each:
            raise InputError(f"{path}/{name}: lies in no class's folder; move it into one, or away")
    last = min(map(len, folders.values())) - 1
    different = (n for n in range(last) if len({each[n] for each in folders.values()}) > 1)
    level = next(different, last)
    by_class: dict[str, list[str]] = defaultdict(list)
    for name, each in folders.items():
        by_class[each[level]].append(name)

    def rows() -> Rows:
        for round_ in zip_longest(*by_class.values()):
            for label, name in zip(by_class, round_, strict=True):
                if name is not None:
                    place = f"{path}/{name}"
                    yield place, {"picture": _pictured(place, files[name]), "label": label}

    return [*by_class], rows()


def empty_folders(path: Path, labels: Collection[str]) -> list[str]:
    """Folders among those of the classes that hold no picture, or lead nowhere.

    Args:
        path: A folder; an archive has none.
        labels: Its classes, from `class_folders`.
    """
    around = path  # folders that all pictures have in common stand around the classes
    while path.is_dir():
        inside = sorted(each for each in around.iterdir() if not each.name.startswith("."))
        folders = [each.name for each in inside if each.is_dir() or not each.exists()]
        if not set(labels).isdisjoint(folders):
            return [
                str((around / each).relative_to(path)) for each in folders if each not in labels
            ]
        if len(folders) != 1:
            break
        around = around / folders[0]
    return []


def named_pictures(path: Path) -> Mapping[str, Pictured]:
    """The pictures of a folder or an archive, by the last part of their names.

    Raises:
        InputError: It cannot be read.
    """
    return {
        PurePosixPath(name).name: _pictured(f"{path}/{name}", source)
        for name, source in _files(path).items()
    }


def files_of(names: Iterable[str]) -> dict[str, bytes]:
    """The pictures that `Pictured` calls by these names, as files that Pillow reads.

    Of folders, archives and IDX files, each of which is read once; what is there no more, or is
    damaged by now, is left out.
    """
    wanted: dict[Path, dict[str, str]] = defaultdict(dict)  # by what holds them: inner name, name
    for name in names:
        holder, inner = _holder(name)
        wanted[holder][inner] = name
    found: dict[str, bytes] = {}
    for holder, inside in wanted.items():
        with suppress(OSError, InputError):
            for inner, data in _held(holder, inside.keys()):
                found[inside[inner]] = data
    return found


def _holder(name: str) -> tuple[Path, str]:
    """What is to be read for a picture, and how it is called in there; a file of its own is ''."""
    path = Path(name)
    for folder in path.parents:
        if is_archive(folder) and folder.is_file():
            return folder, path.relative_to(folder).as_posix()
    row = _ROW.fullmatch(name)
    return (Path(row[1]), row[2]) if row and not path.is_file() else (path, "")


def _held(holder: Path, inside: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Of those that are wanted each one's name in there, and its bytes."""
    if is_archive(holder):
        yield from members(holder, inside.__contains__)
    elif "" in inside:
        yield "", holder.read_bytes()
    else:
        for number, (_, row) in enumerate(idx(holder), 1):
            if str(number) in inside and "picture" in row:
                file = io.BytesIO()
                row["picture"].source.save(file, "PNG")
                yield str(number), file.getvalue()


def picture_at(path: Path) -> Pictured:
    """The picture in a file.

    Raises:
        InputError: It cannot be read.
    """
    return _pictured(str(path), path)


def idx(path: Path) -> Rows:
    """The rows of an IDX file, as MNIST's are: (n, H, W) bytes are pictures, (n,) are numbers.

    http://yann.lecun.com/exdb/mnist/

    Raises:
        InputError: It is none, or cut off.
    """
    import numpy as np
    from PIL import Image

    data = _unpacked(path)
    dimensions = data[3] if len(data) >= 4 else 0
    if data[:3] != b"\0\0\x08" or dimensions not in (1, 3):
        raise InputError(f"{path}: no IDX file of bytes with one or three dimensions")
    sizes = np.frombuffer(data, dtype=">u4", count=dimensions, offset=4).tolist()
    body = data[4 + 4 * dimensions :]
    if len(body) != int(np.prod(sizes, dtype=np.int64)):
        raise InputError(f"{path}: says {sizes} numbers, and holds {len(body):,}; is it cut off?")
    for number, part in enumerate(np.frombuffer(body, dtype=np.uint8).reshape(sizes)):
        place = f"{path}: row {number + 1}"
        if dimensions == 1:
            yield place, {"label": int(part)}
        else:
            sha256 = hashlib.sha256(part.tobytes()).hexdigest()
            yield place, {"picture": Pictured(place, sha256, Image.fromarray(part))}


def shard(path: Path) -> Rows:
    """The rows of a WebDataset's archive: neighbours that are called the same up to a dot are one.

    A picture is the column ``picture``; any other file, such as ``cls`` or ``txt``, a column of its
    suffix that holds its text. CLIP_benchmark keeps its copies of data sets so.
    https://github.com/webdataset/webdataset

    Raises:
        InputError: It is no archive, or damaged, or a text is not UTF-8.
    """

    def stem(member: tuple[str, bytes]) -> str:
        folder, _, name = member[0].rpartition("/")
        return f"{folder}/{name.partition('.')[0]}"

    for _, group in groupby(members(path, lambda name: True), key=stem):
        row: Fields = {}
        place = ""
        for name, data in group:
            place = place or f"{path}/{name}"
            if _is_picture(name):
                row["picture"] = _pictured(f"{path}/{name}", data)
                continue
            try:
                row[name.rpartition("/")[2].partition(".")[2]] = data.decode().strip()
            except UnicodeDecodeError as error:
                raise InputError(f"{path}/{name}: neither a picture nor UTF-8") from error
        yield place, row


def _is_picture(name: str) -> bool:
    """Whether a path in a folder or an archive is that of a picture that is not hidden."""
    hidden = any(part.startswith(".") for part in PurePosixPath(name).parts if part != "..")
    return name.lower().endswith(SUFFIXES) and not hidden


def _pictured(name: str, source: Path | bytes) -> Pictured:
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    return Pictured(name, hashlib.sha256(data).hexdigest(), source)


def _files(path: Path) -> Mapping[str, Path | bytes]:
    """The pictures of a folder or an archive, by their paths in it."""
    if path.is_dir():
        return {name: path / name for name in _below(path) if _is_picture(name)}
    return dict(members(path, _is_picture))


def _below(path: Path) -> Iterator[str]:
    """The paths of all files below a folder, also where links lead; not in a circle."""
    for root, folders, files in os.walk(path, followlinks=True):
        real = Path(root).resolve()
        folders[:] = [
            each for each in folders if not real.is_relative_to((Path(root) / each).resolve())
        ]
        for name in files:
            yield (Path(root) / name).relative_to(path).as_posix()


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
