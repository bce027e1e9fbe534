"""What a number may depend on: model, data, machine and versions, written down beside it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zoo.evaluation.protocol import Sample
from zoo.loading import Loaded

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
            "weights": {each.path: each.sha256 for each in entry.files},
        },
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "device": _device(loaded),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "system": platform.platform(),
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
