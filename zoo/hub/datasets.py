"""A dataset of the hub, as the files that hold one of its splits.

A repository's card says which files a split is, under ``configs`` of its first lines, or their
names do: ``data/test-00000-of-00002.parquet``, ``test.csv``, ``sst2/validation/0.jsonl``,
``test/0.tar``. What needs a program to be read has no such files, and no program is ever run.
https://huggingface.co/docs/hub/datasets-manual-configuration
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import HubError, InputError, NotFoundError, UsageError
from zoo.hub.cache import Repository, cache_folder
from zoo.hub.files import RemoteFile, is_checksum, is_commit, is_plain
from zoo.hub.remote import Hub, UnreachableError

_CARD = "README.md"
# By how likely they are the data: texts beside others, such as ``test/nshards.txt``, are none.
_SUFFIXES = (".parquet", ".jsonl", ".csv", ".tsv", ".tar", ".txt")
EVERY = "*"
"""In the place of a config: all that the repository has, one after the other."""
# What the hub takes for a split's name; docs: datasets-data-files-configuration.
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


@dataclass(frozen=True)
class Split:
    """The files of a split, in order, and the commit they are of."""

    repository: str
    commit: str
    files: tuple[Path, ...]


def fetch_split(
    repository: str,
    *,
    split: str,
    config: str = "",
    revision: str | None = None,
    offline: bool | None = None,
    progress: bool = False,
    cache_dir: Path | None = None,
    endpoint: str | None = None,
) -> Split:
    """Return a split's files, after downloading those that are not on this disk.

    Args:
        repository: ``org/name``.
        split: What the repository calls it.
        config: Which of the repository's datasets, or `EVERY`; by default its only or default one.
        revision: A commit, a branch or a tag; by default ``main``.
        offline: Open no connection; HF_HUB_OFFLINE=1 asks for the same, whatever is said here.
        progress: Show a bar with bytes and rate on standard error.
        cache_dir: The cache; by default what HF_HUB_CACHE or HF_HOME say, or its usual place.
        endpoint: The hub; by default what HF_ENDPOINT says, or https://huggingface.co.

    Raises:
        UsageError: The repository has no such config, or no such split.
        NotFoundError: The hub has no such repository or revision.
        GatedError: The hub wants a login, or a licence to be accepted.
        HubError: The hub cannot be reached, or must not be, and files are missing.
        InputError: The card is damaged.
        IntegrityError: A file's bytes or size differ from what they should be.
        CacheError: The disk is full, or the cache may not be written.
    """
    from huggingface_hub import constants

    if not is_plain(repository) or not is_plain(revision or "main"):
        raise UsageError(f"{repository!r} is no repository; expected organisation/name")
    place = Repository(repository, cache_dir or cache_folder(), "dataset")
    no_network = bool(offline) or constants.HF_HUB_OFFLINE
    if no_network or is_commit(revision):
        here = _find(place, revision, config, split)
        if here is not None:
            return here
    if no_network:
        raise HubError(
            f"offline, and the split {split!r} of the dataset {repository} is not in the cache; "
            "evaluate once with a network and without HF_HUB_OFFLINE, or give --data"
        )
    hub = Hub((endpoint or constants.ENDPOINT).rstrip("/"), "dataset")
    try:
        commit, listed = hub.files(repository, revision)
        if _CARD in listed:
            _bring(hub, place, commit, [listed[_CARD]], progress=False)
        chosen = _chosen(place, commit, listed, config, split)
        _bring(hub, place, commit, chosen, progress=progress)
    except UnreachableError:
        here = _find(place, revision, config, split)
        if here is None:
            raise
        return here
    place.remember(revision, commit, listed.values())
    return _split(place, commit, chosen)


def _bring(
    hub: Hub, place: Repository, commit: str, files: Sequence[RemoteFile], *, progress: bool
) -> None:
    missing = [file for file in files if not place.has(commit, file)]
    if missing:
        from zoo.hub.transfer import download

        checksums = {file.path: file.etag for file in missing if is_checksum(file.etag)}
        download(hub, place, commit, missing, checksums=checksums, progress=progress, workers=4)


def _find(place: Repository, revision: str | None, config: str, split: str) -> Split | None:
    """The split, if all its files are here."""
    commit = place.commit(revision)
    listed = place.files(commit) if commit is not None else None
    if commit is None or listed is None:
        return None
    if _CARD in listed and not place.has(commit, listed[_CARD]):
        return None
    chosen = _chosen(place, commit, listed, config, split)
    if not all(place.has(commit, file) for file in chosen):
        return None
    return _split(place, commit, chosen)


def _split(place: Repository, commit: str, chosen: Sequence[RemoteFile]) -> Split:
    folder = place.snapshot(commit)
    return Split(place.id, commit, tuple(folder / file.path for file in chosen))


def _chosen(
    place: Repository, commit: str, listed: Mapping[str, RemoteFile], config: str, split: str
) -> list[RemoteFile]:
    """The files of a split, by the card, else by their names.

    Raises:
        UsageError: There is no such config or split.
        NotFoundError: There is no file that can be read without a program.
    """
    card = _card(place.snapshot(commit) / _CARD) if _CARD in listed else {}
    readable = sorted(path for path in listed if _suffix(path) in _SUFFIXES)
    if not readable:
        raise NotFoundError(
            f"the dataset {place.id} has no file in {', '.join(_SUFFIXES)}; zoo runs no program of "
            "a dataset: download its data, and give --data"
        )
    patterns = _patterns(card, config, split, place.id)
    if patterns is not None:
        found = [path for path in readable if any(_matches(path, each) for each in patterns)]
    else:
        found = [path for path in _in_config(readable, config) if _is_of(path, split)]
    if not found:
        shown = ", ".join(readable[:4]) + (", …" if len(readable) > 4 else "")
        raise UsageError(f"the dataset {place.id} has no split {split!r}; its files are {shown}")
    kind = min(map(_suffix, found), key=_SUFFIXES.index)
    return [listed[path] for path in found if _suffix(path) == kind]


def _suffix(path: str) -> str:
    """What kind of file it is; a table or a text may be packed."""
    packed = path.removesuffix(".gz")
    return Path(path if packed.endswith(".tar") else packed).suffix


def _card(path: Path) -> Mapping[str, Any]:
    """The card's first lines, which are YAML between two lines of dashes."""
    import yaml

    text = path.read_text(encoding="utf-8", errors="replace")
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    if match is None:
        return {}
    try:
        card = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise InputError(f"{path}: its first lines are no YAML: {error}".split("\n")[0]) from error
    return card if isinstance(card, dict) else {}


def _patterns(
    card: Mapping[str, Any], config: str, split: str, repository: str
) -> list[str] | None:
    """The patterns of a split's files, as the card has them; None if it has none."""
    configs = [each for each in card.get("configs") or () if isinstance(each, dict)]
    with_files = [each for each in configs if "data_files" in each]
    if not with_files:
        return None
    named = {str(each.get("config_name")): each for each in with_files}
    default = next((name for name, each in named.items() if each.get("default")), "default")
    name = config or (next(iter(named)) if len(named) == 1 else default)
    if name not in named and name != EVERY:
        raise UsageError(
            f"the dataset {repository} has no config {name!r}, but {', '.join(sorted(named))}"
        )
    rows: list[Any] = []
    for each in named.values() if name == EVERY else [named[name]]:
        files = each["data_files"]
        rows += files if isinstance(files, list) else [files]
    # Files without a split's name are all of ``train``.
    splits = [row if isinstance(row, dict) else {"split": "train", "path": row} for row in rows]
    found: list[str] = []
    for row in splits:
        if str(row.get("split", "train")) == split:
            path = row.get("path", [])
            found += map(str, path if isinstance(path, list) else [path])
    if not found:
        known = sorted({str(row.get("split", "train")) for row in splits})
        raise UsageError(
            f"the dataset {repository} has no split {split!r} of {name!r}, but {', '.join(known)}"
        )
    return found


def _matches(path: str, pattern: str) -> bool:
    """Whether a path is one of a pattern's; ``**/`` stands for folders, or none."""
    return fnmatch.fnmatchcase(path, pattern) or (
        "**/" in pattern and fnmatch.fnmatchcase(path, pattern.replace("**/", ""))
    )


def _in_config(paths: Sequence[str], config: str) -> list[str]:
    """The paths below a folder of the config's name, if there is one."""
    below = [path for path in paths if config and f"/{config}/" in f"/{path}"]
    return below or list(paths)


def _is_of(path: str, split: str) -> bool:
    """Whether a path says that it is of a split, in its own name or in a folder's."""
    words = "|".join(map(re.escape, _WORDS.get(split, (split,))))
    return re.search(rf"(^|[-_. /])({words})([-_. /0-9]|$)", path, re.IGNORECASE) is not None
