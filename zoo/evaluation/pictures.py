"""Pictures of a benchmark: folders of classes, archives of them, IDX files, pictures by name.

Nothing of an archive is written to the disk, and what it says of paths is only ever compared: a
member's folder is a label, its name a name.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zoo.errors import InputError
from zoo.rows import Fields

if TYPE_CHECKING:
    from PIL import Image

Rows = Iterator[tuple[str, Fields]]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")

_MOST = 2**32  # bytes that an archive may unpack to: it stays in memory
_MOST_FILE = 2**28


@dataclass(frozen=True)
class Pictured:
    """A picture that is not decoded yet: the path or the bytes of its file, or its pixels.

    ``name`` says where it is, ``sha256`` is of its bytes.
    """

    name: str
    sha256: str
    source: Path | bytes | Image.Image


def is_archive(path: Path) -> bool:
    """Whether its name is that of an archive."""
    return path.name.lower().endswith(ARCHIVES)


def class_folders(path: Path) -> Rows:
    """The pictures of a folder with a folder for each class, or of an archive of one.

    They come interleaved, the first of each class, then the second of each, so that whoever takes
    only some sees all classes.

    Raises:
        InputError: There are no classes, or the archive is damaged or too large.
    """
    by_class: dict[str, list[tuple[str, Path | bytes]]] = defaultdict(list)
    if path.is_dir():
        for folder in sorted(each for each in path.iterdir() if each.is_dir()):
            files = [each for each in folder.rglob("*") if _is_picture(each.name)]
            by_class[folder.name] += [(str(file), file) for file in sorted(files)]
    else:
        for member, data in sorted(_members(path).items()):
            label = PurePosixPath(member).parent.name
            if label:
                by_class[label].append((f"{path}/{member}", data))
    filled = {label: files for label, files in by_class.items() if files}
    if not filled:
        raise InputError(f"{path}: expected a folder for each class with pictures in it, came none")
    for round_ in zip_longest(*filled.values()):
        for label, picture in zip(filled, round_, strict=True):
            if picture is not None:
                yield picture[0], {"picture": _pictured(*picture), "label": label}


def named_pictures(path: Path) -> Mapping[str, Pictured]:
    """The pictures of a folder or an archive, by the last part of their names.

    Raises:
        InputError: It cannot be read.
    """
    if path.is_dir():
        files: dict[str, Path | bytes] = {
            str(file.relative_to(path)): file
            for file in sorted(path.rglob("*"))
            if _is_picture(file.name)
        }
    else:
        files = dict(_members(path))
    return {
        PurePosixPath(name).name: _pictured(f"{path}/{name}", source)
        for name, source in files.items()
    }


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


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _pictured(name: str, source: Path | bytes) -> Pictured:
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    return Pictured(name, hashlib.sha256(data).hexdigest(), source)


def _members(path: Path) -> dict[str, bytes]:
    """The pictures in an archive; links, devices and what is no picture are left out."""
    total = 0
    found: dict[str, bytes] = {}
    for name, size, read in _opened(path):
        if not _is_picture(PurePosixPath(name).name):
            continue
        total += size
        if size > _MOST_FILE or total > _MOST:
            raise InputError(f"{path}: unpacks to more than {_MOST:,} bytes; unpack it yourself")
        found[name] = read()
    return found


def _opened(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    yield info.filename, info.file_size, partial(archive.read, info)
        else:
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.isfile():
                        yield member.name, member.size, partial(_content, tar, member)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: no archive, or damaged: {error}") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
