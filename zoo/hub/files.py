"""Which files of a repository a model needs, and how their bytes are checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeGuard

from zoo.errors import CheckpointError, IntegrityError
from zoo.hookspecs import OPEN_CLIP

# Configuration, tokenizer, processor and sentence-transformers files, wherever weights lie.
_SIDE_FILES = re.compile(
    rf"""
    config | generation_config | {OPEN_CLIP}_config
    | tokenizer | tokenizer_config | (target_)?vocab | added_tokens | special_tokens_map
    | preprocessor_config | processor_config | chat_template
    | modules | config_sentence_transformers | sentence_[a-z]+_config
    """,
    re.VERBOSE,
)
_VOCABULARIES = re.compile(r"vocab\.txt|merges\.txt|chat_template\.jinja|.+\.(model|spm)")

# sentence-transformers keeps each module in a folder: 1_Pooling, 2_Dense, …
_MODULE_FOLDER = re.compile(r"\d+_\w+")

_SHARD = r"-\d+-of-\d+"
_WEIGHTS = (
    # Best first; the first form that is there is the only one taken.
    re.compile(r"model\.safetensors"),
    re.compile(rf"model{_SHARD}\.safetensors|model\.safetensors\.index\.json"),
    re.compile(r"pytorch_model\.bin"),
    re.compile(rf"pytorch_model{_SHARD}\.bin|pytorch_model\.bin\.index\.json"),
)
_OPEN_CLIP_WEIGHTS = (
    re.compile(rf"{OPEN_CLIP}_model\.safetensors"),
    re.compile(rf"{OPEN_CLIP}_pytorch_model\.bin"),
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")


Kind = Literal["model", "dataset"]
"""Of a repository."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub, or a record of it in the cache, describes it.

    ``size`` is bytes. ``etag`` is the name of its blob in the cache: the sha256 of a large (LFS or
    Xet) file, the git sha1 of any other, in hex; ``None`` where it is not on record.
    """

    path: str
    size: int
    etag: str | None


def needed(paths: Iterable[str], *, open_clip: bool = False) -> list[str]:
    """Choose the files that loading a model reads, out of all in its repository, sorted.

    Safetensors come before pickles, one whole file before shards; never ONNX, TensorFlow, Flax,
    OpenVINO, nor variants such as ``model.fp16.safetensors``.

    Args:
        paths: All that there are.
        open_clip: Whether open_clip's weights come before others that lie beside them, such as the
            picture tower alone for timm, or the same ones for transformers.
    """
    forms = (*_OPEN_CLIP_WEIGHTS, *_WEIGHTS) if open_clip else (*_WEIGHTS, *_OPEN_CLIP_WEIGHTS)
    folders: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if not folder or _MODULE_FOLDER.fullmatch(folder):
            folders.setdefault(folder, []).append(name)
    return sorted(
        f"{folder}/{name}" if folder else name
        for folder, names in folders.items()
        for name in _needed_in_folder(names, forms)
    )


def _needed_in_folder(names: list[str], forms: Iterable[re.Pattern[str]]) -> list[str]:
    chosen = [name for name in names if _is_side_file(name)]
    for form in forms:
        weights = [name for name in names if form.fullmatch(name)]
        if weights:
            return chosen + weights
    return chosen


def _is_side_file(name: str) -> bool:
    stem, _, suffix = name.rpartition(".")
    return bool((suffix == "json" and _SIDE_FILES.fullmatch(stem)) or _VOCABULARIES.fullmatch(name))


def require_model(chosen: Iterable[str], everything: Iterable[str], *, source: str) -> None:
    """Refuse a repository or folder that holds no model that zoo could load.

    Raises:
        CheckpointError: There is no config, or there are no weights, among the chosen files.
    """
    names = {name for name in chosen if "/" not in name}
    archives = sorted(path for path in everything if path.endswith((".pt", ".pth")))
    advice = (
        f"; {archives[0]} may hold code, which zoo never loads: save its state_dict() with "
        "safetensors, beside the model's config"
        if archives
        else ""
    )
    if names.isdisjoint({"config.json", f"{OPEN_CLIP}_config.json"}):
        raise CheckpointError(
            f"{source} has no config.json, so it is no checkpoint in Hugging Face form{advice}"
        )
    if not any(form.fullmatch(name) for form in (*_WEIGHTS, *_OPEN_CLIP_WEIGHTS) for name in names):
        others = sorted(
            path
            for path in everything
            if path.endswith((".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".gguf", ".pt"))
        )
        raise CheckpointError(
            f"{source} has no model.safetensors and no pytorch_model.bin, whole or sharded; "
            f"of weights it has {', '.join(others[:5]) or 'none at all'}{advice}"
        )


def is_plain(path: str) -> bool:
    """Whether a path, a name or a revision stays below the folder that it is joined to."""
    return all(part not in {"", ".", ".."} for part in path.split("/")) and not re.search(
        r'[\\:\x00-\x1f"<>|?*]', path
    )


def check_path(path: str, *, source: str) -> str:
    """Return a path that a hub or a registry names, if it is one inside a repository.

    Raises:
        IntegrityError: It is absolute, or holds ``..``, a backslash or a drive.
    """
    if not is_plain(path):
        raise IntegrityError(
            f"{source} names a file {path!r}, which is no path inside a repository; "
            "nothing was downloaded"
        )
    return path


def checksum(path: Path, like: str) -> str:
    """Hash a file in the way that an expected checksum was made.

    Args:
        path: The file.
        like: 64 hex digits, for sha256, or 40, for git's sha1: that of the word blob, a space, the
            size, a zero byte and the bytes.
    """
    with path.open("rb") as file:
        if len(like) == 64:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while block := file.read(2**20):
            digest.update(block)
        return digest.hexdigest()


def is_checksum(etag: str | None) -> TypeGuard[str]:
    """Whether a blob's name is a hash of its bytes; a mirror may use other names."""
    return etag is not None and bool(_SHA256.fullmatch(etag) or _GIT_SHA1.fullmatch(etag))


def is_commit(revision: str | None) -> TypeGuard[str]:
    """Whether a revision is a full commit hash, which never moves, and no branch or tag."""
    return revision is not None and bool(_GIT_SHA1.fullmatch(revision))


def files_below(folder: Path) -> Mapping[str, Path]:
    """The files in a folder and in its sentence-transformers folders: path below it -> path."""
    inner = [path for path in folder.iterdir() if _MODULE_FOLDER.fullmatch(path.name)]
    return {
        path.relative_to(folder).as_posix(): path
        for each in (folder, *filter(Path.is_dir, inner))
        for path in each.iterdir()
        if path.is_file()
    }
