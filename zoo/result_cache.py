"""What models made of contents, kept on this disk: nothing is computed twice, nor read twice.

One SQLite file holds all, since that is what many processes can write to at once, and what a
process that is killed leaves whole. It has two tables, one behind the other:

- ``contents``: a file by path, size, times and inode -> the sha256 of its bytes, so that a file
  that nobody touched is not read again
- ``results``: the key of a model, and a sha256 -> bytes, such as a vector, so that what was copied,
  moved or touched is not computed again
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import InputError, ZooWarning
from zoo.folders import user_folder

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.entry import Entry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS contents (
    path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    model TEXT, sha256 TEXT, result BLOB NOT NULL, PRIMARY KEY (model, sha256)
) WITHOUT ROWID;
"""

# What ends the names of the files that say what a network computes; how it reads texts or sees
# pictures is a fact that whoever keeps results states beside them.
_COMPUTING = ("config.json", ".safetensors", ".bin")

# The times of a file that has just been written may not show that it is written again, nanoseconds.
_SETTLED = 2_000_000_000

# How long to wait for another process that writes, seconds.
_PATIENCE = 30

State = tuple[int, int, int, int]
"""A file's size in bytes, when it was modified and changed in nanoseconds, and its inode."""


@dataclass(frozen=True)
class Content:
    """What is in a file: the sha256 of its bytes, and the state in which they were read."""

    path: Path
    sha256: str
    state: State

    def still_there(self) -> bool:
        """Whether nobody has touched the file since."""
        try:
            return state_of(self.path) == self.state
        except OSError:
            return False


def state_of(path: Path) -> State:
    """What tells, without reading it, whether a file is as it was.

    Raises:
        OSError: There is none.
    """
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


class ResultCache:
    """Results by model and content, in one file that any number of processes share.

    What goes wrong with it is a warning, after which nothing is kept: a cache that fails is slow,
    never wrong. A file that is no database is replaced.

    Args:
        path: Of the file; in zoo's own cache unless given.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            folder = user_folder("XDG_CACHE_HOME", ".cache")
            # Without a home, results are kept as long as the program runs.
            path = folder / "results.sqlite" if folder is not None else Path(":memory:")
        self.path = path
        self._database: sqlite3.Connection | None = None
        with self._forgiving():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # locked, or no right to write
                    raise
                self.path.unlink()
                self._database = self._open()

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def content(self, path: Path) -> Content:
        """The hash of a file's bytes; they are read only if the file is not as it was.

        Raises:
            InputError: It cannot be read.
        """
        key = str(path.absolute())
        try:
            state = state_of(path)
            if known := self._known(key, state):
                return Content(path, known, state)
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            unmoved = state_of(path) == state
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        if unmoved and time.time_ns() - max(state[1:3]) > _SETTLED:
            row = (key, *state, sha256)
            self._write("REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?)", [row])
        return Content(path, sha256, state)

    def checkpoint(self, entry: Entry) -> tuple[str, ...] | None:
        """Hashes of the files that say what a network computes; None if they are not on this disk.

        Raises:
            InputError: One cannot be read.
        """
        from zoo import hub

        found = hub.find_cached(entry)
        if found is None:
            return None
        return tuple(
            self.content(path.resolve()).sha256
            for name, path in sorted(found.files.items())
            if name.endswith(_COMPUTING)
        )

    def get(self, model: str, hashes: Sequence[str]) -> dict[str, bytes]:
        """The results that are kept of these contents.

        Args:
            model: A key that changes with whatever changes a result.
            hashes: Of contents.
        """
        found: dict[str, bytes] = {}
        with self._forgiving():
            for sha256 in hashes:
                if self._database is None:
                    break
                row = self._database.execute(
                    "SELECT result FROM results WHERE model = ? AND sha256 = ?", (model, sha256)
                ).fetchone()
                if row is not None:
                    found[sha256] = row[0]
        return found

    def put(self, model: str, results: Mapping[str, bytes]) -> None:
        """Keep results of contents: all of them or none."""
        rows = [(model, sha256, result) for sha256, result in results.items()]
        self._write("REPLACE INTO results VALUES (?, ?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=_PATIENCE)
        try:
            database.executescript(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _known(self, key: str, state: State) -> str | None:
        with self._forgiving():
            if self._database is not None:
                row = self._database.execute(
                    "SELECT sha256 FROM contents WHERE path = ? AND size = ? AND modified = ? "
                    "AND changed = ? AND inode = ?",
                    (key, *state),
                ).fetchone()
                return None if row is None else str(row[0])
        return None

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """All rows in one transaction."""
        with self._forgiving():
            if self._database is not None:
                with self._database:
                    self._database.executemany(statement, rows)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Go on without the cache where it fails."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.close()
            warnings.warn(
                f"cannot use the cache {self.path}: {error}; going on without it",
                ZooWarning,
                stacklevel=4,
            )


def vector_to_bytes(vector: Tensor) -> bytes:
    """A vector, (C,) in float32, as a result that is kept."""
    return vector.numpy().tobytes()


def vector_from_bytes(result: bytes) -> Tensor:
    """The vector that a result is: (C,) in float32."""
    import torch

    return torch.frombuffer(bytearray(result), dtype=torch.float32)


def key_of(*facts: object) -> str:
    """A short name for facts, another one for others."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()
