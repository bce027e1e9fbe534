"""CLIP whose pictures are seen by a network of timm's: MobileCLIP, ConvNeXt, EVA-02, ViTamin.

Vasu et al., "MobileCLIP: Fast Image-Text Models through Multi-Modal Reinforced Training", 2024.
https://arxiv.org/abs/2311.17049
Reference code: mlfoundations/open_clip, src/open_clip/timm_model.py.

Shapes: B batch, H and W pixels, C width of what timm's network sees, E width of an embedding.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from zoo.errors import CheckpointError
from zoo.image import timm_network
from zoo_clip.blocks import Tower
from zoo_clip.clip import Clip, TextTower


@dataclass(frozen=True)
class TimmClipConfig:
    """The network of timm's that sees, and the sizes of the tower that reads.

    ``trunk`` is its name there. With ``projected`` a linear layer follows it, else its own last one
    gives the embedding; ``pool`` is how it sums a picture up, its own way if empty. The others are
    as in `zoo_clip.clip.ClipConfig`.
    """

    trunk: str
    pool: str
    projected: bool
    image_size: int
    vocabulary: int
    max_length: int
    text: Tower
    embedding: int
    end: int | None = None
    unstated: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, str | int | float]:
        """What a registry's entry may state."""
        return {
            "trunk": self.trunk,
            "image_size": self.image_size,
            "activation": self.text.activation,
            "norm_eps": self.text.norm_eps,
            "max_length": self.max_length,
        }


class TimmTower(nn.Module):
    """A network of timm's, and what makes its features an embedding."""

    def __init__(self, trunk: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.projection = projection

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, E)."""
        return self.projection(self.trunk(pixels))


def vision_tower(config: TimmClipConfig) -> TimmTower:
    """Timm's network without its classes, or with the embedding in their place.

    Raises:
        CheckpointError: timm has no such network, or it takes pictures of another size.
    """
    if not config.projected:
        trunk = timm_network(config.trunk, num_classes=config.embedding, global_pool=config.pool)
        _check_size(trunk, config)
        return TimmTower(trunk, nn.Identity())
    own = {"global_pool": config.pool} if config.pool else {}
    trunk = timm_network(config.trunk, num_classes=0, **own)
    _check_size(trunk, config)
    width: int = trunk.num_features  # type: ignore[assignment]  # all of timm's have it
    return TimmTower(trunk, nn.Linear(width, config.embedding, bias=False, device="meta"))


def _check_size(trunk: nn.Module, config: TimmClipConfig) -> None:
    record: Any = trunk.pretrained_cfg  # all of timm's have it
    size = record["input_size"][-1]
    if record.get("fixed_input_size") and size != config.image_size:
        raise CheckpointError(
            f"open_clip_config.json: {config.trunk!r} takes pictures of {size} pixels, "
            f"'image_size' is {config.image_size}"
        )


def build(config: TimmClipConfig) -> Clip:
    """The network that a config describes."""
    text = TextTower(
        config.text,
        vocabulary=config.vocabulary,
        max_length=config.max_length,
        embedding=config.embedding,
    )
    return Clip(vision_tower(config), text)
