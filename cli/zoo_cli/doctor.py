"""``zoo doctor``: is everything in place?"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

from zoo.errors import ZooError
from zoo_cli import output
from zoo_cli.options import Json


@dataclass(frozen=True)
class Finding:
    """One thing looked at, and what was found."""

    check: str
    state: Literal["ok", "note", "bad"]
    detail: str


def doctor(json: Json = False) -> None:
    """Look at Python, torch, devices, cache, plugins and registries; exit with 1 if one is bad."""
    findings = [_python(), *_torch(), _cache(), _hub(), _parquet(), *_plugins(), *_registries()]
    if json:
        output.emit_json("findings", [vars(finding) for finding in findings])
    else:
        output.emit_table(
            ("CHECK", "STATE", "DETAIL"),
            [[finding.check, finding.state, finding.detail] for finding in findings],
        )
    bad = [finding.check for finding in findings if finding.state == "bad"]
    if bad:
        raise ZooError(f"{output.plural(len(bad), 'check')} failed: {', '.join(bad)}")


def _python() -> Finding:
    from zoo import __version__

    return Finding(
        "python", "ok", f"zoo {__version__}, Python {sys.version.split()[0]}, {sys.executable}"
    )


def _torch() -> list[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of its own that does not load
        return [Finding("torch", "bad", f"cannot be imported: {error}; install it again")]
    cpu = f"{torch.get_num_threads()} threads on the CPU"
    if torch.cpu.get_capabilities().get("amx_bf16"):
        cpu += ", which is several times as fast with --dtype bfloat16 (AMX)"
    found = [Finding("torch", "ok", f"{torch.__version__}, {cpu}")]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = output.as_size(properties.total_memory)
        found.append(Finding(f"cuda:{index}", "ok", f"{properties.name}, {memory}"))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", "ok", "Apple GPU"))
    if len(found) == 1:
        found.append(Finding("gpu", "note", "torch sees none; models run on the CPU"))
    return found


def _cache() -> Finding:
    from zoo.hub import cache_folder

    folder = cache_folder()
    here = next(each for each in (folder, *folder.parents) if each.exists())
    free = f"{output.as_size(shutil.disk_usage(here).free)} free"
    if not os.access(here, os.W_OK):
        return Finding(
            "cache", "bad", f"{folder} cannot be written; set HF_HOME to a folder that can"
        )
    return Finding("cache", "ok", f"{folder}, {free}")


def _hub() -> Finding:
    from huggingface_hub import constants, get_token

    login = "with a token" if get_token() else "without a token"
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", "note", "HF_HUB_OFFLINE is set: nothing will be downloaded")
    return Finding("hub", "ok", f"{constants.ENDPOINT}, {login}")


def _parquet() -> Finding:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        return Finding("parquet", "note", "not installed; pip install 'zoo[parquet]'")
    return Finding("parquet", "ok", "pyarrow is installed")


def _plugins() -> list[Finding]:
    from zoo.plugins import plugins

    found = []
    for plugin in plugins():
        names = ", ".join(each.name for each in plugin.architectures)
        if plugin.state == "ok":
            found.append(Finding(f"plugin {plugin.module}", "ok", names))
        else:
            state: Literal["note", "bad"] = "note" if plugin.state == "disabled" else "bad"
            detail = f"{plugin.state}: {plugin.error}"
            found.append(Finding(f"plugin {plugin.module}", state, detail))
    return found


def _registries() -> list[Finding]:
    from zoo.registry import load_registry

    try:
        registry = load_registry()
    except ZooError as error:
        return [Finding("registry", "bad", str(error))]
    problems = [Finding("registry", "bad", problem) for problem in registry.problems]
    return problems or [Finding("registry", "ok", output.plural(len(registry), "model"))]
