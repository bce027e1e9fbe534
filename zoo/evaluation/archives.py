"""What is in a tar or zip: read into memory, never written to the disk, no path of it followed."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zoo.errors import InputError

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")

_MOST = 2**32  # bytes that the members which are read may have together
_MOST_MEMBER = 2**30


def is_archive(path: Path) -> bool:
    """Whether its name is that of an archive."""
    return path.name.lower().endswith(SUFFIXES)


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of files in an archive; links and devices are left out.

    Args:
        path: Of the archive.
        wanted: Says of a name whether the file is to be read.

    Raises:
        InputError: It is no archive, damaged, encrypted, or unpacks to too much.
    """
    total = 0
    try:
        for name, size, read in _opened(path):
            if not wanted(name):
                continue
            total += size
            if size > _MOST_MEMBER or total > _MOST:
                raise InputError(f"{path}: unpacks to more than is safe; unpack it yourself")
            yield name, read()
    # An encrypted zip is a RuntimeError, and one of a kind that Python lacks NotImplementedError.
    except (
        OSError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{path}: no archive, damaged or encrypted: {error}") from error


def _opened(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Each file's name, its size in bytes, and what reads it."""
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, info.file_size, partial(archive.read, info)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile():
                    yield member.name, member.size, partial(_content, tar, member)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()
