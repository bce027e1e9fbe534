"""The Hugging Face cache: where a repository's files lie in it, and what zoo records beside them.

::

    models--org--name/
        blobs/<etag>                    the bytes, named by their hash
        blobs/<etag>.incomplete         the first part of them, to be resumed
        snapshots/<commit>/config.json  -> ../../blobs/<etag>
        refs/main                       the commit that main last was
        zoo/<commit>.json               zoo's record: which files that commit has
    .locks/models--org--name/<etag>.lock

All but ``zoo/`` is the layout of huggingface_hub, so that other programs find what zoo downloads,
and the other way round. The record is needed because a snapshot folder does not tell whether it is
complete: another program may have fetched a config and nothing else.
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from zoo.errors import CacheError, UsageError, ZooError
from zoo.hub.files import Kind, RemoteFile, check_path, is_checksum, is_commit

_FORMAT = 1


@dataclass(frozen=True)
class CachedRepository:
    """A repository in the cache.

    ``size`` is bytes on disk, unfinished downloads included; ``last_used`` is UTC, and as exact as
    the file system keeps access times; ``revisions`` are the commits with a snapshot.
    """

    id: str
    folder: Path
    size: int
    last_used: datetime
    revisions: tuple[str, ...]


def cache_folder() -> Path:
    """The cache that this process uses, by HF_HUB_CACHE, HF_HOME or its default place."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached(*, cache_dir: Path | None = None) -> list[CachedRepository]:
    """List the model repositories in the cache, whoever downloaded them, by name."""
    root = cache_dir or cache_folder()
    folders = sorted(path for path in root.glob("models--*") if path.is_dir())
    return [_describe(folder) for folder in folders]


def _describe(folder: Path) -> CachedRepository:
    files = [path.lstat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    used = max((max(file.st_atime, file.st_mtime) for file in files), default=0.0)
    snapshots = folder / "snapshots"
    return CachedRepository(
        id=folder.name.removeprefix("models--").replace("--", "/"),
        folder=folder,
        size=sum(file.st_size for file in files),
        last_used=datetime.fromtimestamp(used, UTC),
        revisions=tuple(sorted(path.name for path in snapshots.glob("*") if path.is_dir())),
    )


def remove(repository: str, *, cache_dir: Path | None = None) -> int:
    """Delete a repository, all its revisions, from the cache; return the bytes that this frees.

    Raises:
        UsageError: The cache has no such repository.
        CacheError: It may not be deleted.
    """
    root = cache_dir or cache_folder()
    found = next((each for each in cached(cache_dir=root) if each.id == repository), None)
    if found is None:
        raise UsageError(
            f"the cache {root} has no repository {repository!r}; `zoo cache ls` shows what it has"
        )
    try:
        shutil.rmtree(found.folder)
        shutil.rmtree(root / ".locks" / found.folder.name, ignore_errors=True)
    except OSError as error:
        raise cannot_write(error, root) from error
    return found.size


def cannot_write(error: OSError, root: Path) -> ZooError:
    """Say in one line why the cache cannot be written."""
    where = error.filename or root
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return CacheError(
            f"the disk of {root} is full; free some space (`zoo cache ls`, `zoo cache rm`) or set "
            "HF_HOME to another disk, then run again: what has been downloaded is kept"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return CacheError(
            f"cannot write {where} ({error.strerror}); set HF_HOME to a folder that you may write"
        )
    return CacheError(f"cannot write {where}: {error.strerror or error}")


@dataclass(frozen=True)
class Repository:
    """One repository's place in a cache, of a model or a dataset; nothing need be there yet."""

    id: str
    root: Path
    kind: Kind = "model"

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return self.root / f"{self.kind}s--{self.id.replace('/', '--')}"

    def snapshot(self, commit: str) -> Path:
        """The folder with the files of one commit."""
        return self.folder / "snapshots" / commit

    def blob(self, file: RemoteFile) -> Path:
        """Where a file's bytes are."""
        return self.folder / "blobs" / _name(file)

    def partial(self, file: RemoteFile) -> Path:
        """Where the first of its bytes are; before 2.0, huggingface_hub used this name, too."""
        return self.folder / "blobs" / f"{_name(file)}.incomplete"

    def lock(self, file: RemoteFile) -> Path:
        """What to lock while downloading it; huggingface_hub locks the same."""
        return self.root / ".locks" / self.folder.name / f"{_name(file)}.lock"

    def commit(self, revision: str | None) -> str | None:
        """The commit that a revision is, as far as the cache knows."""
        if is_commit(revision):
            return revision
        try:
            ref = self.folder / "refs" / (revision or "main")
            commit = ref.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if is_commit(commit) else None

    def has(self, commit: str, file: RemoteFile) -> bool:
        """Whether a file is there and as long as it should be; its bytes are not read."""
        try:
            return (self.snapshot(commit) / file.path).stat().st_size == file.size
        except OSError:
            return False

    def link(self, commit: str, file: RemoteFile) -> None:
        """Put a file, whose bytes are here, into a snapshot.

        Raises:
            OSError: The disk is full or may not be written.
        """
        pointer = self.snapshot(commit) / file.path
        pointer.parent.mkdir(parents=True, exist_ok=True)
        link = pointer.with_name(f".{uuid.uuid4().hex}.link")
        try:
            link.symlink_to(os.path.relpath(self.blob(file), pointer.parent))
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EINVAL, errno.ENOTSUP}:
                raise
            # This file system, or Windows for this user, has no links: as huggingface_hub does,
            # let the file itself stand in the snapshot.
            link = self.blob(file)
        link.replace(pointer)

    def discard(self, commit: str, path: str) -> None:
        """Remove a file and its bytes, so that they are downloaded again.

        Raises:
            CacheError: They may not be removed.
        """
        pointer = self.snapshot(commit) / path
        try:
            if pointer.is_symlink():
                (pointer.parent / pointer.readlink()).unlink(missing_ok=True)
            pointer.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(error, self.root) from error

    def remember(self, revision: str | None, commit: str, files: Iterable[RemoteFile]) -> None:
        """Record a commit's files, and that a branch or tag is that commit now.

        A cache that cannot be written, yet holds the files, is no reason to fail; without the
        record, an unpinned model is then not found offline.
        """
        record = {file.path: {"size": file.size, "etag": file.etag} for file in files}
        text = json.dumps({"format": _FORMAT, "files": record}, indent=1, sort_keys=True)
        with contextlib.suppress(OSError):
            _write(self._record(commit), text)
            if not is_commit(revision):
                _write(self.folder / "refs" / (revision or "main"), commit)

    def files(self, commit: str) -> Mapping[str, RemoteFile] | None:
        """The files that a commit has, as zoo or huggingface_hub recorded them; None if neither."""
        try:
            text = self._record(commit).read_bytes()
        except OSError:
            return self._files_by_huggingface_hub(commit)
        try:
            record = json.loads(text)
            if record["format"] != _FORMAT:
                return None
            return {
                path: RemoteFile(check_path(path, source=self.id), file["size"], file["etag"])
                for path, file in record["files"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _record(self, commit: str) -> Path:
        return self.folder / "zoo" / f"{commit}.json"

    def _files_by_huggingface_hub(self, commit: str) -> Mapping[str, RemoteFile] | None:
        if not self.snapshot(commit).is_dir():
            return None
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError

        try:
            tree = get_cached_repo_tree(
                self.id, revision=commit, cache_dir=self.root, repo_type=self.kind
            )
        except CachedRepoTreeNotFoundError:
            return None
        # The blob ids are those of LFS pointers, not of the files; the links know better.
        return {
            file.path: RemoteFile(check_path(file.path, source=self.id), file.size, None)
            for file in tree
        }

    def expected_checksum(self, commit: str, file: RemoteFile) -> str | None:
        """What a file's bytes should hash to; None if nobody has said."""
        pointer = self.snapshot(commit) / file.path
        etag = pointer.readlink().name if pointer.is_symlink() else file.etag
        return etag if is_checksum(etag) else None


def _name(file: RemoteFile) -> str:
    """The name of a file's blob, which the hub's listings always have."""
    assert file.etag is not None
    return file.etag


def _write(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none; leave an equal one alone."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == text.encode():
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
