"""From an entry to a network with its weights on a device, and its preprocessor."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError, DeviceError, PluginError, ZooWarning

if TYPE_CHECKING:
    import torch
    from torch import nn

    from zoo.entry import Entry
    from zoo.hookspecs import Architecture


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run: in eval mode, without gradients.

    ``architecture`` is the plugin's; ``preprocessor`` and ``network`` are of its own types, which
    the tasks it claims know how to use. ``compiled`` says that torch compiles the network at its
    first use, and again for inputs of a new kind.
    """

    entry: Entry
    architecture: Any
    network: nn.Module
    preprocessor: Any
    device: torch.device
    dtype: torch.dtype
    revision: str | None
    compiled: bool


def load(
    entry: Entry,
    *,
    device: str = "auto",
    dtype: str = "auto",
    compile: bool = False,
    offline: bool | None = None,
    progress: bool = False,
) -> Loaded:
    """Fetch an entry's files and build its network from them.

    The network is built without memory (on torch's meta device); then each tensor of the
    memory-mapped files takes its place. Nothing is ever initialised at random: a tensor that is
    missing, left over or of another shape is an error.

    Args:
        entry: From a registry, or a source named directly.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        compile: Whether torch compiles the network at its first use.
        offline: True to ask no network; None to follow ``HF_HUB_OFFLINE``.
        progress: Whether downloads show bars on standard error.

    Raises:
        ZooError: Of many kinds; see `zoo.errors`.
    """
    import torch

    from zoo import hub, plugins, runtime
    from zoo.checkpoint import Files, open_tensors, published_configs
    from zoo.nn import use_onednn

    place = runtime.resolve_device(device)
    if place.type == "cpu":
        runtime.keep_freed_memory()
    format_ = runtime.resolve_dtype(dtype, place)
    checkpoint = hub.fetch(entry, offline=offline, progress=progress)
    files = Files(checkpoint.files, str(entry.source))
    configs = published_configs(files)
    architecture, kind = _architecture(entry, configs)

    try:
        config = plugins.import_part(architecture, "config")(configs[kind])
    except CheckpointError as error:
        raise CheckpointError(f"{entry.source}: {error}") from error
    try:
        network = without_weights(plugins.import_part(architecture, "build"), config)
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{entry.source}: config.json makes no network: {error}") from error
    weight_map = plugins.import_part(architecture, "weights")(config)
    preprocessor = plugins.import_part(architecture, "preprocessor")(files, config)
    _check(entry, config, preprocessor)

    try:
        tensors = open_tensors(files, place, kind)
        state = weight_map.load(tensors, network.state_dict(), source=str(entry.source))
        # One parameter for tensors that share memory, so that tied ones stay tied.
        buffers = {name for name, _ in network.named_buffers()}
        values: dict[int, torch.Tensor] = {}
        for key, tensor in state.items():
            value = tensor.to(format_) if tensor.is_floating_point() else tensor
            if key not in buffers:
                value = torch.nn.Parameter(value, requires_grad=False)
            values.setdefault(id(tensor), value)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{entry.name} does not fit into the memory of {place}; "
            "use a smaller --dtype or --device cpu"
        ) from error
    network.load_state_dict(
        {name: values[id(tensor)] for name, tensor in state.items()}, strict=True, assign=True
    )
    _check_filled(architecture, network)
    network.to(place)  # tables that the network has made itself, and no file holds
    network.eval().requires_grad_(False)  # assign=True brings the flag of the meta tensors back
    if place.type == "cpu":
        use_onednn(network)
    if compile:
        network.compile(dynamic=True)
    return Loaded(
        entry,
        architecture,
        network,
        preprocessor,
        place,
        format_,
        checkpoint.revision,
        compiled=compile,
    )


def claimed_tasks(
    entry: Entry, *, offline: bool | None = None, progress: bool = False
) -> tuple[str, ...]:
    """What the architecture of an entry's files can do, with some head; imports no torch.

    Args:
        entry: A source named directly, which no registry says it of.
        offline: True to ask no network; None to follow ``HF_HUB_OFFLINE``.
        progress: Whether downloads show bars on standard error.

    Raises:
        ZooError: As `load` does.
    """
    from zoo import hub
    from zoo.checkpoint import Files, published_configs

    checkpoint = hub.fetch(entry, offline=offline, progress=progress)
    files = Files(checkpoint.files, str(entry.source))
    architecture, _ = _architecture(entry, published_configs(files))
    return architecture.tasks


def _architecture(
    entry: Entry, configs: Mapping[str, Mapping[str, Any]]
) -> tuple[Architecture, str]:
    """The architecture that the entry names, or that claims a config; and which config it reads."""
    from zoo import plugins

    if entry.architecture:
        architecture = plugins.find_architecture(entry.architecture)
    else:
        architecture = plugins.architecture_for(*configs)
    for kind in configs:
        if kind in architecture.model_types:
            return architecture, kind
    raise CheckpointError(
        f"{entry.source}: config.json has model_type {next(iter(configs))!r}; "
        f"architecture {architecture.name!r} reads {', '.join(architecture.model_types)}"
    )


def without_weights(build: Callable[[Any], nn.Module], config: object) -> nn.Module:
    """Build a network on the meta device, which has shapes and no memory."""
    import torch

    from zoo.nn import NoInitialisation

    with torch.device("meta"), NoInitialisation():
        return build(config)


def _check_filled(architecture: Architecture, network: nn.Module) -> None:
    """Refuse a network some of whose tensors no file fills, as those outside its state."""
    tensors = (*network.named_parameters(), *network.named_buffers())
    empty = [name for name, tensor in tensors if tensor.is_meta]
    if empty:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise PluginError(
            f"architecture {architecture.name!r}: {empty[0]!r}{more} hold no numbers after "
            "loading; compute such tensors in forward, from the config and on the input's device"
        )


def _check(entry: Entry, config: object, preprocessor: object) -> None:
    """Refuse a checkpoint whose files differ from what the registry says of them.

    A fact is a field of the architecture's config, unless that lists its ``facts`` itself, or one
    that the preprocessor lists. Those that the files leave to convention need somebody's word.
    """
    facts = {**getattr(config, "facts", vars(config)), **getattr(preprocessor, "facts", {})}
    limit = facts.get("max_length", getattr(config, "max_length", None))
    if entry.max_length is not None and limit not in (None, entry.max_length):
        raise CheckpointError(
            f"{entry.name}: the registry says max_length is {entry.max_length}, the files say "
            f"{limit}; they are of another revision, or the entry is wrong"
        )
    for key in getattr(config, "unstated", ()):
        if key not in entry.checkpoint:
            warnings.warn(
                f"{entry.source}: no file states the {key}; by convention that means "
                f"{facts[key]!r}, but if it was trained with another, its numbers are wrong",
                ZooWarning,
                stacklevel=3,
            )
    for key, value in entry.checkpoint.items():
        if key not in facts:
            raise CheckpointError(
                f"{entry.origin}: {entry.name} says {key} is {value!r}, but architecture "
                f"{entry.architecture!r} has no such fact; it has {', '.join(sorted(facts))}"
            )
        if facts[key] != value:
            raise CheckpointError(
                f"{entry.name}: the registry says {key} is {value!r}, the files say "
                f"{facts[key]!r}; they are of another revision, or the entry is wrong"
            )
