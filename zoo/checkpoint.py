"""A checkpoint in Hugging Face form on this disk: its JSON files, and its tensors read late."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from zoo.errors import CacheError, CheckpointError
from zoo.folders import user_folder
from zoo.hookspecs import OPEN_CLIP

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# A config or tokenizer file larger than this is none.
_SIDE_FILE_LIMIT = 200 * 2**20

# Tensors that share memory may be so many times as large as their pickle; tied ones come twice.
_MOST_SHARED = 16

WEIGHTS = "model.safetensors"
LEGACY_WEIGHTS = "pytorch_model.bin"


class Files:
    """The files of one checkpoint, by their paths in the repository.

    Args:
        paths: Path in the repository -> path on this disk.
        source: What the checkpoint is called in messages.
    """

    def __init__(self, paths: Mapping[str, Path], source: str) -> None:
        self.paths = paths
        self.source = source

    def path(self, name: str) -> Path | None:
        """Where a file lies; None if the checkpoint has none of this name."""
        return self.paths.get(name)

    def side_file(self, name: str) -> Path | None:
        """Where a tokenizer's or another file beside the weights lies; None if there is none.

        Raises:
            CheckpointError: It is too large to be one; reading it would fill the memory.
        """
        path = self.path(name)
        if path is not None:
            self._check_size(path, name)
        return path

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object; empty if the checkpoint has no such file.

        Raises:
            CheckpointError: The file is no JSON object.
        """
        path = self.path(name)
        if path is None:
            return {}
        value = self._read_json(path, name)
        if not isinstance(value, dict):
            raise CheckpointError(f"{self.source}: {name} should hold an object, not {value!r:.60}")
        return value

    def json_list(self, name: str) -> list[dict[str, Any]]:
        """Read a JSON array of objects; empty if the checkpoint has no such file.

        Raises:
            CheckpointError: The file is no such array.
        """
        path = self.path(name)
        if path is None:
            return []
        value = self._read_json(path, name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise CheckpointError(f"{self.source}: {name} should hold a list of objects")
        return value

    def _check_size(self, path: Path, name: str) -> None:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise CheckpointError(f"{self.source}: cannot read {name}: {error}") from error
        if size > _SIDE_FILE_LIMIT:
            raise CheckpointError(
                f"{self.source}: {name} is larger than {_SIDE_FILE_LIMIT:,} bytes; is it damaged?"
            )

    def _read_json(self, path: Path, name: str) -> object:
        self._check_size(path, name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.source}: {name} is not valid JSON: {error}") from error
        except OSError as error:
            raise CheckpointError(f"{self.source}: cannot read {name}: {error}") from error


class Tensors(Mapping[str, "Tensor"]):
    """The tensors of one or more safetensors files, memory-mapped: read when asked for.

    Args:
        files: Name of each file in the checkpoint -> where it lies.
        source: What the checkpoint is called in messages.
        device: Where tensors are put.

    Raises:
        CheckpointError: A file is truncated or no safetensors file, or a name comes twice.
    """

    def __init__(self, files: Mapping[str, Path], source: str, device: torch.device) -> None:
        from safetensors import SafetensorError, safe_open

        self._source = source
        self._files = ExitStack()
        self._where: dict[str, tuple[str, Any]] = {}
        for name, path in files.items():
            try:
                file = self._files.enter_context(
                    safe_open(path, framework="pt", device=str(device))
                )
            except (SafetensorError, OSError) as error:
                raise CheckpointError(
                    f"{source}: {name} is damaged or no safetensors file ({one_line(error)}); "
                    "delete it and download it again"
                ) from error
            for tensor in file.keys():  # noqa: SIM118 (the file is no iterable)
                if tensor in self._where:
                    raise CheckpointError(
                        f"{source}: tensor {tensor!r} is in {self._where[tensor][0]} and in {name}"
                    )
                self._where[tensor] = (name, file)

    def __getitem__(self, name: str) -> Tensor:
        from safetensors import SafetensorError

        file_name, file = self._where[name]
        try:
            return file.get_tensor(name)
        except SafetensorError as error:
            raise CheckpointError(
                f"{self._source}: tensor {name!r} in {file_name} cannot be read: {one_line(error)}"
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def file_of(self, name: str) -> str:
        """The file that holds a tensor."""
        return self._where[name][0]


def published_configs(files: Files) -> dict[str, dict[str, Any]]:
    """What a checkpoint may be taken for, most precise first, and the config that says so.

    transformers writes a ``model_type``; timm the name of one of its architectures, which a plugin
    may claim as ``timm/name``, or as ``timm`` together with all others. open_clip's config stands
    in a file of its own, perhaps beside one of those.

    Raises:
        CheckpointError: A file is no JSON object, or nothing says what the checkpoint is.
    """
    config = files.json("config.json")
    model_type, timm_name = config.get("model_type"), config.get("architecture")
    kinds: tuple[str, ...] = ()
    if isinstance(model_type, str):
        kinds = (model_type,)
    elif isinstance(timm_name, str):
        kinds = (f"timm/{timm_name}", "timm")
    configs = dict.fromkeys(kinds, config)
    if files.path(f"{OPEN_CLIP}_config.json"):
        configs[OPEN_CLIP] = files.json(f"{OPEN_CLIP}_config.json")
    if not configs:
        raise CheckpointError(
            f"{files.source}: config.json has no model_type, so zoo cannot tell the architecture; "
            "add an entry to a registry file that names it"
        )
    return configs


def weights_name(kind: str) -> str:
    """What the file with the weights is called in a checkpoint that is taken for this kind."""
    return f"{OPEN_CLIP}_{WEIGHTS}" if kind == OPEN_CLIP else WEIGHTS


def open_tensors(files: Files, device: torch.device, kind: str = "") -> Tensors:
    """Open a checkpoint's weights: safetensors, whole or sharded; else a legacy ``.bin``.

    Args:
        files: Of the checkpoint.
        device: Where tensors are put.
        kind: What the checkpoint is taken for; open_clip puts a prefix before all names.

    Raises:
        CheckpointError: There are none, they are damaged, or shards and their index disagree.
    """
    weights = weights_name(kind)
    legacy = weights.replace(WEIGHTS, LEGACY_WEIGHTS)
    if path := files.path(weights):
        return Tensors({weights: path}, files.source, device)
    if files.path(f"{weights}.index.json"):
        shards, index = _shards(files, f"{weights}.index.json")
        return _check_index(Tensors(shards, files.source, device), index, files.source)
    if path := files.path(legacy):
        converted = {legacy: _converted(path, files.source)}
        return Tensors(converted, files.source, device)
    if files.path(f"{legacy}.index.json"):
        shards, index = _shards(files, f"{legacy}.index.json")
        converted = {name: _converted(path, files.source) for name, path in shards.items()}
        return _check_index(Tensors(converted, files.source, device), index, files.source)
    raise CheckpointError(
        f"{files.source}: no weights; expected {weights}, {weights}.index.json or {legacy}"
    )


def _shards(files: Files, index_name: str) -> tuple[dict[str, Path], dict[str, str]]:
    """The shard files that an index names, and the index: tensor -> shard."""
    index = files.json(index_name).get("weight_map")
    if not isinstance(index, dict) or not all(isinstance(name, str) for name in index.values()):
        raise CheckpointError(f"{files.source}: {index_name} has no weight_map of file names")
    shards: dict[str, Path] = {}
    for name in sorted(set(index.values())):
        path = files.path(name)
        if path is None or PurePosixPath(name).name != name:
            raise CheckpointError(f"{files.source}: {index_name} names {name!r}, which is missing")
        shards[name] = path
    return shards, index


def _check_index(tensors: Tensors, index: Mapping[str, str], source: str) -> Tensors:
    """Refuse shards that hold other tensors than their index says."""
    found = {name: tensors.file_of(name) for name in tensors}
    if found != index:
        wrong = sorted(name for name, _ in found.items() ^ index.items())
        raise CheckpointError(
            f"{source}: the shards and their index disagree about {wrong[0]!r}"
            f" and {len(wrong) - 1} more tensors; download the checkpoint again"
        )
    return tensors


def _converted(path: Path, source: str) -> Path:
    """The safetensors twin of a pickled state dict, made on first use and kept in zoo's cache.

    The pickle is read by torch's restricted unpickler, which builds tensors and runs no code.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    real = path.resolve()
    stat = real.stat()
    key = hashlib.sha256(f"{real}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()
    cache = user_folder("XDG_CACHE_HOME", ".cache")
    if cache is None:
        raise CacheError(
            f"{source}: no folder to keep {path.name} in as safetensors; set HOME or XDG_CACHE_HOME"
        )
    twin = cache / "converted" / f"{key}.safetensors"
    if twin.exists():
        return twin
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except Exception as error:  # damaged bytes make the unpickler raise anything
        reason = one_line(error).partition(". ")[0] or type(error).__name__
        raise CheckpointError(
            f"{source}: {path.name} is damaged, or holds more than tensors, which zoo never loads "
            f"({reason})"
        ) from error
    if not isinstance(state, dict) or not all(map(_is_plain, state.values())):
        raise CheckpointError(f"{source}: {path.name} holds no plain table of tensors")
    # A few bytes in a pickle can claim to be terabytes, by a stride of 0.
    claimed = sum(tensor.nbytes for tensor in state.values())
    if claimed > _MOST_SHARED * stat.st_size:
        raise CheckpointError(
            f"{source}: {path.name} has {stat.st_size:,} bytes, and its tensors {claimed:,}; "
            "is it damaged?"
        )
    # Tied tensors share memory in a pickle; safetensors wants each to own its bytes.
    owned = {str(name): tensor.detach().contiguous().clone() for name, tensor in state.items()}
    try:
        twin.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=twin.parent) as folder:
            save_file(owned, Path(folder, twin.name), metadata={"format": "pt"})
            Path(folder, twin.name).replace(twin)
    except OSError as error:
        raise CacheError(f"cannot write {twin}: {error.strerror}") from error
    except SafetensorError as error:  # what its writer makes of a full disk
        raise CacheError(f"cannot write {twin}: {one_line(error)}") from error
    return twin


def _is_plain(value: object) -> bool:
    """Whether a value is a tensor with all its numbers in memory: none sparse, none without any."""
    import torch

    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and not value.is_meta
        and not value.is_quantized
    )


def _is_zip(path: Path) -> bool:
    """Whether torch.load can map the file: only the zip form of torch 1.6 and later."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def one_line(error: BaseException) -> str:
    """A library's message without line breaks, which names in a damaged file may bring in."""
    return " ".join(str(error).split())
