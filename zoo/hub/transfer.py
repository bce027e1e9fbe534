"""Bring files from the hub into the cache, whole and verified.

huggingface_hub speaks to the hub (endpoint, token, proxies, retries) and locks a blob against other
processes. Two things are done here because it leaves them undone (seen in 2.4). A download that was
killed goes on where it stopped; huggingface_hub begins each one in a new temporary file. And bytes
are hashed before they become a blob; huggingface_hub compares their number only
(https://github.com/huggingface/huggingface_hub/issues/3643).

Files come by plain HTTP even where the hub offers Xet, which cannot go on after a kill.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from zoo.errors import CacheError, IntegrityError
from zoo.hub.cache import Repository, cannot_write
from zoo.hub.files import RemoteFile, checksum
from zoo.hub.remote import BrokenConnectionError, BusyError, Hub, quiet

# A connection that breaks this often, with no byte between the breaks, is given up; so is a hub
# that has no time this often, or asks to wait for longer than people look at a bar that stands.
_BREAKS = 3
_SECONDS_BETWEEN_BREAKS = 0.5
_MOST_SECONDS = 60


def download(
    hub: Hub,
    repository: Repository,
    commit: str,
    files: Sequence[RemoteFile],
    *,
    checksums: Mapping[str, str],
    progress: bool,
    workers: int,
) -> None:
    """Bring files into a snapshot, several at once, each whole and verified or not at all.

    Args:
        hub: Where they come from.
        repository: Where they go.
        commit: The revision whose files they are.
        files: What to bring, as the hub lists it.
        checksums: Path -> checksum in hex, of the files that have one.
        progress: Whether to show a bar on standard error.
        workers: How many files at once.

    Raises:
        IntegrityError: A file came twice, both times with other bytes than it should have.
        CacheError: The disk is full or may not be written.
        HubError: The hub refuses, or cannot be reached.
    """
    _check_space(repository, files)
    stop = threading.Event()
    with (
        quiet(),
        _bar(repository, files, show=progress) as advance,
        ThreadPoolExecutor(workers, thread_name_prefix="zoo-download") as pool,
    ):
        running = [
            pool.submit(
                _Download(
                    hub, repository, commit, file, checksums.get(file.path), advance, stop
                ).run
            )
            for file in files
        ]
        try:
            for done in as_completed(running):
                done.result()
        finally:
            # After an error, or Ctrl-C, the others keep what they have received, and end.
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Download:
    """The download of one file; ``advance`` is told of bytes received, ``stop`` ends it early."""

    hub: Hub
    repository: Repository
    commit: str
    file: RemoteFile
    checksum: str | None
    advance: Callable[[int], None]
    stop: threading.Event

    def run(self) -> None:
        try:
            with self._lock():
                self._bring()
        except OSError as error:
            raise cannot_write(error, self.repository.root) from error

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Wait until no other process downloads this blob. A lock ends with its process."""
        from huggingface_hub.utils import WeakFileLock

        path = self.repository.lock(self.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            while True:
                if self.stop.is_set():
                    raise CancelledError
                with contextlib.suppress(TimeoutError):
                    held.enter_context(WeakFileLock(path, timeout=1))
                    break
            yield

    def _bring(self) -> None:
        blob, partial = self.repository.blob(self.file), self.repository.partial(self.file)
        blob.parent.mkdir(parents=True, exist_ok=True)
        if self.repository.has(self.commit, self.file):
            # Another process was faster.
            self.advance(self.file.size)
            return
        if not (blob.is_file() and blob.stat().st_size == self.file.size):
            self._receive_verified(partial)
            partial.replace(blob)
        self.repository.link(self.commit, self.file)

    def _receive_verified(self, partial: Path) -> None:
        self._receive(partial)
        if self._found(partial) != self.checksum:
            # Perhaps only the part that lay here was damaged, so once more, from the first byte.
            self._start_again(partial)
            self._receive(partial)
        found = self._found(partial)
        if found != self.checksum:
            self._start_again(partial)
            raise IntegrityError(
                f"{self.repository.id}: {self.file.path} came damaged from {self.hub.endpoint}, "
                f"twice: expected {self.checksum}, found {found}; it was not kept: run again "
                "later, or check HF_ENDPOINT and the proxy"
            )

    def _found(self, partial: Path) -> str | None:
        return None if self.checksum is None else checksum(partial, self.checksum)

    def _start_again(self, partial: Path) -> None:
        self.advance(-_size(partial))
        partial.unlink()

    def _receive(self, partial: Path) -> None:
        """Append what a file's first bytes lack, over as many connections as it takes.

        Raises:
            IntegrityError: The hub sends more than it announced.
            HubError: It refuses, or connections break without a byte received.
        """
        partial.touch()
        breaks = 0
        while (have := _size(partial)) < self.file.size:
            try:
                with self.hub.errors(self.repository.id, self.commit, self.file.path):
                    self._receive_once(partial, have)
            except (BrokenConnectionError, BusyError) as error:
                breaks = breaks + 1 if _size(partial) <= have else 1
                wait = _SECONDS_BETWEEN_BREAKS
                if isinstance(error, BusyError):
                    wait = breaks if error.wait is None else error.wait
                if breaks == _BREAKS or wait > _MOST_SECONDS:
                    raise
                if self.stop.wait(wait):
                    raise CancelledError from error
        if have > self.file.size:
            self._start_again(partial)
            raise IntegrityError(
                f"{self.repository.id}: {self.file.path} has more than the "
                f"{self.file.size:,} bytes that {self.hub.endpoint} announced; it was not kept: "
                "run again"
            )

    def _receive_once(self, partial: Path, have: int) -> None:
        from huggingface_hub import constants
        from huggingface_hub.utils import (
            build_hf_headers,
            hf_raise_for_status,
            http_stream_backoff,
        )

        headers = build_hf_headers(library_name="zoo")
        headers["Accept-Encoding"] = "identity"  # a range counts the bytes as sent
        if have:
            headers["Range"] = f"bytes={have}-"
        with http_stream_backoff(
            "GET",
            self.hub.url(self.repository.id, self.commit, self.file.path),
            headers=headers,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            max_retries=0,  # `_receive` asks again: it waits no longer than one may
            retry_on_exceptions=(),
        ) as response:
            hf_raise_for_status(response)
            resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
            if have and not resumed:
                self.advance(-have)
            with partial.open("ab" if resumed else "wb", buffering=0) as file:
                for block in response.iter_bytes():
                    if self.stop.is_set():
                        raise CancelledError
                    file.write(block)
                    self.advance(len(block))
                    if file.tell() > self.file.size:
                        return  # `_receive` refuses it; the rest could fill the disk
        if _size(partial) < self.file.size:
            raise BrokenConnectionError(
                f"{self.repository.id}: {self.hub.endpoint} ends {self.file.path} after "
                f"{_size(partial):,} of {self.file.size:,} bytes; run again later"
            )


def _size(path: Path) -> int:
    """Bytes in a file, 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_space(repository: Repository, files: Sequence[RemoteFile]) -> None:
    """Refuse a download that the disk cannot hold before it begins."""
    missing = sum(file.size - _size(repository.partial(file)) for file in files)
    try:
        repository.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(repository.root).free
    except OSError as error:
        raise cannot_write(error, repository.root) from error
    if missing > free:
        full = cannot_write(OSError(errno.ENOSPC, ""), repository.root)
        raise CacheError(f"{repository.id} needs {missing:,} bytes, {free:,} are free: {full}")


@contextlib.contextmanager
def _bar(
    repository: Repository, files: Sequence[RemoteFile], *, show: bool
) -> Iterator[Callable[[int], None]]:
    """Give a function that is told of bytes received, and show them, and their rate, if wanted."""
    if not show:
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(
        desc=f"{repository.id} ({len(files)} file{'s' if len(files) > 1 else ''})",
        total=sum(file.size for file in files),
        initial=sum(_size(repository.partial(file)) for file in files),
        unit="B",
        unit_scale=True,
    ) as bar:
        lock = threading.Lock()

        def advance(count: int) -> None:
            with lock:
                bar.update(count)

        yield advance
