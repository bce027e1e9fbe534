"""A long run's results so far, so that an interrupted run goes on where it stopped.

``OUT.partial`` begins with a line that says what is being computed; each further line is one row's
result as JSON. It is written window by window. A run resumes after the last whole window, so that
each window has the same texts, and to the last bit the same results, as in a run without a break.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo_cli.files import writing

Fingerprint = Mapping[str, Any]  # Any: what JSON can hold


class Journal:
    """The journal of one output file, locked while it is open."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f"{output.name}.partial")

    def check(self, fingerprint: Fingerprint) -> None:
        """Refuse to go on with what another run has begun, as far as ``fingerprint`` tells.

        Raises:
            UsageError: The journal's differs; the message says in what.
        """
        if not self.path.exists():
            return
        with writing(self.path), self.path.open("rb") as file:
            self._check(file.readline(), fingerprint)

    def delete(self) -> None:
        """Delete the file, if there is one."""
        with writing(self.path):
            self.path.unlink(missing_ok=True)

    @contextmanager
    def open(self, fingerprint: Fingerprint, *, window: int, total: int) -> Iterator[int]:
        """Open for appending; give how many of ``total`` rows are done, in whole windows.

        What follows the last whole window, such as a line that was torn by a kill, is dropped.

        Raises:
            UsageError: Another run has begun it, or is writing it right now.
        """
        with ExitStack() as opened:
            with writing(self.path):
                self._file = opened.enter_context(self.path.open("a+b"))
                self._lock()
                self._file.seek(0)
                header = self._file.readline()
                if header.endswith(b"\n"):
                    self._check(header, fingerprint)
                    done, end = self._whole_windows(len(header), window, total)
                    self._file.truncate(end)
                else:
                    done = 0
                    self._file.truncate(0)
                    self._append(json.dumps(fingerprint).encode() + b"\n")
            yield done

    def _whole_windows(self, start: int, window: int, total: int) -> tuple[int, int]:
        """How many rows stand in whole windows, and where the last of them ends."""
        rows, end = 0, start
        done, offset = 0, start
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            done, offset = done + 1, offset + len(line)
            if done % window == 0 or done == total:
                rows, end = done, offset
        return rows, end

    def append(self, results: Sequence[Any]) -> None:
        """Add the results of a window, and wait until they are on disk."""
        lines = [json.dumps(result) + "\n" for result in results]
        with writing(self.path):
            self._append("".join(lines).encode())

    def results(self) -> Iterator[Any]:
        """Read all results, in order."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield json.loads(line)

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _lock(self) -> None:
        """Hold the file until it is closed; a killed process holds nothing."""
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another zoo is writing {str(self.path)!r} right now") from error

    def _check(self, line: bytes, fingerprint: Fingerprint) -> None:
        if not line.endswith(b"\n"):
            return  # killed while it wrote its first line
        try:
            begun = json.loads(line)
            different = [key for key in fingerprint if begun.get(key) != fingerprint[key]]
        except (ValueError, AttributeError) as error:
            raise UsageError(
                f"{str(self.path)!r} is in the way and no journal of zoo's; move it"
            ) from error
        if different:
            key = different[0]
            raise UsageError(
                f"{str(self.path)!r} was begun with another {', '.join(different)} "
                f"({key}: {begun.get(key)!r}, now {fingerprint[key]!r}); delete it, or pass "
                "--restart to begin anew"
            )
