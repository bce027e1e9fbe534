"""Networks of timm by their names, for plugins whose checkpoints say which one they are."""

from __future__ import annotations

from typing import Any

from torch import nn

from zoo.errors import CheckpointError


def timm_network(name: str, **arguments: Any) -> nn.Module:  # noqa: ANN401 (each network has others)
    """Have timm make a network, without weights.

    Its tables have memory, unlike all else of a network that zoo builds: timm computes them when it
    makes the network, and no checkpoint holds them. What checkpoints do hold is on the meta device.

    Args:
        name: As in ``timm.list_models()``.
        arguments: What ``timm.create_model`` passes on.

    Raises:
        CheckpointError: timm has no network of that name, or it takes no such arguments.
    """
    import timm
    import torch

    from zoo.nn import NoInitialisation

    check_timm_name(name)
    try:
        with torch.device("cpu"), NoInitialisation():
            network: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"timm makes no {name!r} of these arguments: {error}") from error
    published = {
        key: x.to("meta") for key, x in network.state_dict().items() if x.is_floating_point()
    }
    network.load_state_dict(published, strict=False, assign=True)
    return network


def check_timm_name(name: str) -> None:
    """Refuse what is no name of a network.

    timm would also take the address of a repository or a folder, which no file may have it open.

    Raises:
        CheckpointError: timm has no network of that name.
    """
    import timm

    if not timm.is_model(name):
        raise CheckpointError(
            f"timm {timm.__version__} has no network {name!r}; is the name right, or of a newer "
            "timm? `pip install --upgrade timm`"
        )
