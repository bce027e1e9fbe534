"""Checked registry files, kept as JSON: YAML is read again only when a file changes."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.folders import user_folder

# A file may change twice within one tick of its file system's clock; what is younger than the
# coarsest tick in use (FAT, 2 s) cannot be told from its successor, and is not kept.
_SETTLED_SECONDS = 2.0

# The rules that kept models were checked by: another version of zoo checks again.
_RULES = ("fields.py", "reading.py")


@dataclass(frozen=True)
class Model:
    """A checked entry as plain data, and the line of its name."""

    name: str
    line: int
    data: dict[str, Any]  # Any: JSON


@dataclass(frozen=True)
class Key:
    """Where the checked models of a file are kept, and all that they depend on."""

    target: Path
    identity: tuple[str | int, ...]

    def header(self, body: bytes) -> bytes:
        """Return the first line of the kept file; the checksum finds a damaged rest."""
        return json.dumps([*self.identity, zlib.crc32(body)]).encode()


def key(path: Path) -> Key | None:
    """Return the key of ``path`` as it is now, to be taken before reading it.

    None if it cannot be kept: no regular file, changed a moment ago, no home to keep it in.
    """
    folder = user_folder("XDG_CACHE_HOME", ".cache")
    location = os.path.abspath(path)  # noqa: PTH100 (resolve would follow links)
    try:
        status = path.stat()
        rules = [Path(__file__).with_name(name).stat() for name in _RULES]
    except OSError:
        return None
    age = time.time() - max(status.st_mtime, status.st_ctime)
    if folder is None or not stat.S_ISREG(status.st_mode) or age < _SETTLED_SECONDS:
        return None
    name = f"{path.stem}-{zlib.crc32(os.fsencode(location)):08x}.json"
    stamps = [stamp for rule in rules for stamp in (rule.st_size, rule.st_mtime_ns)]
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return Key(folder / "registry" / name, (location, status.st_size, *times, *stamps))


def load(key: Key) -> list[Model] | None:
    """Return the models that were kept under this very key, or None."""
    try:
        header, _, body = key.target.read_bytes().partition(b"\n")
    except OSError:
        return None
    if header != key.header(body):
        return None
    return [Model(name, line, data) for name, line, data in json.loads(body)]


def store(key: Key, models: list[Model]) -> None:
    """Keep the models of a file that was found without problems; do nothing where that fails."""
    body = json.dumps([[model.name, model.line, model.data] for model in models]).encode()
    temporary = key.target.with_name(f"{key.target.name}.{os.getpid()}")
    try:
        key.target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(key.header(body) + b"\n" + body)
        temporary.replace(key.target)
    except OSError:  # a read-only home, a full disk: the next start reads the YAML again
        with contextlib.suppress(OSError):
            temporary.unlink()
