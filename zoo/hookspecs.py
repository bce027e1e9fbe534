"""The plugin contract: what a distribution provides so that zoo can run its architectures.

A plugin declares entry points in its ``pyproject.toml`` and implements the hook below::

    [project.entry-points."zoo.plugins"]
    acme = "acme_zoo"                        # the architecture's name, and the module with the hook

    [project.entry-points."zoo.registries"]
    acme = "acme_zoo:registry.yaml"          # its models; read without importing anything

    [project.entry-points."zoo.commands"]
    acme = "acme_zoo.command:app"            # `zoo acme`: a typer.Typer, imported when it is called

    [project.entry-points."zoo.benchmarks"]
    acme = "acme_zoo:benchmarks"             # a folder of YAML files, for `zoo eval --on`

All groups are optional. The first one's module is imported when one of its architectures is used,
and must not import torch itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

API = 1
"""Version of this contract. A plugin may state the one it was written for: ``zoo_api = 1``."""

OPEN_CLIP = "open_clip"
"""The ``model_type`` of checkpoints in open_clip's form, which state none; it begins their files'
names, so that they can lie beside another library's."""

hookspec = pluggy.HookspecMarker("zoo")
hookimpl = pluggy.HookimplMarker("zoo")


@dataclass(frozen=True)
class Architecture:
    """One architecture, and where its parts are found.

    Parts are named as ``"module:attribute"`` and imported when a model is loaded, so that declaring
    an architecture costs nothing. C stands for the plugin's own config class, a frozen dataclass.

    Args:
        name: What registry entries call it.
        model_types: The ``model_type`` values of ``config.json`` that it reads.
        tasks: All tasks that its checkpoints can do; a checkpoint's head decides among them.
        config: ``(Mapping) -> C``: reads a published config; raises CheckpointError for a field
            that is unknown or contradicts another. See `zoo.config.Fields`.
        build: ``(C) -> nn.Module``: the network without weights; zoo calls it on the meta device.
            Its ``compile`` compiles what its tasks call, where that is not its ``forward``.
        weights: ``(C) -> WeightMap``: the published tensor names of such a network.
        preprocessor: ``(Files, C) -> object``: the tokenizer or image transform that the tasks
            expect, from the checkpoint's files.
        sample: ``(Path, str) -> None``: writes into a folder the files of a tiny checkpoint that
            can do a task, all but its weights; `zoo.testing` gives it random ones and runs it.
            Without it a checkpoint serves that the plugin's registry bundles.
    """

    name: str
    model_types: tuple[str, ...]
    tasks: tuple[str, ...]
    config: str
    build: str
    weights: str
    preprocessor: str
    sample: str = ""


@hookspec
def zoo_architectures() -> Iterable[Architecture]:
    """Return the architectures that this plugin provides."""
    return ()  # pluggy calls the implementations, never this
