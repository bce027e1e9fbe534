"""What a number may depend on: model, data, machine and versions, written down beside it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo import hub
from zoo.entry import Entry
from zoo.evaluation.benchmark import Benchmark
from zoo.evaluation.protocol import Sample
from zoo.loading import Loaded
from zoo.result_cache import ResultCache

_PACKAGES = ("zoo", "torch", "tokenizers", "pillow", "numpy", "safetensors", "timm", "sacrebleu")


def provenance(loaded: Loaded) -> dict[str, Any]:
    """What was measured, and on what machine, as JSON."""
    entry = loaded.entry
    return {
        "model": {
            "name": entry.name,
            "source": str(entry.source),
            "revision": loaded.revision,
            "architecture": loaded.architecture.name,
            "files": _hashes(entry),
        },
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "device": _device(loaded),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def benchmark_facts(benchmark: Benchmark, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Which benchmark, as its file had it, and what it sets for the protocol."""
    facts: dict[str, Any] = {"name": benchmark.name, "task": benchmark.task}
    if benchmark.file:
        facts["sha256"] = hashlib.sha256(Path(benchmark.file).read_bytes()).hexdigest()
    return facts | {"settings": dict(settings)}


def _hashes(entry: Entry) -> dict[str, str]:
    """The sha256 of each file of a checkpoint: as it is pinned, which was checked, or as it is."""
    if entry.files:
        return {each.path: each.sha256 for each in entry.files}
    found = hub.find_cached(entry)
    if found is None:
        return {}
    with closing(ResultCache()) as known:  # what nobody touched is not read again
        return {
            name: known.content(path.resolve()).sha256 for name, path in sorted(found.files.items())
        }


def data_fingerprint(samples: Sequence[Sample]) -> dict[str, Any]:
    """How many samples, and one sha256 of them all in order, whatever files they came from."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.split}\0{sample.sha256}\n".encode())
    return {"samples": len(samples), "sha256": digest.hexdigest()}


def _device(loaded: Loaded) -> str:
    if loaded.device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(loaded.device)
    return loaded.device.type


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
