"""From an entry's source to its files on this disk."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.entry import Entry, File, Source
from zoo.errors import (
    CacheError,
    CheckpointError,
    HubError,
    IntegrityError,
    NotFoundError,
    PluginError,
    UsageError,
    ZooError,
    ZooWarning,
)
from zoo.hookspecs import OPEN_CLIP
from zoo.hub.cache import Repository, cache_folder
from zoo.hub.files import (
    RemoteFile,
    check_path,
    checksum,
    files_below,
    is_checksum,
    is_commit,
    is_plain,
    needed,
    require_model,
)
from zoo.hub.remote import Hub, UnreachableError
from zoo.plugins import find_architecture

_SHA256 = 64  # hex digits


@dataclass(frozen=True)
class Checkpoint:
    """An entry's files on this disk.

    ``folder`` holds ``config.json``. ``files`` maps a path in the repository to one here, for the
    files that loading reads. ``revision`` is the commit of an ``hf`` source, else ``None``.
    """

    folder: Path
    files: Mapping[str, Path]
    revision: str | None


@dataclass(frozen=True)
class PlannedFile:
    """A file that an entry needs: ``size`` in bytes, and whether it is on this disk already."""

    path: str
    size: int
    cached: bool


@dataclass(frozen=True)
class FileCheck:
    """What a file's bytes were found to be.

    ``expected`` and ``found`` are checksums in hex, sha256 or git's sha1; ``expected`` is ``None``
    when nobody has said what they should be, ``found`` when that, or when there is no file.
    ``size`` is bytes on this disk.
    """

    path: str
    state: Literal["ok", "damaged", "missing", "unverifiable"]
    expected: str | None
    found: str | None
    size: int


def fetch(
    entry: Entry,
    *,
    offline: bool | None = None,
    progress: bool = False,
    workers: int = 4,
    cache_dir: Path | None = None,
    endpoint: str | None = None,
) -> Checkpoint:
    """Return an entry's files, after downloading those that are not on this disk.

    A pinned commit whose files are here needs no network. What is downloaded is verified; of what
    was here only the size is looked at, ``verify`` reads it.

    Args:
        entry: Whose files.
        offline: Open no connection; HF_HUB_OFFLINE=1 asks for the same, whatever is said here.
        progress: Show a bar with bytes and rate on standard error.
        workers: How many files to download at once.
        cache_dir: The cache; by default what HF_HUB_CACHE or HF_HOME say, or its usual place.
        endpoint: The hub; by default what HF_ENDPOINT says, or https://huggingface.co.

    Raises:
        UsageError: A folder, a repository name or a revision that cannot be meant.
        CheckpointError: There is no checkpoint in Hugging Face form.
        PluginError: The package of a ``bundled`` source is not installed.
        NotFoundError: The hub has no such repository, revision or file.
        GatedError: The hub wants a login, or a licence to be accepted.
        HubError: The hub cannot be reached, or must not be, and files are missing.
        IntegrityError: A file's bytes or size differ from what they should be.
        CacheError: The disk is full, or the cache may not be written.
    """
    if entry.source.scheme != "hf":
        return _local(entry)
    repository, revision = _repository(entry, cache_dir), entry.source.revision
    no_network = _is_offline(offline)
    if no_network or is_commit(revision):
        here = _find(entry, repository)
        if here is not None:
            return here
    if no_network:
        raise _missing_offline(entry)
    hub = _hub(endpoint)
    try:
        commit, listed = hub.files(repository.id, revision)
    except UnreachableError as error:
        here = _find(entry, repository)
        if here is None:
            raise
        warnings.warn(
            f"{error}; using {entry.source} as last downloaded, commit {here.revision}",
            ZooWarning,
            stacklevel=2,
        )
        return here
    wanted = _wanted(entry, listed)
    missing = [file for file in wanted if not repository.has(commit, file)]
    if missing:
        from zoo.hub.transfer import download

        by_name = {file.path: file.etag for file in missing if is_checksum(file.etag)}
        pinned = {pin.path: pin.sha256 for pin in entry.files}
        download(
            hub,
            repository,
            commit,
            missing,
            checksums=by_name | pinned,
            progress=progress,
            workers=workers,
        )
    repository.remember(revision, commit, listed.values())
    return _checkpoint(repository, commit, wanted)


def plan(
    entry: Entry,
    *,
    offline: bool | None = None,
    cache_dir: Path | None = None,
    endpoint: str | None = None,
) -> list[PlannedFile]:
    """Say which files ``fetch`` would return, how large they are, and which it would not download.

    Nothing is written. Arguments and errors are those of ``fetch``; as there, files that are here
    do when the hub cannot be reached.
    """
    if entry.source.scheme != "hf":
        return _all_here(_local(entry))
    repository, revision = _repository(entry, cache_dir), entry.source.revision
    no_network = _is_offline(offline)
    if no_network or is_commit(revision):
        here = _find(entry, repository)
        if here is not None:
            return _all_here(here)
    if no_network:
        raise _missing_offline(entry)
    try:
        commit, listed = _hub(endpoint).files(repository.id, revision)
    except UnreachableError:
        here = _find(entry, repository)
        if here is None:
            raise
        return _all_here(here)
    return [
        PlannedFile(file.path, file.size, repository.has(commit, file))
        for file in _wanted(entry, listed)
    ]


def facts(
    source: Source, *, cache_dir: Path | None = None, endpoint: str | None = None
) -> tuple[str, tuple[File, ...]]:
    """Ask the hub what `zoo registry lock` writes: the commit, and each needed file's checksum.

    The hub knows the sha256 of large files; small ones are downloaded and hashed here.

    Args:
        source: An ``hf`` source; without a revision the newest commit of ``main``.
        cache_dir: The cache; by default as for ``fetch``.
        endpoint: The hub; by default as for ``fetch``.

    Raises:
        ZooError: As ``fetch`` does when it has to download.
    """
    from zoo.hub.transfer import download

    entry = Entry(str(source), architecture="", source=source)
    repository, hub = _repository(entry, cache_dir), _hub(endpoint)
    commit, listed = hub.files(repository.id, source.revision)
    wanted = _wanted(entry, listed)
    small = [file for file in wanted if not _is_sha256(file.etag)]
    missing = [file for file in small if not repository.has(commit, file)]
    if missing:
        names = {file.path: file.etag for file in missing if is_checksum(file.etag)}
        download(hub, repository, commit, missing, checksums=names, progress=False, workers=4)
    snapshot = repository.snapshot(commit)
    return commit, tuple(
        File(
            file.path,
            file.size,
            file.etag
            if file.etag and _is_sha256(file.etag)
            else checksum(snapshot / file.path, like="0" * _SHA256),
        )
        for file in wanted
    )


def _is_sha256(etag: str | None) -> bool:
    return is_checksum(etag) and len(etag) == _SHA256


def find_cached(entry: Entry, *, cache_dir: Path | None = None) -> Checkpoint | None:
    """Return an entry's files if all are on this disk, without asking the network.

    Only sizes are looked at. A branch is the commit that it was when last asked for.
    """
    try:
        if entry.source.scheme != "hf":
            return _local(entry)
        return _find(entry, _repository(entry, cache_dir))
    except ZooError:
        return None


def verify(entry: Entry, *, repair: bool = False, cache_dir: Path | None = None) -> list[FileCheck]:
    """Read all of an entry's files and compare their checksums; the network is not asked.

    What bytes should be is known from the registry's pins and, for all files in the cache, from
    the names of their blobs, which are hashes.

    Args:
        entry: Whose files.
        repair: Remove what is damaged from the cache, so that the next ``fetch`` downloads that,
            and only that, again. A ``bundled`` or ``./folder`` source is never touched.
        cache_dir: The cache; by default as for ``fetch``.

    Raises:
        CacheError: The entry has not been downloaded, or damaged files cannot be removed.
        UsageError, CheckpointError, PluginError: As for ``fetch``, but not for missing files.
    """
    pins = {pin.path: pin.sha256 for pin in entry.files}
    if entry.source.scheme != "hf":
        folder = _local_folder(entry)
        paths = pins or _needed(entry, files_below(folder))
        return [
            _check(path, folder / check_path(path, source=entry.name), pins.get(path))
            for path in paths
        ]
    repository = _repository(entry, cache_dir)
    commit = repository.commit(entry.source.revision)
    wanted = None if commit is None else _recorded(entry, repository, commit)
    if commit is None or wanted is None or not repository.snapshot(commit).is_dir():
        raise CacheError(
            f"{entry.name} is not in the cache {repository.root}, or not as a whole; "
            f"`zoo download {entry.name}` brings what is missing"
        )
    checks = []
    for file in wanted:
        expected = pins.get(file.path) or repository.expected_checksum(commit, file)
        check = _check(file.path, repository.snapshot(commit) / file.path, expected)
        if repair and check.state == "damaged":
            repository.discard(commit, file.path)
        checks.append(check)
    return checks


def _check(name: str, path: Path, expected: str | None) -> FileCheck:
    try:
        size = path.stat().st_size
    except OSError:
        return FileCheck(name, "missing", expected, None, 0)
    if expected is None:
        return FileCheck(name, "unverifiable", None, None, size)
    try:
        found = checksum(path, expected)
    except OSError as error:
        raise CacheError(f"cannot read {path}: {error.strerror}") from error
    return FileCheck(name, "ok" if found == expected else "damaged", expected, found, size)


def _is_offline(asked: bool | None) -> bool:
    from huggingface_hub import constants

    return bool(asked) or constants.HF_HUB_OFFLINE


def _hub(endpoint: str | None) -> Hub:
    from huggingface_hub import constants

    return Hub((endpoint or constants.ENDPOINT).rstrip("/"))


def _repository(entry: Entry, cache_dir: Path | None) -> Repository:
    source = entry.source
    if not is_plain(source.location) or not is_plain(source.revision or "main"):
        raise UsageError(f"{source} is no repository; expected hf:organisation/name[@revision]")
    return Repository(source.location, cache_dir or cache_folder())


def _missing_offline(entry: Entry) -> HubError:
    return HubError(
        f"offline, and {entry.source} is not in the cache, or not as a whole; run "
        f"`zoo download {entry.name}` once with a network and without HF_HUB_OFFLINE"
    )


def _needed(entry: Entry, paths: Iterable[str]) -> list[str]:
    """The files that an entry needs, where it does not list them."""
    try:
        read = find_architecture(entry.architecture).model_types if entry.architecture else ()
    except PluginError:  # downloads need no plugin
        read = ()
    return needed(paths, open_clip=OPEN_CLIP in read)


def _wanted(entry: Entry, listed: Mapping[str, RemoteFile]) -> list[RemoteFile]:
    """The files that an entry needs, out of those that the hub has."""
    if not entry.files:
        chosen = _needed(entry, listed)
        require_model(chosen, listed, source=str(entry.source))
        return [listed[path] for path in chosen]
    for pin in entry.files:
        check_path(pin.path, source=entry.name)
        file = listed.get(pin.path)
        if file is None:
            raise NotFoundError(
                f"{entry.source} has no file {pin.path!r}, which the registry lists for "
                f"{entry.name}"
            )
        as_sha256 = file.etag if file.etag and len(file.etag) == len(pin.sha256) else pin.sha256
        if (file.size, as_sha256) != (pin.size, pin.sha256):
            raise IntegrityError(
                f"{entry.source}: the hub's {pin.path} is not the one that the registry pins: "
                f"expected {pin.sha256} ({pin.size:,} bytes), found {as_sha256} "
                f"({file.size:,} bytes)"
            )
    return [listed[pin.path] for pin in entry.files]


def _recorded(entry: Entry, repository: Repository, commit: str) -> list[RemoteFile] | None:
    """The files that an entry needs, as far as is known here; None if that is not known."""
    if entry.files:
        return [
            RemoteFile(check_path(pin.path, source=entry.name), pin.size, None)
            for pin in entry.files
        ]
    listed = repository.files(commit)
    return None if listed is None else _wanted(entry, listed)


def _find(entry: Entry, repository: Repository) -> Checkpoint | None:
    commit = repository.commit(entry.source.revision)
    if commit is None:
        return None
    wanted = _recorded(entry, repository, commit)
    if wanted is None or not all(repository.has(commit, file) for file in wanted):
        return None
    return _checkpoint(repository, commit, wanted)


def _checkpoint(repository: Repository, commit: str, files: Sequence[RemoteFile]) -> Checkpoint:
    folder = repository.snapshot(commit)
    return Checkpoint(folder, {file.path: folder / file.path for file in files}, commit)


def _all_here(checkpoint: Checkpoint) -> list[PlannedFile]:
    return [
        PlannedFile(path, file.stat().st_size, cached=True)
        for path, file in checkpoint.files.items()
    ]


def _local(entry: Entry) -> Checkpoint:
    """The files of a ``bundled`` or ``./folder`` source."""
    folder = _local_folder(entry)
    below = files_below(folder)
    if not entry.files:
        chosen = _needed(entry, below)
        require_model(chosen, below, source=str(entry.source))
        return Checkpoint(folder, {path: below[path] for path in chosen}, None)
    files = {pin.path: folder / check_path(pin.path, source=entry.name) for pin in entry.files}
    for pin in entry.files:
        if not files[pin.path].is_file():
            raise CheckpointError(f"{entry.source} has no file {pin.path!r}; install it again")
        size = files[pin.path].stat().st_size
        if size != pin.size:
            raise IntegrityError(
                f"{entry.source}: {pin.path} is damaged: expected {pin.size:,} bytes, found "
                f"{size:,}; install it again"
            )
    return Checkpoint(folder, files, None)


def _local_folder(entry: Entry) -> Path:
    if entry.source.scheme == "bundled":
        return _bundled_folder(entry)
    folder = Path(entry.source.location)
    if not folder.exists():
        raise UsageError(f"there is no folder {str(folder)!r}")
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder; expected one that holds a config.json")
    return folder


def _bundled_folder(entry: Entry) -> Path:
    """Find a folder in an installed package without importing the package."""
    location = entry.source.location
    package, _, inner = location.partition("/")
    if not is_plain(location) or not package.isidentifier() or not inner:
        raise UsageError(f"{entry.source} is no bundled source; expected bundled:package/folder")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(
            f"{entry.name} comes with the package {package!r}, which is not installed"
        )
    for place in spec.submodule_search_locations:
        root = Path(place).resolve()
        folder = (root / inner).resolve()
        if folder.is_dir() and folder.is_relative_to(root):
            return folder
    raise CheckpointError(
        f"the package {package!r} has no folder {inner!r} of its own, where {entry.name} should "
        "be; install it again"
    )
