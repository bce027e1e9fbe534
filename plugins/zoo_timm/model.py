"""A network of timm, behind what zoo's tasks on pictures ask of one.

Wightman, "PyTorch Image Models", 2019. https://github.com/huggingface/pytorch-image-models

Shapes: B batch, H and W pixels, C width, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from zoo.errors import CheckpointError
from zoo.image import timm_fields, timm_network
from zoo.image.labels import timm_labels
from zoo.weights import SameNames

# What timm.create_model takes beside a network's own arguments. A file has no business with it.
_NOT_OF_A_NETWORK = frozenset(
    """
    cache_dir checkpoint_path exportable features_only model_name no_jit pretrained pretrained_cfg
    pretrained_cfg_overlay scriptable
    """.split()  # noqa: SIM905 (a list of words reads better)
)


_MOST_CLASSES = 10**6  # ImageNet's largest version has 21,843


@dataclass(frozen=True)
class TimmConfig:
    """Which network of timm's a checkpoint is, with its arguments.

    ``labels`` name the classes; a network without a head has none.
    """

    name: str
    arguments: Mapping[str, Any]  # as timm.create_model takes them
    pretrained: Mapping[str, Any] = field(repr=False)  # timm's record of the checkpoint
    labels: tuple[str, ...]


def config(published: Mapping[str, Any]) -> TimmConfig:
    """Read timm's ``config.json``.

    Raises:
        CheckpointError: It is none, or would have timm do more than make a network.
    """
    fields = timm_fields(published, "timm")
    arguments = published.get("model_args") or {}
    pretrained = published.get("pretrained_cfg", published)
    if not isinstance(arguments, dict) or not isinstance(pretrained, dict):
        raise CheckpointError("config.json: 'model_args' and 'pretrained_cfg' should be objects")
    refused = sorted(_NOT_OF_A_NETWORK & arguments.keys())
    if refused:
        raise CheckpointError(
            f"config.json: 'model_args' holds {', '.join(refused)}, which is no argument of a "
            "network; remove it"
        )
    known = pretrained.get("num_classes", 1000)
    classes = fields.size("num_classes", default=known, least=0, most=_MOST_CLASSES)
    name = fields.text("architecture")
    fields.finish()
    return TimmConfig(
        name=name,
        arguments=arguments,
        pretrained={**pretrained, "num_classes": classes},
        labels=timm_labels({**published, "num_classes": classes}),
    )


class TimmNetwork(nn.Module):
    """One of timm's networks."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network  # timm's networks share methods, and no type that has them

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C): what the classifier reads."""
        features = self.network.forward_features(pixels)
        pooled = self.network.forward_head(features, pre_logits=True)
        # Distilled networks give two vectors; the first is their class token's.
        return (pooled[0] if isinstance(pooled, tuple) else pooled).flatten(1)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K), or (B, C) without a head."""
        return self.network(pixels)


class TimmClassifier(TimmNetwork):
    """One of timm's networks, with its classes."""

    multi_label = False

    def __init__(self, network: nn.Module, labels: tuple[str, ...]) -> None:
        super().__init__(network)
        self.labels = labels

    def classify_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K): logits."""
        return self.network(pixels)


def build(config: TimmConfig) -> TimmNetwork:
    """Have timm make the network."""
    network = timm_network(config.name, pretrained_cfg=dict(config.pretrained), **config.arguments)
    return TimmClassifier(network, config.labels) if config.labels else TimmNetwork(network)


def weights(config: TimmConfig) -> SameNames:
    """Published names are the network's own."""
    return SameNames("timm", prefix="network.")
