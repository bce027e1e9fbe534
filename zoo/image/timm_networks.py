"""What plugins share that read timm's checkpoints: their config, and their network by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo.config import Fields
from zoo.errors import CheckpointError

# What changes no number of the network. Old files have the whole of pretrained_cfg here.
_UNUSED = """
    classifier crop_mode crop_pct custom_load description file first_conv fixed_input_size
    global_pool hf_hub_filename hf_hub_id input_size interpolation label_descriptions label_names
    label_offset license mean min_input_size notes num_features origin_url paper_ids paper_name
    pool_size source std tag test_crop_pct test_input_size test_pool_size url
""".split()  # noqa: SIM905 (a list of words reads better)


def timm_fields(published: Mapping[str, Any], name: str) -> Fields:
    """The fields of timm's ``config.json``, of which those are known that change no number.

    What does, the caller reads: ``architecture``, ``num_classes``, and what is in ``model_args``
    and ``pretrained_cfg``.
    """
    fields = Fields(published, name)
    fields.unused("model_args", "pretrained_cfg", *_UNUSED)
    return fields


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
